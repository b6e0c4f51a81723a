package report

import (
	"math"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// shares are the ticks of 1/(1−p).
var shares = []plot.Tick{{At: 1, Label: "0"}, {At: 2, Label: "50 %"}, {At: 10, Label: "90 %"}, {At: 100, Label: "99 %"}, {At: 1e3, Label: "99.9 %"}, {At: 1e4, Label: "99.99 %"}, {At: 1e5, Label: "99.999 %"}}

// percentiles draws whole distributions of the latency.
func (d *drawing) percentiles() {
	for _, c := range d.cells() {
		for g, group := range c.Groups {
			if d.show.Group != "" && d.show.Group != group.Name || !d.timed(c, g) {
				continue
			}
			what := labelOf(d.axes, c.Name)
			if len(c.Groups) > 1 {
				what = group.Name + ", " + what
			}
			d.add("percentiles "+what, func(standsAlone bool) string { // made when it is asked for: decoding takes its time
				lines := d.distributions(c, g)
				f := plot.Lines{Title: "Latency", Sub: "ms, " + what, XLabel: "share of the packets that took no longer", XLog: true, Plain: true, Lines: lines}
				longest := 0.0
				for _, l := range lines {
					longest = max(longest, l.Points[len(l.Points)-1].X)
				}
				for _, t := range shares {
					if t.At <= longest {
						f.X = append(f.X, t)
					}
				}
				return f.SVG(standsAlone)
			})
		}
	}
}

// timed reports whether there is a distribution to draw.
func (d *drawing) timed(c *scenario.Cell, group int) bool {
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Cell != c.Name {
			continue
		}
		if dist := analyse.LatencyOf(&b.Groups[group]); dist != nil && dist.HDR != "" && dist.P50 > 0 {
			return true
		}
	}
	return false
}

// distributions are the latencies of a cell: for each route, along 1/(1−p), the
// median of the repetitions; as far as ten samples lie beyond.
func (d *drawing) distributions(c *scenario.Cell, group int) (out []plot.Line) {
	for _, route := range d.routes {
		var all [][]hist.Bar
		n := int64(math.MaxInt64)
		for _, b := range analyse.Blocks(d.Blocks, c, route) {
			dist := analyse.LatencyOf(&b.Groups[group])
			if dist == nil || dist.HDR == "" || dist.P50 == 0 { // not even a median
				continue
			}
			bars, err := dist.Bars()
			if err != nil { // a record that somebody changed: what is in its tables is shown
				continue
			}
			all, n = append(all, bars), min(n, dist.N)
		}
		line := plot.Line{Route: d.route(route)}
		for i := 0; len(all) > 0; i++ {
			x := math.Pow(10, float64(i)/12)
			if x > float64(n)/10 {
				break
			}
			var at []float64
			for _, bars := range all {
				at = append(at, float64(hist.Within(bars, 1-1/x))/1e6)
			}
			s := analyse.Spread(at)
			line.Points = append(line.Points, plot.Point{X: x, Y: s.Median, Low: s.Low, High: s.High})
		}
		if len(line.Points) > 1 {
			out = append(out, line)
		}
	}
	return out
}
