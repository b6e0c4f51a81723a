package run

import (
	"math"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/series"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// overTime says how a group did in each window, and how evenly its connections
// shared what there was, where they take what they can get.
func overTime(out *record.Group, g *scenario.Group, parts []*load.Result, up series.Part) {
	var near []series.Part
	for _, p := range parts {
		if p.Series != nil {
			near = append(near, *p.Series)
		}
	}
	down := series.Join(near...)
	if g.Connections == 0 || len(down.Points)+len(up.Points) == 0 {
		return
	}
	if len(up.Points) > 0 { // the two must be equally wide
		wide := series.Part{Every: max(up.Every, down.Every)}
		up, down = series.Join(wide, up), series.Join(wide, down)
	}
	out.Series = &record.Series{Window: max(up.Every, down.Every).Seconds()}
	for _, p := range up.Points {
		out.Series.Up = append(out.Series.Up, p.Octets)
	}
	for _, p := range down.Points {
		if g.Mode != scenario.Upload {
			out.Series.Down = append(out.Series.Down, p.Octets)
		}
		if g.Echoes() && g.Mode != scenario.Idle {
			out.Series.OK, out.Series.Worst = append(out.Series.OK, p.OK), append(out.Series.Worst, int64(p.Worst))
		}
	}
	if g.Rate > 0 || g.Calls() || g.Mode == scenario.Idle {
		return
	}
	of := down
	if g.Mode == scenario.Upload {
		of = up
	}
	silence := of.Silence.Seconds()
	if out.Silence = &silence; of.Totals.N < 2 || of.Totals.Squares == 0 {
		return
	}
	out.Jain = &record.Jain{Overall: of.Totals.Jain()}
	if least := of.Least(); !math.IsNaN(least) {
		out.Jain.Least = &least
	}
	for _, p := range of.Points {
		if j := p.Shares.Jain(); p.Shares.N > 0 {
			if math.IsNaN(j) {
				j = 1
			}
			out.Series.Jain = append(out.Series.Jain, j)
		}
	}
}
