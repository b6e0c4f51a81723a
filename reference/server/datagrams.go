package server

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/adit-tunnel/adit/reference/forward"
	"github.com/adit-tunnel/adit/reference/sock"
)

// serveDatagrams forwards the datagrams of p, each visitor's as a visit, until the port is closed or the server cuts what is
// open.
func (p *port) serveDatagrams() {
	m := p.terms.Load().mapping
	u := forward.UDP{
		Target: m.Target(), DialTimeout: p.server.now().DialTimeout, Idle: time.Duration(m.IdleTimeout),
		Begin: p.beginDatagrams, Drop: p.drop,
	}
	if m.RateUp > 0 {
		u.Up = forward.DatagramRate(int64(m.RateUp))
	}
	if m.RateDown > 0 {
		u.Down = forward.DatagramRate(int64(m.RateDown))
	}
	u.Serve(p.server.relaying, p.datagram)
}

// beginDatagrams begins the visit of who sends its first datagram.
func (p *port) beginDatagrams(from netip.AddrPort) (*sock.Counts, func(error), error) {
	t := p.terms.Load()
	if err := t.door.enter(from.Addr()); err != nil {
		return nil, nil, err
	}
	if most := p.server.now().MaxDirect; most > 0 && p.active() >= most {
		t.door.leave(from.Addr())
		return nil, nil, forward.ErrBusy
	}
	if !p.server.reserve.fill() {
		t.door.leave(from.Addr())
		return nil, nil, errExhausted
	}
	v := &visit{port: p, terms: t, start: time.Now(), id: rand.Uint64(), from: from, inside: true}
	p.begin(v)
	v.say(slog.LevelDebug, "visitor accepted", slog.String("target", t.mapping.Target()), slog.String("network", "udp"))
	return &v.counts, v.end, nil
}

// active is how many visitors of p there are.
func (p *port) active() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

// drop counts a datagram that was dropped. The log has few lines of each kind.
func (p *port) drop(from netip.AddrPort, why string, err error) {
	if why == "" {
		why = failureOf(err)
	}
	p.mu.Lock()
	p.drops[why]++
	p.mu.Unlock()
	p.server.log.Info("datagram dropped", "port", p.terms.Load().mapping.Port, "visitor", from, "failure", why, "error", err)
}
