package verdict

import (
	"fmt"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// findings collects what routes do wrong.
func findings(r *record.Record) (out []record.Finding) {
	var names []string
	for _, s := range r.Subjects {
		names = append(names, s.Name)
	}
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range record.Routes(scenario.Paths, names) {
			at := record.Finding{Cell: cell.Name, Route: route}
			out = append(out, wrong(summary.Blocks(r.All(), cell, route), at)...)
			for g := range cell.Groups {
				at.Group = cell.Groups[g].Name
				out = append(out, stalls(summary.Blocks(r.Blocks, cell, route), g, int64(cell.Groups[g].Size), at)...)
			}
		}
	}
	return append(out, leaks(r)...)
}

// wrong is the first fault of each kind in what was received.
func wrong(blocks []*record.Block, at record.Finding) (out []record.Finding) {
	first, n := map[string]*payload.Fault{}, map[string]int{}
	for _, b := range blocks {
		for _, f := range b.Faults {
			if n[f.Kind]++; first[f.Kind] == nil {
				first[f.Kind] = f
			}
		}
	}
	for _, kind := range []string{record.Corrupted, record.Lost, record.Duplicated, record.Crossed} {
		if f := first[kind]; f != nil {
			at.Code, at.Stream, at.Offset = kind, f.Stream, f.Offset
			at.Detail = fmt.Sprintf("%v; %d of this kind in %d repetitions", f, n[kind], len(blocks))
			out = append(out, at)
		}
	}
	return out
}

const (
	stallLeast = float64(time.Millisecond) // more than the median: less is no stall
	around     = 32                        // packets on either side of a place that may say how usual slow ones are there; and of a stream's beginning, which is slow anyway
	near       = 4                         // of them that do at least
	doubt      = 0.001                     // the chance, of all places together, up to which a stall is believed
)

// stalls finds the places at which streams stop. Packets are slow now and then
// wherever they are; what tells a fault is that they are at the same place of
// the stream in more than half of the repetitions, more often than their number
// in the places around makes likely. Nothing that happens at its own times does
// that to streams whose speed differs from repetition to repetition.
func stalls(blocks []*record.Block, group int, size int64, at record.Finding) (out []record.Finding) {
	seen := map[int64][]record.Slow{} // by offset, the slowest of each repetition
	for _, b := range blocks {
		g := &b.Groups[group]
		if g.Service == nil {
			continue
		}
		here := map[int64]record.Slow{}
		for _, s := range g.Slowest {
			if s.Offset >= around*size && float64(s.Took)-float64(g.Service.P50) >= stallLeast && s.Took > here[s.Offset].Took {
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
		for i := int64(1); i <= around; i++ {
			others += len(seen[place-i*size]) + len(seen[place+i*size])
			if i >= near {
				usual = max(usual, float64(others)/float64(2*int(i)*len(blocks)))
			}
		}
		if stats.Chance(len(hits), len(blocks), usual)*float64(len(places)) > doubt {
			continue
		}
		var took []float64
		for _, s := range hits {
			took = append(took, float64(s.Took))
		}
		f := at
		f.Code, f.Stream, f.Offset = record.Stall, hits[0].Stream, place
		f.Detail = fmt.Sprintf("streams stop at octet %d: the packet there takes %v; so in %d of %d repetitions, first in stream %d",
			place, time.Duration(stats.Of(took).Median).Round(10*time.Microsecond), len(hits), len(blocks), f.Stream)
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

// leaks are the processes that grow with each connection, as far as that is
// known: by the lower end of the interval.
func leaks(r *record.Record) (out []record.Finding) {
	for _, s := range r.Slopes {
		low, high, ok := s.Interval()
		least := leakLeast[s.What]
		if s.Per != record.PerMade || !ok || low < least.each || low*dials(r, s.Route) < least.all {
			continue
		}
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
