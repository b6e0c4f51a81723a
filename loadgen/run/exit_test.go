package run

import (
	"errors"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Of several outcomes the gravest counts: wrong bytes, failures, a regression, nothing known.
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
	rivals, of := []record.Subject{{Name: "adit"}, {Name: "frp", Rival: true}}, record.Of{Route: record.Route{Path: scenario.Tunnel, Subject: "frp"}}
	for _, tt := range []struct {
		name string
		r    record.Record
		want int
	}{
		{"all well", record.Record{Thresholds: gate(record.Pass)}, ExitOK},
		{"a threshold that is not met", record.Record{Thresholds: gate(record.Pass, record.Fail, record.Inconclusive)}, ExitFailures},
		{"one that cannot be judged", record.Record{Thresholds: gate(record.Inconclusive, record.Pass)}, ExitInconclusive},
		{"the same in profile smoke", record.Record{Profile: scenario.Smoke, Thresholds: gate(record.Inconclusive)}, ExitOK},
		{"a warning", record.Record{Thresholds: []record.Threshold{{Gate: scenario.GateWarn, Verdict: record.Fail}}}, ExitOK},
		{"a noisy run without a gate", record.Record{Validity: &record.Validity{Verdict: record.Invalid}}, ExitOK},
		{"a subject that is worse than the first", record.Record{Comparison: versus(record.Better, record.Worse), Thresholds: gate(record.Inconclusive)}, ExitRegression},
		{"one that is better, or of which nothing is known", record.Record{Comparison: versus(record.Better, record.Same, record.Inconclusive)}, ExitOK},
		{"a worse subject and a threshold that is not met", record.Record{Comparison: versus(record.Worse), Thresholds: gate(record.Fail)}, ExitFailures},
		{"packets that failed", record.Record{Blocks: []record.Block{lost}, Thresholds: gate(record.Inconclusive)}, ExitFailures},
		{"a rival that is worse, and fails", record.Record{Subjects: rivals, Comparison: []record.Comparison{{Verdict: record.Worse, Of: of}}, Blocks: []record.Block{{Route: of.Route, Groups: lost.Groups}}}, ExitOK},
		{"a rival's wrong octets", record.Record{Subjects: rivals, Blocks: []record.Block{{Route: of.Route, Faults: wrong.Faults}}}, ExitIntegrity},
		{"wrong octets", record.Record{Blocks: []record.Block{lost, wrong}, Thresholds: gate(record.Fail)}, ExitIntegrity},
		{"wrong octets in the canary", record.Record{Canary: []record.Block{wrong}}, ExitIntegrity},
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

func TestContainersWithoutAnEngineAreNotRun(t *testing.T) {
	err := exitOf(t.Context(), &rig.StartError{Err: &subject.NoEngineError{Err: errors.New("no socket")}})
	if err.Code != ExitLimits || !strings.HasPrefix(err.Error(), "not run: no Docker engine answers") {
		t.Errorf("exitOf: %v; want %d and not run", err, ExitLimits)
	}
}
