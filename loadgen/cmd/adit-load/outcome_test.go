package main

import (
	"testing"

	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Of several outcomes the gravest counts: wrong octets, failures, a regression, nothing known.
func TestTheExitCodeIsThatOfTheGravestOutcome(t *testing.T) {
	gate := func(verdicts ...string) (out []record.Threshold) {
		for _, v := range verdicts {
			out = append(out, record.Threshold{Gate: scenario.GateFail, Verdict: v})
		}
		return out
	}
	versus := func(verdicts ...string) (out []record.Comparison) {
		for _, v := range verdicts {
			out = append(out, record.Comparison{Verdict: v})
		}
		return out
	}
	wrong := record.Block{Faults: []*payload.Fault{{}}}
	lost := record.Block{Groups: []record.Group{{Failed: map[string]int64{"reset": 1}}}}
	for _, tt := range []struct {
		name string
		r    record.Record
		want int
	}{
		{"all well", record.Record{Thresholds: gate(record.Pass)}, exitOK},
		{"a threshold that is not met", record.Record{Thresholds: gate(record.Pass, record.Fail, record.Inconclusive)}, exitFailures},
		{"one that cannot be judged", record.Record{Thresholds: gate(record.Inconclusive, record.Pass)}, exitInconclusive},
		{"the same in profile smoke", record.Record{Profile: scenario.Smoke, Thresholds: gate(record.Inconclusive)}, exitOK},
		{"a warning", record.Record{Thresholds: []record.Threshold{{Gate: scenario.GateWarn, Verdict: record.Fail}}}, exitOK},
		{"a noisy run without a gate", record.Record{Validity: &record.Validity{Verdict: record.Invalid}}, exitOK},
		{"a subject that is worse than the first", record.Record{Comparison: versus(record.Better, record.Worse), Thresholds: gate(record.Inconclusive)}, exitRegression},
		{"one that is better, or of which nothing is known", record.Record{Comparison: versus(record.Better, record.Same, record.Inconclusive)}, exitOK},
		{"a worse subject and a threshold that is not met", record.Record{Comparison: versus(record.Worse), Thresholds: gate(record.Fail)}, exitFailures},
		{"packets that failed", record.Record{Blocks: []record.Block{lost}, Thresholds: gate(record.Inconclusive)}, exitFailures},
		{"wrong octets", record.Record{Blocks: []record.Block{lost, wrong}, Thresholds: gate(record.Fail)}, exitIntegrity},
		{"wrong octets in the canary", record.Record{Canary: []record.Block{wrong}}, exitIntegrity},
	} {
		if tt.r.Scenario == nil {
			tt.r.Scenario = &scenario.Scenario{}
		}
		if got := outcome(&tt.r); got != tt.want {
			t.Errorf("%s: %d; want %d", tt.name, got, tt.want)
		}
	}
	for _, tt := range [][3]int{{0, 0, 0}, {0, 8, 8}, {8, 6, 6}, {6, 5, 5}, {5, 8, 5}, {7, 6, 6}, {8, 7, 7}, {6, 4, 4}, {3, 5, 5}, {5, 4, 5}} {
		if got := worse(tt[0], tt[1]); got != tt[2] {
			t.Errorf("worse(%d, %d) = %d; want %d", tt[0], tt[1], got, tt[2])
		}
	}
}
