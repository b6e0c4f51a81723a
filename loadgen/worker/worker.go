// Package worker is a generator as a process of its own: it has its share of
// every group, starts at the instant it is told, and reports what it counted
// and recorded in a form that joins exactly with the others'.
package worker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// Requests of the leader, in the order of a block.
const (
	Clock = "clock" // the worker's clock: Now
	Open  = "open"  // Block: all visitors dial; the answer comes when they have
	Begin = "begin" // Start: when the load begins
	Stand = "stand" // Standings: how the living streams stand
	Close = "close" // Results: the end of the block
	Probe = "probe" // Path: does one packet come back; an error when it does not
)

// Now is an instant on the worker's clock.
type Now struct {
	At   time.Duration `json:"at"`   // since the worker began
	Wall time.Time     `json:"wall"` // as its machine tells it
}

// A Block is the worker's share of one block: a job for each group.
type Block struct {
	Seed uint64         `json:"seed"`
	Jobs []workload.Job `json:"jobs"`
}

// Start says when warm-up begins, on the worker's clock, and how long the phases are.
type Start struct {
	At      time.Duration `json:"at"`
	Warmup  time.Duration `json:"warmup"`
	Measure time.Duration `json:"measure"`
}

// Standings are those of all groups.
type Standings struct {
	Streams []workload.Standing `json:"streams"`
}

// Results has one for each job, in their order.
type Results struct {
	Groups  []*workload.Result `json:"groups"`
	Runtime *sample.Runtime    `json:"runtime,omitempty"` // of the worker, in the measured time; nil when that never began
}

// A Worker serves the leader's requests until Close.
type Worker struct {
	control *control.Server
	began   time.Time

	mu       sync.Mutex // one request that changes the block at a time
	crews    []*workload.Crew
	verifier *payload.Verifier
	watch    *watch // on the measured time of the block
}

// New serves requests on l that carry the token, unless it is empty.
func New(l net.Listener, token string) *Worker {
	w := &Worker{began: time.Now()}
	m := control.NewMux()
	control.Handle(m, Clock, func(context.Context, control.None) (Now, error) { return Now{time.Since(w.began), time.Now()}, nil })
	control.Handle(m, Open, w.open)
	control.Handle(m, Begin, w.begin)
	control.Handle(m, Stand, w.stand)
	control.Handle(m, Look, w.look)
	control.Handle(m, Close, w.close)
	control.Handle(m, Probe, w.probe)
	w.control = control.Serve(l, m, token)
	return w
}

// Close ends everything and waits for it.
func (w *Worker) Close() error {
	err := w.control.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
	return err
}

// drop ends a block. w.mu is held.
func (w *Worker) drop() {
	for _, c := range w.crews {
		c.Close()
	}
	w.crews = nil
	w.watch.stop()
}

// verifierOf is the verifier for a seed. w.mu is held.
func (w *Worker) verifierOf(seed uint64) *payload.Verifier {
	if w.verifier == nil || w.verifier.Seed != seed {
		w.verifier = payload.NewVerifier(payload.NewRing(seed), "generator")
	}
	return w.verifier
}

func (w *Worker) open(_ context.Context, b Block) (control.None, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop() // one that its leader has given up
	verifier := w.verifierOf(b.Seed)
	var dial sync.WaitGroup
	for _, j := range b.Jobs {
		c := workload.NewCrew(context.Background(), j, verifier) // the block outlives this request; drop ends it
		w.crews = append(w.crews, c)
		dial.Go(c.Open)
	}
	dial.Wait()
	return control.None{}, nil
}

var errNoBlock = errors.New("no block is open")

func (w *Worker) begin(_ context.Context, s Start) (control.None, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.crews == nil {
		return control.None{}, errNoBlock
	}
	w.watch.stop()
	w.watch = watchFrom(max(s.At-time.Since(w.began), 0)+s.Warmup, s.Measure)
	for _, c := range w.crews {
		c.Begin(max(s.At-time.Since(w.began), 0), s.Warmup, s.Measure)
	}
	return control.None{}, nil
}

func (w *Worker) stand(context.Context, control.None) (out Standings, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.crews {
		out.Streams = append(out.Streams, c.Stand()...)
	}
	return out, nil
}

func (w *Worker) close(context.Context, control.None) (out Results, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	crews := w.crews
	if crews == nil {
		return out, errNoBlock
	}
	w.drop()
	out.Runtime = w.watch.runtime()
	for _, c := range crews {
		r, err := c.Result()
		if err != nil {
			return Results{}, err
		}
		out.Groups = append(out.Groups, r)
	}
	return out, nil
}
