package target

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/series"
)

// Requests of the leader.
const (
	Reset  = "reset"  // forget the streams of the last block, and end those that still run
	Mark   = "mark"   // how much was received until now: Marked
	Stop   = "stop"   // sources end with the packet that they are at
	Report = "report" // all streams: Reported
	Count  = "count"  // how many there are: Counted
)

// Marked is what a target has received until an instant.
type Marked struct {
	At     time.Duration  `json:"at"`     // on the target's clock
	Groups map[byte]int64 `json:"groups"` // octets received and right since the reset

	Series map[byte]series.Part `json:"series,omitempty"` // of the groups, between the first mark and this one
}

// Counted is how many connections have come to the target.
type Counted struct {
	Come int `json:"come"` // since the reset, that have said what they want
	Open int `json:"open"` // now, those that are left of earlier blocks among them
}

// Reported is how all streams stand.
type Reported struct {
	Streams []Stream `json:"streams"`
	Strays  int      `json:"strays"` // connections without a preface
	Forgot  bool     `json:"forgot"` // streams that ended in order are missing: there were too many
}

// A Stream is a connection as the target has it.
type Stream struct {
	ID    uint64         `json:"id"`
	Group byte           `json:"group"`
	In    int64          `json:"in"`  // octets received and right
	Out   int64          `json:"out"` // octets sent
	Fault *payload.Fault `json:"fault,omitempty"`
}

func (t *Target) requests() *control.Mux {
	m := control.NewMux()
	control.Handle(m, Reset, func(context.Context, control.None) (control.None, error) {
		t.reset()
		return control.None{}, nil
	})
	control.Handle(m, Mark, func(context.Context, control.None) (Marked, error) { return t.mark(), nil })
	control.Handle(m, Stop, func(context.Context, control.None) (control.None, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-t.stop:
		default:
			close(t.stop)
		}
		return control.None{}, nil
	})
	control.Handle(m, Report, func(context.Context, control.None) (Reported, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		out := Reported{Strays: t.strays, Forgot: len(t.past) > 0}
		for id, s := range t.streams {
			out.Streams = append(out.Streams, Stream{id, s.group, s.in.Load(), s.out.Load(), s.fault.Load()})
		}
		return out, nil
	})
	control.Handle(m, Count, func(context.Context, control.None) (Counted, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return Counted{Come: len(t.streams) + t.forgotten, Open: len(t.conns)}, nil
	})
	return m
}
