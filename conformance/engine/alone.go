package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// alone finds out whether a server that somebody else runs leads its visitors
// to the suite. Another client that is attached would take them, and a legal
// server would fail. With an error it surely is not alone; why says that no
// visitor reached the suite, so that whatever needs one proves nothing.
func alone(ctx context.Context, at Endpoints, slack time.Duration) (why string, err error) {
	v, err := visit(ctx, at.Visitor)
	if err != nil {
		return "", err
	}
	if v != nil {
		defer v.Close()
		if octets, ended := endsWithin(v, Answer+slack); !ended {
			what := "stays"
			if octets > 0 {
				what = "gets octets"
			}
			return "", fmt.Errorf("a visitor of %s %s though the suite has no tunnel yet: either another client is attached, which has to end for the time of the run, "+
				"or the server at %s breaks OPEN-026, which wants such visitors ended at once; --alone says that there is no other client, and judges it", at.Visitor, what, at.Tunnel)
		}
	}
	var d net.Dialer
	tunnel, err := d.DialContext(ctx, "tcp", at.Tunnel)
	if err != nil {
		return "", err
	}
	var listener sync.WaitGroup
	defer listener.Wait()
	defer tunnel.Close()
	said := make(chan Type) // the subject's frames; closed at the stream's end
	ctx, cancel := context.WithTimeout(ctx, LocalEffect+slack)
	defer cancel()
	listener.Go(func() { listenTo(ctx, tunnel, said) })
	if _, err := tunnel.Write(KeepAlive().Bytes()); err != nil {
		return "", nil // the cases will say so
	}
	answered := false
	for pause := time.NewTimer(0); ; {
		select {
		case typ, open := <-said:
			if !open || typ != TypeKeepAlive {
				return "", nil // a visitor's request, or the cases' business
			}
			answered = true
			continue
		case <-pause.C:
		case <-ctx.Done():
			if answered {
				why = fmt.Sprintf("no visitor of %s reached the suite's tunnel before the first case: this port may not belong to the server at %s, "+
					"or another client is attached, which has to end for the time of the run, or the mapping is for tunnels from another address", at.Visitor, at.Tunnel)
			}
			return why, nil
		}
		if v, err := visit(ctx, at.Visitor); err == nil && v != nil {
			defer v.Close()
		}
		pause.Reset(100 * time.Millisecond)
	}
}

// visit connects a visitor; nil when the server reset it at once.
func visit(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	v, err := d.DialContext(ctx, "tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil, nil
	}
	return v, err
}

// endsWithin reports whether the subject ends the socket within d, and how many octets came first.
func endsWithin(conn net.Conn, d time.Duration) (octets int, ended bool) {
	_ = conn.SetReadDeadline(time.Now().Add(d))
	buf := make([]byte, 1)
	n, err := conn.Read(buf)
	ne, ok := errors.AsType[net.Error](err)
	return n, n == 0 && !(ok && ne.Timeout())
}

// listenTo hands over the types of the frames that come. alone starts it, and
// ends it by closing the tunnel.
func listenTo(ctx context.Context, tunnel net.Conn, said chan<- Type) {
	defer close(said)
	for {
		f, _, err := wire.Read(tunnel)
		if err != nil {
			return
		}
		select {
		case said <- f.Type:
		case <-ctx.Done():
			return
		}
	}
}
