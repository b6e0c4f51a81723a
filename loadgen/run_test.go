package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
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
	r := &Runner{Subjects: []*subject.File{parseSubject(t, pair)}, Self: self(), Command: "adit-load run x", Profile: "full", Begin: func(Progress) { begun++ }}
	rec, err := r.Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if len(rec.Blocks) != 6*3*2 || begun != len(rec.Blocks) || rec.Interrupted || rec.Faulty() || rec.Failed() != 0 {
		t.Fatalf("%d blocks, %d begun, %d failed packets, interrupted %v, faulty %v; want 36 and none\n%s",
			len(rec.Blocks), begun, rec.Failed(), rec.Interrupted, rec.Faulty(), rec.Console())
	}
	for _, b := range rec.Blocks {
		what := fmt.Sprintf("%v, %v", b.Cell, b.Route)
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
		if want := map[string][]string{Direct: {}, Relay: {"relay"}, Tunnel: {"server", "client"}}[b.Path]; !slices.Equal(roles, append([]string{"generator", "target"}, want...)) {
			t.Errorf("%s: processes %v", what, roles)
		}
	}
	md := rec.Markdown()
	for _, want := range []string{"why?", "| both 3 × 64 KiB | tunnel pair |", "| pingpong 3 × 1 KiB at 200/s | relay |", "`adit-load run x`", "kernel "} {
		if !strings.Contains(md, want) {
			t.Errorf("Markdown has no %q:\n%s", want, md)
		}
	}
	dir := t.TempDir()
	saved, err := rec.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, filepath.Join(saved, recordFile))))
	if err == nil {
		err = schema(t, RecordSchema).Validate(doc)
	}
	if err != nil {
		t.Errorf("record against its schema: %v", err)
	}
	again, _, err := LoadRecords(dir)
	if err != nil || len(again) != 1 || again[0].Markdown() != md {
		t.Errorf("LoadRecords = %d records, %v; want the same report", len(again), err)
	}
}

func TestOrderInterleavesThePathsAndRepeatsWithTheSeed(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, size: 1B}\naxes: {connections: [1, 2, 3, 4]}\nrepeat: 5")
	routes := s.routes([]string{"some"})
	steps := s.order(routes)
	if len(steps) != 60 || !slices.Equal(steps, s.order(routes)) {
		t.Fatalf("order has %d steps, or differs from call to call", len(steps))
	}
	firsts := map[string]bool{}
	for i := 0; i < len(steps); i += 3 {
		block := steps[i : i+3]
		got := []string{block[0].route.Path, block[1].route.Path, block[2].route.Path}
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
	if slices.Equal(steps, s.order(routes)) {
		t.Error("another seed gives the same order")
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
		want       Fault // without stream, offset and the other stream
		failed     string
	}{
		{faulty.Nothing, "to", echoes, Fault{}, ""},
		{faulty.Nothing, "to", both, Fault{}, ""},
		{faulty.Corrupt, "to", echo, Fault{Kind: Corrupted, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Corrupt, "back", echo, Fault{Kind: Corrupted, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Corrupt, "to", upload, Fault{Kind: Corrupted, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Corrupt, "to", both, Fault{Kind: Corrupted, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Corrupt, "back", both, Fault{Kind: Corrupted, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Corrupt, "back", sources, Fault{Kind: Corrupted, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Lose, "to", echo, Fault{Kind: Lost, Octets: 1, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Lose, "back", echoes, Fault{Kind: Lost, Octets: 1, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Lose, "to", upload, Fault{Kind: Lost, Octets: 1, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Lose, "back", sources, Fault{Kind: Lost, Octets: 1, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Double, "to", upload, Fault{Kind: Duplicated, Octets: 9, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Double, "back", both, Fault{Kind: Duplicated, Octets: 9, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Cross, "to", echoes, Fault{Kind: Crossed, Direction: up, Seen: "target"}, Corrupt},
		{faulty.Cross, "back", echoes, Fault{Kind: Crossed, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Cross, "back", sources, Fault{Kind: Crossed, Direction: down, Seen: "generator"}, Corrupt},
		{faulty.Stall, "to", upload, Fault{Kind: Undelivered, Direction: up, Seen: "target"}, TimedOut},
		{faulty.Stall, "to", echo, Fault{Kind: Undelivered, Direction: up, Seen: "target"}, TimedOut},
		{faulty.Stall, "back", echo, Fault{Kind: Undelivered, Direction: down, Seen: "generator"}, TimedOut},
		{faulty.Reset, "to", echo, Fault{Kind: Undelivered, Direction: up, Seen: "target"}, Reset},
	} {
		t.Run(tt.fault+" "+tt.way+" "+strings.Fields(tt.load)[1], func(t *testing.T) {
			s := parseScenario(t, "load: "+tt.load+"\npaths: [tunnel]\nmeasure: 500ms\ntimeout: 300ms\ndrain: 1s")
			after := where
			if tt.way == "to" {
				after += prefaceSize
			}
			f := parseSubject(t, fmt.Sprintf(`{name: faulty, server: {command: "SELF faulty --fault %s --back=%v --after %d --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`,
				tt.fault, tt.way == "back", after))
			rec, err := (&Runner{Subjects: []*subject.File{f}, Self: self()}).Run(t.Context(), s)
			if err != nil {
				t.Fatalf("Run: %v", err)
			}
			b := rec.Blocks[0]
			if b.Octets == 0 || rec.Faulty() != (tt.failed == Corrupt) {
				t.Errorf("%d octets, faulty %v", b.Octets, rec.Faulty())
			}
			if tt.failed == "" {
				if rec.Failed() != 0 || len(b.Faults)+len(b.Undelivered) != 0 {
					t.Errorf("failed %v, faults %v, undelivered %v; want none", b.Failed, b.Faults, b.Undelivered)
				}
				return
			}
			list := b.Faults
			if tt.want.Kind == Undelivered {
				list = b.Undelivered
			}
			if b.Failed[tt.failed] == 0 || len(list) == 0 {
				t.Fatalf("failed %v, faults %v, undelivered %v; want %s packets, %s octets", b.Failed, b.Faults, b.Undelivered, tt.failed, tt.want.Kind)
			}
			checkFault(t, *list[0], tt.want, where)
			if !strings.Contains(rec.Markdown(), list[0].Error()) {
				t.Errorf("Markdown does not name %v", list[0])
			}
		})
	}
}

// checkFault compares a fault with what is wanted at an offset. The octets
// behind a lost or doubled one may be right by chance.
func checkFault(t *testing.T, got, want Fault, where int64) {
	t.Helper()
	if got.Stream == 0 || (got.Other != 0) != (want.Kind == Crossed) || got.Other == got.Stream {
		t.Errorf("fault = %+v; want its stream, and when crossed the other", got)
	}
	switch {
	case want.Kind == Undelivered && (got.Octets <= 0 || got.Offset > where):
		t.Errorf("fault = %+v; want what is missing after an offset up to %d", got, where)
	case want.Kind != Undelivered && (got.Offset < where || got.Offset > where+12):
		t.Errorf("fault = %+v; want offset %d", got, where)
	}
	want.Stream, want.Other, want.Offset = got.Stream, got.Other, got.Offset
	if want.Kind == Undelivered {
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
	b := rec.Blocks[0]
	due := int64(b.Seconds * 200)
	if got := int64(b.Packets) + b.Late + rec.Failed(); b.Failed[TimedOut] == 0 || got < due || got > due+2 {
		t.Errorf("%v ok, %d late, failed %v; want %d packets accounted for", b.Packets, b.Late, b.Failed, due)
	}
	if b.Response.Max < int64(200*time.Millisecond) || b.Response.Max < 2*b.Service.Max {
		t.Errorf("response up to %v, service up to %v; want the wait in the response", time.Duration(b.Response.Max), time.Duration(b.Service.Max))
	}
}

func TestSeveralSubjectsAreMeasuredSideBySide(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 1, size: 64KiB}\npaths: [tunnel, direct]\nrepeat: 2")
	other := parseSubject(t, pair)
	other.Name = "other"
	rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, pair), other}, Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Failed() != 0 {
		t.Fatalf("Run: %v, %d failed", err, rec.Failed())
	}
	var got []string
	for _, row := range rec.Rows() {
		got = append(got, row.Route.String())
		if row.Octets == 0 || (row.Path == Tunnel) != (row.ToDirect.Median > 0) {
			t.Errorf("row %+v", row)
		}
	}
	if want := []string{"direct", "tunnel pair", "tunnel other"}; !slices.Equal(got, want) {
		t.Errorf("rows %q; want %q", got, want)
	}
	for _, b := range rec.Blocks {
		if b.Path == Tunnel && len(b.Processes) != 4 {
			t.Errorf("%v: processes %v; want its own, and no other's", b.Route, b.Processes)
		}
	}
	if len(rec.Subjects) != 2 || !strings.Contains(rec.Markdown(), "| subject | other |") {
		t.Errorf("subjects %v", rec.Subjects)
	}
}

func TestSubjectsThatLeadToDifferentTargetsAreRefused(t *testing.T) {
	a, b := parseSubject(t, pair), parseSubject(t, pair)
	a.Target, b.Name, b.Target = "127.0.0.1:9", "other", "127.0.0.1:10"
	_, err := (&Runner{Subjects: []*subject.File{a, b}, Self: self()}).Run(t.Context(), parseScenario(t, "load: {mode: upload, connections: 1, size: 64KiB}"))
	if _, ok := errors.AsType[*StartError](err); !ok || !strings.Contains(err.Error(), "subject other: target 127.0.0.1:10: another subject's is 127.0.0.1:9") {
		t.Errorf("Run: %v", err)
	}
}

func TestAMachineWithTooFewFilesIsRefusedBeforeTheStart(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 500, size: 1KiB}")
	for files, want := range map[uint64]string{0: "", 1064: "", 1063: "needs 1064 open files in a process; the limit is 1063: raise it (ulimit -Hn 1064), or take 499 connections or fewer"} {
		err := preflight(s, Environment{OpenFiles: files})
		if _, ok := errors.AsType[*LimitError](err); ok != (want != "") || ok && !strings.Contains(err.Error(), want) {
			t.Errorf("preflight with %d files: %v; want %q", files, err, want)
		}
	}
	if ReadEnvironment().OpenFiles == 0 {
		t.Error("the limit of this process is unknown")
	}
}

func TestAnInterruptedRunKeepsWhatWasComplete(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 2, size: 64KiB}\nrepeat: 1000\npaths: [direct, relay]")
	ctx, cancel := context.WithCancel(t.Context())
	r := &Runner{Subjects: []*subject.File{parseSubject(t, pair)}, Self: self(), Begin: func(p Progress) {
		if p.Step == 2 {
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
		"carries nothing":     {`{name: x, server: {command: "SELF faulty --listen {visitor} --to 127.0.0.1:1", ready: {tcp: "{visitor}"}}}`, "path tunnel x: no packet came through"},
		"is an image":         {`{name: x, server: {image: some/image}}`, "server cannot be started: "},
		"ends during the run": {`{name: x, server: {command: "SELF faulty --fault exit --after 9000 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, "x server ended during the run: exit status 7"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Subjects: []*subject.File{parseSubject(t, tt.subject)}, Self: self(), Within: 300 * time.Millisecond}
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
