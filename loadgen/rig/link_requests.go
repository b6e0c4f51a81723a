package rig

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Requests of the leader to a link.
const (
	LinkSet    control.Request[scenario.Link, control.None] = "set"    // what it is from now on
	LinkFreeze control.Request[Outage, control.None]        = "freeze" // nothing arrives for so long, and nothing is lost
	LinkKill   control.Request[Outage, control.None]        = "kill"   // all connections are reset, and none is taken for so long
	LinkCount  control.Request[control.None, LinkCounted]   = "count"
)

// An Outage is how long a fault lasts.
type Outage struct {
	For time.Duration `json:"for"`
}

// LinkCounted is the bytes that were sent so far.
type LinkCounted struct {
	To   int64 `json:"to"` // towards the address
	Back int64 `json:"back"`
}

func (l *Link) requests() *control.Mux {
	m := control.NewMux()
	LinkSet.Answer(m, func(_ context.Context, is scenario.Link) (control.None, error) {
		if l.wire != nil {
			if err := l.wire.set(float64(is.Rate)); err != nil {
				return control.None{}, err
			}
		}
		now := time.Now()
		for _, w := range l.ways {
			w.set(is, now)
		}
		return control.None{}, nil
	})
	LinkFreeze.Answer(m, func(_ context.Context, o Outage) (control.None, error) {
		for _, w := range l.ways {
			w.mu.Lock()
			w.until = time.Now().Add(o.For)
			w.mu.Unlock()
		}
		return control.None{}, nil
	})
	LinkKill.Answer(m, func(_ context.Context, o Outage) (control.None, error) {
		l.kill(o.For)
		return control.None{}, nil
	})
	LinkCount.Answer(m, func(context.Context, control.None) (LinkCounted, error) {
		var n [2]int64
		for i, w := range l.ways {
			w.mu.Lock()
			n[i] = w.bytes
			w.mu.Unlock()
		}
		return LinkCounted{n[0], n[1]}, nil
	})
	return m
}
