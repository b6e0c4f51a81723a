package record

import (
	"testing"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A run has the gravest of the endings that hold: each one less leaves the next.
func TestOfSeveralEndingsTheGravestCounts(t *testing.T) {
	r := &Record{
		Scenario: &scenario.Scenario{}, Interrupted: true,
		Blocks: []Block{
			{Faults: []*payload.Fault{{}}},
			{Groups: []Group{{Own: map[string]int64{load.NoPorts: 1}, Failed: map[string]int64{load.Refused: 5}}}},
			{Groups: []Group{{Failed: map[string]int64{load.Reset: 3}}}},
		},
		Thresholds: []Threshold{{Gate: scenario.GateFail, Verdict: Inconclusive}, {Gate: scenario.GateFail, Verdict: Fail}},
		Comparison: []Comparison{{Verdict: Worse}},
	}
	for _, step := range []struct {
		want Ending
		less func()
	}{
		{EndedFaulty, func() { r.Blocks[0].Faults = nil }},
		{EndedStopped, func() { r.Interrupted = false }},
		{EndedStarved, func() { r.Blocks[1].Groups[0] = Group{} }},
		{EndedFailed, func() { r.Blocks[2].Groups[0] = Group{} }},
		{EndedMissed, func() { r.Thresholds = r.Thresholds[:1] }},
		{EndedWorse, func() { r.Comparison = nil }},
		{EndedUnjudged, func() { r.Profile = scenario.Smoke }},
		{EndedComplete, func() {}},
	} {
		if got := r.Ending(); got != step.want {
			t.Errorf("%q; want %q", got, step.want)
		}
		if failed := r.Failed(); failed > 3 {
			t.Errorf("%q: %d packets failed; want those of the block that had ports", step.want, failed)
		}
		step.less()
	}
}

// A machine whose ports are all kept by connections that have ended cannot connect, whoever tries.
func TestAMachineWithoutPortsIsNobodysFault(t *testing.T) {
	failed := map[string]int64{load.Reset: 7}
	for _, tt := range []struct {
		name   string
		system *sample.System
		block  Block
		want   string
	}{
		{"nothing is known", nil, Block{Groups: []Group{{Failed: failed}}}, ""},
		{"ports are left", &sample.System{Ports: "1000 1399"}, Block{Groups: []Group{{Failed: failed}}, Host: &sample.Host{TimeWait: new(359)}}, ""},
		{"none are left", &sample.System{Ports: "1000 1399"}, Block{Groups: []Group{{Failed: failed}}, Host: &sample.Host{TimeWait: new(360)}}, load.NoPorts},
		{"none are left, and nothing failed", &sample.System{Ports: "1000 1399"}, Block{Groups: []Group{{}}, Host: &sample.Host{TimeWait: new(400)}}, ""},
		{"the range is not known", &sample.System{}, Block{Groups: []Group{{Failed: failed}}, Host: &sample.Host{TimeWait: new(400)}}, ""},
		{"the generator has no descriptors", nil, Block{Groups: []Group{{}, {Own: map[string]int64{load.NoFiles: 1}}}}, load.NoFiles},
	} {
		r := &Record{Environment: sample.Environment{System: tt.system}, Blocks: []Block{tt.block}}
		if got := r.Starved(&tt.block); got != tt.want || (r.Failed() == 0) != (got != "" || len(tt.block.Groups[0].Failed) == 0) {
			t.Errorf("%s: %q, %d failed; want %q", tt.name, got, r.Failed(), tt.want)
		}
	}
}
