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
	speed    = 0
	median50 = 2
)

// path reports whether it is one number for all groups together.
func (h headline) path() bool {
	m, err := metric.Find(h.names[0])
	return err == nil && m.Path
}

// series is the headline of a group of a cell over one route; nil when there is none.
func (h headline) series(t *summary.Table, cell *scenario.Cell, group int, route record.Route) *summary.Series {
	of := record.Of{Cell: cell.Name, Route: route}
	if !h.path() {
		of.Group = cell.Groups[group].Name
	}
	for _, of.Metric = range h.names {
		if s := t.Of(of); s != nil {
			return s
		}
	}
	return nil
}

// over is it over the repetitions, as shown; false when there is none.
func (h headline) over(t *summary.Table, cell *scenario.Cell, group int, route record.Route) (Ratio, bool) {
	s := h.series(t, cell, group, route)
	if s == nil {
		return Ratio{}, false
	}
	v := spread(s.Values())
	return Ratio{v.Median * h.scale, v.Low * h.scale, v.High * h.scale}, true
}

// latency is the response time with a rate, else the service time.
func latency(g *record.Group) *hist.Dist { return cmp.Or(g.Response, g.Service) }
