package analyse

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

var (
	direct = record.Route{Path: scenario.Direct}
	relay  = record.Route{Path: scenario.Relay}
	some   = record.Route{Path: scenario.Tunnel, Subject: "some"}
)

// made is a record of six repetitions: direct carries 8, the relay 4, the tunnel 2 MB/s, and each repetition is twice as fast as the one before.
func made(t *testing.T) *record.Record {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(`# why?
scenario: test
groups:
  - {name: bulk, mode: pingpong, connections: 1, size: 1KiB}
  - {name: probe, mode: pingpong, connections: 1, size: 1KiB, rate: 100/s}
  - {name: calls, mode: churn, connections: 1, size: 1KiB}
  - {name: quiet, mode: idle, connections: 1, size: 1B}
`))
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{Scenario: s, Subjects: []record.Subject{{Name: "some"}}}
	for rep := range 6 {
		for _, route := range []record.Route{direct, relay, some} {
			r.Blocks = append(r.Blocks, block(s, route, rep+1))
		}
		again := block(s, some, rep+1)
		again.Groups[0].Octets += again.Groups[0].Octets / 100 * int64(rep) // up to 5 % more
		r.Canary = append(r.Canary, again)
	}
	return r
}

func block(s *scenario.Scenario, route record.Route, rep int) record.Block {
	octets := map[string]int64{scenario.Direct: 8 << 20, scenario.Relay: 4 << 20, scenario.Tunnel: 2 << 20}[route.Path] << rep
	ms := int64(1e6)
	d := &hist.Dist{N: int64(1000 * rep), Min: ms / int64(2*rep), Mean: int64(rep) * ms, Max: int64(9+rep) * ms, P50: ms, P90: 2 * ms, P99: 3 * ms, P999: 4 * ms, P9999: 5 * ms}
	b := record.Block{
		Cell: s.Cells[0].Name, Route: route, Repetition: rep, DrainSeconds: 0.25, Host: &sample.Host{Seconds: 4},
		Wire: &record.Wire{Up: octets + 400<<10, Down: 2 * octets},
		Groups: []record.Group{
			{Name: "bulk", Seconds: 2, Octets: octets, Packets: float64(octets) / 1024, Service: d, Failed: map[string]int64{"reset": octets / 1024}, FailedConnects: int64(rep), Jain: &record.Jain{Overall: 0.75, Least: new(0.5 + float64(rep)/100)}, Silence: new(float64(rep) / 4)},
			{Name: "probe", Seconds: 2, Octets: 200 << 10, Packets: 200, Service: d, Response: d, Lag: d, During: d, After: d, Knee: new(120.0)},
			{Name: "calls", Seconds: 2, Octets: 200 << 10, Packets: 200, Calls: 100, Service: d, Connect: d, First: d},
			{Name: "quiet", Seconds: 2, Octets: 1, Packets: 1},
		},
		Processes: []sample.Usage{{Role: "target", CPUSeconds: 9, PeakRSS: 9}, {Role: "generator", CPUSeconds: 9, PeakRSS: 9}},
	}
	switch route.Path {
	case scenario.Relay:
		b.Processes = append(b.Processes, sample.Usage{Role: "relay", CPUSeconds: 1, PeakRSS: 5})
	case scenario.Tunnel:
		b.Processes = append(b.Processes, sample.Usage{Role: "server", CPUSeconds: 3, PeakRSS: 20}, sample.Usage{Role: "client", CPUSeconds: 1, PeakRSS: 10})
	}
	return b
}

// The definition of every metric, by numbers that are known: of the tunnel's
// first block, and what six repetitions come to. Nothing has a number that
// makes no sense for it.
func TestEveryMetricOfABlock(t *testing.T) {
	r := made(t)
	got, named := map[string]float64{}, map[string]bool{}
	all := map[string]Number{}
	for _, s := range Tabulate(r, r.Blocks).Series {
		if named[s.Metric] = true; s.Route == some {
			got[s.Group+" "+s.Metric], all[s.Group+" "+s.Metric] = s.Points[0].Value, s.Number()
		}
		counted := s.Kind.Over != metric.Median || s.Metric == "failed"
		if s.Kind.Process && s.Path == scenario.Direct || s.Group == "quiet" && !counted || s.Metric == "connections" && s.Group != "calls" {
			t.Errorf("%+v has a number", s.Of)
		}
		if len(s.Points) != 6 {
			t.Errorf("%+v has %d points; want 6", s.Of, len(s.Points))
		}
	}
	for _, m := range metric.All {
		if !named[m.Name] && !m.Event && !m.Derived {
			t.Errorf("nothing has a %s", m.Name)
		}
	}
	for name, want := range map[string]float64{
		"bulk octets": 63 * 4 << 20, "bulk measured": 12e9, "bulk ok": 63 * 4 << 10, "bulk not_ok": 63 * 4 << 10, "bulk sent": 63 * 8 << 10, "bulk failed_connects": 21,
		"bulk success": 0.5, "bulk latency.mean": 91e6 / 21, "bulk latency.min": 83333, "bulk latency.max": 15e6, "bulk latency.p99.9": 4e6, "bulk latency.p99.99": 5e6,
		"bulk jain.least": 0.51, "bulk silence.most": 1.5e9, "bulk cpu.share.server": 1.5, "bulk cpu.share.client": 0.5, "bulk rss.most.server": 20, "bulk rss.most.client": 10,
		" wire.up": 63*4<<20 + 6*400<<10, " wire.down": 2 * 63 * 4 << 20, "bulk goodput": 12 << 20, "probe latency.p50": 1e6,
	} {
		if math.Abs(all[name].Median-want) > 1e-9*want {
			t.Errorf("%s of all = %v; want %v", name, all[name].Median, want)
		}
	}
	messages := float64(4<<10 + 200 + 200) // 4 MiB of 1 KiB in the first repetition, in 2 s; CPU over 4 s
	for name, want := range map[string]float64{
		"bulk goodput": 2 << 20, "bulk packets": 2 << 10, "calls connections": 50, "bulk failed": 0.5, "probe failed": 0,
		"bulk service.p50": 1e6, "probe response.p99": 3e6, "probe lag.p90": 2e6, "calls connect.p50": 1e6, "calls first.p99": 3e6,
		" cpu.message": 1e6 / (messages / 2), " cpu.kib": 1e6 / (messages / 2), " cpu.message.server": 0.75e6 / (messages / 2),
		" rss.peak": 30, " rss.peak.client": 10, " drain": 2.5e8,
		"bulk jain": 0.75, "bulk jain.min": 0.51, "bulk silence": 2.5e8, "probe during.p99": 3e6, "probe after.p99": 3e6, "probe knee": 120,
		" wire": (3*4<<20 + 400<<10) / float64(2*(4<<20)+2*(400<<10)+2),
	} {
		if math.Abs(got[name]-want) > 1e-9*want {
			t.Errorf("%s = %v; want %v", name, got[name], want)
		}
	}
}

// Ratios are taken within a repetition: that the machine speeds up shows in the medians and not in them.
func TestRatiosAreWithinTheRepetition(t *testing.T) {
	r := made(t)
	Complete(r)
	find := func(metric string, route record.Route, to string) *record.Ratio {
		i := slices.IndexFunc(r.Ratios, func(o record.Ratio) bool {
			return o.Metric == metric && o.Route == route && o.To == to && (o.Group == "bulk" || o.Group == "")
		})
		if i < 0 {
			return nil
		}
		return &r.Ratios[i]
	}
	for _, tt := range []struct {
		metric string
		of     record.Route
		to     string
		want   float64
	}{
		{"goodput", some, scenario.Direct, 0.25},
		{"goodput", some, scenario.Relay, 0.5},
		{"goodput", relay, scenario.Direct, 0.5},
		{"service.p50", some, scenario.Direct, 1},
		{"rss.peak", some, scenario.Relay, 6},
	} {
		got := find(tt.metric, tt.of, tt.to)
		if got == nil || got.Median != tt.want || got.N != 6 || *got.Low != tt.want || *got.High != tt.want {
			t.Errorf("%s of %v to %s = %+v; want exactly %v", tt.metric, tt.of, tt.to, got, tt.want)
		}
	}
	if got := find("cpu.message", some, scenario.Direct); got != nil {
		t.Errorf("CPU to direct, which has no process: %+v", got)
	}
	for _, o := range r.Ratios {
		if o.Group == "probe" && o.Better == metric.Higher {
			t.Errorf("a speed that the rate sets is compared: %+v", o)
		}
	}
}

func TestTheNoiseFloorIsAsWideAsTheInterval(t *testing.T) {
	r := made(t)
	Complete(r)
	got := map[string]string{}
	for _, f := range r.Floor {
		got[f.Group+" "+f.Metric] = fmt.Sprintf("%d %.3f", f.N, f.Change)
	}
	for name, want := range map[string]string{
		"bulk goodput": "6 0.050", "probe response.p99": "6 0.000", "bulk failed": "6 0.000", " cpu.message.server": "6 0.000",
		" cpu.kib": "6 0.047", // the same CPU time for more octets
	} {
		if got[name] != want {
			t.Errorf("%s: %s; want %s", name, got[name], want)
		}
	}
	r.Canary = r.Canary[:2]
	if Complete(r); r.Floor[0].N != 2 || math.Abs(r.Floor[0].Change-0.01) > 1e-3 {
		t.Errorf("of two pairs: %+v; want the farther, 1 %%", r.Floor[0])
	}
}

func TestHeadlines(t *testing.T) {
	r := made(t)
	table := Tabulate(r, r.Blocks)
	var got []string
	for _, h := range table.Headlines(&r.Scenario.Cells[0]) {
		got = append(got, fmt.Sprintf("%s %s %v / %s = %g", h.Group, h.Metric, h.Route, h.To, h.Median))
	}
	want := []string{"bulk goodput tunnel some / direct = 0.25", "probe response.p99 tunnel some / direct = 1", "calls goodput tunnel some / direct = 1"}
	if !slices.Equal(got, want) || !table.Tight(&r.Scenario.Cells[0], 0.01) {
		t.Errorf("headlines %q; want %q, and tight", got, want)
	}
	r.Blocks = slices.DeleteFunc(r.Blocks, func(b record.Block) bool { return b.Path != scenario.Direct })
	table = Tabulate(r, r.Blocks)
	if h := table.Headlines(&r.Scenario.Cells[0]); len(h) != 3 || h[0].To != "" || table.Tight(&r.Scenario.Cells[0], 0.05) {
		t.Errorf("direct alone: %+v; want its own speeds, which are not tight", h)
	}
}

// The tools around Go benchmarks read what Bench writes.
func TestBenchIsInTheFormatOfGoBenchmarks(t *testing.T) {
	r := made(t)
	r.Scenario.Name, r.Environment.OS = "test-it", "linux/amd64"
	reader := benchfmt.NewReader(strings.NewReader(Bench(r)), "bench.txt")
	results, units := 0, 0
	for reader.Scan() {
		switch got := reader.Result().(type) {
		case *benchfmt.UnitMetadata:
			units++
		case *benchfmt.Result:
			results++
			if v, ok := got.Value("goodput-octets/s"); strings.Contains(string(got.Name), "group=bulk/path=tunnel_some") && (!ok || v < 2<<20) {
				t.Errorf("%s: goodput %v, %v", got.Name, v, ok)
			}
		default:
			t.Errorf("%v", got)
		}
	}
	if err := reader.Err(); err != nil || results != 6*3*5 || units != len(metric.Judged) {
		t.Errorf("%d results, %d units, %v; want one for each repetition, path and group, and the whole cell", results, units, err)
	}
}

// CPU time is set in relation to what arrived while it was used: a block of a
// tenth of a second whose readings come late would be a tenth off.
func TestCPUTimeIsOfWhatArrivedMeanwhile(t *testing.T) {
	r := made(t)
	b := &r.Blocks[2] // the tunnel's: 4 s of CPU time in 4 s
	for i, arrived := range []float64{1000, 600, 400, 50} {
		b.Groups[i].Arrived = arrived
	}
	table := Tabulate(r, r.Blocks)
	for metric, want := range map[string]float64{"cpu.message": 1e6 / 2000, "cpu.kib": 1e6 / 2000} { // what is idle is no load
		s := table.At(record.Of{Metric: metric, Cell: b.Cell, Route: some})
		if got := s.Points[0].Value; math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s = %v; want %v", metric, got, want)
		}
	}
}
