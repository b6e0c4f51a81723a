package run

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/target"
	"github.com/adit-tunnel/adit/loadgen/topology"
	"github.com/adit-tunnel/adit/loadgen/worker"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// early is how long before the end of the measured time the target and the
// processes are asked what they have done.
const early = 5 * time.Millisecond

// measure runs one block: connect, warm up, measure, drain.
func measure(ctx context.Context, t *topology.Topology, s *scenario.Scenario, st step, number uint64) (*record.Block, error) {
	st.teller.say(&st, Notice{Event: Phase, Phase: "connect"})
	if s.Fresh {
		if err := t.Renew(ctx, st.route); err != nil {
			return nil, err
		}
	}
	if _, err := control.Ask[control.None](ctx, t.Target, target.Reset, control.None{}); err != nil {
		return nil, err
	}
	if err := t.SetLink(ctx, st.route, st.cell.Link); err != nil {
		return nil, err
	}
	jobs := func(i int) worker.Block { return share(t, s, st, number, i) }
	if err := each(ctx, t, func(ctx context.Context, i int, w *worker.Remote) error {
		_, err := control.Ask[control.None](ctx, w.Client, worker.Open, jobs(i))
		return err
	}); err != nil {
		return nil, err
	}
	warmup, long := time.Duration(s.Warmup), time.Duration(s.Measure)
	if err := each(ctx, t, func(ctx context.Context, _ int, w *worker.Remote) error { return w.Ready(ctx) }); err != nil {
		return nil, err
	}
	// A tunnel takes visitors long before they have got through it: with many of
	// them, or on a busy machine, the measured time would be that of connecting.
	// Those that never come fail where they are used.
	if err := counted(ctx, t, time.Duration(s.Timeout), func(n target.Counted) bool { return n.Come >= st.cell.Connections() }); err != nil {
		return nil, err
	}
	usage := t.Sampler(st.route) // looking for all processes takes longer than a short warm-up
	begin := time.Now().Add(t.Lead())
	if err := each(ctx, t, func(ctx context.Context, _ int, w *worker.Remote) error { return w.Begin(ctx, begin, warmup, long) }); err != nil {
		return nil, err
	}
	silence := st.follow(ctx, t, begin.Add(warmup), begin.Add(warmup+long))
	defer silence()
	events := play(ctx, t, st, begin.Add(warmup))
	defer events.stop()
	if err := pace.Sleep(ctx, time.Until(begin.Add(warmup))); err != nil {
		return nil, err
	}
	before, err := t.Wire(ctx, st.route)
	if err != nil {
		return nil, err
	}
	usage.Start()
	from, err := control.Ask[target.Marked](ctx, t.Target, target.Mark, control.None{})
	if err == nil { // while the load still runs: a pause would count as slowness
		err = pace.Sleep(ctx, time.Until(begin.Add(warmup+long-min(early, long/20))))
	}
	var to target.Marked
	if err == nil {
		to, err = control.Ask[target.Marked](ctx, t.Target, target.Mark, control.None{})
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
	if err := pace.Sleep(ctx, time.Until(begin.Add(warmup+long))); err != nil {
		return nil, err
	}
	left, far, err := settle(ctx, t, time.Duration(s.Drain))
	if err != nil {
		return nil, err
	}
	b.DrainSeconds, b.Strays = time.Since(drain).Seconds(), far.Strays
	results := make([]worker.Results, len(t.Workers))
	if err := each(ctx, t, func(ctx context.Context, i int, w *worker.Remote) error {
		var err error
		results[i], err = control.Ask[worker.Results](ctx, w.Client, worker.Close, control.None{})
		return err
	}); err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Runtime != nil {
			b.Generators = append(b.Generators, *r.Runtime)
		}
	}
	// Nor is the next block's time that of ending this one's connections.
	if err := counted(ctx, t, time.Duration(s.Drain), func(n target.Counted) bool { return n.Open == 0 }); err != nil {
		return nil, err
	}
	if err := account(b, st.cell, results, from, to, left, far); err != nil {
		return nil, err
	}
	fateOf(results, left, b).judge(events.events)
	b.Events = events.events
	if events.again {
		return b, t.Ready(ctx, st.route)
	}
	return b, nil
}

// counted waits until the connections that have come to the target are as wanted, or for so long.
func counted(ctx context.Context, t *topology.Topology, long time.Duration, wanted func(target.Counted) bool) error {
	for over := time.Now().Add(long); ; {
		n, err := control.Ask[target.Counted](ctx, t.Target, target.Count, control.None{})
		if err != nil || wanted(n) || time.Now().After(over) {
			return err
		}
		if err := pace.Sleep(ctx, look); err != nil {
			return err
		}
	}
}

// each asks all generators at the same time.
func each(ctx context.Context, t *topology.Topology, ask func(context.Context, int, *worker.Remote) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, w := range t.Workers {
		g.Go(func() error { return ask(ctx, i, w) })
	}
	return g.Wait()
}

// share is what one generator does in a block. Stream numbers tell the block,
// the group and the generator, so that no two streams of a run have the same.
func share(t *topology.Topology, s *scenario.Scenario, st step, number uint64, i int) worker.Block {
	b := worker.Block{Seed: uint64(s.Seed)}
	for g := range st.cell.Groups {
		b.Jobs = append(b.Jobs, workload.Job{
			Group: st.cell.Groups[g], Index: byte(g), Addrs: t.Addrs(st.route), Timeout: time.Duration(s.Timeout),
			Timeline: st.cell.Timeline,
			Share:    i, Of: len(t.Workers), First: number<<40 | uint64(g)<<36 | uint64(i)<<30,
		})
	}
	return b
}
