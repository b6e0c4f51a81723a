package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/judge"
)

// Options of Relay and ReadCapture.
type Options struct {
	To      string    // HOST:PORT of the server
	Verbose bool      // say every frame, too
	Log     io.Writer // where lines for people go; nil: nowhere
}

const (
	dialWithin = 10 * time.Second
	lookEvery  = time.Second
	chunk      = 256 << 10 // what one read may bring
)

// Relay passes on every tunnel that comes to l until ctx ends, and judges
// what passes. It closes l and waits for all of its goroutines: one printer,
// one clock, and two for each tunnel.
func Relay(ctx context.Context, l *net.TCPListener, o Options) (*Report, error) {
	return newFindings(o.Verbose).relay(ctx, l, o)
}

func (r *findings) relay(ctx context.Context, l *net.TCPListener, o Options) (*Report, error) {
	var printer sync.WaitGroup
	if o.Log != nil {
		r.lines = make(chan string, 4096)
		printer.Go(func() { r.print(o.Log) })
	}
	p := &relay{found: r, to: o.To, live: map[*tunnel]struct{}{}}
	err := p.run(ctx, l)
	if r.lines != nil {
		close(r.lines)
	}
	printer.Wait()
	rep := r.report()
	rep.Unreached = p.unreached
	return rep, err
}

// A relay is the transparent proxy.
type relay struct {
	found *findings
	to    string

	mu        sync.Mutex // guards the following
	live      map[*tunnel]struct{}
	unreached int
}

func (r *relay) run(ctx context.Context, l *net.TCPListener) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	tasks.Go(func() { r.clock(ctx) })
	for {
		sock, err := l.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		tasks.Go(func() { r.tunnel(ctx, sock) })
	}
}

// clock looks for what is overdue, until ctx ends. When it was kept from
// looking itself, by a busy or sleeping machine, nothing is held against anyone.
func (r *relay) clock(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) > 2*lookEvery
		last = now
		for _, t := range r.tunnels() {
			t.tell(func(j *judge.Tunnel) {
				if late {
					j.Absent(now)
				}
				j.Look(now)
			})
		}
	}
}

func (r *relay) tunnels() []*tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*tunnel, 0, len(r.live))
	for t := range r.live {
		all = append(all, t)
	}
	return all
}

// tunnel passes on one tunnel until both of its directions have ended.
func (r *relay) tunnel(ctx context.Context, client *net.TCPConn) {
	defer client.Close()
	c, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, "tcp", r.to)
	if err != nil {
		_ = client.SetLinger(0)
		r.mu.Lock()
		r.unreached++
		r.mu.Unlock()
		r.found.say("%s  a tunnel from %s was refused: %v", stamp(time.Now()), client.RemoteAddr(), err)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	began := time.Now()
	t := r.found.open(client.RemoteAddr().String(), server.RemoteAddr().String(), began)
	r.mu.Lock()
	r.live[t] = struct{}{}
	r.mu.Unlock()
	p := &pair{ends: [2]*net.TCPConn{judge.Server: server, judge.Client: client}, t: t}
	defer context.AfterFunc(ctx, p.cut)()
	var back sync.WaitGroup
	back.Go(func() { p.pass(judge.Server) })
	p.pass(judge.Client)
	back.Wait()
	r.mu.Lock()
	delete(r.live, t)
	r.mu.Unlock()
	now := time.Now()
	r.found.close(t, fmt.Sprintf("ended after %s", now.Sub(began).Round(time.Millisecond)), now)
}

// A pair are the two sockets of a tunnel.
type pair struct {
	ends [2]*net.TCPConn
	t    *tunnel
}

// pass carries what a side sends to its peer, until the stream ends or either
// socket fails. The end of a stream is passed on as that, a failure as a reset.
func (p *pair) pass(side judge.Side) {
	from, to := p.ends[side], p.ends[side.Peer()]
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			began := time.Now()
			p.t.tell(func(j *judge.Tunnel) { j.Octets(side, buf[:n], began) })
			if _, failed := to.Write(buf[:n]); failed != nil {
				p.t.tell(func(j *judge.Tunnel) { j.End(side.Peer(), time.Now()) })
				p.cut()
				return
			}
			p.t.tell(func(j *judge.Tunnel) { j.Wrote(side, began, time.Now()) })
		}
		if err != nil {
			p.t.tell(func(j *judge.Tunnel) { j.End(side, time.Now()) })
			if !errors.Is(err, io.EOF) || to.CloseWrite() != nil {
				p.cut()
			}
			return
		}
	}
}

// cut resets both sockets.
func (p *pair) cut() {
	for _, c := range p.ends {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}
