package report

import (
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/plot"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// of is a record of a scenario whose blocks are made one by one; its summary is complete.
func of(t *testing.T, text string, block func(*scenario.Cell, record.Route, int) *record.Block) *record.Record {
	r := &record.Record{Version: record.Version, Scenario: parseScenario(t, text), Subjects: []record.Subject{{Name: "some"}}}
	for i := range r.Scenario.Cells {
		for _, route := range routesOf(r) {
			for rep := range int(r.Scenario.Repeat.Min) {
				if b := block(&r.Scenario.Cells[i], route, rep); b != nil {
					b.Cell, b.Route, b.Repetition = r.Scenario.Cells[i].Name, route, rep+1
					r.Blocks = append(r.Blocks, *b)
				}
			}
		}
	}
	summary.Complete(r)
	return r
}

// figure is the drawing of a file that begins so.
func drawn(t *testing.T, r *record.Record, prefix string) string {
	t.Helper()
	for _, f := range figures(r) {
		if strings.HasPrefix(f.file, prefix) {
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
	r := of(t, "load: {mode: pingpong, connections: 4, size: 1KiB}\nsearch: {of: rate, from: 100/s, to: 9000/s, keep: response.p99 < 10ms, precision: 5%}\nrepeat: 3",
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
	wants(t, "answer", strings.Join(answer(r), " "), "Through some up to 1010 (1000–1020)/s keep response.p99 < 10ms: 25 % of a direct connection, 50 % of one plain hop.")
	wants(t, "report.md", Markdown(r), "| tunnel some | 1010 (1000–1020)/s | 25.0 | 50.0 | goal 3 × | 9 |")
	if md := Markdown(r); strings.Contains(md, "## Overhead") {
		t.Error("times at different rates are compared")
	}
	svg := drawn(t, r, "knee")
	wants(t, "the figure", svg, ">goal: below 10ms</text>", ">tunnel some 1010/s</text>", "repetition 2: 1010/s, 2.00 ms; kept", "too slow")
	if strings.Contains(svg, "70.0 ms") {
		t.Error("a probe of a late generator is drawn")
	}
	for i := range r.Searches {
		r.Searches[i].Limit = map[int]string{1: record.LimitedByGenerator, 2: record.LimitedByRange, 3: record.LimitedByGoal}[r.Searches[i].Repetition]
	}
	wants(t, "answer", strings.Join(answer(r), " "), "In 1 of 3 repetitions the generator gave up first", "In 1 of 3 repetitions even 9000/s kept it")
}

func TestIdleConnectionsCostTheSlopeOfALine(t *testing.T) {
	r := of(t, "load: {mode: idle, connections: 1, size: 64B}\naxes: {connections: [0, 1000, 2000, 4000]}\npaths: [relay, tunnel]\nrepeat: 2",
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
	wants(t, "answer", strings.Join(answer(r), " "), "An idle connection through tunnel some takes 2.00 KiB in the client and 8.00 KiB in the server.")
	wants(t, "the server's figure", drawn(t, r, "memory-of-the-server-by-idle"), "tunnel some: 8.00 KiB each", "relay: 4.00 KiB each", "1000 connections: 16.8 MiB")
	if svg := drawn(t, r, "memory-of-the-client-by-idle"); strings.Contains(svg, "relay") {
		t.Error("a relay is no client")
	}
	for _, f := range figures(r) {
		if f.part != partAnswer {
			t.Errorf("%s: the question has been answered", f.file)
		}
	}
}

func TestALoadIsJudgedByLoadedByIdleLatency(t *testing.T) {
	r := of(t, "groups: [{name: probe, mode: pingpong, connections: 1, size: 64B, rate: 100/s}, {name: bulk, mode: download, connections: 8, size: 64KiB}]\n"+
		"cells: [{bulk.connections: 0}, {bulk.mode: upload}, {bulk.mode: download}]\nrepeat: 6",
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
	wants(t, "answer", strings.Join(answer(r), " "), "Beside the load the latency of tunnel some: p50 is 10.0 × that without it, p99 is 10.0 × that without it.", "Beside the load the latency of direct: p50 is 2.00 ×")
	wants(t, "report.md", Markdown(r), "| tunnel some | probe | response.p99 | 10 (10 to 10) |")
	wants(t, "the figure", drawn(t, r, "loaded-by-idle"), "Loaded ÷ idle latency")
	r.Validity = &record.Validity{Verdict: record.Invalid}
	for _, c := range r.Scenario.Cells[1:] {
		r.Validity.Reasons = append(r.Validity.Reasons, record.Reason{Cell: c.Name, Group: "probe", Route: record.Route{Path: scenario.Tunnel, Subject: "some"}, Verdict: record.Invalid})
	}
	before := r.Validity.Reasons
	for _, reason := range before {
		for _, path := range []string{scenario.Direct, scenario.Relay} {
			reason.Route = record.Route{Path: path}
			r.Validity.Reasons = append(r.Validity.Reasons, reason)
		}
	}
	wants(t, "answer of invalid rows", strings.Join(answer(r), " "), "cannot be told: the rows are invalid.")
	r.Validity.Reasons = before
	if got := strings.Join(answer(r), " "); strings.Contains(got, "tunnel some") || !strings.HasSuffix(got, "What is invalid is left out.") {
		t.Errorf("answer of invalid rows = %s", got)
	}
}

func TestALongBlockSaysHowProcessesGrow(t *testing.T) {
	r := of(t, "load: {mode: pingpong, connections: 2, size: 1KiB, rate: 10/s}\npaths: [tunnel]\nmeasure: 60s\nrepeat: 1",
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
	wants(t, "answer", strings.Join(answer(r), " "), "In 1m0s the server of some grew by 1.00 ", "In 1m0s the client of some grew by ", "which cannot be told from none")
	wants(t, "report.md", Markdown(r), "| server | tunnel some | rss | hour | 60")
	wants(t, "the figure", drawn(t, r, "memory-of-the-server-over-time"), "tunnel some: grew by 1.00")
}

func TestFairnessIsDrawnOverTime(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		r.Blocks[i].Events = nil
	}
	r.Thresholds = []record.Threshold{{Of: record.Of{Metric: "jain"}, Verdict: record.Pass}}
	wants(t, "answer", strings.Join(answer(r), " "), "Over tunnel some connections share with a Jain's index of 0.900, in the least even 100 ms 0.50; the longest silence of one is 0.0 s.")
	r.Scenario.Measure = subject.Duration(long)
	for i := range r.Blocks {
		r.Blocks[i].Groups[0].Series.Jain = []float64{1, 0.25, 0.5, 1}
	}
	wants(t, "the figure", drawn(t, r, "fairness-over-time"), "Jain's index", ">link.kill</text>")
}

// A stalled reader breaks nothing, so that nothing has to come back: its neighbours and what is held for it are the answer.
func TestAStalledReaderIsNoOutage(t *testing.T) {
	r := faultRecord(t)
	for i := range r.Blocks {
		e := &r.Blocks[i].Events[0]
		e.Do, e.Streams, e.Held = scenario.ReaderStall, record.Streams{Kept: 4}, new(int64(256<<10))
	}
	r.Apart = []record.Apart{{Route: record.Route{Path: scenario.Tunnel, Subject: "some"}, Cell: r.Scenario.Cells[0].Name, Group: "load", Metric: "during.p99", Estimate: stats.Estimate{N: 2, Median: 1.5}}}
	got := strings.Join(answer(r), " ")
	wants(t, "answer", got, "Beside the load the latency of tunnel some: p99 is 1.50 × that without it.", "each stalled reader of some holds 256 KiB.")
	if strings.Contains(got, "octets flow again") {
		t.Errorf("answer = %s", got)
	}
	drawn(t, r, "loaded-by-idle")
}

// Memory that stays as it is has no curve.
func TestAFlatCurveSaysNothing(t *testing.T) {
	line := func(y ...float64) []plot.Line {
		l := plot.Line{}
		for _, v := range y {
			l.Points = append(l.Points, plot.Point{Y: v})
		}
		return []plot.Line{l}
	}
	if m := headlines[memoryPeak]; !m.flat(line(20, 22, 21)) || m.flat(line(20, 40)) || headlines[speed].flat(line(1, 1)) {
		t.Error("flat is the memory that stays as it is, and nothing else")
	}
}

// distOf is a distribution whose percentiles are all the same.
func distOf(ns int64) *hist.Dist {
	return &hist.Dist{N: 10000, Min: ns, Mean: ns, Max: ns, P50: ns, P90: ns, P99: ns}
}
