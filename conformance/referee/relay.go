package referee

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Options of Watch.
type Options struct {
	To      string    // HOST:PORT of the server
	Verbose bool      // say every frame, too
	Log     io.Writer // where lines for people go; nil: nowhere
}

const (
	dialWithin = 10 * time.Second
	chunk      = 256 << 10 // what one read may bring
)

// Watch passes on every tunnel that comes to l until ctx ends, and judges
// what passes. It closes l and waits for all of its goroutines: one printer,
// one clock, and two for each tunnel.
func Watch(ctx context.Context, l *net.TCPListener, o Options) (*Report, error) {
	return newReferee(o.Verbose).watch(ctx, l, o)
}

func (ref *Referee) watch(ctx context.Context, l *net.TCPListener, o Options) (*Report, error) {
	var printer sync.WaitGroup
	if o.Log != nil {
		ref.lines = make(chan string, 4096)
		printer.Go(func() { ref.print(o.Log) })
	}
	r := &relay{ref: ref, to: o.To, live: map[*tunnel]struct{}{}}
	err := r.run(ctx, l)
	if ref.lines != nil {
		close(ref.lines)
	}
	printer.Wait()
	rep := ref.report()
	rep.Unreached = r.unreached
	return rep, err
}

// A relay is the transparent proxy.
type relay struct {
	ref *Referee
	to  string

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
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) > 2*tickEvery
		last = now
		for _, t := range r.tunnels() {
			if late {
				t.absent(now)
			}
			t.look(now)
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
		r.ref.say("%s  a tunnel from %s was refused: %v", stamp(time.Now()), client.RemoteAddr(), err)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	began := time.Now()
	t := r.ref.open(client.RemoteAddr().String(), server.RemoteAddr().String(), began)
	r.mu.Lock()
	r.live[t] = struct{}{}
	r.mu.Unlock()
	p := &pair{ends: [2]*net.TCPConn{Server: server, Client: client}, t: t}
	defer context.AfterFunc(ctx, p.cut)()
	var back sync.WaitGroup
	back.Go(func() { p.pass(Server) })
	p.pass(Client)
	back.Wait()
	r.mu.Lock()
	delete(r.live, t)
	r.mu.Unlock()
	now := time.Now()
	r.ref.close(t, fmt.Sprintf("ended after %s", now.Sub(began).Round(time.Millisecond)), now)
}

// A pair are the two sockets of a tunnel.
type pair struct {
	ends [2]*net.TCPConn
	t    *tunnel
}

// pass carries what a side sends to its peer, until the stream ends or either
// socket fails. The end of a stream is passed on as that, a failure as a reset.
func (p *pair) pass(side Side) {
	from, to := p.ends[side], p.ends[side.peer()]
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			began := time.Now()
			p.t.saw(side, buf[:n], began)
			if _, failed := to.Write(buf[:n]); failed != nil {
				p.t.end(side.peer(), time.Now())
				p.cut()
				return
			}
			p.t.wrote(side, began, time.Now())
		}
		if err != nil {
			p.t.end(side, time.Now())
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
