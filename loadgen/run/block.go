package run

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// early is how long before the end of the measured time the target and the
// processes are asked what they have done.
const early = 5 * time.Millisecond

// measureBlock runs one block: connect, warm up, measure, drain.
func measureBlock(ctx context.Context, t *rig.Topology, s *scenario.Scenario, st step, number uint64) (*record.Block, error) {
	st.teller.say(&st, Notice{Event: Phase, Phase: "connect"})
	// The line is the cell's before anything dials over it: a tunnel remembers the
	// shortest round trip that it has seen.
	if err := t.SetLink(ctx, st.route, st.cell.Link); err != nil {
		return nil, err
	}
	if s.Fresh {
		if err := t.Renew(ctx, st.route); err != nil {
			return nil, err
		}
	}
	if _, err := load.TargetReset.Ask(ctx, t.Target, load.NewBlock{Key: t.Key, Block: number}); err != nil {
		return nil, err
	}
	if _, err := askAll(ctx, t, load.GeneratorOpen, func(i int) load.Task { return share(t, s, st, number, i) }); err != nil {
		return nil, err
	}
	warmup, long := time.Duration(s.Warmup), time.Duration(s.Measure)
	if err := each(ctx, t, func(ctx context.Context, _ int, w *load.Remote) error { return w.Ready(ctx) }); err != nil {
		return nil, err
	}
	// A tunnel takes visitors long before they have got through it: with many of
	// them, or on a busy machine, the measured time would be that of connecting.
	// Those that never come fail where they are used.
	if err := counted(ctx, t, time.Duration(s.Timeout), func(n load.Counted) bool { return n.Come >= st.cell.Connections() }); err != nil {
		return nil, err
	}
	usage := t.Sampler(st.route) // looking for all processes takes longer than a short warm-up
	begin := time.Now().Add(t.Lead())
	if err := each(ctx, t, func(ctx context.Context, _ int, w *load.Remote) error { return w.Begin(ctx, begin, warmup, long) }); err != nil {
		return nil, err
	}
	silence := st.follow(ctx, t, begin.Add(warmup), begin.Add(warmup+long))
	defer silence()
	events := play(ctx, t, st, begin.Add(warmup))
	defer events.stop()
	if err := load.Sleep(ctx, time.Until(begin.Add(warmup))); err != nil {
		return nil, err
	}
	before, err := t.Wire(ctx, st.route)
	if err != nil {
		return nil, err
	}
	usage.Start()
	from, err := load.TargetMark.Ask(ctx, t.Target, control.None{})
	if err == nil { // while the load still runs: a pause would count as slowness
		err = load.Sleep(ctx, time.Until(begin.Add(warmup+long-min(early, long/20))))
	}
	var to load.Marked
	if err == nil {
		to, err = load.TargetMark.Ask(ctx, t.Target, control.None{})
	}
	wire := before
	if err == nil {
		wire, err = t.Wire(ctx, st.route)
	}
	used, host := usage.Stop()
	if err == nil {
		err = events.wait()
	}
	if err != nil {
		return nil, err
	}
	silence()
	st.teller.say(&st, Notice{Event: Phase, Phase: "drain"})
	drain := time.Now()
	b := &record.Block{Cell: st.cell.Name, Route: st.route, Repetition: st.repetition, Processes: used, Host: &host}
	if wire != nil {
		b.Wire = &record.Wire{Up: wire.Up - before.Up, Down: wire.Down - before.Down}
	}
	if err := load.Sleep(ctx, time.Until(begin.Add(warmup+long))); err != nil {
		return nil, err
	}
	left, err := settle(ctx, t, time.Duration(s.Drain))
	if err != nil {
		return nil, err
	}
	b.DrainSeconds = time.Since(drain).Seconds()
	if err := t.Owner(ctx, st.route); err != nil { // while there are connections to look at
		return nil, err
	}
	results, err := askAll(ctx, t, load.GeneratorClose, nothing)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Runtime != nil {
			b.Generators = append(b.Generators, *r.Runtime)
		}
	}
	// Wait here, so that closing these connections does not eat into the next block.
	if err := counted(ctx, t, time.Duration(s.Drain), func(n load.Counted) bool { return n.Open == 0 }); err != nil {
		return nil, err
	}
	far, err := load.TargetReport.Ask(ctx, t.Target, control.None{})
	if err != nil {
		return nil, err
	}
	b.Strays = far.Strays
	b.Faults, b.Cut = load.Disproved(results, far)
	if err := account(b, st.cell, results, from, to, left, far); err != nil {
		return nil, err
	}
	b.Events = events.events
	fateOf(results, left, b).judge(b, events.waiting)
	if b.Broken() {
		b.Cut = 0 // the time line may have ended them on their last way
	}
	if events.again {
		return b, t.Ready(ctx, st.route)
	}
	return b, nil
}

// share is what one generator does in a block. Stream numbers tell the block,
// the group and the generator, so that no two streams of a run have the same.
func share(t *rig.Topology, s *scenario.Scenario, st step, number uint64, i int) load.Task {
	b := load.Task{Key: t.Key}
	for g := range st.cell.Groups {
		b.Jobs = append(b.Jobs, load.Job{
			Group: st.cell.Groups[g], Index: byte(g), Addrs: t.Addrs[st.route], Timeout: time.Duration(s.Timeout),
			Timeline: st.cell.Timeline,
			Share:    i, Of: len(t.Generators), First: number<<load.BlockBits | uint64(g)<<36 | uint64(i)<<30, Seed: uint64(s.Seed),
		})
	}
	return b
}

// askAll asks all generators the same at the same time; in is what each is given.
func askAll[In, Out any](ctx context.Context, t *rig.Topology, what control.Request[In, Out], in func(i int) In) ([]Out, error) {
	out := make([]Out, len(t.Generators))
	return out, each(ctx, t, func(ctx context.Context, i int, w *load.Remote) (err error) {
		out[i], err = what.Ask(ctx, w.Client, in(i))
		return err
	})
}

// nothing is what a generator is given with a request that has no content.
func nothing(int) control.None { return control.None{} }

// each asks all generators at the same time.
func each(ctx context.Context, t *rig.Topology, ask func(context.Context, int, *load.Remote) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, w := range t.Generators {
		g.Go(func() error { return ask(ctx, i, w) })
	}
	return g.Wait()
}

// pollEvery is how often the target is asked whether what is waited for has come.
const pollEvery = 5 * time.Millisecond

// counted waits until the connections that have come to the target are as wanted, or for so long.
func counted(ctx context.Context, t *rig.Topology, long time.Duration, wanted func(load.Counted) bool) error {
	for over := time.Now().Add(long); ; {
		n, err := load.TargetCount.Ask(ctx, t.Target, control.None{})
		if err != nil || wanted(n) || time.Now().After(over) {
			return err
		}
		if err := load.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// settle waits until everything that was sent has arrived, or the drain is
// over: sources stop, then both ends' counts must agree.
func settle(ctx context.Context, t *rig.Topology, drain time.Duration) ([]remainder, error) {
	if _, err := load.TargetStop.Ask(ctx, t.Target, control.None{}); err != nil {
		return nil, err
	}
	for over := time.Now().Add(drain); ; {
		last := time.Now().After(over)
		near, err := askAll(ctx, t, load.GeneratorStand, nothing)
		if err != nil {
			return nil, err
		}
		far, err := load.TargetReport.Ask(ctx, t.Target, control.None{})
		if err != nil {
			return nil, err
		}
		left := remaining(near, byID(far))
		if len(left) == 0 || last {
			return left, nil
		}
		if err := load.Sleep(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// A remainder is what had not arrived at the end of the drain.
type remainder struct {
	stream  load.Standing
	bytes   int64          // that did not arrive
	at      *payload.Fault // where the stream stands; nil: all that was sent arrived, and no answer came
	overdue bool           // its packets were not even sent; their generator counts them
}

// remaining says what each living stream still owes. One whose bytes were wrong owes nothing.
func remaining(near []load.Standings, far map[uint64]load.Stream) (left []remainder) {
	for _, n := range near {
		for _, s := range n.Streams {
			there := far[s.Stream]
			if there.Fault != nil {
				continue
			}
			u := undelivered(load.End{Stream: s.Stream, Sent: s.Sent, In: s.In}, there)
			switch {
			case s.Waits:
				left = append(left, remainder{stream: s, at: u})
			case s.Overdue > 0:
				left = append(left, remainder{stream: s, overdue: true})
			case u != nil && !s.Echoes:
				left = append(left, remainder{stream: s, bytes: u.Octets, at: u})
			}
		}
	}
	return left
}

func byID(r load.Reported) map[uint64]load.Stream {
	m := make(map[uint64]load.Stream, len(r.Streams))
	for _, s := range r.Streams {
		m[s.ID] = s
	}
	return m
}

// undelivered is where a stream stopped short of what was sent; nil when all of it arrived.
func undelivered(e load.End, far load.Stream) *payload.Fault {
	if n := e.Sent - far.In; n > 0 {
		return &payload.Fault{Stream: e.Stream, Direction: payload.Up, Offset: far.In, Kind: payload.Undelivered, Octets: n, Seen: "target"}
	}
	if n := far.Out - e.In; n > 0 {
		return &payload.Fault{Stream: e.Stream, Direction: payload.Down, Offset: e.In, Kind: payload.Undelivered, Octets: n, Seen: "generator"}
	}
	return nil
}
