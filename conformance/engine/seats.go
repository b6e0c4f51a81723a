package engine

import "github.com/adit-tunnel/adit/conformance/wire"

// Overbook sends OPENs for which the client may have no place.
func (n *Tunnel) Overbook(opens ...Frame) {
	n.t.rec.mu.Lock()
	n.overbooks = true
	n.t.rec.mu.Unlock()
	n.Send(opens...)
	n.t.rec.mu.Lock()
	n.overbooks = false
	n.t.rec.mu.Unlock()
}

// seat ends the case before an OPEN for which the client has no place: a server never sends it (XOPEN-011). A client may
// count what all of its tunnels carry. Seat also notes where a request leads, for the service that waits for the dial. The caller holds mu.
func (n *Tunnel) seat(f Frame) {
	if n.t.Case.Role != Client || f.Type != TypeOpen && f.Type != TypeConnectRequest || !f.Sized() {
		return
	}
	port := f.Port()
	if f.Type == TypeOpen {
		port = uint16(f.TagNumber(wire.TagPort, 0))
		n.mustHaveRoom()
	}
	if n.t.led == nil {
		n.t.led = map[uint16]request{}
	}
	n.t.led[port] = request{n, f.ID()}
}

// mustHaveRoom ends the case where one connection more is one too many. The caller holds mu.
func (n *Tunnel) mustHaveRoom() {
	_, most, ok := n.t.rec.bench.alive(n.who)
	if !ok || n.overbooks {
		return
	}
	all := 0
	for _, o := range n.t.opened {
		if alive, _, ok := n.t.rec.bench.alive(o.who); ok && !o.closed && o.end == EndNone {
			all += alive
		}
	}
	if all >= most {
		n.t.NotApplicable("the client takes %d connections at a time, and this case has %d or more", most, all+1)
	}
}

// A request is what the suite asked a client to dial.
type request struct {
	n  *Tunnel
	id uint32
}

// turnedDown is the client's answer to the latest request that led to the service, if it refuses that. The caller holds mu.
func (s *Service) turnedDown() (Frame, bool) {
	r, ok := s.t.led[s.Port]
	if !ok {
		return Frame{}, false
	}
	for _, a := range r.n.inbox {
		if refusal := a.f.Type == TypeReset || a.f.Type == TypeClose || a.f.Type == TypeConnectResponse && a.f.Status() != Success; refusal && a.f.Sized() && a.f.ID() == r.id {
			return a.f, true
		}
	}
	return Frame{}, false
}
