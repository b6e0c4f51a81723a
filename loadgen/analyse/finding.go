package analyse

import (
	"fmt"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// findings collects what routes do wrong.
func findings(r *record.Record) (out []record.Finding) {
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range r.Routes() {
			at := record.Finding{Cell: cell.Name, Route: route}
			out = append(out, wrong(Blocks(r.All(), cell, route), at)...)
			for g := range cell.Groups {
				at.Group = cell.Groups[g].Name
				out = append(out, stalls(Blocks(r.Blocks, cell, route), g, int64(cell.Groups[g].Size), at)...)
			}
		}
	}
	return append(out, leaks(r)...)
}

// wrong is the first fault of each kind in what was received, and how it ended.
func wrong(blocks []*record.Block, at record.Finding) (out []record.Finding) {
	first, n := map[string]*payload.Fault{}, map[string]int{}
	for _, b := range blocks {
		for _, f := range b.Faults {
			if n[f.Kind]++; first[f.Kind] == nil {
				first[f.Kind] = f
			}
		}
	}
	for _, kind := range []string{record.Corrupted, record.Lost, record.Duplicated, record.Crossed, record.Forged} {
		if f := first[kind]; f != nil {
			at.Code, at.Stream, at.Offset = kind, f.Stream, f.Offset
			at.Detail = fmt.Sprintf("%v; %d of this kind in %d repetitions", f, n[kind], len(blocks))
			out = append(out, at)
		}
	}
	var cut, blocksCut int64
	for _, b := range blocks {
		if cut += b.Cut; b.Cut > 0 {
			blocksCut++
		}
	}
	if cut > 0 {
		at.Code, at.Stream, at.Offset = record.Cut, 0, 0
		at.Detail = fmt.Sprintf("%d streams that were ended in order ended with a reset at the target, in %d of %d repetitions: its service cannot know that it has everything", cut, blocksCut, len(blocks))
		out = append(out, at)
	}
	return out
}

const (
	stallLeast = float64(time.Millisecond) // more than the median: less is no stall
	neighbours = 32                        // packets on either side of a place that may say how usual slow ones are there; and of a stream's beginning, which is slow anyway
	least      = 4                         // of them that do at least
	doubt      = 0.001                     // the chance, of all places together, up to which a stall is believed
)

// stalls finds the places at which streams stop. Packets are slow now and then
// wherever they are; what tells a fault is that they are at the same place of
// the stream in more than half of the repetitions, more often than their number
// in the places neighbours makes likely. Nothing that happens at its own times does
// that to streams whose speed differs from repetition to repetition.
func stalls(blocks []*record.Block, group int, size int64, at record.Finding) (out []record.Finding) {
	seen := map[int64][]load.Slow{} // by offset, the slowest of each repetition
	for _, b := range blocks {
		g := &b.Groups[group]
		if g.Service == nil {
			continue
		}
		here := map[int64]load.Slow{}
		for _, s := range g.Slowest {
			if s.Offset >= neighbours*size && float64(s.Took)-float64(g.Service.P50) >= stallLeast && s.Took > here[s.Offset].Took {
				here[s.Offset] = s
			}
		}
		for offset, s := range here {
			seen[offset] = append(seen[offset], s)
		}
	}
	places := make([]int64, 0, len(seen))
	for offset := range seen {
		places = append(places, offset)
	}
	slices.Sort(places)
	for _, place := range places {
		hits := seen[place]
		if 2*len(hits) <= len(blocks) {
			continue
		}
		usual, others := 0.0, 1 // none at all would make anything unlikely
		for i := int64(1); i <= neighbours; i++ {
			others += len(seen[place-i*size]) + len(seen[place+i*size])
			if i >= least {
				usual = max(usual, float64(others)/float64(2*int(i)*len(blocks)))
			}
		}
		if Chance(len(hits), len(blocks), usual)*float64(len(places)) > doubt {
			continue
		}
		var took []float64
		for _, s := range hits {
			took = append(took, float64(s.Took))
		}
		f := at
		f.Code, f.Stream, f.Offset = record.Stall, hits[0].Stream, place
		f.Detail = fmt.Sprintf("streams stop at octet %d: the packet there takes %v; so in %d of %d repetitions, first in stream %d",
			place, time.Duration(Estimate(took).Median).Round(10*time.Microsecond), len(hits), len(blocks), f.Stream)
		out = append(out, f)
	}
	return out
}

// leakLeast is what each connection has to leave behind at least, and all of
// them together: an allocator at work makes a process wander by less, however
// few connections a busy machine makes.
var leakLeast = map[string]struct{ each, all float64 }{
	"rss": {256, 512 << 10}, "files": {0.05, 16}, "threads": {0.05, 16},
}

// leakEnough is how many blocks on a route say whether its processes grow.
// With fewer the interval is wide: it shows a leak that is large, or none.
const leakEnough = 8

// leaks are the processes that grow with each connection, as far as that is
// known: by the lower end of the interval.
func leaks(r *record.Record) (out []record.Finding) {
	for _, s := range r.Slopes {
		if s.Per != record.PerMade || !leaky(r, &s) {
			continue
		}
		low, high, _ := s.Interval()
		what := map[string]string{"rss": "octets of memory"}[s.What]
		if what == "" {
			what = s.What
		}
		out = append(out, record.Finding{
			Code: record.Leak, Route: s.Route, Role: s.Role,
			Detail: fmt.Sprintf("the %s keeps %.3g %s of each connection that has ended (%.3g to %.3g)", s.Role, s.Median, what, low, high),
		})
	}
	return out
}

// leaky reports whether a slope is a leak beyond doubt.
func leaky(r *record.Record, s *record.Slope) bool {
	low, _, ok := s.Interval()
	least := leakLeast[s.What]
	return ok && low >= least.each && low*dials(r, s.Route) >= least.all
}

// unjudged are the subjects of which too few blocks were measured to say
// whether they grow with each connection.
func (j *judge) unjudged() {
	if perWhat(j.r.Scenario) != record.PerMade {
		return
	}
	for _, route := range j.r.Routes() {
		blocks, open := 0, map[grower]bool{}
		for i := range j.r.Blocks {
			if b := &j.r.Blocks[i]; b.Route == route && route.Path == scenario.Tunnel {
				blocks++
				for g := range grown(b) {
					open[g] = true
				}
			}
		}
		for _, s := range j.r.Slopes {
			if _, high, ok := s.Interval(); s.Per == record.PerMade && ok && (leaky(j.r, &s) || high < leakLeast[s.What].each) {
				delete(open, grower{s.Route, s.Role, s.What})
			}
		}
		if blocks < leakEnough && len(open) > 0 {
			j.add(record.LeakNotJudged, record.Note, record.Reason{Route: route}, "leak not judged: %d of %d repetitions: take more", blocks, leakEnough)
		}
	}
}

// dials is how many connections there ever were on a route.
func dials(r *record.Record, route record.Route) (n float64) {
	for _, b := range r.All() {
		for k := range b.Groups {
			if b.Route == route {
				n += float64(b.Groups[k].Dials)
			}
		}
	}
	return n
}
