package run

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Each event answers for what happened until the next one, and for nothing before.
func TestEventsAnswerForTheStreamsThatTheyHit(t *testing.T) {
	const s, never = time.Second, load.Never
	f := fate{
		lives: []load.Life{
			{Stream: 1, Connected: -s, First: -s, Last: 9 * s, Ended: never},
			{Stream: 2, Connected: -s, First: -s, Last: 2 * s, Ended: 2500 * time.Millisecond, How: load.Reset},
			{Stream: 3, Connected: -s, First: -s, Last: 2 * s, Ended: 4 * s, How: load.TimedOut},
			{Stream: 4, Connected: -s, First: -s, Last: s, Ended: s}, // in order, before
			{Stream: 5, Connected: 3 * s, First: 3500 * time.Millisecond, Last: 9 * s, Ended: never},
			{Stream: 0, Connected: never, First: never, Last: never, Ended: 2700 * time.Millisecond, How: load.Refused},
			{Stream: 6, Connected: 6 * s, First: 6 * s, Last: 7 * s, Ended: never},
		},
		waits:       []load.Wait{{Stream: 1, From: 2 * s, To: 3 * s}, {Stream: 6, From: 7 * s, To: never}},
		left:        map[uint64]bool{6: true},
		faults:      []*payload.Fault{{Stream: 2, Kind: payload.Lost, Octets: 3}, {Stream: 1, Kind: payload.Lost, Octets: 100}},
		undelivered: []*payload.Fault{{Stream: 2, Octets: 70}, {Stream: 3, Octets: 7}},
	}
	events := []record.Event{{Do: scenario.ServerKill, At: 2}, {Do: scenario.LinkFreeze, At: 6.5}, {Do: scenario.LinkFreeze, At: 8}}
	f.judge(&record.Block{Events: events}, make([]map[uint64]int64, 3))
	e := events[0]
	if e.Seen == nil || e.Reconnected == nil || e.First == nil || *e.Seen != 0.1 || *e.Reconnected != 1 || *e.First != 1 {
		t.Errorf("seen, reconnected, first = %v; want 0.1, 1, 1 s", e)
	}
	if e.Streams != (record.Streams{Kept: 1, Reset: 1, Hung: 1}) || e.Lost != 3 || e.Undelivered != 77 || e.Doubled != 0 {
		t.Errorf("first event: %+v", e)
	}
	if e = events[1]; e.Streams != (record.Streams{Kept: 2, Hung: 1}) || e.Seen == nil || e.First != nil || e.Reconnected != nil || e.Lost != 0 {
		t.Errorf("second event: %+v; want stream 6 hung", e)
	}
	if e = events[2]; e.Seen != nil {
		t.Errorf("third event: %+v; want nothing seen", e)
	}
}

// Only what a time line breaks by itself is excused: a stream that ends while a
// reader stalls, or a line is frozen, has failed, and so has one that ends before
// a kill. Whoever sends on to a stream that has ended holds nothing.
func TestOnlyWhatTheTimeLineBreaksIsExcused(t *testing.T) {
	ended := func(stream uint64, at time.Duration) load.Life {
		return load.Life{Stream: stream, Connected: -time.Second, First: -time.Second, Last: at, Ended: at, How: load.Reset}
	}
	lived := load.Life{Stream: 9, Connected: -time.Second, Ended: load.Never}
	kill, stall := record.Event{Do: scenario.LinkKill, At: 2}, record.Event{Do: scenario.ReaderStall, At: 1}
	for _, tt := range []struct {
		name   string
		events []record.Event
		lives  []load.Life
		failed map[string]int64
		want   int64
		held   int64 // of the first event; -1: none
	}{
		{"nothing fails", []record.Event{stall}, []load.Life{lived}, nil, 0, 500},
		{"a stalled stream is reset", []record.Event{stall}, []load.Life{ended(1, 3*time.Second)}, map[string]int64{load.Reset: 1}, 1, 500},
		{"all stalled streams are reset", []record.Event{stall}, []load.Life{ended(1, 3*time.Second), ended(9, 3*time.Second)}, map[string]int64{load.Reset: 2}, 2, -1},
		{"a frozen line", []record.Event{{Do: scenario.LinkFreeze, At: 1}}, []load.Life{ended(1, 2*time.Second)}, map[string]int64{load.Reset: 1}, 1, -1},
		{"a kill", []record.Event{kill}, []load.Life{ended(1, 2*time.Second), lived}, map[string]int64{load.Reset: 1}, 0, -1},
		{"clocks differ by a little", []record.Event{kill}, []load.Life{ended(1, 1990*time.Millisecond)}, map[string]int64{load.Reset: 1}, 0, -1},
		{"before the kill", []record.Event{kill}, []load.Life{ended(1, 1900*time.Millisecond), ended(2, 2*time.Second)}, map[string]int64{load.Reset: 2}, 1, -1},
		{"a stall and then a kill", []record.Event{stall, kill}, []load.Life{ended(1, 1500*time.Millisecond), ended(2, 2*time.Second)}, map[string]int64{load.Reset: 2}, 1, 500},
		{"a kill and then a stall", []record.Event{{Do: scenario.ClientKill, At: 0.5}, {Do: scenario.ReaderStall, At: 2}}, []load.Life{ended(1, time.Second), ended(2, 2*time.Second)}, map[string]int64{load.Reset: 2}, 1, -1},
		{"a stream hangs after a kill", []record.Event{kill}, []load.Life{{Stream: 1, Connected: -1, Ended: 3 * time.Second, How: load.TimedOut}}, map[string]int64{load.TimedOut: 1}, 1, -1},
	} {
		b := record.Block{Events: tt.events, Groups: []record.Group{{Failed: tt.failed}}}
		waiting := make([]map[uint64]int64, len(tt.events))
		waiting[0] = map[uint64]int64{1: 5 << 30, 9: 500}
		fate{lives: tt.lives}.judge(&b, waiting)
		held := int64(-1)
		if h := b.Events[0].Held; h != nil {
			held = *h
		}
		if tt.name == "nothing fails" { // both live
			tt.held = (5<<30 + 500) / 2
		}
		if got := (&record.Record{Blocks: []record.Block{b}}).Failed(); got != tt.want || held != tt.held {
			t.Errorf("%s: %d failed, %d held; want %d, %d", tt.name, got, held, tt.want, tt.held)
		}
	}
}

// hop stands in for a tunnel of one process.
const hop = `{name: hop, server: {command: "SELF relay --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`

// What a time line does is written down, on the routes where it has a place.
func TestATimelineHappensAndIsWrittenDown(t *testing.T) {
	s := parseScenario(t, `
load: {mode: pingpong, connections: 4, size: 1KiB, rate: 400/s}
link: {rtt: 1ms}
timeline: [{at: 200ms, for: 300ms}]
axes: {timeline.do: [link.freeze, link.kill, server.kill, server.freeze]}
measure: 1500ms
timeout: 1m
drain: 1m
paths: [relay, tunnel]
`)
	set := s.Cells[0]
	set.Name = scenario.LinkSet
	set.Timeline = []scenario.Event{s.Cells[0].Timeline[0]}
	set.Timeline[0].Do, set.Timeline[0].To = scenario.LinkSet, &scenario.Link{RTT: subject.Duration(300 * time.Millisecond)}
	s.Cells = append(s.Cells, set)
	// An outage ends when the process stands again, which on a busy machine may be after the measured time.
	rec := runUntil(t, &Runner{Subjects: []*subject.File{parseSubject(t, hop)}, Self: self()}, s, func(b *record.Block) bool {
		return !slices.ContainsFunc(b.Events, func(e record.Event) bool { return e.At+e.For+0.5 > time.Duration(s.Measure).Seconds() })
	})
	all4 := func(e record.Event, want record.Streams) bool {
		return e.Streams == want && e.Seen != nil && e.First != nil && *e.First >= 0.25
	}
	for _, b := range rec.Blocks {
		cell, err := s.Cell(b.Cell)
		if err != nil {
			t.Fatal(err)
		}
		do := cell.Timeline[0].Do
		if strings.HasPrefix(do, "server.") && b.Path == scenario.Relay {
			if len(b.Events) != 0 || b.Groups[0].FailedPackets() != 0 {
				t.Errorf("a relay has no server: %+v", b.Events)
			}
			continue
		}
		if len(b.Events) != 1 || b.Events[0].Do != do {
			t.Errorf("%s, %v: events %+v", do, b.Route, b.Events)
			continue
		}
		e, probe := b.Events[0], b.Groups[0]
		switch do {
		case scenario.ServerKill, scenario.LinkKill:
			if !all4(e, record.Streams{Reset: 4}) || e.Reconnected == nil || probe.Failed[load.Reset] == 0 {
				t.Errorf("%s, %v: %+v; want 4 streams reset, and new ones after 0.3 s", do, b.Route, e)
			}
		case scenario.LinkFreeze, scenario.ServerFreeze:
			if !all4(e, record.Streams{Kept: 4}) || e.Reconnected != nil || probe.FailedPackets() != 0 {
				t.Errorf("%s, %v: %+v; want all kept, and octets again after 0.3 s", do, b.Route, e)
			}
			if probe.During == nil || time.Duration(probe.During.Max) < 200*time.Millisecond {
				t.Errorf("%s, %v: during %+v; want the wait", do, b.Route, probe.During)
			}
		case scenario.LinkSet:
			if e.Streams != (record.Streams{Kept: 4}) || probe.During == nil || time.Duration(probe.During.Max) < 300*time.Millisecond {
				t.Errorf("%s, %v: %+v, during %+v; want the longer line", do, b.Route, e, probe.During)
			}
		}
	}
}

// A reader that the time line stops takes nothing, and nobody calls it dead.
func TestAReaderStalls(t *testing.T) {
	s := parseScenario(t, `
groups:
  - {name: victims, mode: pingpong, connections: 2, size: 64B, rate: 100/s}
  - {name: bulk, mode: download, connections: 2, size: 4KiB}
timeline: [{at: 0s, do: reader.stall, for: 500ms, group: bulk}]
axes: {bulk.connections: [0, 2]}
warmup: 0s
measure: 500ms
timeout: 300ms
paths: [direct]
`)
	rec, err := (&Runner{Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Failed() != 0 || rec.Faulty() {
		t.Fatalf("Run: %v\n%s", err, report.Console(rec, false))
	}
	for _, b := range rec.Blocks {
		if b.Groups[0].During == nil || len(b.Events) != 1 {
			t.Errorf("%s: %+v", b.Cell, b.Groups[0])
		}
		if held := b.Events[0].Held; (held != nil) != (len(b.Groups[1].Sockets) > 0) || held != nil && (*held < 64<<10 || *held > 64<<20) {
			t.Errorf("%s: held %v; want what the buffers hold, and nothing without a reader", b.Cell, held)
		}
		// What was on its way to the first pause, and a moment after it, when the block ends as well; without
		// the pause it is hundreds of MB.
		if b.Groups[1].Octets > 64<<20 {
			t.Errorf("%s: readers that stalled took %d octets", b.Cell, b.Groups[1].Octets)
		}
	}
}
