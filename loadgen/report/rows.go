package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
)

// A Row is one group of a cell over one route, with its repetitions summed up: counts
// are sums, rates are over the whole measured time, percentiles are medians
// of the repetitions. Latency is the response time with a rate, else the
// service time.
type Row struct {
	Cell  string
	Label string // the cell by what it differs in from the others
	Group string // empty when the cell has one
	record.Route
	Seconds        float64
	Octets         int64
	OK             float64 // packets
	Failed         int64
	FailedConnects int64
	ToDirect       Ratio // of octets per second, in the same repetition
	ToRelay        Ratio
	Min, Mean, Max time.Duration
	P50, P90, P99  time.Duration // 0: too few samples
	P999, P9999    time.Duration
	ServerCPU      float64 // seconds; of a relay, too
	ClientCPU      float64
	Jain           float64 // how evenly the connections shared, median; 0: not said
	JainLeast      float64 // of a window, the lowest
	Silence        float64 // longest of a connection, seconds
	ServerRSS      int64   // the highest sample, octets; 0: runs elsewhere
	ClientRSS      int64

	outage *outage // in the table of faults alone
}

// A Ratio is what repetitions come to, mostly a part of another path's speed:
// the median, and the interval of 95 %, or with fewer than six repetitions the
// lowest and the highest; all 0 when it was not measured.
type Ratio struct{ Median, Low, High float64 }

func (r Ratio) String() string {
	switch {
	case r == Ratio{}:
		return "–"
	case r.Low == r.High:
		return fmt.Sprintf("%.1f", 100*r.Median)
	}
	return fmt.Sprintf("%.1f (%.0f–%.0f)", 100*r.Median, 100*r.Low, 100*r.High)
}

// Rows sums the record up, cells in the order of the file, paths in the order
// direct, relay, tunnel, tunnels in the order of the subjects.
func Rows(r *record.Record) []Row {
	axes := axesOf(r.Scenario)
	var out []Row
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range routesOf(r) {
			bs := blocks(r, cell.Name, route)
			for g := range cell.Groups {
				if len(bs) > 0 && cell.Groups[g].Connections > 0 {
					one := row(r, cell, g, route, bs)
					one.Label = labelOf(axes, cell.Name)
					out = append(out, one)
				}
			}
		}
	}
	return out
}

func blocks(r *record.Record, cell string, route record.Route) (out []*record.Block) {
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Cell == cell && b.Route == route {
			out = append(out, b)
		}
	}
	return out
}

func row(r *record.Record, cell *scenario.Cell, index int, route record.Route, bs []*record.Block) Row {
	row, load := Row{Cell: cell.Name, Route: route}, &cell.Groups[index]
	if len(cell.Groups) > 1 {
		row.Group = load.Name
	}
	var p50, p90, p99, p999, p9999, jain, toDirect, toRelay []float64
	var n, sum int64
	for _, b := range bs {
		g := &b.Groups[index]
		row.Seconds, row.Octets, row.OK = row.Seconds+g.Seconds, row.Octets+g.Octets, row.OK+g.Packets
		row.Failed, row.FailedConnects = row.Failed+g.FailedPackets(), row.FailedConnects+g.FailedConnects
		if d := cmp.Or(g.Response, g.Service); d != nil {
			if n == 0 || time.Duration(d.Min) < row.Min {
				row.Min = time.Duration(d.Min)
			}
			row.Max, n, sum = max(row.Max, time.Duration(d.Max)), n+d.N, sum+d.N*d.Mean
			p50, p90, p99 = grow(p50, d.P50), grow(p90, d.P90), grow(p99, d.P99)
			p999, p9999 = grow(p999, d.P999), grow(p9999, d.P9999)
		}
		if g.Jain != nil {
			jain = append(jain, g.Jain.Overall)
			if l := g.Jain.Least; l != nil && (row.JainLeast == 0 || *l < row.JainLeast) {
				row.JainLeast = *l
			}
		}
		if g.Silence != nil {
			row.Silence = max(row.Silence, *g.Silence)
		}
		for _, u := range b.Processes {
			switch u.Role {
			case "server", "relay":
				row.ServerCPU, row.ServerRSS = row.ServerCPU+u.CPUSeconds, max(row.ServerRSS, u.PeakRSS)
			case "client":
				row.ClientCPU, row.ClientRSS = row.ClientCPU+u.CPUSeconds, max(row.ClientRSS, u.PeakRSS)
			}
		}
		if route.Path != scenario.Direct && load.Rate == 0 { // with a rate the speed is the same everywhere
			toDirect = ratio(r, toDirect, b, index, scenario.Direct)
		}
		if route.Path == scenario.Tunnel && load.Rate == 0 {
			toRelay = ratio(r, toRelay, b, index, scenario.Relay)
		}
	}
	if n > 0 {
		row.Mean = time.Duration(sum / n)
	}
	row.P50, row.P90, row.P99 = time.Duration(median(p50)), time.Duration(median(p90)), time.Duration(median(p99))
	row.Jain = median(jain)
	row.P999, row.P9999 = time.Duration(median(p999)), time.Duration(median(p9999))
	row.ToDirect, row.ToRelay = spread(toDirect), spread(toRelay)
	return row
}

// grow adds a percentile, if there is one.
func grow(list []float64, p int64) []float64 {
	if p == 0 {
		return list
	}
	return append(list, float64(p))
}

// ratio adds the block's speed as part of another path's in the same repetition.
func ratio(r *record.Record, list []float64, b *record.Block, group int, path string) []float64 {
	for i := range r.Blocks {
		o := &r.Blocks[i]
		if o.Cell != b.Cell || o.Path != path || o.Repetition != b.Repetition {
			continue
		}
		if mine, other := &b.Groups[group], &o.Groups[group]; other.Octets > 0 {
			return append(list, float64(mine.Octets)/mine.Seconds*other.Seconds/float64(other.Octets))
		}
	}
	return list
}

// spread is what the values of repetitions come to.
func spread(v []float64) Ratio {
	e := stats.Of(v)
	if low, high, ok := e.Interval(); ok {
		return Ratio{e.Median, low, high}
	}
	return reach(v)
}

// reach is the median, the lowest and the highest of some values.
func reach(v []float64) Ratio {
	if len(v) == 0 {
		return Ratio{}
	}
	return Ratio{median(v), slices.Min(v), slices.Max(v)}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Success is the part of all packets that was ok, 0 to 1.
func (r Row) Success() float64 {
	if total := r.OK + float64(r.Failed); total > 0 {
		return r.OK / total
	}
	return 0
}

// rate is octets per second.
func (r Row) rate() float64 { return float64(r.Octets) / max(r.Seconds, 1e-9) }
