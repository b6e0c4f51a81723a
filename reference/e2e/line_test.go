package e2e

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// line is the way of one client to a server, to be cut.
type line struct {
	addr string // where the client dials

	mu    sync.Mutex // guards the following field
	lanes map[*lane]bool
}

// lane is one connection on a line.
type lane struct {
	client, server *net.TCPConn
	vanished       atomic.Bool
}

func newLine(t *testing.T, server string) *line {
	t.Helper()
	l := &line{lanes: map[*lane]bool{}}
	l.addr = service(t, func(client *net.TCPConn) {
		c, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer c.Close()
		l.carry(&lane{client: client, server: c.(*net.TCPConn)})
	})
	t.Cleanup(l.end) // before the service waits for them
	return l
}

// carry copies both ways until both have ended.
func (l *line) carry(one *lane) {
	l.mu.Lock()
	l.lanes[one] = true
	l.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		copyHalf(one.client, one.server)
		if one.vanished.Load() {
			one.server.SetLinger(0)
			one.server.SetReadDeadline(time.Now().Add(vanishFor))
			io.Copy(io.Discard, one.server)
		}
	})
	io.Copy(one.server, one.client)
	if !one.vanished.Load() {
		one.server.CloseWrite()
	}
	back.Wait()
	l.mu.Lock()
	delete(l.lanes, one)
	l.mu.Unlock()
}

// howCut is what the ends of a line see when it is cut.
type howCut int

const (
	reset  howCut = iota // both a reset
	finish               // both an end
	vanish               // the client a reset, the server nothing, and that only later
)

const vanishFor = 3 * time.Second

// cut cuts all connections that there are, but those that have vanished already.
func (l *line) cut(how howCut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := range l.lanes {
		if one.vanished.Load() {
			continue
		}
		if how == finish {
			one.client.CloseWrite()
			one.server.CloseWrite()
			continue
		}
		one.vanished.Store(how == vanish)
		one.client.SetLinger(0)
		one.client.Close()
		if how == reset {
			one.server.SetLinger(0)
			one.server.Close()
		}
	}
}

// end ends what vanished, too.
func (l *line) end() {
	l.cut(reset)
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := range l.lanes {
		one.server.Close()
	}
}
