package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// rivals is a record of three tunnels in two cells; speed is what each carries in a repetition.
func rivals(t *testing.T, repetitions int, speed func(subject string, rep int) int64) *record.Record {
	t.Helper()
	r := &record.Record{Version: record.Version, Scenario: parseScenario(t, "load: {mode: upload, connections: 1, size: 1KiB}\naxes: {size: [1KiB, 4KiB]}\npaths: [tunnel]\nmeasure: 1s")}
	for _, name := range []string{"first", "quick", "slow"} {
		r.Subjects = append(r.Subjects, record.Subject{Name: name})
		for i := range r.Scenario.Cells {
			for rep := range repetitions {
				r.Blocks = append(r.Blocks, record.Block{
					Cell: r.Scenario.Cells[i].Name, Route: record.Route{Path: scenario.Tunnel, Subject: name}, Repetition: rep + 1,
					Groups: []record.Group{{Name: "load", Seconds: 1, Octets: speed(name, rep), Packets: 100}},
				})
			}
		}
	}
	analyse.Complete(r)
	return r
}

// Of several tunnels each has a row with its name below that of the first; no cell and no number is said twice.
func TestAComparisonNamesItsTunnelsAndSaysEachCellOnce(t *testing.T) {
	factor := map[string]int64{"first": 100, "quick": 130, "slow": 20}
	r := rivals(t, 12, func(subject string, rep int) int64 { return 1e4 * factor[subject] * int64(100+rep) })
	text := Comparison(r.Comparison)
	for _, c := range r.Scenario.Cells {
		if n := strings.Count(text, c.Name); n != 1 {
			t.Errorf("%s is said %d times; want once\n%s", c.Name, n, text)
		}
	}
	wants(t, "the comparison", text, "│ goodput │ first  │ 105.5 MB/s │", "│ quick  │ 137.2 MB/s │", "+30.0 % (+30.0 to +30.0)", "│ slow   │  21.1 MB/s │", "-80.0 % (-80.0 to -80.0)", "better", "worse",
		"A change is that of the medians", "pairs within a repetition (Hodges–Lehmann)", "signed ranks (Wilcoxon), made good for 8 comparisons (Holm)")
	if n := strings.Count(text, "│ goodput "); n != 2 {
		t.Errorf("goodput is said %d times; want once in each cell\n%s", n, text)
	}
	md := Markdown(r)
	wants(t, "report.md", md, "| 1 KiB | goodput | first | 105.5 MB/s |", "|  |  | slow | 21.1 MB/s | -80.0 % (-80.0 to -80.0) |")
	wants(t, "the page", pageOf(r), `<th scope="row">1 KiB</th><td>goodput</td><td>slow</td><td>21.1 MB/s</td>`)
	apart, err := analyse.CompareRecords(r, r, analyse.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "the comparison of two records", Comparison(apart), "│ old: first │", "│ new: first │", "│ old: quick │", "│ new: quick │", "│ old: slow  │", "all pairs of an old and a new repetition", "Mann–Whitney", "made good for 12 comparisons")
}

// Three repetitions cannot tell anything from chance: one line says so, and how many can.
func TestTooFewRepetitionsAreOneLine(t *testing.T) {
	factor := map[string]int64{"first": 100, "quick": 130, "slow": 20}
	r := rivals(t, 3, func(subject string, rep int) int64 { return 1e4 * factor[subject] * int64(100+rep) })
	const want = "inconclusive, 8 of 8: 3 repetitions are too few to tell a change of one among 8 numbers from chance: measure 9 or more\n"
	if got := Comparison(r.Comparison); got != want {
		t.Errorf("Comparison() = %s; want %s", got, want)
	}
	md := Markdown(r)
	if _, section, ok := strings.Cut(md, "## Comparison\n\n"); !ok || !strings.HasPrefix(section, want) || strings.HasPrefix(strings.TrimPrefix(section, want), "\n|") {
		t.Errorf("report.md does not say the line alone:\n%s", md)
	}
	enough := rivals(t, 9, func(subject string, rep int) int64 { return 1e4 * factor[subject] * int64(100+rep) })
	if got := Comparison(enough.Comparison); !strings.Contains(got, "worse") {
		t.Errorf("nine repetitions, as asked for, show no change:\n%s", got)
	}
}

// A tunnel that was not there has a sentence where its numbers would stand.
func TestASubjectThatIsMissingIsInTheAnswer(t *testing.T) {
	r := rivals(t, 3, func(string, int) int64 { return 1e6 })
	r.NotRun = []scenario.NotRun{{Subject: "fourth", Reason: "its program is not installed"}}
	for name, s := range map[string]*Sheet{"a record": NewSheet(r), "numbers.csv": reread(t, NewSheet(r))} {
		if got := s.answer(); len(got) != 4 || got[3] != "fourth: not run: its program is not installed." {
			t.Errorf("answer from %s = %q; want what became of the fourth", name, got)
		}
	}
}

func reread(t *testing.T, s *Sheet) *Sheet {
	t.Helper()
	out, err := ReadSheet(s.CSV())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What stands where a number would is the same from the file as from the record.
func TestAnInvalidTunnelSaysWhyInItsPlace(t *testing.T) {
	r := rivals(t, 3, func(_ string, rep int) int64 { return 1e6 * int64(1+rep) })
	r.Validity = &record.Validity{Verdict: record.Invalid}
	for _, c := range r.Scenario.Cells {
		r.Validity.Reasons = append(r.Validity.Reasons, record.Reason{Code: record.GeneratorCPU, Cell: c.Name, Route: record.Route{Path: scenario.Tunnel, Subject: "quick"}, Verdict: record.Invalid})
	}
	want := "first delivers 2.00 MB/s.|quick: invalid here because generator or target used all of the CPU time that it can.|slow delivers 2.00 MB/s."
	for name, s := range map[string]*Sheet{"a record": NewSheet(r), "numbers.csv": reread(t, NewSheet(r))} {
		if got := strings.Join(s.answer(), "|"); got != want {
			t.Errorf("answer from %s = %s; want %s", name, got, want)
		}
		if tiles := fmt.Sprint(s.tiles()); tiles != "[{2.00 MB/s first: throughput } {2.00 MB/s slow: throughput }]" {
			t.Errorf("tiles from %s = %s; want those of the valid ones", name, tiles)
		}
	}
}
