package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
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

func parseScenario(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	for _, d := range []string{"warmup: 20ms", "measure: 100ms"} {
		if key, _, _ := strings.Cut(d, " "); !strings.Contains(text, key) {
			text = d + "\n" + text
		}
	}
	s, err := scenario.Parse("test.yaml", []byte("# why?\nscenario: test\n"+text))
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	return s
}

// runUntil runs a scenario, each time with twice the measured time, until what the
// test looks at has happened within it: how long that takes is the machine's
// affair, and no part of what is tested.
func runUntil(t *testing.T, r *Runner, s *scenario.Scenario, happened func(*record.Block) bool) *record.Record {
	t.Helper()
	for {
		rec, err := r.Run(t.Context(), s)
		if err != nil || rec.Faulty() {
			t.Fatalf("Run: %v\n%s", err, report.Console(rec, false))
		}
		i := slices.IndexFunc(rec.Blocks, func(b record.Block) bool { return !happened(&b) })
		if i < 0 {
			return rec
		}
		if s.Measure *= 2; time.Duration(s.Measure) > time.Minute {
			t.Fatalf("not within %v: %+v", s.Measure/2, rec.Blocks[i])
		}
	}
}

func TestARunMeasuresEveryCellOnEveryPath(t *testing.T) {
	s := parseScenario(t, `
load: {mode: pingpong, connections: 3, size: 1KiB}
cells: [{size: 64B}, {rate: 200/s}, {size: 1MiB, connections: 1}, {mode: upload}, {mode: download}, {mode: both, size: 64KiB}]
repeat: 2
measure: 300ms
timeout: 1m
drain: 1m
`)
	begun := 0
	r := &Runner{Subjects: []*subject.File{parseSubject(t, pair)}, Self: self(), Command: "adit-load run x", Profile: "full", Tell: func(n Notice) {
		switch {
		case n.Event == Planned:
			begun = 0
		case n.Phase == "connect":
			begun++
		}
	}}
	rec := runUntil(t, r, s, func(b *record.Block) bool { return b.Groups[0].Octets > 0 })
	if len(rec.Blocks) != 6*3*2 || begun != len(rec.Blocks)+len(rec.Canary) || len(rec.Canary) != 2 || rec.Interrupted || rec.Faulty() || rec.Failed() != 0 {
		t.Fatalf("%d blocks, %d begun, %d failed packets, interrupted %v, faulty %v; want 36 and none\n%s",
			len(rec.Blocks), begun, rec.Failed(), rec.Interrupted, rec.Faulty(), report.Console(rec, false))
	}
	for _, b := range rec.Blocks {
		what := fmt.Sprintf("%v, %v", b.Cell, b.Route)
		cell, err := s.Cell(b.Cell)
		if err != nil {
			t.Fatal(err)
		}
		g, load := b.Groups[0], cell.Groups[0]
		if g.Octets == 0 || g.Seconds <= 0 || b.Strays != 0 || g.FailedConnects != 0 || len(b.Undelivered) != 0 {
			t.Errorf("%s: %+v, %+v", what, g, b.Undelivered)
		}
		if (load.Mode == scenario.PingPong) != (g.Service != nil) || (load.Rate > 0) != (g.Response != nil) || (load.Rate > 0) != (g.Lag != nil) {
			t.Errorf("%s: service %v, response %v, lag %v", what, g.Service, g.Response, g.Lag)
		}
		if d := g.Service; d != nil && (d.N != int64(g.Packets) || d.Min <= 0 || d.Min > d.Mean || d.Mean > d.Max || d.HDR == "") {
			t.Errorf("%s: %v packets, service %+v", what, g.Packets, d)
		}
		if n := int(load.Connections); runtime.GOOS == "linux" && (len(g.Sockets) != n || g.Sockets[0].Stream == 0 || g.Sockets[0].RTT <= 0 || g.Sockets[0].Window <= 0) {
			t.Errorf("%s: sockets %+v; want %d", what, g.Sockets, n)
		}
		var roles []string
		for _, u := range b.Processes {
			roles = append(roles, u.Role)
			if u.RSS <= 0 || u.PeakRSS < u.RSS {
				t.Errorf("%s: %+v; want memory", what, u)
			}
		}
		if want := map[string][]string{scenario.Direct: {}, scenario.Relay: {"relay"}, scenario.Tunnel: {"server", "client"}}[b.Path]; !slices.Equal(roles, append([]string{"target", "generator"}, want...)) {
			t.Errorf("%s: processes %v", what, roles)
		}
	}
	md := report.Markdown(rec)
	for _, want := range []string{"why?", "`adit-load run x`", "kernel "} {
		if !strings.Contains(md, want) {
			t.Errorf("Markdown has no %q:\n%s", want, md)
		}
	}
	dir := t.TempDir()
	saved, err := rec.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(saved, record.File))
	if err == nil {
		err = schematest.Compile(t, record.Schema).JSON(t, data)
	}
	if err != nil {
		t.Errorf("record against its schema: %v", err)
	}
	again, _, err := record.Load(dir)
	if err != nil || len(again) != 1 || report.Markdown(again[0]) != md {
		t.Errorf("record.Load = %d records, %v; want the same report", len(again), err)
	}
}

func TestOrderInterleavesThePathsAndRepeatsWithTheSeed(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, size: 1B}\naxes: {connections: [1, 2, 3, 4]}\nrepeat: 5")
	routes := record.Routes(s.Paths, []record.Subject{{Name: "some"}})
	inOrder := func() (out []step) {
		o := newOrder(s, routes)
		for rep := range int(s.Repeat.Max) {
			out = append(out, o.round(rep+1, all(s))...)
		}
		return out
	}
	steps := inOrder()
	if len(steps) != 60 || !slices.Equal(steps, inOrder()) {
		t.Fatalf("order has %d steps, or differs from call to call", len(steps))
	}
	firsts := map[string]bool{}
	for i := 0; i < len(steps); i += 3 {
		block := steps[i : i+3]
		got := []string{block[0].route.Path, block[1].route.Path, block[2].route.Path}
		firsts[got[0]] = true
		slices.Sort(got)
		if block[0].cell != block[2].cell || block[0].repetition != i/12+1 || !slices.Equal(got, []string{scenario.Direct, scenario.Relay, scenario.Tunnel}) {
			t.Errorf("steps %d to %d = %v; want one cell on all paths", i, i+2, block)
		}
	}
	if len(firsts) != 3 {
		t.Errorf("paths that come first: %v; want each sometimes", firsts)
	}
	s.Seed++
	if slices.Equal(steps, inOrder()) {
		t.Error("another seed gives the same order")
	}
}

// The canary is a block like any other: shuffled among those of its cell, once more in each repetition.
func TestTheCanaryIsATunnelOnceMore(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, size: 1B}\naxes: {connections: [1, 2]}\nrepeat: 20")
	o := newOrder(s, record.Routes(s.Paths, []record.Subject{{Name: "some"}}))
	o.watch(s, all(s))
	places := map[int]bool{}
	for rep := range 20 {
		steps := o.round(rep+1, all(s))
		i := slices.IndexFunc(steps, func(st step) bool { return st.canary })
		if len(steps) != 7 || i < 0 || steps[i].cell != &s.Cells[0] || steps[i].route != (record.Route{Path: scenario.Tunnel, Subject: "some"}) {
			t.Fatalf("round %d = %v; want the first cell's tunnel twice", rep+1, steps)
		}
		places[i] = true
	}
	if len(places) < 4 {
		t.Errorf("the canary comes at %v; want it shuffled", places)
	}
	if steps := o.round(21, all(s)[1:]); len(steps) != 3 {
		t.Errorf("without the first cell: %v; want no canary", steps)
	}
	s = parseScenario(t, "load: {mode: pingpong, size: 1B}\ncells: [{connections: 1}, {connections: 2, repeat: 8}, {connections: 3}]")
	if o.watch(s, all(s)); o.canary.cell != &s.Cells[1] {
		t.Errorf("the canary is of cell %s; want the one that is measured most often", o.canary.cell.Name)
	}
	if n := o.least(s, all(s), 1); n != 28 {
		t.Errorf("after the first repetition come %d blocks; want 4 each in 7 more", n)
	}
	s = parseScenario(t, "load: {mode: pingpong, size: 1B}\naxes: {connections: [1, 2]}")
	o = newOrder(s, record.Routes(s.Paths, []record.Subject{{Name: "some"}}))
	if o.watch(s, all(s)); o.canary != nil {
		t.Errorf("canary %v in a single repetition; want none", o.canary)
	}
}

// A cell that says how often it is measured does not change that of the others.
func TestCellsHaveTheirOwnRepetitions(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1}\nmeasure: 30ms\npaths: [direct, relay]\n"+
		"cells: [{size: 1B}, {size: 2B, repeat: 3}, {size: 3B, repeat: {min: 6, max: 7, width: 0.0001%}}]")
	first, last := Notice{}, Notice{}
	rec, err := (&Runner{Self: self(), Profile: scenario.Smoke, Tell: func(n Notice) {
		if n.Event == Planned {
			first = n
		}
		last = n
	}}).Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, b := range rec.Blocks {
		got[b.Cell] = max(got[b.Cell], b.Repetition)
	}
	want := map[string]int{"pingpong 1 × 1 B": 1, "pingpong 1 × 2 B": 3, "pingpong 1 × 3 B": 7}
	if !maps.Equal(got, want) || len(rec.Blocks) != 22 || first.Of != 20 || last.Of != 22 {
		t.Errorf("repetitions %v, %d blocks, announced first %d and at last %d; want %v, 22 blocks, 20 and 22", got, len(rec.Blocks), first.Of, last.Of, want)
	}
}

// Cells go on until their headline is known: one that cannot be, until max.
func TestCellsAreRepeatedUntilTheyAreKnown(t *testing.T) {
	for width, want := range map[string]func(int) bool{
		"100%":    func(n int) bool { return n >= 6 && n <= 9 },
		"0.0001%": func(n int) bool { return n == 9 },
	} {
		s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nmeasure: 30ms\npaths: [direct, relay]\nrepeat: {min: 6, max: 9, width: "+width+"}")
		last := Notice{}
		rec, err := (&Runner{Self: self(), Profile: scenario.Smoke, Tell: func(n Notice) { last = n }}).Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if n := rec.Blocks[len(rec.Blocks)-1].Repetition; !want(n) || len(rec.Blocks) != 2*n || last.Of != 2*n {
			t.Errorf("width %s: %d repetitions, %d blocks, %d announced", width, n, len(rec.Blocks), last.Of)
		}
		if len(rec.Canary) > 0 || len(rec.Floor) > 0 || len(rec.Summary) == 0 || len(rec.Ratios) == 0 {
			t.Errorf("width %s: %d canaries, %d floors, %d numbers, %d ratios", width, len(rec.Canary), len(rec.Floor), len(rec.Summary), len(rec.Ratios))
		}
	}
}

// A subject that does one thing wrong is found out: the reason, the stream and
// the place. The same subject without the fault is clean.
func TestAFaultIsFoundAndNamed(t *testing.T) {
	const where = 292<<10 + 500 // in the middle of a packet of 1 KiB
	const (
		echo    = "{mode: pingpong, connections: 1, size: 1KiB}"
		echoes  = "{mode: pingpong, connections: 2, size: 1KiB}"
		upload  = "{mode: upload, connections: 1, size: 64KiB}"
		both    = "{mode: both, connections: 1, size: 64KiB}"
		sources = "{mode: download, connections: 2, size: 64KiB}"
	)
	for _, tt := range []struct {
		fault, way string // to the target, or back
		load       string
		want       payload.Fault // without stream, offset and the other stream
		failed     string
	}{
		{faulty.Nothing, "to", echoes, payload.Fault{}, ""},
		{faulty.Nothing, "to", both, payload.Fault{}, ""},
		{faulty.Corrupt, "to", echo, payload.Fault{Kind: payload.Corrupted, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Corrupt, "back", echo, payload.Fault{Kind: payload.Corrupted, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Corrupt, "to", upload, payload.Fault{Kind: payload.Corrupted, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Corrupt, "to", both, payload.Fault{Kind: payload.Corrupted, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Corrupt, "back", both, payload.Fault{Kind: payload.Corrupted, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Corrupt, "back", sources, payload.Fault{Kind: payload.Corrupted, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Lose, "to", echo, payload.Fault{Kind: payload.Lost, Octets: 1, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Lose, "back", echoes, payload.Fault{Kind: payload.Lost, Octets: 1, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Lose, "to", upload, payload.Fault{Kind: payload.Lost, Octets: 1, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Lose, "back", sources, payload.Fault{Kind: payload.Lost, Octets: 1, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Double, "to", upload, payload.Fault{Kind: payload.Duplicated, Octets: 9, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Double, "back", both, payload.Fault{Kind: payload.Duplicated, Octets: 9, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Cross, "to", echoes, payload.Fault{Kind: payload.Crossed, Direction: payload.Up, Seen: "target"}, load.Corrupt},
		{faulty.Cross, "back", echoes, payload.Fault{Kind: payload.Crossed, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Cross, "back", sources, payload.Fault{Kind: payload.Crossed, Direction: payload.Down, Seen: "generator"}, load.Corrupt},
		{faulty.Stall, "to", upload, payload.Fault{Kind: payload.Undelivered, Direction: payload.Up, Seen: "target"}, load.TimedOut},
		{faulty.Stall, "to", echo, payload.Fault{Kind: payload.Undelivered, Direction: payload.Up, Seen: "target"}, load.TimedOut},
		{faulty.Stall, "back", echo, payload.Fault{Kind: payload.Undelivered, Direction: payload.Down, Seen: "generator"}, load.TimedOut},
		{faulty.Reset, "to", echo, payload.Fault{Kind: payload.Undelivered, Direction: payload.Up, Seen: "target"}, load.Reset},
	} {
		t.Run(tt.fault+" "+tt.way+" "+strings.Fields(tt.load)[1], func(t *testing.T) {
			timeout := "10s" // no machine is so busy
			if tt.failed == load.TimedOut {
				timeout = "300ms"
			}
			s := parseScenario(t, "load: "+tt.load+"\npaths: [tunnel]\nmeasure: 500ms\ntimeout: "+timeout+"\ndrain: 1s")
			after := where
			if tt.way == "to" {
				after += payload.PrefaceSize
				if s.Cells[0].Groups[0].Service().Waits() {
					after++ // payload.Go
				}
			}
			f := parseSubject(t, fmt.Sprintf(`{name: faulty, server: {command: "SELF faulty --fault %s --back=%v --after %d --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`,
				tt.fault, tt.way == "back", after))
			rec, err := (&Runner{Subjects: []*subject.File{f}, Self: self()}).Run(t.Context(), s)
			if err != nil {
				t.Fatalf("Run: %v", err)
			}
			b := rec.Blocks[0]
			if b.Groups[0].Octets == 0 || rec.Faulty() != (tt.failed == load.Corrupt) {
				t.Errorf("%d octets, faulty %v", b.Groups[0].Octets, rec.Faulty())
			}
			if tt.failed == "" {
				if rec.Failed() != 0 || len(b.Faults)+len(b.Undelivered) != 0 {
					t.Errorf("failed %v, faults %v, undelivered %v; want none", b.Groups[0].Failed, b.Faults, b.Undelivered)
				}
				return
			}
			list := b.Faults
			if tt.want.Kind == payload.Undelivered {
				list = b.Undelivered
			}
			if b.Groups[0].Failed[tt.failed] == 0 || len(list) == 0 {
				t.Fatalf("failed %v, faults %v, undelivered %v; want %s packets, %s octets", b.Groups[0].Failed, b.Faults, b.Undelivered, tt.failed, tt.want.Kind)
			}
			checkFault(t, *list[0], tt.want, where)
			if !strings.Contains(report.Markdown(rec), list[0].Error()) {
				t.Errorf("Markdown does not name %v", list[0])
			}
		})
	}
}

// checkFault compares a fault with what is wanted at an offset. The bytes
// behind a lost or doubled one may be right by chance.
func checkFault(t *testing.T, got, want payload.Fault, where int64) {
	t.Helper()
	if got.Stream == 0 || (got.Other != 0) != (want.Kind == payload.Crossed) || got.Other == got.Stream {
		t.Errorf("fault = %+v; want its stream, and when crossed the other", got)
	}
	switch {
	case want.Kind == payload.Undelivered && (got.Octets <= 0 || got.Offset > where):
		t.Errorf("fault = %+v; want what is missing after an offset up to %d", got, where)
	case want.Kind != payload.Undelivered && (got.Offset < where || got.Offset > where+12):
		t.Errorf("fault = %+v; want offset %d", got, where)
	}
	want.Stream, want.Other, want.Offset = got.Stream, got.Other, got.Offset
	if want.Kind == payload.Undelivered {
		want.Octets = got.Octets
	}
	if got != want {
		t.Errorf("fault = %+v; want %+v", got, want)
	}
}

// What was due while a connection was stuck is sent when there is a new one,
// and its latency counts from when it was due: nothing is left out.
func TestAScheduleGoesOnThroughAnOutage(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB, rate: 200/s}\npaths: [tunnel]\nwarmup: 0s\nmeasure: 1s\ntimeout: 300ms")
	f := parseSubject(t, `{name: faulty, server: {command: "SELF faulty --fault stall --after 80000 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`)
	rec, err := (&Runner{Subjects: []*subject.File{f}, Self: self()}).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	b := rec.Blocks[0].Groups[0]
	// Failures count in all phases, so there may be as many as were due in the
	// second that was asked for, of which a busy machine measures a part. One
	// may be due at either edge of it.
	due := int64(b.Seconds * 200)
	if got := int64(b.Packets) + b.Late + rec.Failed(); b.Failed[load.TimedOut] == 0 || got < due-1 || got > max(due, 200)+2 {
		t.Errorf("%v ok, %d late, failed %v; want %d packets accounted for", b.Packets, b.Late, b.Failed, due)
	}
	if b.Response.Max < int64(200*time.Millisecond) || b.Response.Max < 2*b.Service.Max {
		t.Errorf("response up to %v, service up to %v; want the wait in the response", time.Duration(b.Response.Max), time.Duration(b.Service.Max))
	}
}

func TestSeveralSubjectsAreMeasuredSideBySide(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 1, size: 64KiB}\npaths: [tunnel, direct]\nrepeat: 2")
	other, absent := parseSubject(t, pair), parseSubject(t, pair)
	other.Name, absent.Name, absent.Needs = "other", "absent", []string{"/no/such/program"}
	rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, pair), absent, other}, Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Failed() != 0 {
		t.Fatalf("Run: %v, %d failed", err, rec.Failed())
	}
	var got []string
	for _, row := range report.NewSheet(rec).Rows {
		got = append(got, row.Route.String())
		if row.Of("octets").Median == 0 || (row.Path == scenario.Tunnel) != (row.Of("goodput/direct").Median > 0) {
			t.Errorf("row %+v", row)
		}
	}
	if want := []string{"direct", "tunnel pair", "tunnel other"}; !slices.Equal(got, want) {
		t.Errorf("rows %q; want %q", got, want)
	}
	for _, b := range rec.Blocks {
		if len(b.Generators) != 1 || b.Generators[0].CPUSeconds <= 0 {
			t.Errorf("%v: generators %+v; want one that says what CPU time it took", b.Route, b.Generators)
		}
		if b.Path == scenario.Tunnel && len(b.Processes) != 4 {
			t.Errorf("%v: processes %v; want its own, and no other's", b.Route, b.Processes)
		}
	}
	if want := []scenario.NotRun{{Subject: "absent", Reason: "/no/such/program is not installed"}}; !slices.Equal(rec.NotRun, want) {
		t.Errorf("not run: %v; want %v", rec.NotRun, want)
	}
	if len(rec.Subjects) != 2 || !strings.Contains(report.Markdown(rec), "| subject | other |") {
		t.Errorf("subjects %v", rec.Subjects)
	}
}

func TestARunWhoseOnlySubjectIsNotInstalledSaysSo(t *testing.T) {
	absent := parseSubject(t, pair)
	absent.Name, absent.Needs = "absent", []string{"/no/such/program"}
	r := &Runner{Subjects: []*subject.File{absent}, Self: self()}
	rec, err := r.Run(t.Context(), parseScenario(t, "load: {mode: upload, connections: 1, size: 64KiB}"))
	if _, ok := errors.AsType[*LimitError](err); !ok || err.Error() != "subject absent: not run: /no/such/program is not installed" || len(rec.Blocks) > 0 {
		t.Errorf("Run: %v, %d blocks", err, len(rec.Blocks))
	}
}

func TestSubjectsThatLeadToDifferentTargetsAreRefused(t *testing.T) {
	a, b := parseSubject(t, pair), parseSubject(t, pair)
	a.Target, b.Name, b.Target = "127.0.0.1:9", "other", "127.0.0.1:10"
	_, err := (&Runner{Subjects: []*subject.File{a, b}, Self: self()}).Run(t.Context(), parseScenario(t, "load: {mode: upload, connections: 1, size: 64KiB}"))
	if _, ok := errors.AsType[*rig.StartError](err); !ok || !strings.Contains(err.Error(), "subject other: target 127.0.0.1:10: another subject's is 127.0.0.1:9") {
		t.Errorf("Run: %v", err)
	}
}

func TestAnInterruptedRunKeepsWhatWasComplete(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 2, size: 64KiB}\nrepeat: 1000\npaths: [direct, relay]")
	ctx, cancel := context.WithCancel(t.Context())
	r := &Runner{Subjects: []*subject.File{parseSubject(t, pair)}, Self: self(), Tell: func(n Notice) {
		if n.Done == 2 {
			cancel()
		}
	}}
	rec, err := r.Run(ctx, s)
	if !errors.Is(err, context.Canceled) || rec == nil || !rec.Interrupted || len(rec.Blocks) != 2 {
		t.Fatalf("Run = %+v, %v; want two blocks, interrupted", rec, err)
	}
	if !strings.Contains(report.Markdown(rec), "stopped before the end") {
		t.Error("Markdown does not say that the run was stopped")
	}
}

// endStranger ends the process that an error names.
func endStranger(t *testing.T, err error) {
	t.Helper()
	stranger, ok := errors.AsType[*subject.StrangerError](err)
	if !ok {
		t.Fatalf("%v; want a stranger", err)
	}
	_, number, _ := strings.Cut(strings.TrimSuffix(stranger.Holder, ")"), "(process ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Errorf("process %d cannot be ended: %v", pid, err)
	}
}

func TestASubjectThatCannotBeMeasuredIsReported(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\npaths: [tunnel]\ntimeout: 300ms")
	for name, tt := range map[string]struct{ subject, want string }{
		"exits at once":       {`{name: x, server: {command: "SELF relay --listen nowhere", ready: {tcp: "{visitor}"}}}`, "server ended too early"},
		"carries nothing":     {`{name: x, server: {command: "SELF faulty --listen {visitor} --to 127.0.0.1:1", ready: {tcp: "{visitor}"}}}`, "path tunnel x: no packet came through"},
		"is an image":         {`{name: x, server: {image: some/image}}`, "server cannot be started: "},
		"ends during the run": {`{name: x, server: {command: "SELF faulty --fault exit --after 9000 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, "x server ended during the run: exit status 7"},
		"sleeps where another listens": {
			`{name: x, visitor: "` + taken.Addr().String() + `", server: {command: sleep 600, ready: {tcp: "{visitor}"}}}`,
			"subject x: visitor " + taken.Addr().String() + ": accepts connections before the subject is started; it is held by run.test (process",
		},
		// Neither its session, its parent nor its environment say who started this relay.
		"sleeps while another comes": {
			`{name: x, server: {command: "sh -c '(setsid env -i SELF relay --listen {visitor} --to {target} &); exec sleep 600'", ready: {tcp: "{visitor}", within: 20s}}}`,
			": it is listened on by run.test (process",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Subjects: []*subject.File{parseSubject(t, tt.subject)}, Self: self(), Patience: 3 * time.Second}
			_, err := r.Run(t.Context(), s)
			if name == "sleeps while another comes" {
				endStranger(t, err)
			}
			if _, ok := errors.AsType[*rig.StartError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Run: %v; want *StartError with %q", err, tt.want)
			}
		})
	}
}

// all are the cells of a scenario.
func all(s *scenario.Scenario) (out []*scenario.Cell) {
	for i := range s.Cells {
		out = append(out, &s.Cells[i])
	}
	return out
}

// Several generators share a group's connections and rate, and what they
// recorded comes together.
func TestGeneratorsShareTheLoad(t *testing.T) {
	s := parseScenario(t, `
groups:
  - {name: probe, mode: pingpong, connections: 3, size: 1KiB, rate: 300/s}
  - {name: bulk, mode: pingpong, connections: 2, size: 64KiB}
  - {name: calls, mode: churn, connections: 8, size: 64B, packets: 3, rate: 100/s, resets: 50%}
  - {name: quiet, mode: idle, connections: 5, size: 1B}
generators: 3
measure: 500ms
paths: [direct, relay]
link: {rtt: 4ms, rate: 1Gbit/s}
`)
	rec, err := (&Runner{Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Failed() != 0 || rec.Faulty() {
		t.Fatalf("Run: %v, %d failed\n%s", err, rec.Failed(), report.Console(rec, false))
	}
	for _, b := range rec.Blocks {
		probe, bulk, calls, quiet := b.Groups[0], b.Groups[1], b.Groups[2], b.Groups[3]
		if n := probe.Response.N; n < 3 || n > 160 || probe.Response.Min < int64(4*time.Millisecond) {
			t.Errorf("%v: %d packets at 300/s in 0.5 s, from %v; want 150 or, on a busy machine, fewer, of 4 ms or more", b.Route, n, time.Duration(probe.Response.Min))
		}
		if n := calls.Calls; n < 3 || n > 55 || calls.Packets != float64(3*n) || calls.First.N != n || calls.Connect.N != n || calls.First.Max > calls.Service.Max {
			t.Errorf("%v: %d connections at 100/s in 0.5 s, %v packets; want 50 or fewer, and three times as many", b.Route, n, calls.Packets)
		}
		if bulk.Octets == 0 || quiet.Packets != 5 {
			t.Errorf("%v: bulk %d octets, %v of 5 idle connections answered at the end", b.Route, bulk.Octets, quiet.Packets)
		}
		roles := map[string]int{}
		for _, p := range b.Processes {
			roles[p.Role]++
		}
		if roles["generator"] != 3 || roles["link"] != 1 {
			t.Errorf("%v: processes %v; want 3 generators and a link", b.Route, roles)
		}
	}
}

// A rival that does not stand takes only its own numbers with it.
func TestARunGoesOnWithoutALostSubject(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\npaths: [relay, tunnel]\nmeasure: 50ms\nwarmup: 10ms\nrepeat: 3\ntimeout: 300ms")
	rival := parseSubject(t, `{name: rival, server: {command: "SELF relay --listen nowhere", ready: {tcp: "{visitor}"}}}`)
	rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, pair), rival}, Rivals: []string{"rival"}, Self: self(), Patience: 3 * time.Second}).Run(t.Context(), s)
	if err != nil || len(rec.NotRun) != 1 || rec.NotRun[0].Subject != "rival" || rec.Interrupted {
		t.Errorf("Run beside a rival that is not there: %v, not run %v; want no error, and that it is said", err, rec.NotRun)
	}
	for name, tt := range map[string]struct{ rival, want string }{
		"exits at once":       {`{name: rival, server: {command: "SELF relay --listen nowhere", ready: {tcp: "{visitor}"}}}`, "server ended too early"},
		"ends during the run": {`{name: rival, server: {command: "SELF faulty --fault exit --after 3000 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, "rival server ended during the run: exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			var last Notice
			r := &Runner{
				Subjects: []*subject.File{parseSubject(t, tt.rival), parseSubject(t, pair)}, Self: self(), Patience: 3 * time.Second,
				Tell: func(n Notice) { last = n },
			}
			rec, err := r.Run(t.Context(), s)
			lost, ok := errors.AsType[*LostError](err)
			if !ok || len(lost.Subjects) != 1 || lost.Subjects[0].Subject != "rival" || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Run: %v; want *LostError of the rival with %q", err, tt.want)
			}
			if _, ok := errors.AsType[*rig.StartError](err); !ok || rec.Interrupted || last.Event != Verdict || last.Verdict == "stopped" {
				t.Errorf("%T, interrupted %v, told %q; want a *StartError in it, and all else complete", err, rec.Interrupted, last.Verdict)
			}
			n := map[string]int{}
			for _, b := range rec.Blocks {
				n[b.Route.String()]++
			}
			if n["relay"] != 3 || n["tunnel pair"] != 3 || n["tunnel rival"] > 2 {
				t.Errorf("blocks: %v; want 3 of all but the rival", n)
			}
			if len(rec.NotRun) != 1 || rec.NotRun[0].Subject != "rival" || !strings.Contains(rec.NotRun[0].Reason, tt.want) || strings.Contains(rec.NotRun[0].Reason, "\n") {
				t.Errorf("not run: %q; want the rival, in a line", rec.NotRun)
			}
		})
	}
}
