package run

import (
	"math/rand/v2"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A step is one block to be measured.
type step struct {
	cell       *scenario.Cell
	route      record.Route
	repetition int
	canary     bool // the same as another block of this repetition
	teller     *teller
}

// An order says in which order blocks run: for each repetition its
// cells shuffled, and for each cell its routes shuffled, one directly after the
// other, so that drift of the machine meets all routes alike.
type order struct {
	rand   *rand.Rand
	routes []record.Route
	canary *step // one cell on one route, measured twice in each repetition; nil: not
}

func newOrder(s *scenario.Scenario, routes []record.Route) *order {
	return &order{rand: rand.New(rand.NewPCG(uint64(s.Seed), 1)), routes: slices.Clone(routes)}
}

// watch makes the last route, a tunnel when there is one, of the cell that is
// measured most often the canary; none when that is once: one pair of blocks
// would be no floor.
func (o *order) watch(s *scenario.Scenario, cells []*scenario.Cell) {
	most := slices.MaxFunc(cells, func(a, b *scenario.Cell) int { return int(s.RepeatOf(a).Max - s.RepeatOf(b).Max) })
	if s.RepeatOf(most).Max > 1 {
		o.canary = &step{cell: most, route: o.routes[len(o.routes)-1], canary: true}
	}
}

// drop leaves a subject out of the repetitions to come.
func (o *order) drop(subject string) {
	o.routes = slices.DeleteFunc(o.routes, func(r record.Route) bool { return r.Subject == subject })
	if o.canary != nil && o.canary.route.Subject == subject {
		o.canary = nil
	}
}

// least is how many blocks follow a repetition at least.
func (o *order) least(s *scenario.Scenario, cells []*scenario.Cell, repetition int) (blocks int) {
	for _, c := range cells {
		each := len(o.routes)
		if o.canary != nil && c == o.canary.cell {
			each++
		}
		blocks += each * max(int(s.RepeatOf(c).Min)-repetition, 0)
	}
	return blocks
}

// round is the blocks of one repetition.
func (o *order) round(repetition int, cells []*scenario.Cell) (out []step) {
	cs := slices.Clone(cells)
	o.rand.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
	for _, c := range cs {
		var of []step
		for _, route := range o.routes {
			of = append(of, step{cell: c, route: route})
		}
		if o.canary != nil && c == o.canary.cell {
			of = append(of, *o.canary)
		}
		o.rand.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		for _, st := range of {
			st.repetition = repetition
			out = append(out, st)
		}
	}
	return out
}
