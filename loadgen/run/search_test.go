package run

import (
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestASearchFindsTheKnee(t *testing.T) {
	rates := scenario.Search{Of: "rate", From: "100/s", To: "20000/s", Precision: 0.05}
	whole := scenario.Search{Of: "connections", From: "1", To: "64", Precision: 0.01}
	upTo := func(n float64) func(float64) record.Probe {
		return func(v float64) record.Probe { return record.Probe{At: v, Kept: v <= n} }
	}
	late := func(v float64) record.Probe { return record.Probe{At: v, Kept: v <= 500, Late: v > 500} }
	for name, tt := range map[string]struct {
		s         scenario.Search
		probe     func(float64) record.Probe
		low, high float64
		limit     string
	}{
		"between":          {rates, upTo(733), 733 / 1.05, 733, record.LimitedByGoal},
		"above the range":  {rates, upTo(1e9), 20000, 20000, record.LimitedByRange},
		"below the range":  {rates, upTo(3), 0, 0, record.LimitedByGoal},
		"of the generator": {rates, late, 400, 400, record.LimitedByGenerator},
		"whole numbers":    {whole, upTo(21), 21, 21, record.LimitedByGoal},
	} {
		blocks := 0
		f := finder{s: &tt.s, probe: func(v float64) (record.Probe, error) { blocks++; return tt.probe(v), nil }}
		if err := f.find(); err != nil || f.found.Knee < tt.low || f.found.Knee > tt.high || f.found.Limit != tt.limit {
			t.Errorf("%s: knee %v by %s, %v; want %v to %v by %s", name, f.found.Knee, f.found.Limit, err, tt.low, tt.high, tt.limit)
		}
		if blocks > maxBlocks || len(f.found.Probes) != blocks {
			t.Errorf("%s: %d blocks, %d in the record", name, blocks, len(f.found.Probes))
		}
	}
	bad := false // one block meets a bad moment
	f := finder{s: &rates, probe: func(v float64) (record.Probe, error) {
		bad = !bad && v == 400
		return record.Probe{At: v, Kept: v <= 733 && !bad}, nil
	}}
	if err := f.find(); err != nil || f.found.Knee < 700 {
		t.Errorf("a probe that fails once: knee %v, %v; want it tried again", f.found.Knee, err)
	}
}

// A generator that wakes up late is to blame for what came to nothing in time,
// but not for what was refused.
func TestALateGeneratorIsNamed(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nsearch: {of: rate, from: 20/s, to: 2000/s, keep: response.p99 < 60ms, precision: 20%}")
	for _, tt := range []struct {
		wake   time.Duration
		failed string
		late   bool
	}{
		{50 * time.Microsecond, load.Unfinished, false},
		{20 * time.Millisecond, load.Unfinished, true},
		{20 * time.Millisecond, load.TimedOut, true},
		{20 * time.Millisecond, load.Refused, false},
	} {
		b := &record.Block{Groups: []record.Group{{Seconds: 1, Packets: 17, Wake: &hist.Dist{N: 200, Mean: int64(tt.wake)}, Failed: map[string]int64{tt.failed: 83}}}}
		if p := judge(s, s.Search.With(&s.Cells[0], 100), b, 100); p.Kept || p.Late != tt.late || strings.Contains(p.Reason, "generator") != (tt.wake > time.Millisecond) {
			t.Errorf("woken %v late, 83 packets %s: %+v; want late: %v", tt.wake, tt.failed, p, tt.late)
		}
	}
}

// Nor is the path to blame for dials that the generator had no port for.
func TestAGeneratorWithoutPortsIsNamed(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nsearch: {of: rate, from: 20/s, to: 2000/s, keep: response.p99 < 60ms, precision: 20%}")
	b := &record.Block{Groups: []record.Group{{Seconds: 1, Packets: 17, Own: map[string]int64{load.NoPorts: 4}, Failed: map[string]int64{load.Refused: 83}}}}
	if p := judge(s, s.Search.With(&s.Cells[0], 100), b, 100); p.Kept || !p.Late || p.Reason != "the generator itself had no more ports for 4 dials" {
		t.Errorf("%+v; want it late, for want of ports", p)
	}
}

// A link makes the knee known beforehand: so many packets of 1 KiB fit into it.
func TestTheKneeIsInTheRecord(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nlink: {rate: 1Mbit/s}\nsearch: {of: rate, from: 20/s, to: 2000/s, keep: response.p99 < 60ms, precision: 20%}\nmeasure: 400ms\nwarmup: 100ms\npaths: [direct]\ntimeout: 2s")
	rec, err := (&Runner{Self: self()}).Run(t.Context(), s)
	if err != nil || len(rec.Blocks) != 1 || len(rec.Searches) != 1 {
		t.Fatalf("Run: %v\n%s", err, report.Console(rec, false))
	}
	f, b := rec.Searches[0], rec.Blocks[0]
	if f.Limit == record.LimitedByRange || f.Knee > 200 || len(f.Probes) < 2 || b.Cell != s.Cells[0].Name || b.Groups[0].Knee == nil || *b.Groups[0].Knee != f.Knee {
		t.Errorf("knee %v by %s of %d probes, block %q %v; want 122/s or less", f.Knee, f.Limit, len(f.Probes), b.Cell, b.Groups[0].Knee)
	}
	for _, p := range f.Probes {
		if p.Kept != (p.Reason == "") {
			t.Errorf("probe %+v", p)
		}
	}
}

// A rate that the path does not carry to two per cent is beyond the knee, however soon the rest came back.
func TestAKneeCarriesItsRate(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nsearch: {of: rate, from: 20/s, to: 2000/s, keep: response.p99 < 60ms, precision: 20%}")
	for packets, kept := range map[float64]bool{970: false, 985: true, 1000: true} {
		b := &record.Block{Groups: []record.Group{{Seconds: 1, Packets: packets, Response: &hist.Dist{N: 900, P99: int64(time.Millisecond)}}}}
		if p := judge(s, s.Search.With(&s.Cells[0], 1000), b, 1000); p.Kept != kept || kept != (p.Reason == "") {
			t.Errorf("%v packets at 1000/s: %+v; want kept: %v", packets, p, kept)
		}
	}
}
