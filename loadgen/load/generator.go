package load

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

// A Generator serves the leader's requests until Close.
type Generator struct {
	control *control.Server
	began   time.Time

	mu       sync.Mutex // one request that changes the block at a time
	groups   []*Visitors
	verifier *payload.Verifier
	watch    *watch // on the measured time of the block
}

// NewGenerator serves requests on l that carry the token, unless it is empty.
func NewGenerator(l net.Listener, token string) *Generator {
	g := &Generator{began: time.Now()}
	m := control.NewMux()
	GeneratorClock.Answer(m, func(context.Context, control.None) (Now, error) { return Now{time.Since(g.began), time.Now()}, nil })
	GeneratorOpen.Answer(m, g.open)
	GeneratorBegin.Answer(m, g.begin)
	GeneratorStand.Answer(m, g.stand)
	GeneratorLook.Answer(m, g.look)
	GeneratorClose.Answer(m, g.close)
	GeneratorProbe.Answer(m, g.probe)
	g.control = control.Serve(l, m, token)
	return g
}

// Close ends everything and waits for it.
func (g *Generator) Close() error {
	err := g.control.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop()
	return err
}

// drop ends a block. g.mu is held.
func (g *Generator) drop() {
	for _, of := range g.groups {
		of.Close()
	}
	g.groups = nil
	_ = g.watch.stop()
}

// verifierOf is the verifier for a key. g.mu is held.
func (g *Generator) verifierOf(key string) *payload.Verifier {
	if g.verifier == nil || g.verifier.Key != key {
		g.verifier = payload.NewVerifier(payload.NewRing(key), "generator")
	}
	return g.verifier
}

func (g *Generator) open(_ context.Context, b Task) (control.None, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop() // one that its leader has given up
	verifier := g.verifierOf(b.Key)
	var dial sync.WaitGroup
	for _, j := range b.Jobs {
		of := NewVisitors(context.Background(), j, verifier) // the block outlives this request; drop ends it
		g.groups = append(g.groups, of)
		dial.Go(of.Open)
	}
	dial.Wait()
	return control.None{}, nil
}

var errNoBlock = errors.New("no block is open")

func (g *Generator) begin(_ context.Context, s Start) (control.None, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.groups == nil {
		return control.None{}, errNoBlock
	}
	_ = g.watch.stop()
	g.watch = watchFrom(max(s.At-time.Since(g.began), 0)+s.Warmup, s.Measure)
	for _, of := range g.groups {
		of.Begin(max(s.At-time.Since(g.began), 0), s.Warmup, s.Measure)
	}
	return control.None{}, nil
}

func (g *Generator) stand(context.Context, control.None) (out Standings, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, of := range g.groups {
		out.Streams = append(out.Streams, of.Stand()...)
	}
	return out, nil
}

func (g *Generator) close(ctx context.Context, _ control.None) (out Results, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	groups := g.groups
	if groups == nil {
		return out, errNoBlock
	}
	for _, of := range groups {
		of.Finish(ctx)
	}
	g.drop()
	out.Runtime = g.watch.stop()
	for _, of := range groups {
		r, err := of.Result()
		if err != nil {
			return Results{}, err
		}
		out.Groups = append(out.Groups, r)
	}
	return out, nil
}

func (g *Generator) look(context.Context, control.None) (out Looks, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, of := range g.groups {
		seen, err := of.Look()
		if err != nil {
			return Looks{}, err
		}
		out.Groups = append(out.Groups, seen)
	}
	return out, nil
}

// probe sends one packet and waits for as many bytes to come back. Whether they
// are the target's is for the blocks to find out.
func (g *Generator) probe(ctx context.Context, p Path) (none control.None, err error) {
	g.mu.Lock()
	ring := g.verifierOf(p.Key).Ring
	g.mu.Unlock()
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return none, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	const size = 64
	packet := ring.At(ring.Start(p.Stream, payload.Up), 0, size)
	if _, err := c.Write(append(ring.Preface(payload.Preface{Service: payload.Echo, Size: size, Stream: p.Stream}), packet...)); err != nil {
		return none, err
	}
	_, err = io.ReadFull(c, make([]byte, size))
	return none, err
}

// A watch looks at the generator itself at the beginning and at the end of the
// measured time. It has one goroutine, which ends with that time, or with stop.
type watch struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	of     *sample.Runtime // nil: the measured time never began; written by the goroutine, read after stop
}

// watchFrom begins to watch after a while, for long.
func watchFrom(after, long time.Duration) *watch {
	w := &watch{}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.wg.Go(func() {
		if Sleep(w.ctx, after) != nil {
			return
		}
		begin := sample.Now()
		_ = Sleep(w.ctx, long) // on a busy machine the leader may be first
		w.of = new(sample.Now().Since(begin))
	})
	return w
}

// stop ends the watch and says what it saw; a nil watch saw nothing.
func (w *watch) stop() *sample.Runtime {
	if w == nil {
		return nil
	}
	w.cancel()
	w.wg.Wait()
	return w.of
}
