package run

import (
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// Each event answers for what happened until the next one, and for nothing before.
func TestEventsAnswerForTheStreamsThatTheyHit(t *testing.T) {
	const s, never = time.Second, workload.Never
	f := fate{
		lives: []workload.Life{
			{Stream: 1, Connected: -s, First: -s, Last: 9 * s, Ended: never},
			{Stream: 2, Connected: -s, First: -s, Last: 2 * s, Ended: 2500 * time.Millisecond, How: workload.Reset},
			{Stream: 3, Connected: -s, First: -s, Last: 2 * s, Ended: 4 * s, How: workload.TimedOut},
			{Stream: 4, Connected: -s, First: -s, Last: s, Ended: s}, // in order, before
			{Stream: 5, Connected: 3 * s, First: 3500 * time.Millisecond, Last: 9 * s, Ended: never},
			{Stream: 0, Connected: never, First: never, Last: never, Ended: 2700 * time.Millisecond, How: workload.Refused},
			{Stream: 6, Connected: 6 * s, First: 6 * s, Last: 7 * s, Ended: never},
		},
		waits:       []workload.Wait{{Stream: 1, From: 2 * s, To: 3 * s}, {Stream: 6, From: 7 * s, To: never}},
		left:        map[uint64]bool{6: true},
		faults:      []*payload.Fault{{Stream: 2, Kind: payload.Lost, Octets: 3}, {Stream: 1, Kind: payload.Lost, Octets: 100}},
		undelivered: []*payload.Fault{{Stream: 2, Octets: 70}, {Stream: 3, Octets: 7}},
	}
	events := []record.Event{{Do: scenario.ServerKill, At: 2}, {Do: scenario.LinkFreeze, At: 6.5}, {Do: scenario.LinkFreeze, At: 8}}
	f.judge(events)
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
timeout: 3s
paths: [relay, tunnel]
`)
	set := s.Cells[0]
	set.Name = scenario.LinkSet
	set.Timeline = []scenario.Event{s.Cells[0].Timeline[0]}
	set.Timeline[0].Do, set.Timeline[0].To = scenario.LinkSet, &scenario.Link{RTT: subject.Duration(300 * time.Millisecond)}
	s.Cells = append(s.Cells, set)
	rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, hop)}, Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Faulty() {
		t.Fatalf("Run: %v\n%s", err, report.Console(rec, false))
	}
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
			if !all4(e, record.Streams{Reset: 4}) || e.Reconnected == nil || probe.Failed[workload.Reset] == 0 {
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
		// What was on its way to the first pause, and a moment after it, when the block ends as well; without
		// the pause it is hundreds of MB.
		if b.Groups[1].Octets > 64<<20 {
			t.Errorf("%s: readers that stalled took %d octets", b.Cell, b.Groups[1].Octets)
		}
	}
}
