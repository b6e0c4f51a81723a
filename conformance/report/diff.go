package report

import (
	"fmt"
	"io"
	"slices"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A Diff is what became of the cases of one report in a later one. A case
// counts as tested when its verdict says something about the subject.
type Diff struct {
	Broken, NewlyFailed, Fixed, Newly, NoLonger []Change
}

// A Change is a case whose verdict changed; "" is no verdict at all.
type Change struct {
	Case, Title string
	Old, New    engine.Verdict
}

// Compare says what became of the cases of old in now.
func Compare(old, now File) Diff {
	before, after := old.verdicts(), now.verdicts()
	var d Diff
	for i, e := range slices.Concat(now.Results, old.Results) {
		if _, again := after[e.Case]; again && i >= len(now.Results) {
			continue
		}
		c := Change{e.Case, e.Title, before[e.Case], after[e.Case]}
		a, b := quality(c.Old), quality(c.New)
		switch {
		case a == b:
		case !tells(c.Old) && fails(c.New):
			d.NewlyFailed = append(d.NewlyFailed, c)
		case !tells(c.Old):
			d.Newly = append(d.Newly, c)
		case !tells(c.New):
			d.NoLonger = append(d.NoLonger, c)
		case b < a:
			d.Broken = append(d.Broken, c)
		default:
			d.Fixed = append(d.Fixed, c)
		}
	}
	return d
}

// verdicts are the verdicts by case.
func (f File) verdicts() map[string]engine.Verdict {
	m := map[string]engine.Verdict{}
	for _, e := range f.Results {
		if e.Unscored == "" {
			m[e.Case] = e.Verdict
		}
	}
	return m
}

// Write writes the changes, the worst first.
func (d Diff) Write(w io.Writer, color bool) {
	p := paint(plain)
	if color {
		p = coloured
	}
	n := 0
	for _, part := range []struct {
		name    string
		tone    tone
		changes []Change
	}{
		{"broken", bad, d.Broken},
		{"failed, and was not tested before", bad, d.NewlyFailed},
		{"fixed", good, d.Fixed},
		{"newly tested", strong, d.Newly},
		{"no longer tested", warn, d.NoLonger},
	} {
		if len(part.changes) == 0 {
			continue
		}
		if n > 0 {
			fmt.Fprintln(w)
		}
		n += len(part.changes)
		name, verdicts := 0, 0
		for _, c := range part.changes {
			name, verdicts = max(name, len(Clean(c.Case))), max(verdicts, len(c.verdicts()))
		}
		fmt.Fprintf(w, "%s\n", p(part.tone, fmt.Sprintf("%s (%d)", part.name, len(part.changes))))
		for _, c := range part.changes {
			fmt.Fprintf(w, "  %-*s  %-*s  %s\n", name, Clean(c.Case), verdicts, c.verdicts(), p(faint, Clean(c.Title)))
		}
	}
	if n == 0 {
		fmt.Fprintln(w, "nothing changed")
	}
}

// verdicts is the change in words.
func (c Change) verdicts() string { return named(c.Old) + " -> " + named(c.New) }

// named is a verdict in words.
func named(v engine.Verdict) string {
	if v == "" {
		return "absent"
	}
	return Clean(string(v))
}
