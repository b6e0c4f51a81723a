package run

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/target"
	"github.com/adit-tunnel/adit/loadgen/topology"
	"github.com/adit-tunnel/adit/loadgen/worker"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// A remainder is what had not arrived at the end of the drain.
type remainder struct {
	stream  workload.Standing
	octets  int64          // that did not arrive
	at      *payload.Fault // where the stream stands; nil: all that was sent arrived, and no answer came
	overdue bool           // its packets were not even sent; their crew counts them
}

// look is how often the drain looks whether it is over.
const look = 5 * time.Millisecond

// settle waits until everything that was sent has arrived, or the drain is
// over: sources stop, then both ends' counts must agree.
func settle(ctx context.Context, t *topology.Topology, drain time.Duration) ([]remainder, target.Reported, error) {
	none := control.None{}
	if _, err := control.Ask[control.None](ctx, t.Target, target.Stop, none); err != nil {
		return nil, target.Reported{}, err
	}
	for over := time.Now().Add(drain); ; {
		last := time.Now().After(over)
		near := make([]worker.Standings, len(t.Workers))
		err := each(ctx, t, func(ctx context.Context, i int, w *worker.Remote) (err error) {
			near[i], err = control.Ask[worker.Standings](ctx, w.Client, worker.Stand, none)
			return err
		})
		if err != nil {
			return nil, target.Reported{}, err
		}
		far, err := control.Ask[target.Reported](ctx, t.Target, target.Report, none)
		if err != nil {
			return nil, far, err
		}
		left := remaining(near, byID(far))
		if len(left) == 0 || last {
			return left, far, nil
		}
		if err := pace.Sleep(ctx, look); err != nil {
			return nil, far, err
		}
	}
}

// remaining says what each living stream still owes. One whose octets were wrong owes nothing.
func remaining(near []worker.Standings, far map[uint64]target.Stream) (left []remainder) {
	for _, n := range near {
		for _, s := range n.Streams {
			there := far[s.Stream]
			if there.Fault != nil {
				continue
			}
			u := undelivered(workload.End{Stream: s.Stream, Sent: s.Sent, In: s.In}, there)
			switch {
			case s.Waits:
				left = append(left, remainder{stream: s, at: u})
			case s.Overdue > 0:
				left = append(left, remainder{stream: s, overdue: true})
			case u != nil && !s.Echoes:
				left = append(left, remainder{stream: s, octets: u.Octets, at: u})
			}
		}
	}
	return left
}

func byID(r target.Reported) map[uint64]target.Stream {
	m := make(map[uint64]target.Stream, len(r.Streams))
	for _, s := range r.Streams {
		m[s.ID] = s
	}
	return m
}

// undelivered is where a stream stopped short of what was sent; nil when all of it arrived.
func undelivered(e workload.End, far target.Stream) *payload.Fault {
	if n := e.Sent - far.In; n > 0 {
		return &payload.Fault{Stream: e.Stream, Direction: payload.Up, Offset: far.In, Kind: payload.Undelivered, Octets: n, Seen: "target"}
	}
	if n := far.Out - e.In; n > 0 {
		return &payload.Fault{Stream: e.Stream, Direction: payload.Down, Offset: e.In, Kind: payload.Undelivered, Octets: n, Seen: "generator"}
	}
	return nil
}

// account joins what the generators and the target counted, and gives every
// packet that was not ok its outcome. What the target found wrong is corrupt,
// whatever the generator saw of that stream.
func account(b *record.Block, cell *scenario.Cell, near []worker.Results, from, to target.Marked, left []remainder, final target.Reported) error {
	far := byID(final)
	for i := range cell.Groups {
		g, err := group(&cell.Groups[i], parts(near, i), from, to, byte(i))
		if err != nil {
			return err
		}
		for _, r := range parts(near, i) {
			b.Faults = append(b.Faults, r.Faults...)
			g.Failed[workload.Unfinished] += r.Overdue
			for _, e := range r.Ends {
				there, known := far[e.Stream]
				if there.Fault != nil { // counted below
					continue
				}
				g.Failed[e.How]++
				if !known && (e.Stream == 0 || final.Forgot) {
					continue
				}
				if u := undelivered(e, there); u != nil && e.How != workload.Corrupt {
					b.Undelivered = append(b.Undelivered, u)
				}
			}
		}
		for _, l := range left {
			if int(l.stream.Group) != i || l.overdue {
				continue
			}
			n := (l.octets + int64(cell.Groups[i].Size) - 1) / int64(cell.Groups[i].Size)
			g.Failed[workload.Unfinished] += max(n, 1)
			if l.at != nil {
				b.Undelivered = append(b.Undelivered, l.at)
			}
		}
		for _, s := range final.Streams {
			if s.Fault != nil && int(s.Group) == i {
				b.Faults = append(b.Faults, s.Fault)
				g.Failed[workload.Corrupt]++
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
func parts(near []worker.Results, i int) (out []*workload.Result) {
	for _, r := range near {
		out = append(out, r.Groups[i])
	}
	return out
}

// group joins the generators' results; octets count at their receiver, on the receiver's clock.
func group(g *scenario.Group, parts []*workload.Result, from, to target.Marked, index byte) (*record.Group, error) {
	out := &record.Group{Name: g.Name, Failed: map[string]int64{}}
	var down int64
	for _, p := range parts {
		out.Seconds = max(out.Seconds, p.Seconds)
		down += p.Down
		out.Octets += p.Octets(g)
		out.Dials, out.FailedConnects = out.Dials+p.Dials, out.FailedConnects+p.FailedConnects
		out.Late += p.Late
		for _, s := range p.Slowest {
			out.Slowest = append(out.Slowest, record.Slow(s))
		}
		out.Sockets = append(out.Sockets, p.Sockets...)
		if g.Mode == scenario.Churn {
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
	for _, d := range []struct {
		out **hist.Dist
		of  func(*workload.Result) hist.Part
	}{
		{&out.Service, func(r *workload.Result) hist.Part { return r.Service }},
		{&out.Response, func(r *workload.Result) hist.Part { return r.Response }},
		{&out.Lag, func(r *workload.Result) hist.Part { return r.Lag }},
		{&out.Wake, func(r *workload.Result) hist.Part { return r.Wake }},
		{&out.Connect, func(r *workload.Result) hist.Part { return r.Connect }},
		{&out.First, func(r *workload.Result) hist.Part { return r.First }},
		{&out.During, func(r *workload.Result) hist.Part { return r.During }},
		{&out.After, func(r *workload.Result) hist.Part { return r.After }},
	} {
		var of []hist.Part
		for _, p := range parts {
			of = append(of, d.of(p))
		}
		var err error
		if *d.out, err = hist.Join(of...); err != nil {
			return nil, err
		}
	}
	overTime(out, g, parts, to.Series[index])
	return out, nil
}
