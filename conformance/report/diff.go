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
	Broken, Fixed, Newly, NoLonger []Change
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
		case a == untested:
			d.Newly = append(d.Newly, c)
		case b == untested:
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

const untested = 0

// quality orders what a verdict says about the subject; untested is nothing.
func quality(v engine.Verdict) int {
	switch v {
	case engine.Fail, engine.NotTestable, Known:
		return 1
	case engine.PassNonstrict:
		return 2
	case engine.Pass, Stale:
		return 3
	}
	return untested
}

// Write writes the changes, the worst first.
func (d Diff) Write(w io.Writer, color bool) {
	p := paint(plain)
	if color {
		p = coloured
	}
	n := 0
	for _, part := range []struct {
		name, meaning string
		changes       []Change
	}{
		{"broken", "bad", d.Broken},
		{"fixed", "good", d.Fixed},
		{"newly tested", "strong", d.Newly},
		{"no longer tested", "warn", d.NoLonger},
	} {
		if len(part.changes) == 0 {
			continue
		}
		if n > 0 {
			fmt.Fprintln(w)
		}
		n += len(part.changes)
		fmt.Fprintf(w, "%s\n", p(part.meaning, fmt.Sprintf("%s (%d)", part.name, len(part.changes))))
		for _, c := range part.changes {
			fmt.Fprintf(w, "  %-34s %s -> %s  %s\n", Clean(c.Case), named(c.Old), named(c.New), p("faint", Clean(c.Title)))
		}
	}
	if n == 0 {
		fmt.Fprintln(w, "nothing changed")
	}
}

// named is a verdict in words.
func named(v engine.Verdict) string {
	if v == "" {
		return "absent"
	}
	return Clean(string(v))
}
