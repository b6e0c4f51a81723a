package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// run is a report of the given cases.
func run(subject string, cases map[string]engine.Verdict) File {
	r := &Run{About: About{Subject: subject, Requirements: "1.0"}}
	for _, id := range []string{"FRAME-001", "FRAME-002", "FRAME-003", "FRAME-004", "CLOSE-001", "CLOSE-002", "CLOSE-003"} {
		if v, ok := cases[id]; ok {
			r.Add(engine.Result{Verdict: v, Case: engine.Case{ID: id, Role: engine.Server, Title: "title of " + id, Req: engine.Requirement{ID: id, Level: "MUST", Profile: "core"}}})
		}
	}
	return r.File()
}

func twoRuns() (old, now File) {
	old = run("some-tunnel 1", map[string]engine.Verdict{
		"FRAME-001": engine.Pass, "FRAME-002": engine.Pass, "FRAME-003": engine.Fail, "FRAME-004": engine.NotRun,
		"CLOSE-001": engine.Pass, "CLOSE-002": engine.Pass,
	})
	now = run("some-tunnel 2", map[string]engine.Verdict{
		"FRAME-001": engine.Pass, "FRAME-002": engine.Fail, "FRAME-003": engine.Pass, "FRAME-004": engine.Pass,
		"CLOSE-001": engine.PassNonstrict, "CLOSE-003": engine.Fail,
	})
	return old, now
}

func TestDiffGolden(t *testing.T) {
	var b bytes.Buffer
	old, now := twoRuns()
	d := Compare(old, now)
	d.Write(&b, false)
	golden(t, "diff.txt", b.Bytes())
	if got, want := [5]int{len(d.Broken), len(d.NewlyFailed), len(d.Fixed), len(d.Newly), len(d.NoLonger)}, [5]int{2, 1, 1, 1, 1}; got != want {
		t.Errorf("broken, newly failed, fixed, newly, no longer = %v; want %v", got, want)
	}
	b.Reset()
	Compare(now, now).Write(&b, false)
	if got := b.String(); got != "nothing changed\n" {
		t.Errorf("a report compared with itself: %q", got)
	}
}

func TestQualityKnowsEveryVerdict(t *testing.T) {
	for _, v := range engine.Verdicts {
		if tells(v) != v.Scored() {
			t.Errorf("%s: quality %d, scored %t", v, quality(v), v.Scored())
		}
	}
}

func TestMatrixGolden(t *testing.T) {
	old, now := twoRuns()
	m := Matrix{Files: []File{old, now}, Names: []string{"monday", "friday"}}
	var b bytes.Buffer
	m.Write(&b, false, false)
	golden(t, "matrix.txt", b.Bytes())
	b.Reset()
	m.All = true
	m.Write(&b, true, false)
	golden(t, "matrix.md", b.Bytes())
}

// However many reports there are, the page is wide enough, and each is there.
func TestMatrixGoesOnBelow(t *testing.T) {
	old, now := twoRuns()
	m := Matrix{Width: 60}
	for i := range 9 {
		m.Files = append(m.Files, []File{old, now}[i%2])
		m.Names = append(m.Names, fmt.Sprintf("report-%d", i))
	}
	for _, color := range []bool{false, true} {
		var b bytes.Buffer
		m.Write(&b, false, color)
		for l := range strings.Lines(b.String()) {
			if n := text.StringWidthWithoutEscSequences(strings.TrimSuffix(l, "\n")); n > m.Width {
				t.Errorf("a line of %d columns: %q", n, l)
			}
		}
		for _, name := range m.Names {
			if n := strings.Count(b.String(), name+" ") + strings.Count(b.String(), name+"\n"); n != 3 {
				t.Errorf("%s stands there %d times; want 3: who it is, standing, requirements\n%s", name, n, b.String())
			}
		}
	}
}
