package report

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"code": code, "annotated": annotated, "place": place, "explained": explained, "grave": grave,
	"shade": shade, "ms": milliseconds, "percent": percent, "aspect": func(a engine.Aspect) string { return aspects[a] }, "cutting": func(s string) string { return cutting[s] }, "clean": Clean,
}).Parse(pageText))

// WriteHTML writes the report as one page that needs nothing else.
func (f File) WriteHTML(w io.Writer) error {
	tone, head, rest := f.conclusion()
	f.Subject = Clean(f.Subject)
	var chips []chip
	for _, v := range Verdicts {
		if n := f.Counts[v]; n > 0 {
			chips = append(chips, chip{v, n})
		}
	}
	return page.Execute(w, map[string]any{
		"File": f, "Tone": tone, "Head": head, "Rest": strings.TrimLeft(rest, ":, "),
		"Took": milliseconds(f.TookMS).Round(100 * time.Millisecond), "Chips": chips, "Areas": f.areas(), "Unscored": f.unscored(),
	})
}

// A chip filters by one verdict.
type chip struct {
	Verdict engine.Verdict
	N       int
}

// shade is the verdict that a standing looks like.
func shade(standing string) engine.Verdict {
	return map[string]engine.Verdict{Certified: engine.Pass, Partial: engine.PassNonstrict, Deviating: Known, Undecided: engine.Inconclusive, NotCertified: engine.Fail}[standing]
}

// roles is the order that pages show.
var roles = []engine.Role{engine.Server, engine.Client, engine.API}

// A requirement is what a report has of one requirement.
type requirement struct {
	ID, Level, Clause string
	Entries           []Entry
}

// requirements groups the entries, in the order of PROTOCOL.md.
func (f File) requirements() []requirement {
	order := map[string]int{}
	for r := range spec.Requirements() {
		order[r.ID] = len(order) + 1
	}
	var out []requirement
	at := map[string]int{}
	for _, e := range f.Results {
		i, ok := at[e.ID]
		if !ok {
			i = len(out)
			at[e.ID] = i
			out = append(out, requirement{e.ID, e.Level, e.Clause, nil})
		}
		out[i].Entries = append(out[i].Entries, e)
	}
	for _, r := range out {
		slices.SortStableFunc(r.Entries, func(a, b Entry) int {
			return cmp.Compare(slices.Index(roles, a.Role), slices.Index(roles, b.Role))
		})
	}
	slices.SortStableFunc(out, func(a, b requirement) int {
		last := len(order) + 1 // of a requirement that is no more
		return cmp.Compare(cmp.Or(order[a.ID], last), cmp.Or(order[b.ID], last))
	})
	return out
}

// worst is the verdict that stands for all cases of a role; "" without any.
func (r requirement) worst(role engine.Role) engine.Verdict {
	var v engine.Verdict
	for _, e := range r.Entries {
		if e.Role == role && e.Unscored == "" && (v == "" || gravity(e.Verdict) > gravity(v)) {
			v = e.Verdict
		}
	}
	return v
}

// gravity orders verdicts: the gravest stands for several.
func gravity(v engine.Verdict) int {
	return slices.Index([]engine.Verdict{
		engine.NotApplicable, engine.NotRun, engine.Pass, engine.PassNonstrict,
		Known, engine.Inconclusive, engine.SuiteError, Stale, engine.NotTestable, engine.Fail,
	}, v)
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

// grave reports whether an entry is shown with all that explains it.
func grave(e Entry) bool { return e.Unscored == "" && failed(e.Verdict) }

// explained reports whether there is more to say of an entry than a line.
func explained(e Entry) bool { return len(e.Findings)+len(e.Trace)+len(e.Log)+len(e.Notes) > 0 }

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

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

// annotated tells the lines of a trace apart by who did it, and by what the suite found.
func annotated(e Entry) []traceLine {
	var out []traceLine
	for _, l := range shortened(e.Trace) {
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
