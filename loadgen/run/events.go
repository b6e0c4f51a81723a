package run

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/target"
	"github.com/adit-tunnel/adit/loadgen/topology"
	"github.com/adit-tunnel/adit/loadgen/worker"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// A timeline is the events of a block while they happen. Each has a goroutine;
// wait ends them.
type timeline struct {
	events []record.Event // in their order; those that have a place on the route
	group  *errgroup.Group
	cancel context.CancelFunc
	again  bool // a process was started again
}

// play lets the events of a cell happen, counted from the start of the measured time.
func play(ctx context.Context, t *topology.Topology, st step, start time.Time) *timeline {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	out := &timeline{group: g, cancel: cancel}
	var here []scenario.Event
	for _, e := range st.cell.Timeline {
		if t.Has(st.route, e) {
			here = append(here, e)
		}
	}
	slices.SortStableFunc(here, func(a, b scenario.Event) int { return int(a.At - b.At) })
	out.events = make([]record.Event, len(here))
	for i, e := range here {
		out.events[i] = record.Event{Do: e.Do, At: time.Duration(e.At).Seconds(), For: time.Duration(e.For).Seconds()}
		out.again = out.again || e.On("server") || e.On("client")
		if e.Do == scenario.ReaderStall { // the generators do it
			g.Go(func() (err error) {
				if err = pace.Sleep(ctx, time.Until(start.Add(time.Duration(e.At+e.For)-beforeEnd))); err == nil {
					out.events[i].Held, err = held(ctx, t, byte(groupOf(st.cell, e.Group)))
				}
				return err
			})
			continue
		}
		g.Go(func() error {
			if err := pace.Sleep(ctx, time.Until(start.Add(time.Duration(e.At)))); err != nil {
				return err
			}
			begun := time.Since(start)
			if err := t.Do(ctx, st.route, e, st.cell.Link); err != nil {
				return err
			}
			out.events[i].At, out.events[i].For = begun.Seconds(), (time.Since(start) - begun).Seconds()
			return nil
		})
	}
	return out
}

// beforeEnd is how long before the end of a stall its effect is looked at.
const beforeEnd = 20 * time.Millisecond

func groupOf(c *scenario.Cell, name string) int {
	return slices.IndexFunc(c.Groups, func(g scenario.Group) bool { return g.Name == name })
}

// held is how many octets each living stream of a group waits for that the target has sent; nil without a stream.
func held(ctx context.Context, t *topology.Topology, group byte) (*int64, error) {
	far, err := control.Ask[target.Reported](ctx, t.Target, target.Report, control.None{})
	if err != nil {
		return nil, err
	}
	sent := byID(far)
	octets, streams := make([]int64, len(t.Workers)), make([]int64, len(t.Workers))
	err = each(ctx, t, func(ctx context.Context, i int, w *worker.Remote) error {
		near, err := control.Ask[worker.Standings](ctx, w.Client, worker.Stand, control.None{})
		for _, s := range near.Streams {
			if s.Group == group {
				octets[i], streams[i] = octets[i]+max(sent[s.Stream].Out-s.In, 0), streams[i]+1
			}
		}
		return err
	})
	var all, n int64
	for i := range octets {
		all, n = all+octets[i], n+streams[i]
	}
	if n == 0 || err != nil {
		return nil, err
	}
	all /= n
	return &all, nil
}

// wait is for the end of all events.
func (l *timeline) wait() error { return l.group.Wait() }

// stop ends what still happens, and makes it undone.
func (l *timeline) stop() {
	l.cancel()
	_ = l.group.Wait() // who cares has asked
}

// A fate is what became of the streams of a block.
type fate struct {
	lives       []workload.Life
	waits       []workload.Wait
	left        map[uint64]bool // streams that still waited at the end of the drain
	faults      []*payload.Fault
	undelivered []*payload.Fault
}

// fateOf brings together what all generators saw.
func fateOf(near []worker.Results, left []remainder, b *record.Block) fate {
	f := fate{left: map[uint64]bool{}, faults: b.Faults, undelivered: b.Undelivered}
	for _, r := range near {
		for _, g := range r.Groups {
			f.lives, f.waits = append(f.lives, g.Lives...), append(f.waits, g.Waits...)
		}
	}
	for _, l := range left {
		f.left[l.stream.Stream] = true
	}
	return f
}

// judge says what the events did: each answers for what happened from its
// beginning to that of the next.
func (f fate) judge(events []record.Event) {
	for i := range events {
		to := workload.Never
		if i+1 < len(events) {
			to = seconds(events[i+1].At)
		}
		f.impact(&events[i], seconds(events[i].At), to)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (f fate) impact(e *record.Event, from, to time.Duration) {
	in := func(t time.Duration) bool { return t >= from && t < to }
	seen, reconnected, first := workload.Never, workload.Never, workload.Never
	hit := map[uint64]bool{} // streams that ended badly
	for _, l := range f.lives {
		broke := l.How != "" && in(l.Ended)
		if broke {
			seen, hit[l.Stream] = min(seen, l.Ended), true
		}
		if l.Stream == 0 || l.Connected >= from || l.Ended < from {
			continue
		}
		switch {
		case broke && l.How != workload.TimedOut:
			e.Streams.Reset++
		case broke, l.Ended == workload.Never && f.left[l.Stream]:
			e.Streams.Hung++
		default:
			e.Streams.Kept++
		}
	}
	for _, w := range f.waits {
		if late := w.From + workload.Late; in(late) {
			seen = min(seen, late)
		}
	}
	if seen == workload.Never {
		return
	}
	for _, l := range f.lives {
		if l.Stream != 0 && in(l.Connected) && l.Connected >= seen && l.First != workload.Never {
			reconnected, first = min(reconnected, l.Connected), min(first, l.First)
		}
	}
	for _, w := range f.waits {
		if w.To != workload.Never && w.To >= seen && in(w.From+workload.Late) {
			first = min(first, w.To)
		}
	}
	e.Seen, e.Reconnected, e.First = after(from, seen), after(from, reconnected), after(from, first)
	for _, x := range f.faults {
		switch {
		case !hit[x.Stream]:
		case x.Kind == payload.Lost:
			e.Lost += x.Octets
		case x.Kind == payload.Duplicated:
			e.Doubled += x.Octets
		}
	}
	for _, x := range f.undelivered {
		if hit[x.Stream] {
			e.Undelivered += x.Octets
		}
	}
}

// after is how many seconds after the beginning something was; nil: never.
func after(from, t time.Duration) *float64 {
	if t == workload.Never {
		return nil
	}
	s := (t - from).Seconds()
	return &s
}
