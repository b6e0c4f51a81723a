package report

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// faultRecord is a cell with one fault, twice: in the first repetition all came back, in the second nothing.
func faultRecord(t *testing.T) *record.Record {
	s := parseScenario(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nlink: {rtt: 2ms}\ntimeline: [{do: link.kill, at: 500ms, for: 500ms}]\nmeasure: 2s\nrepeat: 2\nshow: [{kind: answer, y: fault.first}, {kind: dots, y: fault.first}, {kind: course, y: latency.max}]")
	r := &record.Record{Version: record.Version, Scenario: s, Subjects: []record.Subject{{Name: "some"}}}
	for rep := range 2 {
		for _, route := range r.Routes() {
			e := record.Event{Do: "link.kill", At: 0.5, For: 0.5, Seen: new(0.01), Streams: record.Streams{Reset: 3, Hung: 1}, Undelivered: 100}
			if rep == 0 {
				e.First = new(0.75)
			}
			r.Blocks = append(r.Blocks, record.Block{
				Cell: s.Cells[0].Name, Route: route, Repetition: rep + 1, Events: []record.Event{e},
				Groups: []record.Group{{
					Name: "load", Seconds: 2, Octets: 4000, Packets: 4,
					Series: &record.Series{Window: 0.5, Down: []int64{2000, 0, 0, 2000}, Worst: []int64{1e6, 0, 0, 2e6}},
					Jain:   &record.Jain{Overall: 0.9, Least: new(0.5)},
				}},
			})
		}
	}
	return r
}

func TestAFaultIsTheAnswer(t *testing.T) {
	r := faultRecord(t)
	const want = "some delivers octets again 0.75 s after link.kill; of 8 streams 0 survived, 6 were reset, 2 hung."
	if got := strings.Join(NewSheet(r).answer(), " "); got != want {
		t.Errorf("answer = %s; want %s", got, want)
	}
	md := Markdown(r)
	for _, want := range []string{"| link.kill | 0.010 | never | 0.750 (1 of 2) | 0 | 6 | 2 | 0 | 0 | 200 |", "| 0.900 | 0.500 |"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md has no row %s:\n%s", want, md)
		}
	}
}

// What did not come to pass within a block may have done so after it.
func TestWhatDoesNotComeAgainIsSaidOfTheBlockAlone(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		r.Blocks[i].Events[0].First = nil
	}
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "some delivers nothing more after link.kill within the block of 2s;")
}

// A fault that nobody notices is not one after which nothing comes; one whose streams all hang is.
func TestWhatNobodyNoticed(t *testing.T) {
	for streams, want := range map[record.Streams]string{
		{Kept: 4}: "some delivers throughout link.kill; of 8 streams 8 survived, 0 were reset, 0 hung.",
		{Hung: 4}: "some delivers nothing more after link.kill within the block of 2s; of 8 streams 0 survived, 0 were reset, 8 hung.",
	} {
		r := faultRecord(t)
		for i := range r.Blocks {
			r.Blocks[i].Events[0] = record.Event{Do: "link.kill", At: 0.5, For: 0.5, Streams: streams}
		}
		if got := strings.Join(NewSheet(r).answer(), " "); got != want {
			t.Errorf("answer = %s; want %s", got, want)
		}
	}
}

func TestFaultsAreMarkedInTheCourse(t *testing.T) {
	r := faultRecord(t)
	all := figures(r, NewSheet(r))
	at := slices.IndexFunc(all, func(f figure) bool {
		return f.part == partTime && strings.HasPrefix(filepath.Base(f.file), "longest-latency")
	})
	if at < 0 {
		t.Fatalf("no course of the latency in %v", all)
	}
	svg := all[at].svg(true)
	if !strings.Contains(svg, ">link.kill</text>") || strings.Contains(svg, "NaN") {
		t.Errorf("no mark of the fault:\n%s", svg)
	}
	if n := strings.Count(svg, `class="f r2"`); n != 3 { // the key, and a dot on each side of the windows in which nothing came
		t.Errorf("%d dots of the tunnel; want 3: windows without packets are gaps", n)
	}
}

var sampleFault = &payload.Fault{Stream: 1, Direction: payload.Up, Kind: payload.Undelivered, Octets: 10, Seen: "target"}

func TestMuchThatWentWrongIsSaidShortly(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		for range 100 {
			r.Blocks[i].Undelivered = append(r.Blocks[i].Undelivered, sampleFault)
		}
	}
	if got := problems(r); len(got) != 3 || !strings.HasSuffix(got[2], ": 2 streams hung after a fault") {
		t.Errorf("problems = %q; want the hung streams of each route alone: the fault broke the others", got)
	}
	for i := range r.Blocks {
		r.Blocks[i].Events, r.Blocks[i].Groups[0].Failed = nil, map[string]int64{"reset": 5, "timeout": 1}
	}
	got := problems(r)
	if len(got) != 3*(2+someStreams+1) || !strings.HasSuffix(got[0], ": 2 packets timeout in 2 of 2 blocks") && !strings.HasSuffix(got[0], ": 10 packets reset in 2 of 2 blocks") {
		t.Errorf("problems = %q", got)
	}
	if got := Console(r, false); strings.Count(got, "undelivered") > mostProblems || !strings.Contains(got, "more lines like these are in report.md") {
		t.Errorf("Console = %s", got)
	}
}

// A row that is not stationary has its picture: the repetition that shows it best, and no other.
func TestARowThatIsNotStationaryIsDrawn(t *testing.T) {
	r := faultRecord(t)
	r.Scenario.Show = nil
	if got := figures(r, NewSheet(r)); len(got) != 0 {
		t.Fatalf("%d figures of what is stationary; want none", len(got))
	}
	route := record.Route{Path: scenario.Tunnel, Subject: "some"}
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Route == route && b.Repetition == 2 {
			b.Groups[0].Series.Down = []int64{8e6, 8e6, 1e3, 1e3}
		}
	}
	r.Validity = &record.Validity{Verdict: record.Noisy, Reasons: []record.Reason{
		{Code: record.Pressure, Cell: r.Scenario.Cells[0].Name, Group: "load", Route: route, Verdict: record.Noisy},
		{Code: record.NotStationary, Cell: r.Scenario.Cells[0].Name, Group: "load", Route: route, Repetition: 2, Verdict: record.Noisy},
	}}
	drawn := figures(r, NewSheet(r))
	if len(drawn) != 1 || drawn[0].part != partTime {
		t.Fatalf("figures %v; want one, over time", drawn)
	}
	svg := drawn[0].svg(true)
	if wants(t, "the figure", svg, "Not stationary: tunnel some", ">15</text>"); strings.Contains(svg, ">direct</text>") {
		t.Errorf("other paths are drawn, too:\n%s", svg)
	}
}
