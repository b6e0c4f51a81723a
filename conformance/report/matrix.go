package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Matrix holds the reports of several subjects beside each other.
type Matrix struct {
	Files []File
	Names []string // heads of the columns, one for each file
	All   bool     // also requirements that every subject meets
	Width int      // of the page: tables that are wider go on below; 0: no limit
}

// Write writes which report is whose, the standings, then the requirements, one column per subject.
func (m Matrix) Write(w io.Writer, markdown, color bool) {
	p := paint(plain)
	if color && !markdown {
		p = coloured
	}
	if markdown {
		m.Width = 0
	}
	who := []table.Row{{"report", "subject"}}
	for i, f := range m.Files {
		who = append(who, table.Row{m.Names[i], strings.Join(strings.Fields(Clean(f.Subject)), " ")})
	}
	standings, requirements := []table.Row{m.header("class")}, []table.Row{m.header("requirement")}
	for _, name := range []string{"core-server", "core-client", "api"} {
		if row := m.standings(name, p); row != nil {
			standings = append(standings, row)
		}
	}
	var all File
	found := make([]map[string]requirement, len(m.Files))
	for i, f := range m.Files {
		all.Results = append(all.Results, f.Results...)
		found[i] = map[string]requirement{}
		for _, r := range f.requirements() {
			found[i][r.ID] = r
		}
	}
	met := 0
	for _, r := range all.requirements() {
		for _, role := range roles {
			row, same := verdicts(r.ID, role, found, p)
			switch {
			case row == nil:
			case same && !m.All:
				met++
			default:
				requirements = append(requirements, row)
			}
		}
	}
	render(w, who, markdown)
	for _, rows := range [][]table.Row{standings, requirements} {
		if len(rows) == 1 {
			continue
		}
		for _, part := range m.parts(rows) {
			fmt.Fprintln(w)
			render(w, part, markdown)
		}
	}
	if met > 0 {
		fmt.Fprintf(w, "\n%d more, which every subject meets\n", met)
	}
}

// parts cuts a table that is wider than the page into some that are not; each has the first column.
func (m Matrix) parts(rows []table.Row) (parts [][]table.Row) {
	width := func(column int) int {
		n := 0
		for _, r := range rows {
			n = max(n, text.StringWidthWithoutEscSequences(r[column].(string)))
		}
		return n + 2 // what the style puts beside it
	}
	for from := 1; from < len(rows[0]); {
		to, used := from+1, width(0)+width(from)
		for ; to < len(rows[0]) && (m.Width == 0 || used+width(to) <= m.Width); to++ {
			used += width(to)
		}
		var part []table.Row
		for _, r := range rows {
			part = append(part, append(table.Row{r[0]}, r[from:to]...))
		}
		parts, from = append(parts, part), to
	}
	return parts
}

// render writes rows as a table, the first as its head.
func render(w io.Writer, rows []table.Row, markdown bool) {
	t := NewTable(rows[0]...)
	t.AppendRows(rows[1:])
	if markdown {
		fmt.Fprintln(w, t.RenderMarkdown())
		return
	}
	for l := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(w, strings.TrimRight(l, " \n"))
	}
}

func (m Matrix) header(first string) table.Row {
	row := table.Row{first}
	for _, name := range m.Names {
		row = append(row, name)
	}
	return row
}

// standings is the row of a class; nil when no subject has it.
func (m Matrix) standings(name string, p paint) table.Row {
	row, any := table.Row{name}, false
	for _, f := range m.Files {
		i := slices.IndexFunc(f.Classes, func(c Class) bool { return c.Name == name })
		if i < 0 {
			row = append(row, "-")
			continue
		}
		any = true
		c := f.Classes[i]
		row = append(row, p(c.tone(), Clean(c.Words()))+fmt.Sprintf(" %d/%d", c.Must[0]+c.Should[0], c.Must[1]+c.Should[1]))
	}
	if !any {
		return nil
	}
	return row
}

// verdicts is the row of a requirement and a role, nil without a case, and
// whether every subject meets it. Found has the requirements of each file by ID.
func verdicts(id string, role engine.Role, found []map[string]requirement, p paint) (row table.Row, met bool) {
	row, met = table.Row{Clean(id) + " " + string(role)}, true
	any := false
	for _, of := range found {
		v := of[id].worst(role)
		any, met = any || v != "", met && v == engine.Pass
		row = append(row, p(toneOf(v), cmp.Or(Clean(string(v)), "-")))
	}
	if !any {
		return nil, false
	}
	return row, met
}
