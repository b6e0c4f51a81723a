package analyse

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// pairOf is a record of one cell in which the subjects' service times, in µs, are
// the given ones, one a repetition; direct always takes 10 µs.
func pairOf(t *testing.T, subjects map[string][]float64) *record.Record {
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
			r.Blocks = append(r.Blocks, timed(s, record.Route{Path: scenario.Tunnel, Subject: name}, i, us))
		}
	}
	for i := range 12 {
		r.Blocks = append(r.Blocks, timed(s, record.Route{Path: scenario.Direct}, i, 10))
	}
	return r
}

func timed(s *scenario.Scenario, route record.Route, i int, us float64) record.Block {
	return record.Block{
		Cell: s.Cells[0].Name, Route: route, Repetition: i + 1, Host: &sample.Host{Seconds: 1},
		Groups:    []record.Group{{Name: "load", Seconds: 1, Octets: int64(1024e6 / us), Packets: 1e6 / us, Service: &hist.Dist{N: 1000, P50: int64(us * 1000)}}},
		Processes: []sample.Usage{{Role: "server", CPUSeconds: 0.5, PeakRSS: 1 << 20}},
	}
}

// around is n values that lie up to a part of themselves around a middle.
func spreadAround(middle, part float64, n int) (out []float64) {
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

var latency = CompareOptions{Metrics: []string{"service.p50"}}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new []float64
		floor    float64
		verdict  string
		reason   string
	}{
		{"the same", spreadAround(100, 0.02, 10), spreadAround(100.5, 0.02, 10), 0, record.Same, ""},
		{"a fifth slower", spreadAround(100, 0.02, 10), spreadAround(120, 0.02, 10), 0, record.Worse, ""},
		{"a fifth faster", spreadAround(100, 0.02, 10), spreadAround(80, 0.02, 10), 0, record.Better, ""},
		{"slower by less than counts", spreadAround(100, 0.001, 10), spreadAround(103, 0.001, 10), 0, record.Same, ""},
		{"slower by less than the noise floor", spreadAround(100, 0.01, 10), spreadAround(108, 0.01, 10), 0.1, record.Inconclusive, "below the noise floor of 10.0 %"},
		{"faster by more than the noise floor", spreadAround(100, 0.01, 10), spreadAround(85, 0.01, 10), 0.1, record.Better, ""},
		{"a tenth slower, all over the place", spreadAround(100, 0.9, 10), back(spreadAround(110, 0.9, 10)), 0, record.Inconclusive, "not significant"},
		{"the same, all over the place", spreadAround(100, 0.5, 10), back(spreadAround(100, 0.5, 10)), 0, record.Inconclusive, "known too loosely"},
		{"the same, as far as a noisy machine can tell", spreadAround(100, 0.12, 10), back(spreadAround(100, 0.12, 10)), 0.2, record.Inconclusive, "known too loosely"},
		{"three times as slow, but three repetitions", spreadAround(100, 0.01, 3), spreadAround(300, 0.01, 3), 0, record.Inconclusive, "3 repetitions are too few to tell a change from chance"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both := pairOf(t, map[string][]float64{"old": tt.old, "new": tt.new})
			old, new := pairOf(t, map[string][]float64{"old": tt.old}), pairOf(t, map[string][]float64{"new": tt.new})
			both.Floor = []record.Floor{{Metric: "service.p50", Group: "load", Change: tt.floor}}
			new.Floor = both.Floor
			apart, err := CompareRecords(old, new, latency)
			if err != nil {
				t.Fatal(err)
			}
			for how, cs := range map[string][]record.Comparison{"in one run": CompareSubjects(both, latency), "of two records": apart} {
				if len(cs) != 1 || cs[0].Verdict != tt.verdict || !strings.HasPrefix(cs[0].Reason, tt.reason) || (cs[0].Reason == "") != (tt.reason == "") {
					t.Errorf("%s:\n%+v; want %s, %s", how, cs, tt.verdict, tt.reason)
				}
				if want := Estimate(tt.new).Median/Estimate(tt.old).Median - 1; tt.reason == "" && math.Abs(cs[0].Change.Median-want) > 0.02 {
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
	cs := CompareSubjects(pairOf(t, map[string][]float64{"old": old, "new": new}), latency)
	if len(cs) != 1 || cs[0].Verdict != record.Worse || math.Abs(cs[0].Change.Median-0.1) > 1e-3 || cs[0].Old != "old" || cs[0].New != "new" {
		t.Errorf("in one run: %+v; want 10 %% worse", cs)
	}
	if cs := CompareSubjects(pairOf(t, map[string][]float64{"old": old}), latency); cs != nil {
		t.Errorf("a single subject is compared: %+v", cs)
	}
}

// When the machine got slower, too, the subject is not blamed.
func TestAChangeOfTheMachineIsNotTheSubjects(t *testing.T) {
	old, new := pairOf(t, map[string][]float64{"new": spreadAround(100, 0.01, 10)}), pairOf(t, map[string][]float64{"new": spreadAround(150, 0.01, 10)})
	for i := range new.Blocks {
		if b := &new.Blocks[i]; b.Path == scenario.Direct {
			*b = timed(new.Scenario, b.Route, b.Repetition-1, 15)
		}
	}
	cs, err := CompareRecords(old, new, latency)
	if err != nil || cs[0].Verdict != record.Inconclusive || !strings.Contains(cs[0].Reason, "may be the machine") {
		t.Errorf("CompareRecords() = %+v, %v; want it inconclusive", cs, err)
	}
}

func TestWhatIsCompared(t *testing.T) {
	r := pairOf(t, map[string][]float64{"old": spreadAround(100, 0.02, 10), "new": spreadAround(100, 0.02, 10)})
	var got []string
	for _, c := range CompareSubjects(r, CompareOptions{}) {
		got = append(got, c.Metric)
	}
	if want := []string{"goodput", "service.p50", "failed", "cpu.message", "rss.peak"}; !slices.Equal(got, want) {
		t.Errorf("compared: %v; want %v", got, want)
	}
	other := pairOf(t, map[string][]float64{"old": spreadAround(100, 0.02, 10)})
	other.Scenario.Name = "other"
	if _, err := CompareRecords(r, other, CompareOptions{}); err == nil || !strings.Contains(err.Error(), "give records of the same") {
		t.Errorf("records of two scenarios: %v", err)
	}
	other = pairOf(t, map[string][]float64{"old": spreadAround(100, 0.02, 10)})
	other.Subjects[0].Name, other.Blocks = "third", slices.DeleteFunc(other.Blocks, func(b record.Block) bool { return b.Path == scenario.Tunnel })
	if _, err := CompareRecords(r, other, CompareOptions{}); err == nil || !strings.Contains(err.Error(), "no cell and subject in common") {
		t.Errorf("records without a common subject: %v", err)
	}
}

// More packets that fail are more, and worse: of shares the change is the difference, in its direction.
func TestTheChangeOfASharePointsTheRightWay(t *testing.T) {
	r := pairOf(t, map[string][]float64{"old": spreadAround(100, 0.01, 10), "new": spreadAround(100, 0.01, 10)})
	for i := range r.Blocks {
		b := &r.Blocks[i]
		b.Groups[0].Packets = 900
		b.Groups[0].Failed = map[string]int64{"reset": map[string]int64{"old": 100, "new": 300}[b.Subject]} // a tenth, a quarter
	}
	cs := CompareSubjects(r, CompareOptions{Metrics: []string{"failed"}})
	if len(cs) != 1 || math.Abs(cs[0].Change.Median-0.15) > 1e-9 || cs[0].Verdict != record.Worse {
		t.Errorf("a tenth, then a quarter fail: %+v; want 15 points more, worse", cs)
	}
}

// What is significant alone is not when many are compared: Holm's p decides.
func TestVerdictsDependOnHowManyAreCompared(t *testing.T) {
	one := record.Comparison{Better: "lower", P: 0.03, Stated: 0.05, Effect: 0.05, Change: record.Estimate{N: 10, Median: 0.2, Low: new(0.01), High: new(0.4)}}
	if got := Judge([]record.Comparison{one}); got[0].Verdict != record.Worse || got[0].Holm != 0.03 {
		t.Errorf("alone: %+v; want worse", got)
	}
	for _, c := range Judge([]record.Comparison{one, one}) {
		if c.Verdict != record.Inconclusive || c.Holm != 0.06 || !strings.HasPrefix(c.Reason, "not significant") {
			t.Errorf("one of two: %+v; want it inconclusive", c)
		}
	}
}

// The change that is shown is that of the medians which are shown, whatever the pairs say: its sign never contradicts them, and its interval holds it.
func TestNoChangeContradictsTheNumbersBesideIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		values := func() (out []float64) {
			for range 4 + random.IntN(8) {
				out = append(out, math.Exp(3*random.NormFloat64()))
			}
			return out
		}
		old, new := values(), values()
		both := pairOf(t, map[string][]float64{"old": old, "new": new})
		apart, err := CompareRecords(pairOf(t, map[string][]float64{"old": old}), pairOf(t, map[string][]float64{"new": new}), CompareOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range slices.Concat(CompareSubjects(both, CompareOptions{}), apart) {
			if want := c.NewMedian/c.OldMedian - 1; c.Unit != "share" && math.Abs(c.Change.Median-want) > 1e-9*(1+math.Abs(want)) {
				t.Fatalf("%s: %v, then %v, change %v; want %v", c.Metric, c.OldMedian, c.NewMedian, c.Change.Median, want)
			}
			if low, high, ok := c.Change.Interval(); ok && (c.Change.Median < low || c.Change.Median > high) {
				t.Fatalf("%s: change %v is beyond its interval, %v to %v", c.Metric, c.Change.Median, low, high)
			}
		}
	}
}

// Where the pairs say less and the medians more, nobody knows which is right.
func TestMediansAndPairsThatDisagreeAreInconclusive(t *testing.T) {
	c := record.Comparison{Better: "lower", P: 0.001, Stated: 0.05, Effect: 0.05, Change: record.Estimate{N: 20, Median: 0.2, Low: new(-0.4), High: new(0.2)}}
	if got := Judge([]record.Comparison{c})[0]; got.Verdict != record.Inconclusive || !strings.Contains(got.Reason, "point different ways") {
		t.Errorf("%+v; want it inconclusive", got)
	}
}

// What one side alone measured says nothing of a change: its median is of the repetitions that both have.
func TestAPairIsOfTheRepetitionsThatBothHave(t *testing.T) {
	r := pairOf(t, map[string][]float64{"old": {100, 100, 100, 100, 100, 100, 900, 900, 900, 900, 900, 900, 900}, "new": {110, 110, 110, 110, 110, 110}})
	c := CompareSubjects(r, latency)[0]
	if c.OldMedian != 100e3 || c.NewMedian != 110e3 || c.Change.N != 6 || math.Abs(c.Change.Median-0.1) > 1e-9 || c.Verdict != record.Worse {
		t.Errorf("%+v; want 100 µs, 110 µs, a tenth more, worse", c)
	}
	r = pairOf(t, map[string][]float64{"old": {100, 100, 100, 100, 100, 100}, "new": {110, 110, 110, 110, 110, 110, 900, 900, 900, 900, 900, 900, 900}})
	if c := CompareSubjects(r, latency)[0]; c.OldMedian != 100e3 || c.NewMedian != 110e3 || c.Change.N != 6 {
		t.Errorf("%+v; want 100 µs and 110 µs in six repetitions", c)
	}
}

// Six repetitions are enough for one number, and too few for one among fifteen.
func TestHowManyRepetitionsItTakesDependsOnHowMuchIsCompared(t *testing.T) {
	one := record.Comparison{Better: "lower", P: 0.03125, Least: leastPaired(6), Paired: true, Stated: 0.05, Effect: 0.05, Change: record.Estimate{N: 6, Median: 0.2, Low: new(0.1), High: new(0.3)}}
	if got := Judge([]record.Comparison{one})[0]; got.Verdict != record.Worse {
		t.Errorf("alone: %+v; want worse", got)
	}
	const want = "6 repetitions are too few to tell a change of one among 15 numbers from chance: measure 10 or more"
	if got := Judge(slices.Repeat([]record.Comparison{one}, 15))[0]; got.Verdict != record.Inconclusive || got.Reason != want {
		t.Errorf("one of fifteen: %+v; want %s", got, want)
	}
	few := one
	few.Change.N, few.Least = 1, leastPaired(1)
	if got := Judge([]record.Comparison{few})[0]; !strings.HasPrefix(got.Reason, "1 repetition is too few") {
		t.Errorf("a single one: %+v", got)
	}
	one.Paired, one.Least = false, leastApart(3, 3)
	if got := Judge([]record.Comparison{one})[0]; !strings.HasSuffix(got.Reason, "from chance: measure 4 or more") {
		t.Errorf("three and three: %+v; want that four are enough", got)
	}
}

// The smallest p is that of the tests themselves, when all values of one side are beyond the other's.
func TestTheSmallestPIsWhatTheTestsGive(t *testing.T) {
	for n := 1; n <= 12; n++ {
		var a, b, differences []float64
		for i := range n {
			a, b, differences = append(a, float64(i)), append(b, float64(100+i)), append(differences, float64(1+i))
		}
		if got, want := leastPaired(n), SignedRank(differences); math.Abs(got-want) > 1e-12 {
			t.Errorf("leastPaired(%d) = %v; SignedRank gives %v", n, got, want)
		}
		if got, want := leastApart(n, n), MannWhitney(a, b); math.Abs(got-want) > 1e-9 {
			t.Errorf("leastApart(%d, %d) = %v; MannWhitney gives %v", n, n, got, want)
		}
	}
}
