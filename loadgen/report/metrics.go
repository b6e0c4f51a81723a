package report

import (
	"cmp"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// A headline is a metric that is drawn, and how it is shown.
type headline struct {
	names        []string // in package metric; the first that a group has
	title, shown string
	scale        float64 // from the metric's unit to the shown one
}

var headlines = []headline{
	{[]string{"goodput"}, "Speed", "MB/s", 1e-6},
	{[]string{"packets"}, "Packets", "packets/s", 1},
	{[]string{"response.p50", "service.p50"}, "Latency, median", "ms", 1e-6},
	{[]string{"response.p99", "service.p99"}, "Latency, 99 %", "ms", 1e-6},
	{[]string{"cpu.kib"}, "Processor time", "µs/KiB", 1},
	{[]string{"rss.peak"}, "Memory", "MiB", 1.0 / (1 << 20)},
}

// Some of them, by their place.
const (
	speed      = 0
	packetsPer = 1
	median50   = 2
	memoryPeak = 5
)

// path reports whether it is one number for all groups together.
func (h headline) path() bool {
	m, err := metric.Find(h.names[0])
	return err == nil && m.Path
}

// numbers are the metrics of one group of a cell over one route: those of the
// record's summary and ratios, with the lowest and the highest where too few repetitions have no interval.
type numbers struct {
	table *summary.Table
	cell  *scenario.Cell
	group int
	route record.Route
}

// series is the first of some metrics that there is; nil when there is none.
func (n numbers) series(names []string) *summary.Series {
	for _, name := range names {
		of := record.Of{Metric: name, Cell: n.cell.Name, Group: n.cell.Groups[n.group].Name, Route: n.route}
		if m, err := metric.Find(name); err == nil && m.Path {
			of.Group = ""
		}
		if s := n.table.Of(of); s != nil {
			return s
		}
	}
	return nil
}

// value is a metric over the repetitions.
func (n numbers) value(names ...string) Spread {
	if s := n.series(names); s != nil {
		return spread(s.Values())
	}
	return Spread{}
}

// ratio is a metric as part of the same on another path, in the same repetition; of the path itself it is nothing.
func (n numbers) ratio(path string, names ...string) Spread {
	mine := n.series(names)
	n.route = record.Route{Path: path}
	if other := n.series(names); mine != nil && other != nil && mine.Path != path && !(mine.Path == scenario.Direct) {
		return spread(parts(mine, other))
	}
	return Spread{}
}

// parts are the values of a series as parts of another's, in the repetitions that both have.
func parts(mine, other *summary.Series) (out []float64) {
	base := map[int]float64{}
	for _, p := range other.Points {
		base[p.Repetition] = p.Value
	}
	for _, p := range mine.Points {
		if base[p.Repetition] > 0 {
			out = append(out, p.Value/base[p.Repetition])
		}
	}
	return out
}

// latency is the response time with a rate, else the service time.
func latency(g *record.Group) *hist.Dist { return cmp.Or(g.Response, g.Service) }
