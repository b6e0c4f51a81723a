package worker

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
)

// A Remote is a worker as its leader sees it.
type Remote struct {
	*control.Client
	Addr   string        // its control address
	Offset time.Duration // its wall clock less ours
	Within time.Duration // how wrong Offset, and the start of a load, may be: half of the quickest answer's time

	began  time.Time // the zero of the worker's own clock, on ours
	synced time.Time
}

// pings is how often the clock is asked for; the quickest answer counts.
const pings = 5

// synced is how long a clock's offset is good: clocks drift by up to 50 ms in a quarter of an hour.
const synced = time.Minute

// Dial finds a worker and how its clock stands.
func Dial(ctx context.Context, who, addr, token string) (*Remote, error) {
	r := &Remote{Client: control.NewClient(who, addr, token), Addr: addr}
	if err := r.sync(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// sync asks how the worker's clock stands.
func (r *Remote) sync(ctx context.Context) error {
	best := time.Duration(0)
	for range pings {
		asked := time.Now()
		now, err := control.Ask[Now](ctx, r.Client, Clock, control.None{})
		if err != nil {
			return err
		}
		if took := time.Since(asked); best == 0 || took < best {
			middle := asked.Add(took / 2)
			best, r.began, r.Offset, r.Within = took, middle.Add(-now.At), now.Wall.Sub(middle), took/2
		}
	}
	r.synced = time.Now()
	return nil
}

// Ready makes sure that the worker's clock is known well enough to begin a load.
func (r *Remote) Ready(ctx context.Context) error {
	if time.Since(r.synced) < synced {
		return nil
	}
	return r.sync(ctx)
}

// Begin starts the load at an instant of our clock.
func (r *Remote) Begin(ctx context.Context, at time.Time, warmup, measure time.Duration) error {
	_, err := control.Ask[control.None](ctx, r.Client, Begin, Start{at.Sub(r.began), warmup, measure})
	return err
}
