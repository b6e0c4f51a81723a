package run

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const (
	// maxProbes is how many values a search tries at most, and maxBlocks how many blocks it takes.
	maxProbes, maxBlocks = 30, 64
	// achieved is the part of the offered rate that has to be there.
	achieved = 0.98
	// lateGenerator is how late a generator may be on its own account, on average.
	lateGenerator = 2 * time.Millisecond
)

// A finder looks for the highest value that keeps a goal: twice as much each
// time, then half-way between the highest that does and the lowest that does
// not. probe measures one value.
type finder struct {
	s     *scenario.Search
	probe func(value float64) (record.Probe, error)
	found record.Search
}

// find returns what was found.
func (f *finder) find() error {
	from, to := f.s.Bounds()
	f.found.Limit = record.LimitedByGoal
	low, high := 0.0, 0.0 // that keeps it; that does not: 0, none so far
	for v, tried := from, 1; ; tried++ {
		p, err := f.try(v)
		if err != nil {
			return err
		}
		switch {
		case p.Late:
			f.found.Limit = record.LimitedByGenerator
			f.found.Knee = low
			return nil
		case p.Kept:
			low = v
		default:
			high = v
		}
		f.found.Knee = low
		switch {
		case low == to:
			f.found.Limit = record.LimitedByRange
			return nil
		case high == from, high > 0 && high/low <= 1+float64(f.s.Precision):
			return nil
		case tried == maxProbes:
			f.found.Limit = record.LimitedByProbes
			return nil
		case high == 0:
			v = math.Min(2*low, to)
		default:
			v = math.Sqrt(low * high)
		}
		if f.s.Unit() == "" {
			if v = math.Round(v); v == low || v == high { // connections are whole
				return nil
			}
		}
	}
}

// try measures a value, and once more when it is not kept: one block may have met a bad moment.
func (f *finder) try(v float64) (p record.Probe, err error) {
	for range 2 {
		if p, err = f.probe(v); err != nil || p.Kept {
			break
		}
		f.found.Probes = append(f.found.Probes, p)
	}
	if p.Kept {
		f.found.Probes = append(f.found.Probes, p)
	}
	return p, err
}

// findKnee measures one cell over one route at several values. The block that it
// returns is that of the highest value which kept the goal, or of the first
// one when none did, or the one that saw wrong bytes.
func findKnee(ctx context.Context, s *scenario.Scenario, st step, block func(context.Context, step) (*record.Block, error)) (*record.Block, *record.Search, error) {
	var best, bad *record.Block
	f := finder{s: s.Search, found: record.Search{Cell: st.cell.Name, Route: st.route, Repetition: st.repetition, Of: s.Search.Of}}
	f.probe = func(v float64) (record.Probe, error) {
		cell := s.Search.With(st.cell, v)
		b, err := block(ctx, step{cell: cell, route: st.route, repetition: st.repetition})
		if err != nil {
			return record.Probe{}, err
		}
		p := judge(s, cell, b, v)
		if len(b.Faults) > 0 {
			bad = b
		}
		if best == nil || p.Kept {
			best = b
		}
		return p, nil
	}
	err := f.find()
	if bad != nil {
		best = bad
	}
	if best != nil {
		best.Cell, best.Groups[s.Search.Group(st.cell)].Knee = st.cell.Name, &f.found.Knee
	}
	return best, &f.found, err
}

// judge says whether a block kept the goal, and if not, why.
func judge(s *scenario.Scenario, cell *scenario.Cell, b *record.Block, v float64) record.Probe {
	goal, i := s.Search.Goal(), s.Search.Group(cell)
	g, group := &b.Groups[i], &cell.Groups[i]
	p := record.Probe{At: v, Kept: true}
	not := func(format string, args ...any) {
		if p.Kept {
			p.Kept, p.Reason = false, fmt.Sprintf(format, args...)
		}
	}
	if g.Wake != nil && group.Rate > 0 {
		if late := time.Duration(g.Wake.Mean); late > lateGenerator {
			p.Late = true
			not("the generator itself was %v late", late.Round(time.Microsecond))
		}
	}
	for k := range b.Groups {
		for _, what := range load.OwnEnds {
			if n := b.Groups[k].Own[what]; n > 0 {
				p.Late = true
				not("the generator itself had no more %s for %d dials", what, n)
				return p
			}
		}
	}
	failed, slow := int64(0), int64(0)
	for k := range b.Groups {
		f := &b.Groups[k]
		failed, slow = failed+f.FailedPackets(), slow+f.Failed[load.Unfinished]+f.Failed[load.TimedOut]
	}
	if failed > slow { // those that came to nothing in time may be a late generator's
		p.Late = false
	}
	if failed > 0 {
		not("%d packets were not ok", failed)
	}
	d := map[string]*hist.Dist{"response": g.Response, "service": g.Service, "connect": g.Connect, "first": g.First}[goal.Of]
	if d == nil {
		not("nothing came back")
		return p
	}
	p.Value = int64(goal.Value(d))
	if time.Duration(p.Value) >= goal.Below {
		not("%s.%s is %v", goal.Of, goal.At, time.Duration(p.Value).Round(time.Microsecond))
	}
	if group.Rate > 0 {
		done := g.Packets
		if group.Calls() {
			done = float64(g.Calls)
		}
		if share := done / (float64(group.Rate) * g.Seconds); share < achieved && done < float64(group.Rate)*g.Seconds-float64(group.Connections) {
			not("%.0f %% of the rate was achieved", 100*share)
		}
	}
	return p
}
