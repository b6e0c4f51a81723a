package link

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
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

// New copies the connections of data to the address to, and serves the leader's requests on ctl.
func New(data net.Listener, to string, ctl net.Listener, token string) *Link {
	l := &Link{data: data, to: to, alarm: newAlarm(), joined: map[*joint]struct{}{}}
	for i := range l.ways {
		l.ways[i] = newLine(uint64(i))
	}
	l.begin(ctl, token)
	return l
}

// NewTBF is New with a bandwidth that the kernel limits: connections cross a
// pair of interfaces with token bucket filters. It takes root; an error says
// what is missing. All else is as without.
func NewTBF(data net.Listener, to string, ctl net.Listener, token string) (*Link, error) {
	w, err := newWire()
	if err != nil {
		return nil, err
	}
	l := &Link{data: data, to: to, alarm: newAlarm(), joined: map[*joint]struct{}{}, wire: w}
	for i := range l.ways {
		l.ways[i] = newLine(uint64(i))
		l.ways[i].kernel = true
	}
	l.begin(ctl, token)
	l.wg.Go(l.acceptFar)
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

func (l *Link) begin(ctl net.Listener, token string) {
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.control = control.Serve(ctl, l.requests(), token)
	l.wg.Go(func() { l.alarm.run(l.ctx) })
	l.wg.Go(func() { l.accept(l.data, l.join) })
}

// acceptFar takes what has crossed the wire.
func (l *Link) acceptFar() { l.accept(l.wire.listener, l.pass) }

// pass carries on a connection that has crossed the wire.
func (l *Link) pass(near *net.TCPConn) {
	defer near.Close()
	conn, err := (&net.Dialer{}).DialContext(l.ctx, "tcp", l.to)
	if err != nil {
		_ = near.SetLinger(0)
		return
	}
	j := &joint{near, conn.(*net.TCPConn)}
	defer j.far.Close()
	defer context.AfterFunc(l.ctx, j.cut)()
	var wg sync.WaitGroup
	for _, ends := range [2][2]*net.TCPConn{{j.near, j.far}, {j.far, j.near}} {
		wg.Go(func() {
			if _, err := io.Copy(ends[1], ends[0]); err != nil || ends[1].CloseWrite() != nil {
				j.cut()
			}
		})
	}
	wg.Wait()
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

const acceptPause = 10 * time.Millisecond

// accept takes connections until a listener is closed.
func (l *Link) accept(from net.Listener, then func(*net.TCPConn)) {
	for {
		c, err := from.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors; some come back when connections end
			time.Sleep(acceptPause)
			continue
		}
		l.wg.Go(func() { then(c.(*net.TCPConn)) })
	}
}

// join carries one connection to its end.
func (l *Link) join(near *net.TCPConn) {
	defer near.Close()
	if l.isDown() {
		_ = near.SetLinger(0)
		return
	}
	conn, err := l.connect()
	if err != nil {
		_ = near.SetLinger(0) // as near to "refused" as can be
		return
	}
	j := &joint{near, conn.(*net.TCPConn)}
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
func (j *joint) cut() {
	for _, c := range []*net.TCPConn{j.near, j.far} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

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
