package run

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A timeline is the events of a block while they happen. Each has a goroutine;
// wait ends them.
type timeline struct {
	events  []record.Event     // in their order; those that have a place on the route
	waiting []map[uint64]int64 // of each reader.stall: what its streams waited for at its end
	group   *errgroup.Group
	cancel  context.CancelFunc
	again   bool // a process was started again
}

// play lets the events of a cell happen, counted from the start of the measured time.
func play(ctx context.Context, t *rig.Topology, st step, start time.Time) *timeline {
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
	out.events, out.waiting = make([]record.Event, len(here)), make([]map[uint64]int64, len(here))
	for i, e := range here {
		out.events[i] = record.Event{Do: e.Do, At: time.Duration(e.At).Seconds(), For: time.Duration(e.For).Seconds()}
		out.again = out.again || e.On("server") || e.On("client")
		if e.Do == scenario.ReaderStall { // the generators do it
			g.Go(func() (err error) {
				if err = load.Sleep(ctx, time.Until(start.Add(time.Duration(e.At+e.For)-beforeEnd))); err == nil {
					out.waiting[i], err = waiting(ctx, t, byte(groupOf(st.cell, e.Group)))
				}
				return err
			})
			continue
		}
		g.Go(func() error {
			if err := load.Sleep(ctx, time.Until(start.Add(time.Duration(e.At)))); err != nil {
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

// waiting is how many bytes each living stream of a group waits for that the target has sent.
func waiting(ctx context.Context, t *rig.Topology, group byte) (map[uint64]int64, error) {
	far, err := load.TargetReport.Ask(ctx, t.Target, control.None{})
	if err != nil {
		return nil, err
	}
	sent, out := byID(far), map[uint64]int64{}
	near, err := askAll(ctx, t, load.GeneratorStand, nothing)
	for _, w := range near {
		for _, s := range w.Streams {
			if s.Group == group {
				out[s.Stream] = max(sent[s.Stream].Out-s.In, 0)
			}
		}
	}
	return out, err
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
	lives       []load.Life
	waits       []load.Wait
	left        map[uint64]bool // streams that still waited at the end of the drain
	faults      []*payload.Fault
	undelivered []*payload.Fault
}

// fateOf brings together what all generators saw.
func fateOf(near []load.Results, left []remainder, b *record.Block) fate {
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

// clocks is how far those of generators may be ahead of the leader's.
const clocks = 20 * time.Millisecond

// judge says what the events did: each answers for what happened from its
// beginning to that of the next. What failed outside of those that break
// something is nobody's doing but the subject's.
func (f fate) judge(b *record.Block, waiting []map[uint64]int64) {
	excused := func(load.Life) bool { return false }
	for i := range b.Events {
		e, from, to := &b.Events[i], seconds(b.Events[i].At), load.Never
		if i+1 < len(b.Events) {
			to = seconds(b.Events[i+1].At)
		}
		f.impact(e, from, to)
		if e.Do == scenario.ReaderStall {
			e.Held = f.held(waiting[i])
		}
		if before := excused; e.Breaks() {
			excused = func(l load.Life) bool { return before(l) || l.Ended >= from-clocks && l.Ended < to }
		}
	}
	if !b.Broken() {
		return // all that failed counts
	}
	for _, l := range f.lives {
		if l.How != "" && !excused(l) {
			b.Unexcused++
		}
	}
}

// held is how many bytes each stalled reader waits for; nil without one that
// lived: whoever sends on to a stream that has ended holds nothing.
func (f fate) held(waiting map[uint64]int64) *int64 {
	for _, l := range f.lives {
		if l.How != "" {
			delete(waiting, l.Stream)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	var sum int64
	for _, n := range waiting {
		sum += n
	}
	return new(sum / int64(len(waiting)))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (f fate) impact(e *record.Event, from, to time.Duration) {
	in := func(t time.Duration) bool { return t >= from && t < to }
	seen, reconnected, first := load.Never, load.Never, load.Never
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
		case broke && l.How != load.TimedOut:
			e.Streams.Reset++
		case broke, l.Ended == load.Never && f.left[l.Stream]:
			e.Streams.Hung++
		default:
			e.Streams.Kept++
		}
	}
	for _, w := range f.waits {
		if late := w.From + load.Late; in(late) {
			seen = min(seen, late)
		}
	}
	if seen == load.Never {
		return
	}
	for _, l := range f.lives {
		if l.Stream != 0 && in(l.Connected) && l.Connected >= seen && l.First != load.Never {
			reconnected, first = min(reconnected, l.Connected), min(first, l.First)
		}
	}
	for _, w := range f.waits {
		if w.To != load.Never && w.To >= seen && in(w.From+load.Late) {
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
	if t == load.Never {
		return nil
	}
	s := (t - from).Seconds()
	return &s
}
