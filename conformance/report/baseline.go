package report

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// A Baseline lists known deviations of a subject. A failure is known when a
// line names its case, or when lines name every MUST that it broke. Its
// methods may be called from one goroutine at a time.
type Baseline struct {
	Known []Deviation `yaml:"known"`

	doc  *subject.Document
	used map[int]bool // lines that a failure needed
}

// A Deviation is one line of a baseline.
type Deviation struct {
	ID        string `yaml:"id"`        // a requirement or a case
	Reason    string `yaml:"reason"`    // why it is accepted
	Sometimes bool   `yaml:"sometimes"` // it fails in one run and not in the next: the line is never stale
}

// LoadBaseline reads a baseline; exists says which IDs there are.
func LoadBaseline(name string, exists func(id string) bool) (*Baseline, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	b := &Baseline{used: map[int]bool{}}
	if b.doc, err = subject.Decode(name, data, b); err != nil {
		return nil, err
	}
	if len(b.Known) == 0 {
		return nil, b.doc.Errorf("known", "lists nothing; leave --baseline out")
	}
	for i, d := range b.Known {
		field := fmt.Sprintf("known[%d]", i)
		switch {
		case d.ID == "":
			return nil, b.doc.Errorf(field+".id", "is missing; name a requirement or a case")
		case !exists(d.ID):
			return nil, b.doc.Errorf(field+".id", "%q: no such requirement or case; adit-conform list shows them", d.ID)
		case slices.IndexFunc(b.Known, func(o Deviation) bool { return o.ID == d.ID }) < i:
			return nil, b.doc.Errorf(field+".id", "%q stands here twice", d.ID)
		case d.Reason == "":
			return nil, b.doc.Errorf(field+".reason", "is missing; say why %s may fail", d.ID)
		}
	}
	return b, nil
}

// Mark turns a failure that is known into that verdict. A nil baseline knows none.
func (b *Baseline) Mark(res engine.Result) engine.Result {
	if b == nil || !res.Verdict.Failed() {
		return res
	}
	lines := b.excused(res)
	if i := slices.IndexFunc(b.Known, func(d Deviation) bool { return strings.Contains(d.ID, "/") && res.Case.Selects(d.ID) }); i >= 0 {
		lines = []int{i}
	}
	if lines == nil {
		return res
	}
	for _, i := range lines {
		b.used[i] = true
	}
	res.Verdict, res.Reason = Known, b.Known[lines[0]].Reason
	return res
}

// excused are the lines that name what a failure broke; nil unless they name every MUST.
func (b *Baseline) excused(res engine.Result) []int {
	var broken []string
	for _, f := range res.Findings {
		if f.Level == "MUST" {
			broken = append(broken, f.Req)
		}
	}
	if len(broken) == 0 {
		broken = []string{res.Case.ID}
	}
	var lines []int
	for _, id := range broken {
		i := slices.IndexFunc(b.Known, func(d Deviation) bool { return strings.EqualFold(d.ID, id) })
		if i < 0 {
			return nil
		}
		lines = append(lines, i)
	}
	return lines
}

// Finish marks the cases that pass though a line says that they fail. It
// needs all results of the run.
func (b *Baseline) Finish(results []engine.Result) {
	if b == nil {
		return
	}
	for i, d := range b.Known {
		var selected []int
		open := b.used[i] || d.Sometimes
		for j, res := range results {
			if !res.Case.Selects(d.ID) || res.Verdict == engine.NotApplicable {
				continue
			}
			selected = append(selected, j)
			open = open || res.Verdict != engine.Pass && res.Verdict != engine.PassNonstrict
		}
		if open {
			continue // a failure needs the line, or this run cannot tell
		}
		for _, j := range selected {
			results[j].Verdict = Stale
			results[j].Reason = b.doc.Errorf(fmt.Sprintf("known[%d].id", i), "%s passes; remove the line", d.ID).Error()
		}
	}
}
