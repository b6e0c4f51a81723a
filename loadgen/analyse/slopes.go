package analyse

import (
	"cmp"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A grower is what a slope is of.
type grower struct {
	route      record.Route
	role, what string
}

// points are the coordinates of a line, in the order in which they were measured.
type points struct{ x, y []float64 }

// slopes says how processes grow: with the idle connections that they have, or the stalled readers, or
// with all connections that there ever were, where none is idle and processes
// live through all blocks.
func slopes(r *record.Record) (out []record.Slope) {
	per := perWhat(r.Scenario)
	if per == "" {
		return nil
	}
	made := everMade(r)
	lines, order := map[grower]*points{}, []grower(nil)
	for i := range r.Blocks {
		b := &r.Blocks[i]
		cell, err := r.Scenario.Cell(b.Cell)
		if err != nil || b.Path == scenario.Direct {
			continue
		}
		x := float64(cell.Connections())
		switch per {
		case record.PerMade:
			x = made[i]
		case record.PerStalled:
			x = float64(connections(cell, stalledIn(cell)))
		}
		for g, y := range grown(b) {
			if lines[g] == nil {
				lines[g], order = &points{}, append(order, g)
			}
			lines[g].x, lines[g].y = append(lines[g].x, x), append(lines[g].y, y)
		}
	}
	slices.SortFunc(order, func(a, b grower) int {
		return cmp.Or(cmp.Compare(a.route.String(), b.route.String()), cmp.Compare(a.role, b.role), cmp.Compare(a.what, b.what))
	})
	for _, g := range order {
		fit := Line(lines[g].x, lines[g].y)
		if per == record.PerMade {
			fit = Fit{Slope: Growth(lines[g].x[1:], lines[g].y[1:])} // a program's first block makes it grow to its size
		}
		if fit.Slope.Low != nil {
			out = append(out, record.Slope{Route: g.route, Role: g.role, What: g.what, Per: per, Estimate: fit.Slope, Zero: fit.Intercept})
		}
	}
	return out
}

// perWhat is what processes can be said to grow with; empty: nothing.
func perWhat(s *scenario.Scenario) (per string) {
	for _, c := range s.Cells {
		switch {
		case slices.ContainsFunc(c.Groups, func(g scenario.Group) bool { return g.Calls() }):
			per = cmp.Or(per, record.PerMade)
		case len(c.Groups) == 1 && c.Groups[0].Mode == scenario.Idle:
			per = cmp.Or(per, record.PerIdle)
		case s.Fresh && stalledIn(&c) != "":
			per = cmp.Or(per, record.PerStalled)
		}
	}
	if per == record.PerMade && s.Fresh || s.Search != nil {
		return ""
	}
	return per
}

// everMade is how many connections there had been on each block's route at its end.
// The canary's are counted with the block that it repeats.
func everMade(r *record.Record) []float64 {
	type block struct {
		cell       string
		route      record.Route
		repetition int
	}
	dials := func(b *record.Block) (n float64) {
		for _, g := range b.Groups {
			n += float64(g.Dials)
		}
		return n
	}
	again := map[block]float64{}
	for i := range r.Canary {
		b := &r.Canary[i]
		again[block{b.Cell, b.Route, b.Repetition}] = dials(b)
	}
	out, sum := make([]float64, len(r.Blocks)), map[record.Route]float64{}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		sum[b.Route] += dials(b) + again[block{b.Cell, b.Route, b.Repetition}]
		out[i] = sum[b.Route]
	}
	return out
}

// grown is how large the route's own processes are at the end of a block; several relays count as one.
func grown(b *record.Block) map[grower]float64 {
	out := map[grower]float64{}
	for _, u := range b.Processes {
		if !slices.Contains([]string{"server", "client", "relay"}, u.Role) || u.RSS == 0 {
			continue
		}
		for what, of := range map[string]func(sample.Usage) float64{
			"rss":     func(u sample.Usage) float64 { return float64(u.RSS) },
			"files":   func(u sample.Usage) float64 { return float64(u.Files) },
			"threads": func(u sample.Usage) float64 { return float64(u.Threads) },
		} {
			out[grower{b.Route, u.Role, what}] += of(u)
		}
	}
	return out
}
