package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Matrix holds the reports of several subjects beside each other.
type Matrix struct {
	Files []File
	All   bool // also requirements that every subject meets
}

// Write writes the standings, then the requirements, one column a subject.
func (m Matrix) Write(w io.Writer, markdown, color bool) {
	p := paint(plain)
	if color && !markdown {
		p = coloured
	}
	standings, requirements := newTable(), newTable()
	standings.AppendHeader(m.header("class"))
	requirements.AppendHeader(m.header("requirement"))
	for _, name := range []string{"core-server", "core-client", "api"} {
		if row := m.standings(name, p); row != nil {
			standings.AppendRow(row)
		}
	}
	shown, met := 0, 0
	for _, r := range (File{Results: m.entries()}).requirements() {
		for _, role := range roles {
			row, same := m.verdicts(r.ID, role, p)
			switch {
			case row == nil:
			case same && !m.All:
				met++
			default:
				shown++
				requirements.AppendRow(row)
			}
		}
	}
	render(w, standings, markdown)
	if shown > 0 {
		fmt.Fprintln(w)
		render(w, requirements, markdown)
	}
	if met > 0 {
		fmt.Fprintf(w, "\n%d more, which every subject meets\n", met)
	}
}

func render(w io.Writer, t table.Writer, markdown bool) {
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
	for _, f := range m.Files {
		row = append(row, strings.Join(strings.Fields(Clean(f.Subject)), " "))
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
		row = append(row, p(meaning(shade(c.Standing)), Clean(c.Words()))+fmt.Sprintf(" %d/%d", c.Must[0]+c.Should[0], c.Must[1]+c.Should[1]))
	}
	if !any {
		return nil
	}
	return row
}

// entries are the entries of all files, to know the requirements.
func (m Matrix) entries() []Entry {
	var all []Entry
	for _, f := range m.Files {
		all = append(all, f.Results...)
	}
	return all
}

// verdicts is the row of a requirement and a role, nil without a case, and whether every subject meets it.
func (m Matrix) verdicts(id string, role engine.Role, p paint) (row table.Row, met bool) {
	row, met = table.Row{Clean(id) + " " + string(role)}, true
	any := false
	for _, f := range m.Files {
		v := requirement{Entries: slices.DeleteFunc(slices.Clone(f.Results), func(e Entry) bool { return e.ID != id })}.worst(role)
		any, met = any || v != "", met && v == engine.Pass
		row = append(row, p(meaning(v), cmp.Or(Clean(string(v)), "-")))
	}
	if !any {
		return nil, false
	}
	return row, met
}
