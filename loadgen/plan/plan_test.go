package plan

import (
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A search takes many blocks, how many is known when it ends.
func TestAPlanCountsTheBlocksOfASearch(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte(`# where is the knee?
scenario: x
load: {mode: pingpong, connections: 10, size: 1KiB}
search: {of: rate, from: 100/s, to: 100000/s, keep: response.p99 < 10ms, precision: 5%}
warmup: 1s
measure: 2s
repeat: 2
`))
	if err != nil {
		t.Fatal(err)
	}
	// 100/s fails twice; or ten values keep the goal, the next one fails, and so do four halvings of 100 % to 5 %, all twice.
	if p := Of(s, nil, sample.Environment{}); p.Blocks != (Range{2 * 2 * 2, 2 * 2 * (10 + 2 + 8)}) {
		t.Errorf("blocks %v; want 8 to 80", p.Blocks)
	}
}

func TestAPlanSaysWhatARunTakes(t *testing.T) {
	s, err := scenario.Parse("x.yaml", []byte(`# how many?
scenario: x
load: {mode: churn, connections: 100, size: 1KiB, rate: 600/s}
axes: {connections: [100, 5000, 10000]}
link: {rtt: 1ms}
warmup: 1s
measure: 2s
repeat: {min: 6, max: 10}
`))
	if err != nil {
		t.Fatal(err)
	}
	p := Of(s, []string{"a", "b"}, sample.Environment{OpenFiles: 6000, System: &sample.System{Ports: "32768 60999", PortsReused: "2"}})
	if p.Blocks != (Range{48, 80}) || p.Seconds != (Range{144, 240}) { // 2 cells, 4 routes, 6 to 10 times 3 s
		t.Errorf("blocks %v, seconds %v; want 48 to 80, 144 to 240", p.Blocks, p.Seconds)
	}
	files := map[string]int{}
	for _, r := range p.Roles {
		if r.Files > 6000 || r.Memory < int64(r.Processes)*bare {
			t.Errorf("%+v: does not fit", r)
		}
		files[r.Role] = r.Processes
	}
	if files["target"] != 1 || files["generator"] != 2 || files["relay"] != 4 || files["link"] != 4 {
		t.Errorf("processes %v; want as many as 10,000 connections need", files)
	}
	text := p.String()
	for _, want := range []string{
		"48 to 80 blocks, 2m24s to 4m0s or more, runtime process", "direct, relay, tunnel a, tunnel b",
		"ports: 5000 connections at once to one address, of 28232; 600 end each second",
		"churn 10000 × 1 KiB at 600/s, rtt 1ms: not run: descriptors: the target needs 10000 for 10000 connections, and 64 more; the limit is 6000",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan has no %q:\n%s", want, text)
		}
	}
}
