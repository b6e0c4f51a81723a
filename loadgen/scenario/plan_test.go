package scenario

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

// A search takes many blocks, how many is known when it ends.
func TestAPlanCountsTheBlocksOfASearch(t *testing.T) {
	s, err := Parse("x.yaml", []byte(`# where is the knee?
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
	if p := s.PlanOn([]string{"direct", "tunnel"}, sample.Environment{}, nil); p.Blocks != (Span{2 * 2 * 2, 2 * 2 * (10 + 2 + 8)}) {
		t.Errorf("blocks %v; want 8 to 80", p.Blocks)
	}
}

func TestAPlanSaysWhatARunTakes(t *testing.T) {
	s, err := Parse("x.yaml", []byte(`# how many?
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
	p := s.PlanOn([]string{"direct", "relay", "tunnel a", "tunnel b"}, sample.Environment{OpenFiles: 6000, System: &sample.System{Ports: "32768 60999", PortsReused: "2"}}, nil)
	if p.Blocks != (Span{48, 80}) || p.Seconds != (Span{144, 240}) { // 2 cells, 4 routes, 6 to 10 times 3 s
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
	if got, want := InAll([]*Plan{p, p}), "2 scenarios: 96 to 160 blocks, 4m48s to 8m0s or more\n"; got != want {
		t.Errorf("in all %q; want %q", got, want)
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

// What the Makefile and the README say of long runs: bench-streams with
// PROFILE=ci beside two rivals, 40 minutes; bench-full with PROFILE=smoke beside
// three, an hour. A fifth of it connects, drains and certifies.
func TestLongRunsTakeAsLongAsIsSaid(t *testing.T) {
	streams := []string{"slow-readers", "slow-consumer", "neighbours", "stalled-memory", "latency-under-load", "round-trip", "half-close", "drain"}
	all := slices.DeleteFunc(Builtin(), func(name string) bool { return name == "build" || name == "tls" }) // as the Makefile has it
	for _, tt := range []struct {
		profile  string
		names    []string
		subjects int
		most     time.Duration
	}{{"ci", streams, 3, 32 * time.Minute}, {Smoke, all, 4, 48 * time.Minute}} {
		seconds := 0.0
		for _, name := range tt.names {
			s, err := Load(name)
			if err == nil {
				err = s.Apply(tt.profile)
			}
			if err != nil {
				t.Fatal(err)
			}
			var routes []string
			for _, p := range s.Paths {
				routes = append(routes, p)
				for range tt.subjects - 1 {
					if p == Tunnel {
						routes = append(routes, p)
					}
				}
			}
			seconds += s.PlanOn(routes, sample.Environment{}, nil).Seconds.Most
		}
		if long := time.Duration(seconds * float64(time.Second)); long > tt.most {
			t.Errorf("profile %s: %d scenarios measure for up to %v; want %v", tt.profile, len(tt.names), long, tt.most)
		}
	}
}

// A tunnel remembers the shortest round trip that it has seen: where the answer
// depends on it, none has seen the line of another cell.
func TestWhatIsSaidOfALineIsMeasuredOnFreshTunnels(t *testing.T) {
	for _, name := range []string{"round-trip", "half-close", "latency-under-load"} {
		if s, err := Load(name); err != nil || !s.Fresh {
			t.Errorf("%s: fresh %v, %v; want true", name, s.Fresh, err)
		}
	}
	for _, profile := range []string{Smoke, "ci", "full"} { // windows have to grow first
		s, err := Load("round-trip")
		if err == nil {
			err = s.Apply(profile)
		}
		if err != nil || time.Duration(s.Warmup) != 2*time.Second || time.Duration(s.Measure) != 8*time.Second {
			t.Errorf("round-trip, profile %s: measured for %v after %v, %v; want seconds 2 to 10", profile, s.Measure, s.Warmup, err)
		}
	}
}
