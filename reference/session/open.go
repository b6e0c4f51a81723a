package session

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Open requests a connection for visitor and returns at once. The session owns visitor from then on,
// unless an error is returned: ErrEnded, ErrDraining, ErrTooMany, or one that names an unusable target.
func (s *Session) Open(visitor Socket, target Target) error {
	if s.cfg.Role != Server {
		panic("session: internal error: Open on a client")
	}
	if len(target.Host) > 255 {
		return fmt.Errorf("session: target host has %d octets, at most 255 can be sent", len(target.Host))
	}
	s.mu.Lock()
	defer s.unlock()
	switch {
	case s.dead:
		return ErrEnded
	case s.refusing:
		return ErrDraining
	case s.full():
		return ErrTooMany
	}
	c := s.add(s.ids.allocate(), requested)
	c.sock = visitor
	c.setDue(dueConnect, s.cfg.ConnectTimeout)
	r := wire.ConnectRequest{ID: c.id, Port: target.Port, Short: s.cfg.ShortRequests}
	if !r.Short {
		r.Host = target.Host
		if r.Host == "" {
			r.Host = "127.0.0.1"
		}
	}
	// OPEN-001
	s.queue(wire.AppendConnectRequest(s.frame[:0], r), false)
	s.wg.Go(c.pump)
	s.kick()
	return nil
}

// add makes a connection. The lock is held.
func (s *Session) add(id uint32, st state) *conn {
	c := &conn{s: s, id: id, state: st, want: small}
	s.ids.conns[id] = c
	s.live[c] = struct{}{}
	return c
}

// full reports whether there are as many connections as allowed, those counted whose ID is idle again but
// whose local socket is not finished with.
func (s *Session) full() bool {
	return max(len(s.ids.conns), len(s.live)) >= s.cfg.MaxConnections
}

// opened acts on the success response of a requested connection.
func (c *conn) opened() {
	s := c.s
	s.stats.Opened++
	c.state = open
	c.due[dueConnect] = 0
	if b := c.held; b != nil {
		// OPEN-020: before everything that comes later.
		c.held = nil
		s.stats.PayloadOut += int64(b.w - b.r)
		if b = s.out.data(c, b); b != nil {
			b.release()
		}
	}
	if c.eof {
		// OPEN-021: the end comes behind them.
		c.endOfData()
	}
	s.answer.Broadcast()
}

// checkRequest returns the failure that answers a request at once, or success when it can be dialled.
func (s *Session) checkRequest(r wire.ConnectRequest) wire.Status {
	switch {
	case r.Port == 0: // OPEN-008
		return wire.StatusGeneral
	case !r.Short && !validHost(r.Host): // OPEN-009
		return wire.StatusGeneral
	case s.refusing:
		return wire.StatusGeneral
	case s.full():
		return wire.StatusTooMany
	}
	return wire.StatusSuccess
}

// validHost reports whether h is an address or can be a DNS name, by the letter of OPEN-009, so that every name
// of the text is dialled. forward.ValidHost, which judges configuration, also refuses digits and dots alone.
func validHost(h string) bool {
	if _, err := netip.ParseAddr(h); err == nil {
		return true
	}
	h = strings.TrimSuffix(h, ".")
	if len(h) == 0 || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, ch := range []byte(label) {
			letter := 'a' <= ch|0x20 && ch|0x20 <= 'z'
			if !letter && (ch < '0' || ch > '9') && ch != '-' && ch != '_' {
				return false
			}
		}
	}
	return true
}

// startDial begins a connection on the client (OPEN-013: not on the reader). The lock is held.
func (s *Session) startDial(r wire.ConnectRequest) {
	c := s.add(r.ID, dialing)
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.DialTimeout)
	c.cancel = cancel
	s.wg.Go(func() { c.dial(ctx, Target{Host: r.Host, Port: r.Port}) })
}

// dial connects to the service and answers the request. startDial starts it; it ends soon after its ctx,
// and leaves an open connection to pump.
func (c *conn) dial(ctx context.Context, target Target) {
	s := c.s
	sock, err := s.cfg.Dial(ctx, target)
	s.mu.Lock()
	defer s.unlock()
	if s.dead || c.state != dialing {
		// Cancelled and answered: the late result is dropped.
		if err == nil {
			s.todo = append(s.todo, todo{sock: sock, effect: effectReset})
		}
		return
	}
	if err != nil {
		// OPEN-006, OPEN-007
		status := StatusOf(err)
		s.note(slog.LevelInfo, "dial failed", "id", c.id, "host", target.Host, "port", target.Port, "status", status.String(), "error", err)
		c.refuse(status)
		s.kick()
		return
	}
	c.cancel()
	c.cancel = nil
	c.sock = sock
	c.state = open
	s.stats.Opened++
	// OPEN-005: only now.
	s.sendResponse(c.id, wire.StatusSuccess)
	s.wg.Go(c.pump)
	s.kick()
}

// refuse ends a dialing connection with a failure response.
func (c *conn) refuse(status wire.Status) {
	c.s.stats.Failed++
	c.cancel()
	c.s.sendResponse(c.id, status)
	c.free()
	c.letGo(effectReset)
}
