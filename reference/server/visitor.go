package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/session"
)

// What ends a visit that the tunnel could not serve, or not to its end.
var (
	errNoTunnel = errors.New("no connected client serves this mapping: start one, or correct the mapping's client")
	errReset    = errors.New("reset by its tunnel")
)

// visit is one visitor, from its accept to its end.
type visit struct {
	mapping *mapping
	start   time.Time
	log     *slog.Logger // with the visit's ID
	counts  forward.Counts
	once    sync.Once // end
}

// acceptVisitor takes what the listener of m accepted. It waits for nothing.
func (s *Server) acceptVisitor(m *mapping, conn *net.TCPConn) {
	v := &visit{mapping: m, start: time.Now()}
	v.log = s.log.With("conn", fmt.Sprintf("%016x", rand.Uint64()), "port", m.row.Port, "visitor", conn.RemoteAddr())
	m.begin(v)
	if !m.row.UseTunnel {
		s.relays.Go(func() { s.forwardVisit(v, conn) })
		return
	}
	if err := s.tunnelVisit(v, conn); err != nil {
		// OPEN-026: when no tunnel can serve a visitor, end it at once, with no octet sent to it.
		forward.Reset(conn)
		v.end(err)
	}
}

// tunnelVisit hands a visitor to the tunnel that serves its mapping.
func (s *Server) tunnelVisit(v *visit, conn *net.TCPConn) error {
	socket, err := session.TCP(conn)
	if err != nil {
		return err
	}
	visitor := &tunnelSocket{Socket: socket, visit: v}
	for {
		t := s.registry.pick(v.mapping.client)
		if t == nil {
			return errNoTunnel
		}
		v.log.Debug("visitor accepted", "tunnel", t.id)
		row := v.mapping.row
		err := t.session.Open(visitor, session.Target{Host: row.TargetHost, Port: uint16(row.TargetPort)})
		switch {
		case errors.Is(err, session.ErrTooMany):
			return fmt.Errorf("%w: tunnel.max_connections allows no more on %s", err, t.id)
		case !errors.Is(err, session.ErrEnded):
			return err
		}
		s.registry.remove(t) // it ended, and its goroutine has not said so yet: the next one serves
	}
}

// forwardVisit serves a visitor of a direct mapping. acceptVisitor starts it; the end of both directions
// ends it, or that of the server.
func (s *Server) forwardVisit(v *visit, conn *net.TCPConn) {
	target := v.mapping.target()
	v.log.Debug("visitor accepted", "target", target)
	v.end(s.direct.Forward(s.relaying, conn, target, &v.counts))
}

// end closes the books on a visit. Only the first call counts.
func (v *visit) end(err error) {
	v.once.Do(func() {
		v.mapping.finish(v, err)
		level := slog.LevelDebug
		if err != nil {
			level = slog.LevelInfo
		}
		v.log.LogAttrs(context.Background(), level, "visitor gone", slog.Duration("after", time.Since(v.start)),
			slog.Int64("in", v.counts.In.Load()), slog.Int64("out", v.counts.Out.Load()), slog.Any("error", err))
	})
}

// tunnelSocket is a visitor's socket as its session sees it: it counts octets, and notes the end.
type tunnelSocket struct {
	session.Socket
	visit *visit
}

func (s *tunnelSocket) ReadReady(from session.Lender) (int, error) {
	n, err := s.Socket.ReadReady(from)
	s.visit.counts.In.Add(int64(n))
	return n, err
}

func (s *tunnelSocket) TryWrite(b []byte) (int, error) {
	n, err := s.Socket.TryWrite(b)
	s.visit.counts.Out.Add(int64(n))
	return n, err
}

func (s *tunnelSocket) WriteSome(v [][]byte) (int, error) {
	n, err := s.Socket.WriteSome(v)
	s.visit.counts.Out.Add(int64(n))
	return n, err
}

func (s *tunnelSocket) Close() error {
	s.visit.end(nil)
	return s.Socket.Close()
}

func (s *tunnelSocket) Abort() {
	s.visit.end(errReset)
	s.Socket.Abort()
}
