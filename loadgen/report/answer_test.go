package report

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// of is a record of a scenario whose blocks are made one by one; its summary is complete.
func of(t *testing.T, text string, block func(*scenario.Cell, record.Route, int) *record.Block) *record.Record {
	r := &record.Record{Version: record.Version, Scenario: parseScenario(t, text), Subjects: []record.Subject{{Name: "some"}}}
	for i := range r.Scenario.Cells {
		for _, route := range r.Routes() {
			for rep := range int(r.Scenario.Repeat.Min) {
				if b := block(&r.Scenario.Cells[i], route, rep); b != nil {
					b.Cell, b.Route, b.Repetition = r.Scenario.Cells[i].Name, route, rep+1
					r.Blocks = append(r.Blocks, *b)
				}
			}
		}
	}
	analyse.Complete(r)
	r.Validity, r.Findings = nil, nil // what is tested is shown, trusted or not
	return r
}

// figure is the drawing of a file that begins so.
func figureOf(t *testing.T, r *record.Record, prefix string) string {
	t.Helper()
	for _, f := range figures(r, NewSheet(r)) {
		if strings.HasPrefix(filepath.Base(f.file), prefix) {
			svg := f.svg(true)
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s holds a bad number", f.file)
			}
			return svg
		}
	}
	t.Fatalf("no figure %s…", prefix)
	return ""
}

func wants(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not hold %q:\n%s", what, w, text)
		}
	}
}

func TestTheKneeIsTheAnswerOfASearch(t *testing.T) {
	factor := map[string]float64{scenario.Direct: 40, scenario.Relay: 20, scenario.Tunnel: 10}
	r := of(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nsearch: {of: rate, from: 100/s, to: 9000/s, keep: response.p99 < 10ms, precision: 5%}\nrepeat: 3\nshow: [{kind: answer, y: knee}, {kind: search}]",
		func(_ *scenario.Cell, route record.Route, rep int) *record.Block {
			knee := factor[route.Path] * float64(100+rep)
			return &record.Block{Groups: []record.Group{{Name: "load", Seconds: 1, Octets: 100, Packets: 1, Knee: &knee}}}
		})
	for _, b := range r.Blocks {
		knee := *b.Groups[0].Knee
		r.Searches = append(r.Searches, record.Search{Cell: b.Cell, Route: b.Route, Repetition: b.Repetition, Of: "rate", Knee: knee, Limit: record.LimitedByGoal, Probes: []record.Probe{
			{At: knee, Kept: true, Value: 2e6}, {At: 1.1 * knee, Value: 30e6, Reason: "too slow"}, {At: 5 * knee, Late: true, Value: 70e6},
		}})
	}
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "some sustains 1010 (1000–1020)/s with response.p99 < 10ms: 25 % of direct, 50 % of one plain hop.")
	wants(t, "report.md", Markdown(r), "## Knee\n\nThe highest value, a second, that kept the goal", "| cell | path | knee | knee, % of direct | knee, % of relay | ended by the goal | probes |", "| tunnel some | 1010 (1000–1020) | 25.0 | 50.0 | 3 | 9 |")
	if md := Markdown(r); strings.Contains(md, "## Overhead") {
		t.Error("times at different rates are compared")
	}
	svg := figureOf(t, r, "knee")
	wants(t, "the figure", svg, ">goal: below 10ms</text>", ">tunnel some 1010/s</text>", "repetition 2: 1010/s, 2.00 ms; kept", "too slow")
	if strings.Contains(svg, "70.0 ms") {
		t.Error("a probe of a late generator is drawn")
	}
	for i := range r.Searches {
		r.Searches[i].Limit = map[int]string{1: record.LimitedByGenerator, 2: record.LimitedByRange, 3: record.LimitedByGoal}[r.Searches[i].Repetition]
	}
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "In 1 of 3 repetitions the generator gave up first", "In 1 of 3 repetitions even 9000/s kept it")
}

func TestIdleConnectionsCostTheSlopeOfALine(t *testing.T) {
	r := of(t, "load: {mode: idle, connections: 1, size: 64B}\naxes: {connections: [0, 1000, 2000, 4000]}\npaths: [relay, tunnel]\nrepeat: 2\nshow: [{kind: answer, y: rss.idle}, {kind: points, x: connections, y: [rss.server, rss.client]}]",
		func(c *scenario.Cell, route record.Route, _ int) *record.Block {
			n, b := int64(c.Connections()), &record.Block{Groups: []record.Group{{Name: "load", Seconds: 1}}}
			switch route.Path {
			case scenario.Relay:
				b.Processes = []sample.Usage{{Role: "relay", RSS: 8<<20 + 4<<10*n, PeakRSS: 1}}
			case scenario.Tunnel:
				b.Processes = []sample.Usage{{Role: "server", RSS: 9<<20 + 8<<10*n, PeakRSS: 1}, {Role: "client", RSS: 7<<20 + 2<<10*n, PeakRSS: 1}}
			default:
				return nil
			}
			return b
		})
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "An idle connection through tunnel some takes 2.00 KiB in the client and 8.00 KiB in the server.")
	wants(t, "the server's figure", figureOf(t, r, "memory-of-the-server-by-idle"), "tunnel some: 8.00 KiB each", "relay: 4.00 KiB each", "1000 connections: 16.8 MiB")
	if svg := figureOf(t, r, "memory-of-the-client-by-idle"); strings.Contains(svg, "relay") {
		t.Error("a relay is no client")
	}
}

// What a load is compared with is said, also by who has the numbers alone.
func TestWhatStandsInPlaceOfALoadIsSaid(t *testing.T) {
	r := of(t, "groups: [{name: probe, mode: pingpong, connections: 1, size: 64B, rate: 100/s}, {name: slow, mode: download, connections: 8, size: 64KiB, reader: 8Mbit/s}, "+
		"{name: prompt, mode: pingpong, connections: 8, size: 64KiB, rate: 64/s, instead_of: slow}]\n"+
		"cells: [{slow.connections: 0}, {prompt.connections: 0}]\nrepeat: 6\nshow: [{kind: answer, y: loaded}]",
		func(c *scenario.Cell, _ record.Route, rep int) *record.Block {
			ms := int64(1e6) + int64(rep)
			if c.Groups[1].Connections > 0 {
				ms *= 3
			}
			return &record.Block{Groups: []record.Group{
				{Name: "probe", Seconds: 1, Octets: 1, Packets: 1, Response: distOf(ms)},
				{Name: "slow", Seconds: 1, Octets: 1 << 20, Packets: 16},
				{Name: "prompt", Seconds: 1, Octets: 1 << 20, Packets: 16},
			}}
		})
	const want = "3.00 × (p50) and 3.00 × (p99) what it takes with prompt instead of slow."
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), want)
	s, err := ReadSheet(NewSheet(r).CSV())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "answer of the numbers", strings.Join(s.answer(), " "), want)
}

func TestALoadIsJudgedByLoadedByIdleLatency(t *testing.T) {
	r := of(t, "groups: [{name: probe, mode: pingpong, connections: 1, size: 64B, rate: 100/s}, {name: bulk, mode: download, connections: 8, size: 64KiB}]\n"+
		"cells: [{bulk.connections: 0}, {bulk.mode: upload}, {bulk.mode: download}]\nrepeat: 6\nshow: [{kind: answer, y: loaded}, {kind: dots, y: loaded}]",
		func(c *scenario.Cell, route record.Route, rep int) *record.Block {
			ms := int64(1e6) + int64(rep)
			if c.Groups[1].Connections > 0 {
				ms *= 2
				if route.Path == scenario.Tunnel {
					ms *= 5
				}
			}
			return &record.Block{Groups: []record.Group{
				{Name: "probe", Seconds: 1, Octets: 1, Packets: 1, Response: distOf(ms)}, {Name: "bulk", Seconds: 1, Octets: 1 << 20, Packets: 16},
			}}
		})
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "Under load a packet over tunnel some takes 10.0 ms (p50) and 10.0 ms (p99): 10.0 × (p50) and 10.0 × (p99) what it takes without.", "Under load a packet over direct takes 2.00 ms (p50)")
	wants(t, "report.md", Markdown(r), "| tunnel some | probe | response.p99 | 10 (10 to 10) |")
	wants(t, "the figure", figureOf(t, r, "loaded-by-idle"), "Loaded ÷ idle latency")
	r.Validity = &record.Validity{Verdict: record.Invalid}
	for _, c := range r.Scenario.Cells[1:] {
		r.Validity.Reasons = append(r.Validity.Reasons, record.Reason{Code: record.GeneratorLate, Cell: c.Name, Group: "probe", Route: record.Route{Path: scenario.Tunnel, Subject: "some"}, Verdict: record.Invalid})
	}
	answers := NewSheet(r).answer()
	const why = "some: invalid here because packets left long after they were due."
	if len(answers) != 3 || answers[2] != why {
		t.Errorf("answer of invalid rows = %q; want two paths, and %q where the tunnel's number would stand", answers, why)
	}
	r.Validity.Reasons = r.Validity.Reasons[:1]
	if answers = NewSheet(r).answer(); len(answers) != 4 || !strings.HasPrefix(answers[2], "Under load a packet over tunnel some") || !strings.Contains(answers[3], "due (upload, ") && !strings.Contains(answers[3], "due (8, upload") {
		t.Errorf("answer of one invalid row = %q; want the other's number, and which row is left out", answers)
	}
}

func TestALongBlockSaysHowProcessesGrow(t *testing.T) {
	r := of(t, "load: {mode: pingpong, connections: 2, size: 1KiB, rate: 10/s}\npaths: [tunnel]\nmeasure: 60s\nrepeat: 1\nshow: [{kind: answer, y: rss.growth}, {kind: course, y: [rss.server, rss.client]}]",
		func(_ *scenario.Cell, route record.Route, _ int) *record.Block {
			if route.Path != scenario.Tunnel {
				return nil
			}
			course := func(perHour float64) *sample.Course {
				c := &sample.Course{Every: 0.5}
				for i := range 120 {
					c.RSS = append(c.RSS, 20<<20+int64(perHour*float64(i+1)*0.5/3600*(1<<20))+int64(i%2)<<12)
					c.Files = append(c.Files, 9)
				}
				return c
			}
			return &record.Block{
				Groups:    []record.Group{{Name: "load", Seconds: 60, Octets: 1, Packets: 1}},
				Processes: []sample.Usage{{Role: "server", PeakRSS: 1, Course: course(60)}, {Role: "client", PeakRSS: 1, Course: course(0)}},
			}
		})
	if len(r.Slopes) != 4 || r.Slopes[0].Per != record.PerHour {
		t.Fatalf("slopes %+v", r.Slopes)
	}
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "In 1m0s the server of some grew by 1.00 ", "In 1m0s the client of some grew by ", "which is not distinguishable from none")
	wants(t, "report.md", Markdown(r), "| server | tunnel some | rss | hour | 60")
	wants(t, "the figure", figureOf(t, r, "memory-of-the-server-over-time"), "tunnel some: grew by 1.00")
}

func TestFairnessIsDrawnOverTime(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		r.Blocks[i].Events = nil
	}
	r.Scenario.Show = []scenario.Show{{Kind: scenario.ShowAnswer, Y: scenario.Words{"jain"}}, {Kind: scenario.ShowCourse, Y: scenario.Words{"jain"}}}
	wants(t, "answer", strings.Join(NewSheet(r).answer(), " "), "Over tunnel some connections share with a Jain's index of 0.900, in the least even 100 ms 0.50; the longest silence of one is 0.0 s.")
	for i := range r.Blocks {
		r.Blocks[i].Groups[0].Series.Jain = []float64{1, 0.25, 0.5, 1}
	}
	r.Validity = &record.Validity{Verdict: record.Invalid, Reasons: []record.Reason{{Code: record.GeneratorCPU, Cell: r.Scenario.Cells[0].Name, Route: record.Route{Path: scenario.Tunnel, Subject: "some"}, Verdict: record.Invalid}}}
	got := strings.Join(NewSheet(r).answer(), " ")
	if wants(t, "answer", got, "Over direct connections share", "some: invalid here because generator or target used all"); strings.Contains(got, "Over tunnel some") {
		t.Errorf("an invalid row is in the answer: %s", got)
	}
	r.Validity = nil
	wants(t, "the figure", figureOf(t, r, "fairness-over-time"), "Jain's index", ">link.kill</text>")
}

// A stalled reader breaks nothing, so that nothing has to come back: its neighbours and what is held for it are the answer.
func TestAStalledReaderIsNoOutage(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		e := &r.Blocks[i].Events[0]
		e.Do, e.Streams, e.Held = scenario.ReaderStall, record.Streams{Kept: 4}, new(int64(256<<10))
	}
	r.Apart = []record.Apart{{Route: record.Route{Path: scenario.Tunnel, Subject: "some"}, Cell: r.Scenario.Cells[0].Name, Group: "load", Metric: "during.p99", Estimate: record.Estimate{N: 2, Median: 1.5}}}
	r.Scenario.Show = []scenario.Show{{Kind: scenario.ShowAnswer, Y: scenario.Words{"fault.first", "loaded"}}, {Kind: scenario.ShowDots, Y: scenario.Words{"loaded"}}}
	got := strings.Join(NewSheet(r).answer(), " ")
	wants(t, "answer", got, "Under load a packet over tunnel some takes 1.50 × (p99) what it takes without.", "On the way to each reader that stops, sent over some and not yet read: 0.250 MiB", "of 8 streams 8 survived, 0 were reset, 0 hung.")
	if strings.Contains(got, "again") {
		t.Errorf("answer = %s", got)
	}
	figureOf(t, r, "loaded-by-idle")
}

// distOf is a distribution whose percentiles are all the same.
func distOf(ns int64) *hist.Dist {
	return &hist.Dist{N: 10000, Min: ns, Mean: ns, Max: ns, P50: ns, P90: ns, P99: ns}
}

// What stalled readers do to the others is what these take while they stall, beside what they take without; the stalled themselves are no neighbours.
func TestTheNeighboursOfStalledReadersAreTheAnswer(t *testing.T) {
	r := of(t, "groups: [{name: healthy, mode: pingpong, connections: 2, size: 64B, rate: 100/s}, {name: stalled, mode: both, connections: 1, size: 64KiB}]\n"+
		"timeline: [{at: 0s, do: reader.stall, for: 1s, group: stalled}]\naxes: {stalled.connections: [0, 3]}\npaths: [tunnel]\nrepeat: 6\nshow: [{kind: answer, y: loaded}]",
		func(c *scenario.Cell, route record.Route, _ int) *record.Block {
			if route.Path != scenario.Tunnel {
				return nil
			}
			ms, events := int64(2e6), []record.Event(nil)
			if c.Groups[1].Connections > 0 {
				ms, events = 9e6, []record.Event{{Do: scenario.ReaderStall, For: 1, Held: new(int64(3 << 20)), Streams: record.Streams{Kept: 2, Reset: 3}}}
			}
			return &record.Block{
				Groups: []record.Group{
					{Name: "healthy", Seconds: 1, Octets: 1, Packets: 1, Response: distOf(1e6), During: distOf(ms)},
					{Name: "stalled", Seconds: 1, Octets: 1, Packets: 1, Service: distOf(700e6), During: distOf(800 * ms)},
				},
				Events: events,
			}
		})
	want := "Under load a packet over tunnel some takes 9.00 ms (p50) and 9.00 ms (p99): 4.50 × (p50) and 4.50 × (p99) what it takes without.|" +
		"On the way to each reader that stops, sent over some and not yet read: 3.00 MiB with 3; of 30 streams 12 survived, 18 were reset, 0 hung."
	if got := strings.Join(NewSheet(r).answer(), "|"); got != want {
		t.Errorf("answer = %s; want %s", got, want)
	}
}

// The last line says of whom it speaks: a rival's failures are no failure of the run, and not left out either.
func TestTheLastLineNamesARivalThatFailed(t *testing.T) {
	lost := []record.Group{{Failed: map[string]int64{"reset": 1}}}
	r := &record.Record{Scenario: &scenario.Scenario{}, Subjects: []record.Subject{{Name: "adit"}, {Name: "frp", Rival: true}, {Name: "ssh", Rival: true}}}
	for subject, want := range map[string]string{
		"":    "every packet ok, every octet checked",
		"frp": "every packet ok but those of frp, every octet checked",
		"ssh": "every packet ok but those of frp and ssh, every octet checked",
	} {
		r.Blocks = nil
		for _, s := range r.Subjects[1:] {
			if s.Name == subject || subject == "ssh" {
				r.Blocks = append(r.Blocks, record.Block{Route: record.Route{Path: scenario.Tunnel, Subject: s.Name}, Groups: lost})
			}
		}
		if got, good := verdict(r); got != want || !good {
			t.Errorf("verdict = %q, %v; want %q", got, good, want)
		}
	}
}
