package rig

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Link copies connections. One goroutine accepts and one is the alarm; each
// connection has four, over a wire six; Close ends them all.
type Link struct {
	data    net.Listener
	to      string
	control *control.Server
	alarm   *alarm
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	ways    [2]*line // towards the address, and back
	wire    *wire    // nil: the bandwidth is a matter of ours

	mu     sync.Mutex
	joined map[*joint]struct{} // guarded by mu
	down   time.Time           // until then no connection is taken; guarded by mu
}

// A joint is one connection that goes through the link.
type joint struct{ near, far *net.TCPConn }

// NewLink copies the connections of data to the address to, and serves the
// leader's requests on ctl. With backend tbf the kernel limits the bandwidth:
// connections cross a pair of interfaces with token bucket filters. That takes
// root; an error says what is missing. All else is as without.
func NewLink(data net.Listener, to string, ctl net.Listener, token, backend string) (l *Link, err error) {
	l = &Link{data: data, to: to, alarm: newAlarm(), joined: map[*joint]struct{}{}}
	if backend == scenario.ByTBF {
		if l.wire, err = newWire(); err != nil {
			return nil, err
		}
	}
	for i := range l.ways {
		l.ways[i] = newLine(uint64(i))
		l.ways[i].kernel = l.wire != nil
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.control = control.Serve(ctl, l.requests(), token)
	l.wg.Go(func() { l.alarm.run(l.ctx) })
	l.wg.Go(func() { load.Accept(l.data, l.join) })
	if l.wire != nil { // what has crossed it goes on as it is
		l.wg.Go(func() { load.Accept(l.wire.listener, func(c net.Conn) { load.Forward(l.ctx, c, l.to) }) })
	}
	return l, nil
}

// CanTBF is what keeps this process from limiting a bandwidth by tbf; nil: nothing.
func CanTBF() error {
	w, err := newWire()
	if err != nil {
		return err
	}
	return errors.Join(w.set(1e6), w.Close())
}

// connect is the other half of a connection: to the address, or onto the wire.
func (l *Link) connect() (net.Conn, error) {
	if l.wire != nil {
		return l.wire.dial(l.ctx)
	}
	return (&net.Dialer{}).DialContext(l.ctx, "tcp", l.to)
}

// Close ends everything and waits for it.
func (l *Link) Close() error {
	err := errors.Join(l.data.Close(), l.control.Close())
	if l.wire != nil {
		err = errors.Join(err, l.wire.Close())
	}
	l.cancel()
	l.wg.Wait()
	return err
}

// join carries one connection to its end.
func (l *Link) join(near net.Conn) {
	defer near.Close()
	if l.isDown() {
		load.Cut(near)
		return
	}
	conn, err := l.connect()
	if err != nil {
		load.Cut(near) // as near to "refused" as can be
		return
	}
	j := &joint{near.(*net.TCPConn), conn.(*net.TCPConn)}
	defer j.far.Close()
	l.mu.Lock()
	l.joined[j] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.joined, j)
		l.mu.Unlock()
	}()
	defer context.AfterFunc(l.ctx, j.cut)()
	var wg sync.WaitGroup
	var both []*way
	for i, ends := range [2][2]*net.TCPConn{{j.near, j.far}, {j.far, j.near}} {
		w := &way{l: l.ways[i], alarm: l.alarm, src: ends[0], dst: ends[1]}
		w.changed.L = &w.mu
		both = append(both, w)
		wg.Go(func() { w.take(); j.cutIf(w) })
		wg.Go(func() { w.give(); j.cutIf(w) })
	}
	wg.Wait()
	for _, w := range both {
		if w.under > 0 { // it was cut
			w.l.leave()
		}
	}
}

// cut ends a connection with a reset, at both ends.
func (j *joint) cut() { load.Cut(j.near, j.far) }

// cutIf ends a connection of which one way has broken.
func (j *joint) cutIf(w *way) {
	if w.broken() {
		j.cut()
	}
}

func (l *Link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.down)
}

// kill resets all connections, and takes none for a time.
func (l *Link) kill(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = time.Now().Add(d)
	for j := range l.joined {
		j.cut()
	}
}
