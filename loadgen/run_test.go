package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

func parseSubject(t *testing.T, text string) *subject.File {
	t.Helper()
	f, err := subject.Parse("subject.yaml", []byte(strings.ReplaceAll(text, "SELF", self())))
	if err != nil {
		t.Fatalf("subject: %v", err)
	}
	return f
}

// pair stands in for a tunnel: two processes, one behind the other.
const pair = `
name: pair
server: {command: "SELF relay --listen {visitor} --to {tunnel}", ready: {tcp: "{visitor}"}}
client: {command: "SELF relay --listen {tunnel} --to {target}", ready: {tcp: "{tunnel}"}}
`

func parseScenario(t *testing.T, text string) *Scenario {
	t.Helper()
	for _, d := range []string{"warmup: 20ms", "measure: 100ms"} {
		if key, _, _ := strings.Cut(d, " "); !strings.Contains(text, key) {
			text = d + "\n" + text
		}
	}
	s, err := ParseScenario("test.yaml", []byte("# why?\nscenario: test\n"+text))
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	return s
}

func TestARunMeasuresEveryCellOnEveryPath(t *testing.T) {
	s := parseScenario(t, `
load: {mode: pingpong, connections: 3, size: 1KiB}
cells: [{size: 64B}, {rate: 200/s}, {size: 1MiB, connections: 1}, {mode: upload}, {mode: download}, {mode: both, size: 64KiB}]
repeat: 2
`)
	begun := 0
	r := &Runner{Subject: parseSubject(t, pair), Self: self(), Command: "adit-load run x", Profile: "full", Begin: func(int, int, string) { begun++ }}
	rec, err := r.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if len(rec.Blocks) != 6*3*2 || begun != len(rec.Blocks) || rec.Interrupted || rec.Faulty() || rec.Failed() != 0 {
		t.Fatalf("%d blocks, %d begun, %d failed packets, interrupted %v, faulty %v; want 36 and none\n%s",
			len(rec.Blocks), begun, rec.Failed(), rec.Interrupted, rec.Faulty(), rec.Console())
	}
	for _, b := range rec.Blocks {
		what := fmt.Sprintf("%v, %s", b.Cell, b.Path)
		if b.Octets == 0 || b.Seconds < 0.09 || b.Strays != 0 || b.FailedConnects != 0 || len(b.Undelivered) != 0 {
			t.Errorf("%s: %+v", what, b)
		}
		if (b.Cell.Mode == PingPong) != (b.Service != nil) || (b.Cell.Rate > 0) != (b.Response != nil) || (b.Cell.Rate > 0) != (b.Lag != nil) {
			t.Errorf("%s: service %v, response %v, lag %v", what, b.Service, b.Response, b.Lag)
		}
		if d := b.Service; d != nil && (d.N != int64(b.Packets) || d.Min <= 0 || d.Min > d.Mean || d.Mean > d.Max || d.HDR == "") {
			t.Errorf("%s: %v packets, service %+v", what, b.Packets, d)
		}
		var roles []string
		for _, u := range b.Processes {
			roles = append(roles, u.Role)
			if u.RSS <= 0 || u.PeakRSS < u.RSS {
				t.Errorf("%s: %+v; want memory", what, u)
			}
		}
		if !slices.Equal(roles, []string{"generator", "target", "relay", "server", "client"}) && !slices.Equal(roles, []string{"generator", "target", "server", "client", "relay"}) {
			t.Errorf("%s: processes %v", what, roles)
		}
	}
	md := rec.Markdown()
	for _, want := range []string{"why?", "| both 3 × 64 KiB | tunnel |", "| pingpong 3 × 1 KiB at 200/s | relay |", "`adit-load run x`", "kernel "} {
		if !strings.Contains(md, want) {
			t.Errorf("Markdown has no %q:\n%s", want, md)
		}
	}
	dir := t.TempDir()
	if _, err := rec.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, _, err := LoadRecords(dir)
	if err != nil || len(again) != 1 || again[0].Markdown() != md {
		t.Errorf("LoadRecords = %d records, %v; want the same report", len(again), err)
	}
}

func TestOrderInterleavesThePathsAndRepeatsWithTheSeed(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, size: 1B}\naxes: {connections: [1, 2, 3, 4]}\nrepeat: 5")
	steps := s.order()
	if len(steps) != 60 || !slices.Equal(steps, s.order()) {
		t.Fatalf("order has %d steps, or differs from call to call", len(steps))
	}
	firsts := map[string]bool{}
	for i := 0; i < len(steps); i += 3 {
		block := steps[i : i+3]
		got := []string{block[0].path, block[1].path, block[2].path}
		firsts[got[0]] = true
		slices.Sort(got)
		if block[0].cell != block[2].cell || block[0].repetition != i/12+1 || !slices.Equal(got, []string{Direct, Relay, Tunnel}) {
			t.Errorf("steps %d to %d = %v; want one cell on all paths", i, i+2, block)
		}
	}
	if len(firsts) != 3 {
		t.Errorf("paths that come first: %v; want each sometimes", firsts)
	}
	s.Seed++
	if slices.Equal(steps, s.order()) {
		t.Error("another seed gives the same order")
	}
}

// A subject that does one thing wrong is found out: the reason, the stream and the place.
func TestAFaultIsFoundAndNamed(t *testing.T) {
	const where = 292<<10 + 500 // in the middle of a packet of 1 KiB
	const after = where + prefaceSize
	for _, tt := range []struct {
		fault, load string
		want        string // the fault's kind
		failed      string // the packets' outcome
		octets      int64
	}{
		{"corrupt", "{mode: upload, connections: 1, size: 64KiB}", Corrupted, Corrupt, 0},
		{"lose", "{mode: upload, connections: 1, size: 64KiB}", Lost, Corrupt, 1},
		{"double", "{mode: upload, connections: 1, size: 64KiB}", Duplicated, Corrupt, 9},
		{"cross", "{mode: pingpong, connections: 2, size: 1KiB}", Crossed, Corrupt, 0},
		{"corrupt", "{mode: both, connections: 1, size: 64KiB}", Corrupted, Corrupt, 0},
		{"corrupt", "{mode: pingpong, connections: 1, size: 1KiB}", Corrupted, Corrupt, 0},
		{"lose", "{mode: pingpong, connections: 1, size: 1KiB}", Lost, Corrupt, 1},
		{"stall", "{mode: upload, connections: 1, size: 64KiB}", Undelivered, TimedOut, -1},
		{"stall", "{mode: pingpong, connections: 1, size: 1KiB}", Undelivered, TimedOut, -1},
		{"reset", "{mode: pingpong, connections: 1, size: 1KiB}", Undelivered, Reset, -1},
	} {
		t.Run(tt.fault+" "+strings.Fields(tt.load)[1], func(t *testing.T) {
			s := parseScenario(t, "load: "+tt.load+"\npaths: [tunnel]\nmeasure: 1s\ntimeout: 300ms\ndrain: 1s")
			f := parseSubject(t, fmt.Sprintf(`{name: faulty, server: {command: "SELF faulty --fault %s --after %d --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, tt.fault, after))
			rec, err := (&Runner{Subject: f, Self: self()}).Run(t.Context(), s)
			if err != nil {
				t.Fatalf("Run: %v", err)
			}
			b := rec.Blocks[0]
			if b.Failed[tt.failed] == 0 || b.Octets == 0 || rec.Faulty() != (tt.failed == Corrupt) {
				t.Errorf("failed %v, %d octets, faulty %v; want some %s beside what was right", b.Failed, b.Octets, rec.Faulty(), tt.failed)
			}
			list := b.Faults
			if tt.want == Undelivered {
				list = b.Undelivered
			}
			if len(list) == 0 {
				t.Fatalf("faults %v, undelivered %v; want %s", b.Faults, b.Undelivered, tt.want)
			}
			got := list[0]
			if got.Kind != tt.want || got.Stream == 0 || got.Direction != up || got.Seen != "target" {
				t.Errorf("fault = %+v; want %s, up, seen by the target", got, tt.want)
			}
			if tt.want != Undelivered && (got.Octets != tt.octets || got.Offset < where || got.Offset > where+12) {
				t.Errorf("fault = %+v; want offset %d, %d octets", got, where, tt.octets)
			}
			if tt.want == Undelivered && (got.Octets <= 0 || got.Offset > where) {
				t.Errorf("fault = %+v; want what is missing after an offset up to %d", got, where)
			}
			if tt.want == Crossed && (got.Other == 0 || got.Other == got.Stream) {
				t.Errorf("fault = %+v; want the other stream", got)
			}
			if !strings.Contains(rec.Markdown(), got.Error()) {
				t.Errorf("Markdown does not name %v", got)
			}
		})
	}
}

func TestAnInterruptedRunKeepsWhatWasComplete(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 2, size: 64KiB}\nrepeat: 1000\npaths: [direct, relay]")
	ctx, cancel := context.WithCancel(t.Context())
	r := &Runner{Subject: parseSubject(t, pair), Self: self(), Begin: func(step, _ int, _ string) {
		if step == 2 {
			cancel()
		}
	}}
	rec, err := r.Run(ctx, s)
	if !errors.Is(err, context.Canceled) || rec == nil || !rec.Interrupted || len(rec.Blocks) != 2 {
		t.Fatalf("Run = %+v, %v; want two blocks, interrupted", rec, err)
	}
	if !strings.Contains(rec.Markdown(), "stopped before the end") {
		t.Error("Markdown does not say that the run was stopped")
	}
}

func TestASubjectThatCannotBeMeasuredIsReported(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\npaths: [tunnel]\ntimeout: 300ms")
	for name, tt := range map[string]struct{ subject, want string }{
		"exits at once":       {`{name: x, server: {command: "SELF relay --listen nowhere", ready: {tcp: "{visitor}"}}}`, "server ended too early"},
		"carries nothing":     {`{name: x, server: {command: "SELF faulty --listen {visitor} --to 127.0.0.1:1", ready: {tcp: "{visitor}"}}}`, "path tunnel: no packet came through"},
		"is an image":         {`{name: x, server: {image: some/image}}`, "not supported yet: image"},
		"ends during the run": {`{name: x, server: {command: "SELF faulty --fault exit --after 9000 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, "server ended during the run: exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Subject: parseSubject(t, tt.subject), Self: self(), Within: 300 * time.Millisecond}
			_, err := r.Run(t.Context(), s)
			if _, ok := errors.AsType[*StartError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run: %v; want *StartError with %q", err, tt.want)
			}
		})
	}
}

func TestWhatNobodyListensForIsRefused(t *testing.T) {
	c := newTestCrew(t, Load{Mode: PingPong, Connections: 1, Size: 64}, "127.0.0.1:1", newRing(1))
	defer c.close()
	_, err := c.workers[0].dial()
	c.workers[0].leave(err)
	if len(c.ends) != 1 || c.failedDials != 1 || c.ends[0].how != Refused {
		t.Errorf("dial: %v, ends %v, %d failed dials; want one refused", err, c.ends, c.failedDials)
	}
}
