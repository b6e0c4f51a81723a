package run

import (
	"cmp"
	"maps"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// account joins what the generators and the target counted, and gives every
// packet that was not ok its outcome. What the target found wrong is corrupt,
// whatever the generator saw of that stream.
func account(b *record.Block, cell *scenario.Cell, near []load.Results, from, to load.Marked, left []remainder, final load.Reported) error {
	far := byID(final)
	for i := range cell.Groups {
		g, err := group(&cell.Groups[i], parts(near, i), from, to, byte(i))
		if err != nil {
			return err
		}
		for _, r := range parts(near, i) {
			b.Faults = append(b.Faults, r.Faults...)
			g.Failed[load.Unfinished] += r.Overdue
			for _, e := range r.Ends {
				there, known := far[e.Stream]
				if there.Fault != nil { // counted below
					continue
				}
				g.Failed[e.How]++
				if !known && (e.Stream == 0 || final.Past.Streams > 0) {
					continue
				}
				if u := undelivered(e, there); u != nil && e.How != load.Corrupt {
					b.Undelivered = append(b.Undelivered, u)
				}
			}
		}
		for _, l := range left {
			if int(l.stream.Group) != i || l.overdue {
				continue
			}
			n := (l.bytes + int64(cell.Groups[i].Size) - 1) / int64(cell.Groups[i].Size)
			g.Failed[load.Unfinished] += max(n, 1)
			if l.at != nil {
				b.Undelivered = append(b.Undelivered, l.at)
			}
		}
		for _, s := range final.Streams {
			if s.Fault != nil && int(s.Group) == i {
				b.Faults = append(b.Faults, s.Fault)
				g.Failed[load.Corrupt]++
			}
		}
		maps.DeleteFunc(g.Failed, func(_ string, n int64) bool { return n == 0 })
		b.Groups = append(b.Groups, *g)
	}
	order := func(x, y *payload.Fault) int {
		return cmp.Or(cmp.Compare(x.Stream, y.Stream), cmp.Compare(x.Offset, y.Offset))
	}
	slices.SortFunc(b.Faults, order)
	slices.SortFunc(b.Undelivered, order)
	return nil
}

// parts is what each generator says of one group.
func parts(near []load.Results, i int) (out []*load.Result) {
	for _, r := range near {
		out = append(out, r.Groups[i])
	}
	return out
}

// group joins the generators' results; bytes count at their receiver, on the receiver's clock.
func group(g *scenario.Group, parts []*load.Result, from, to load.Marked, index byte) (*record.Group, error) {
	out := &record.Group{Name: g.Name, Failed: map[string]int64{}, Own: map[string]int64{}}
	var down int64
	for _, p := range parts {
		out.Seconds = max(out.Seconds, p.Seconds)
		down += p.Down
		out.Octets += p.Octets(g)
		out.Dials, out.FailedConnects = out.Dials+p.Dials, out.FailedConnects+p.FailedConnects
		out.Late += p.Late
		out.Slowest = append(out.Slowest, p.Slowest...)
		for what, n := range p.Own {
			out.Own[what] += n
		}
		out.Sockets = append(out.Sockets, p.Sockets...)
		if g.Calls() {
			out.Calls += p.OK
		}
	}
	up, clock := to.Groups[index]-from.Groups[index], (to.At - from.At).Seconds()
	if up > 0 && clock > 0 && g.Mode != scenario.Both {
		out.Arrived = float64(up) / float64(g.Size) / clock
	}
	switch g.Mode {
	case scenario.Upload:
		out.Octets, out.Seconds = up, clock
	case scenario.Download:
		out.Octets = down
	case scenario.Both: // two receivers, two clocks: scaled to the generator's time
		out.Octets = down + int64(float64(up)*out.Seconds/clock)
	}
	out.Packets = float64(out.Octets) / float64(g.Size)
	for i, d := range []**hist.Dist{
		load.Service: &out.Service, load.Response: &out.Response, load.Lag: &out.Lag, load.Wake: &out.Wake,
		load.Connect: &out.Connect, load.First: &out.First, load.During: &out.During, load.After: &out.After,
	} {
		var of []hist.Part
		for _, p := range parts {
			of = append(of, p.Times[i])
		}
		var err error
		if *d, err = hist.Join(of...); err != nil {
			return nil, err
		}
	}
	overTime(out, g, parts, to.Series[index])
	return out, nil
}
