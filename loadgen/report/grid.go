package report

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A grid is one table of a report, as it is shown: on a terminal, in Markdown, on a page.
type grid struct {
	Title, Note string
	Head        []string
	Rows        []line
	words       int  // columns of words; the others are of numbers. 0: all
	once        bool // the cell, and what stands beside it, need not be said again in the next row; a page can sort rows, and says it
	notes       []Note
}

// A line is one row of a grid.
type line struct {
	Fields  []string
	Tip     string // what speaks against it
	verdict string
	begins  bool // it is the first one of its cell
}

// ID names the table on a page.
func (g grid) ID() string { return slug(g.Title) }

// Footnotes are the notes for a page.
func (g grid) Footnotes() (out []string) {
	for _, n := range g.notes {
		out = append(out, strings.ReplaceAll(n.String(), "`", ""))
	}
	return out
}

// Class is how a page sets the line.
func (l line) Class() string { return strings.TrimSpace(l.verdict + cmpOr(l.begins, " begin", "")) }

// add takes over a row.
func (g *grid) add(fields ...string) { g.Rows = append(g.Rows, line{Fields: fields}) }

// table sets the rows below their head, with a line between cells.
func (g grid) table() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	set := func(fields []string) (out table.Row) {
		for _, f := range fields {
			out = append(out, f)
		}
		return out
	}
	var configs []table.ColumnConfig
	for i := g.words; g.words > 0 && i < len(g.Head); i++ {
		configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(set(g.Head))
	for i, row := range g.Rows {
		if row.begins {
			t.AppendSeparator()
		}
		fields := slices.Clone(row.Fields)
		if above := g.Rows[max(i-1, 0)].Fields; g.once && i > 0 && above[0] == fields[0] {
			if fields[0] = ""; above[1] == fields[1] {
				fields[1] = ""
			}
		}
		t.AppendRow(set(fields))
	}
	return t
}

// markdown is the table and its notes; of a table without rows its note says everything.
func (g grid) markdown() string {
	if len(g.Rows) == 0 {
		return ""
	}
	out := g.table().RenderMarkdown() + "\n"
	for _, n := range g.notes {
		out += "\n" + n.String() + "  " // a line of its own
	}
	return strings.TrimRight(out, " \n") + "\n"
}
