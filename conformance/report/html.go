package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"code": code, "explanation": Entry.explanation, "annotate": annotate, "place": place, "explained": explained, "grave": Entry.failed,
	"verdictOf": verdictOf, "ms": milliseconds, "percent": percent, "count": Count, "clean": Clean,
	"entries": func(Cause) []Entry { return nil }, // of the file that is written
}).Parse(pageText))

// WriteHTML writes the report as one page that needs nothing else.
func (f File) WriteHTML(w io.Writer) error {
	tone, head, rest := f.conclusion()
	facts := append(f.facts()[1:], fact{"command", f.Command}) // the first is the subject
	if line := f.unscored(); line != "" {
		facts = append(facts, fact{"unscored", "not in the set: " + line})
	}
	var chips []chip
	for _, v := range Verdicts {
		if n := f.Counts[v]; n > 0 {
			chips = append(chips, chip{v, n})
		}
	}
	own, err := page.Clone()
	if err != nil {
		return err
	}
	return own.Funcs(template.FuncMap{"entries": f.of}).Execute(w, map[string]any{
		"File": f, "Subject": Clean(f.Subject), "Tone": tone, "Head": head, "Rest": strings.TrimLeft(rest, ":, "), "Facts": facts,
		"Chips": chips, "Areas": f.areas(), "Causes": f.causes(),
	})
}

// A chip filters by one verdict.
type chip struct {
	Verdict engine.Verdict
	N       int
}

// Verdicts are the verdicts of the entries, for the filter.
func (r requirement) Verdicts() string {
	var s []string
	for _, e := range r.Entries {
		s = append(s, string(e.Verdict))
	}
	return strings.Join(s, " ")
}

// An area is the requirements whose IDs begin alike, with their part of the matrix.
type area struct {
	Name         string
	Requirements []requirement
	Rows         []row
}

// A row is one role in the matrix of an area.
type row struct {
	Role  engine.Role
	Cells []cell
}

// A cell is one requirement for one role. Without a case it has no verdict.
type cell struct {
	ID, Number, Level string
	Verdict           engine.Verdict
}

// areas is the matrix, and the requirements below it.
func (f File) areas() []area {
	var out []area
	for _, r := range f.requirements() {
		name, _, _ := strings.Cut(r.ID, "-")
		if len(out) == 0 || out[len(out)-1].Name != name {
			out = append(out, area{Name: name})
		}
		a := &out[len(out)-1]
		a.Requirements = append(a.Requirements, r)
	}
	for i := range out {
		out[i].Rows = rows(out[i].Requirements)
	}
	return out
}

func rows(reqs []requirement) []row {
	var out []row
	for _, role := range roles {
		r, any := row{Role: role}, false
		for _, req := range reqs {
			_, number, _ := strings.Cut(req.ID, "-")
			c := cell{req.ID, number, req.Level, req.worst(role)}
			any = any || c.Verdict != ""
			r.Cells = append(r.Cells, c)
		}
		if any {
			out = append(out, r)
		}
	}
	return out
}

// place is what tells the cases of a requirement apart.
func place(e Entry) string { return strings.TrimPrefix(e.Case, e.ID+"/") }

// explained reports whether there is more to say of an entry than a line.
func explained(e Entry) bool { return len(e.Findings)+len(e.Trace)+len(e.Log)+len(e.Notes) > 0 }

func percent(tally [2]int) int {
	if tally[1] == 0 {
		return 0
	}
	return 100 * tally[0] / tally[1]
}

// code sets the `words` of a clause as code.
func code(clause string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(clause, "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

// A traceLine is one line of an annotated trace.
type traceLine struct{ Kind, Text, Remark string }

// annotate tells the lines of a trace apart by who did it, and by what the
// suite found. Those of others are only lines.
func annotate(b block) []traceLine {
	var out []traceLine
	for _, l := range b.Lines {
		if b.Others {
			out = append(out, traceLine{Text: Clean(l)})
			continue
		}
		text, remark, _ := strings.Cut(l, "  <-- ")
		kind := "note"
		switch {
		case strings.Contains(l, "-- FAULT "):
			kind = "mark"
		case strings.Contains(l, "subject->"):
			kind = "in"
		}
		out = append(out, traceLine{kind, text, remark})
	}
	return out
}
