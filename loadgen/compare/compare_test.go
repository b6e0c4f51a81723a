package compare

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
)

// made is a record of one cell in which the subjects' service times, in µs, are
// the given ones, one a repetition; direct always takes 10 µs.
func made(t *testing.T, subjects map[string][]float64) *record.Record {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte("# why?\nscenario: test\nload: {mode: pingpong, connections: 1, size: 1KiB}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{Scenario: s}
	for _, name := range []string{"old", "new"} {
		if subjects[name] == nil {
			continue
		}
		r.Subjects = append(r.Subjects, record.Subject{Name: name})
		for i, us := range subjects[name] {
			r.Blocks = append(r.Blocks, block(s, record.Route{Path: scenario.Tunnel, Subject: name}, i, us))
		}
	}
	for i := range 12 {
		r.Blocks = append(r.Blocks, block(s, record.Route{Path: scenario.Direct}, i, 10))
	}
	return r
}

func block(s *scenario.Scenario, route record.Route, i int, us float64) record.Block {
	return record.Block{
		Cell: s.Cells[0].Name, Route: route, Repetition: i + 1, Host: &sample.Host{Seconds: 1},
		Groups:    []record.Group{{Name: "load", Seconds: 1, Octets: int64(1024e6 / us), Packets: 1e6 / us, Service: &hist.Dist{N: 1000, P50: int64(us * 1000)}}},
		Processes: []sample.Usage{{Role: "server", CPUSeconds: 0.5, PeakRSS: 1 << 20}},
	}
}

// around is n values that lie up to a part of themselves around a middle.
func around(middle, part float64, n int) (out []float64) {
	for i := range n {
		out = append(out, middle*(1+part*(2*float64((i*7)%n)/float64(n-1)-1)))
	}
	return out
}

// back is the values in the opposite order, so that those of a repetition have little to do with each other.
func back(v []float64) []float64 {
	slices.Reverse(v)
	return v
}

var latency = Options{Metrics: []string{"service.p50"}}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new []float64
		floor    float64
		verdict  string
		reason   string
	}{
		{"the same", around(100, 0.02, 10), around(100.5, 0.02, 10), 0, record.Same, ""},
		{"a fifth slower", around(100, 0.02, 10), around(120, 0.02, 10), 0, record.Worse, ""},
		{"a fifth faster", around(100, 0.02, 10), around(80, 0.02, 10), 0, record.Better, ""},
		{"slower by less than counts", around(100, 0.001, 10), around(103, 0.001, 10), 0, record.Same, ""},
		{"slower by less than the noise floor", around(100, 0.01, 10), around(108, 0.01, 10), 0.1, record.Inconclusive, "below the noise floor of 10.0 %"},
		{"faster by more than the noise floor", around(100, 0.01, 10), around(85, 0.01, 10), 0.1, record.Better, ""},
		{"a tenth slower, all over the place", around(100, 0.9, 10), back(around(110, 0.9, 10)), 0, record.Inconclusive, "not significant"},
		{"the same, all over the place", around(100, 0.5, 10), back(around(100, 0.5, 10)), 0, record.Inconclusive, "known too loosely"},
		{"the same, as far as a noisy machine can tell", around(100, 0.12, 10), back(around(100, 0.12, 10)), 0.2, record.Inconclusive, "known too loosely"},
		{"three times as slow, but three repetitions", around(100, 0.01, 3), around(300, 0.01, 3), 0, record.Inconclusive, "3 repetitions are too few"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both := made(t, map[string][]float64{"old": tt.old, "new": tt.new})
			old, new := made(t, map[string][]float64{"old": tt.old}), made(t, map[string][]float64{"new": tt.new})
			both.Floor = []record.Floor{{Metric: "service.p50", Group: "load", Change: tt.floor}}
			new.Floor = both.Floor
			apart, err := Records(old, new, latency)
			if err != nil {
				t.Fatal(err)
			}
			for how, cs := range map[string][]record.Comparison{"in one run": Subjects(both, latency), "of two records": apart} {
				if len(cs) != 1 || cs[0].Verdict != tt.verdict || !strings.HasPrefix(cs[0].Reason, tt.reason) || (cs[0].Reason == "") != (tt.reason == "") {
					t.Errorf("%s:\n%s; want %s, %s", how, Text(cs), tt.verdict, tt.reason)
				}
				if want := stats.Of(tt.new).Median/stats.Of(tt.old).Median - 1; tt.reason == "" && math.Abs(cs[0].Change.Median-want) > 0.02 {
					t.Errorf("%s: change %v; want %v", how, cs[0].Change.Median, want)
				}
			}
		})
	}
}

// Drift that both subjects go through does not hide what differs between them.
func TestSubjectsOfOneRunAreComparedPairByPair(t *testing.T) {
	var old, new []float64
	for i := range 8 {
		old, new = append(old, 100*math.Pow(1.5, float64(i))), append(new, 110*math.Pow(1.5, float64(i)))
	}
	cs := Subjects(made(t, map[string][]float64{"old": old, "new": new}), latency)
	if len(cs) != 1 || cs[0].Verdict != record.Worse || math.Abs(cs[0].Change.Median-0.1) > 1e-3 || cs[0].Old != "old" || cs[0].New != "new" {
		t.Errorf("in one run: %s; want 10 %% worse", Text(cs))
	}
	if cs := Subjects(made(t, map[string][]float64{"old": old}), latency); cs != nil {
		t.Errorf("a single subject is compared: %s", Text(cs))
	}
}

// When the machine got slower, too, the subject is not blamed.
func TestAChangeOfTheMachineIsNotTheSubjects(t *testing.T) {
	old, new := made(t, map[string][]float64{"new": around(100, 0.01, 10)}), made(t, map[string][]float64{"new": around(150, 0.01, 10)})
	for i := range new.Blocks {
		if b := &new.Blocks[i]; b.Path == scenario.Direct {
			*b = block(new.Scenario, b.Route, b.Repetition-1, 15)
		}
	}
	cs, err := Records(old, new, latency)
	if err != nil || cs[0].Verdict != record.Inconclusive || !strings.Contains(cs[0].Reason, "may be the machine") {
		t.Errorf("Records() = %s, %v; want it inconclusive", Text(cs), err)
	}
}

func TestWhatIsCompared(t *testing.T) {
	r := made(t, map[string][]float64{"old": around(100, 0.02, 10), "new": around(100, 0.02, 10)})
	var got []string
	for _, c := range Subjects(r, Options{}) {
		got = append(got, c.Metric)
	}
	if want := []string{"goodput", "service.p50", "failed", "cpu.message", "rss.peak"}; !slices.Equal(got, want) {
		t.Errorf("compared: %v; want %v", got, want)
	}
	text := Text(Subjects(r, Options{}))
	for _, want := range []string{"load service.p50", "100 µs", "MB/s", "1 MiB", "+0.0 points", record.Same} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
	other := made(t, map[string][]float64{"old": around(100, 0.02, 10)})
	other.Scenario.Name = "other"
	if _, err := Records(r, other, Options{}); err == nil || !strings.Contains(err.Error(), "give records of the same") {
		t.Errorf("records of two scenarios: %v", err)
	}
	other = made(t, map[string][]float64{"old": around(100, 0.02, 10)})
	other.Subjects[0].Name, other.Blocks = "third", slices.DeleteFunc(other.Blocks, func(b record.Block) bool { return b.Path == scenario.Tunnel })
	if _, err := Records(r, other, Options{}); err == nil || !strings.Contains(err.Error(), "no cell and subject in common") {
		t.Errorf("records without a common subject: %v", err)
	}
}
