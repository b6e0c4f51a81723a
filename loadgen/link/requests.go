package link

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
)

// Requests of the leader.
const (
	Set    = "set"    // Settings: from now on
	Freeze = "freeze" // Outage: nothing arrives for so long, and nothing is lost
	Kill   = "kill"   // Outage: all connections are reset, and none is taken for so long
	Count  = "count"  // Counted
)

// An Outage is how long a fault lasts.
type Outage struct {
	For time.Duration `json:"for"`
}

// Counted is the octets that were sent so far.
type Counted struct {
	To   int64 `json:"to"` // towards the address
	Back int64 `json:"back"`
}

func (l *Link) requests() *control.Mux {
	m := control.NewMux()
	control.Handle(m, Set, func(_ context.Context, s Settings) (control.None, error) {
		if l.wire != nil {
			if err := l.wire.set(s.Rate); err != nil {
				return control.None{}, err
			}
		}
		now := time.Now()
		for _, w := range l.ways {
			w.set(s, now)
		}
		return control.None{}, nil
	})
	control.Handle(m, Freeze, func(_ context.Context, o Outage) (control.None, error) {
		for _, w := range l.ways {
			w.mu.Lock()
			w.until = time.Now().Add(o.For)
			w.mu.Unlock()
		}
		return control.None{}, nil
	})
	control.Handle(m, Kill, func(_ context.Context, o Outage) (control.None, error) {
		l.kill(o.For)
		return control.None{}, nil
	})
	control.Handle(m, Count, func(context.Context, control.None) (Counted, error) {
		var n [2]int64
		for i, w := range l.ways {
			w.mu.Lock()
			n[i] = w.octets
			w.mu.Unlock()
		}
		return Counted{n[0], n[1]}, nil
	})
	return m
}
