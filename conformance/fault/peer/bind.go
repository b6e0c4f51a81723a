package peer

import (
	"encoding/binary"
	"net"
	"slices"
	"strconv"
	"time"
)

// This file is the option bind (section 32) of a server: who holds which port and which name. server.mu guards all of it; a
// tunnel's mu is taken under it.

// Limits of section 17.
const (
	mostBindings  = 64
	mostOfGroup   = 16
	takeoverProbe = 5 * time.Second
	bindHold      = 30 * time.Second
	probeStep     = 20 * time.Millisecond
)

// A group is the tunnels of one client.
type group struct {
	owner, instance, label string
	tunnels                []*tunnel
	bindings               int
	asks                   []ask // that wait for a probe's outcome
	probed                 bool
}

// A holding is a port, or a name, that was given to a group.
type holding struct {
	port    int // 0: a name
	owner   string
	service string // that OPEN carries; of a name the name
	any     bool   // it was asked for by port 0
	group   *group // nil: it is kept for its owner
	label   string // of the client that has, or had it
	tunnel  *tunnel
	id      uint32
	l       net.Listener
}

// An ask is a BIND.
type ask struct {
	t       *tunnel
	id      uint32
	known   tags
	refused uint16
}

func (a ask) service() string { return string(a.known[tagService]) }

// port is what it asks for; named: a name.
func (a ask) port() (port int, named bool) {
	v, ok := a.known[tagPort]
	if !ok {
		return 0, true
	}
	return int(binary.BigEndian.Uint16(v)), false
}

// drains reports whether no visitor can come on the tunnel any more.
func (t *tunnel) drains() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost || t.away.said || t.away.heard || t.away.parting || t.away.silent
}

// drains reports whether all tunnels of the group do.
func (g *group) drains() bool {
	return !slices.ContainsFunc(g.tunnels, func(t *tunnel) bool { return !t.drains() })
}

// tell sends a frame.
func (t *tunnel) tell(f frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue(outgoing{b: f.bytes(), owed: true})
}

func (t *tunnel) bound(id uint32, no code, port int) {
	var l list
	if port > 0 && !t.bug("BIND-013") {
		l.add(tagPort, byte(port>>8), byte(port))
	}
	if no != codeOK {
		l.add(tagText, []byte("no")...)
	}
	t.tell(frame{typeBound, l.bytes(coded(binary.BigEndian.AppendUint32(nil, id), no, "")...)})
	if t.bug("BIND-002-twice") {
		t.tell(frame{typeBound, l.bytes(coded(binary.BigEndian.AppendUint32(nil, id), no, "")...)})
	}
}

func (t *tunnel) unbound(id uint32, no code) {
	t.tell(frame{typeUnbind, coded(binary.BigEndian.AppendUint32(nil, id), no, "")})
}

// join puts a tunnel that is up into its group (GROUP-003). Without instance it is one of its own.
func (s *server) join(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &group{owner: t.id, instance: t.instance, label: t.label}
	for _, o := range s.groups {
		if t.instance != "" && o.owner == t.id && o.instance == t.instance {
			g = o
		}
	}
	t.group = g
	if len(g.tunnels) >= mostOfGroup && !t.bug("GROUP-003") {
		t.mu.Lock()
		t.part(codeTooMany, "")
		t.mu.Unlock()
		return
	}
	g.tunnels = append(g.tunnels, t)
	if !slices.Contains(s.groups, g) {
		s.groups = append(s.groups, g)
	}
}

// quit takes a tunnel that is lost out of its group (BIND-008).
func (s *server) quit(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := t.group
	if g == nil || !slices.Contains(g.tunnels, t) {
		return
	}
	g.tunnels = slices.DeleteFunc(g.tunnels, func(o *tunnel) bool { return o == t })
	if t.bug("GROUP-002") {
		for _, o := range g.tunnels {
			s.wg.Go(o.hangUp)
		}
	}
	for _, h := range slices.Clone(s.held) {
		if h.group != g {
			continue
		}
		if h.tunnel == t {
			h.tunnel = nil
			if t.bug("BIND-008") {
				s.release(h)
				continue
			}
		}
		if len(g.tunnels) == 0 {
			s.orphan(h, t.away.done && !t.bug("BIND-008-done"))
		}
	}
	if len(g.tunnels) == 0 {
		s.groups = slices.DeleteFunc(s.groups, func(o *group) bool { return o == g })
	}
}

// orphan keeps a port whose group is gone for a while, and leaves nothing of what else it had.
func (s *server) orphan(h *holding, done bool) {
	if done || h.port == 0 && !s.o.bug("BIND-008-name") {
		s.release(h)
		return
	}
	h.group.bindings--
	h.group, h.tunnel = nil, nil
	time.AfterFunc(bindHold, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if h.group == nil && slices.Contains(s.held, h) {
			s.release(h)
		}
	})
}

// release leaves nothing of a binding.
func (s *server) release(h *holding) {
	if h.group != nil {
		h.group.bindings--
	}
	s.held = slices.DeleteFunc(s.held, func(o *holding) bool { return o == h })
	if h.l != nil {
		_ = h.l.Close()
	}
}

// optionFrame is a frame of the option from a client. The tunnel's reader calls it, without a lock.
func (s *server) optionFrame(t *tunnel, f frame) error {
	if f.typ == typeBound {
		if t.bug("BIND-018") {
			return nil
		}
		return broken("BIND-018", "a BOUND from a client")
	}
	if !f.sized() {
		return broken("FRAME-008", "type 0x%02x with %d octets", f.typ, len(f.payload))
	}
	if f.typ == typeUnbind {
		if !t.bug("BIND-001-unbind") {
			t.bindUsed = max(t.bindUsed, int64(f.id()))
		}
		s.unbind(t, f.id())
		return nil
	}
	k, refused, err := t.readTLVs(f.rest(), inBind)
	if err != nil {
		return err
	}
	if int64(f.id()) <= t.bindUsed && !t.bug("BIND-001") {
		return broken("BIND-001", "bind ID %d behind %d", f.id(), t.bindUsed)
	}
	t.bindUsed = max(t.bindUsed, int64(f.id()))
	s.mu.Lock()
	defer s.mu.Unlock()
	no := s.decide(ask{t, f.id(), k, refused})
	if no != codeOK && t.bug("BIND-003") {
		return broken("BIND-003", "a BIND that is refused")
	}
	return nil
}

// decide answers a BIND, or has it wait for a probe; the code is what it was refused with.
func (s *server) decide(a ask) (no code) {
	t, g := a.t, a.t.group
	port, named := a.port()
	network := a.known[tagNetwork]
	h := s.holder(a)
	switch {
	case t.drains() && !t.bug("BIND-017"):
		no = codeDrain
	case a.refused != 0 || network != nil && network[0] != 1:
		no = codeUnsupported
	case !validLabel(a.known[tagService]):
		no = codeGeneral
	case !named && port != 0 && (port < s.o.Bind[0] || port > s.o.Bind[1]) && !t.bug("BIND-003-range"):
		no = codeDenied
	case (h == nil || h.group != g) && g.bindings >= mostBindings && !t.bug("BIND-003-many"):
		no = codeTooMany
	case h == nil:
		return s.give(a)
	case h.owner != g.owner && !(t.bug("BIND-008-owner") && h.group == nil):
		no = codeInUse
	case h.group == g && t.bug("BIND-014"):
		no = codeInUse
	case h.group == g:
		s.move(h, a)
		return codeOK
	case h.group == nil || h.group.drains():
		if h.label == t.label || t.bug("BIND-016") {
			s.move(h, a)
			return codeOK
		}
		no = codeInUse
	case t.bug("BIND-007"):
		s.move(h, a)
		return codeOK
	case t.bug("BIND-007-never"):
		no = codeInUse
	default:
		s.probe(h.group, a)
		return codeOK
	}
	s.refuse(a, no)
	return no
}

// refuse answers a BIND that is not served.
func (s *server) refuse(a ask, no code) {
	switch port, named := a.port(); {
	case a.t.bug("BIND-002"):
		return
	case a.t.bug("BIND-003-left") && !named && port != 0 && s.holder(a) == nil:
		if l, err := s.listen(port); err == nil {
			s.wg.Go(func() { s.acceptBound(&holding{l: l}) })
		}
	case a.t.bug("BIND-003-code"):
		no = codeGeneral
	}
	a.t.bound(a.id, no, 0)
}

// holder is what a BIND asks for, if anybody has it.
func (s *server) holder(a ask) *holding {
	port, named := a.port()
	for _, h := range s.held {
		switch {
		case named && h.port == 0 && h.owner == a.t.group.owner && h.service == a.service(),
			!named && port != 0 && h.port == port,
			!named && port == 0 && h.port != 0 && h.any && h.group == a.t.group && h.service == a.service() && !a.t.bug("BIND-014-any"):
			return h
		}
	}
	return nil
}

func (s *server) listen(port int) (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.o.Visitor)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// give gives what nobody has.
func (s *server) give(a ask) (no code) {
	port, named := a.port()
	h := &holding{port: port, owner: a.t.group.owner, any: !named && port == 0}
	var err error
	switch {
	case named:
	case h.any:
		for h.port = s.o.Bind[0]; h.port <= s.o.Bind[1]; h.port++ {
			if h.l, err = s.listen(h.port); err == nil {
				break
			}
		}
	default:
		h.l, err = s.listen(port)
	}
	if err != nil {
		s.refuse(a, codeInUse)
		return codeInUse
	}
	s.held = append(s.held, h)
	if h.l != nil {
		if a.t.bug("BIND-013-deaf") {
			_ = h.l.Close()
		}
		s.wg.Go(func() { s.acceptBound(h) })
	}
	s.assign(h, a)
	a.t.bound(a.id, codeOK, h.port)
	return codeOK
}

// assign makes a binding that of a BIND.
func (s *server) assign(h *holding, a ask) {
	h.group, h.tunnel, h.id, h.label = a.t.group, a.t, a.id, a.t.label
	if !a.t.bug("BIND-014-service") || h.service == "" {
		h.service = a.service()
	}
	h.group.bindings++
}

// move gives a binding to whoever asked, its port open all the time (BIND-014).
func (s *server) move(h *holding, a ask) {
	old, id, mine := h.tunnel, h.id, h.group == a.t.group
	say := func() {
		no := codeReplaced
		if a.t.bug("BIND-006-code") {
			no = codeGeneral
		}
		if old != nil && !(a.t.bug("BIND-014-silent") && mine) && !(a.t.bug("BIND-006") && !mine) {
			old.unbound(id, no)
		}
	}
	if !a.t.bug("BIND-014-order") {
		say()
	}
	if h.group != nil {
		h.group.bindings--
	}
	port, named := a.port()
	h.owner, h.any = a.t.group.owner, !named && port == 0
	s.assign(h, a)
	if a.t.bug("BIND-014-shut") && h.l != nil {
		_ = h.l.Close()
		time.Sleep(100 * time.Millisecond)
		if l, err := s.listen(h.port); err == nil {
			h.l = l
			s.wg.Go(func() { s.acceptBound(h) })
		}
	}
	a.t.bound(a.id, codeOK, h.port)
	if a.t.bug("BIND-014-order") {
		say()
	}
}

// unbind is a client's UNBIND (BIND-005).
func (s *server) unbind(t *tunnel, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := false
	for _, g := range s.groups {
		if i := slices.IndexFunc(g.asks, func(a ask) bool { return a.t == t && a.id == id }); i >= 0 {
			g.asks = slices.Delete(g.asks, i, i+1)
			if !t.bug("BIND-005-waits") {
				t.bound(id, codeCancelled, 0)
			}
		}
	}
	for _, h := range slices.Clone(s.held) {
		if h.tunnel == t && h.id == id {
			had = true
			if !t.bug("BIND-005") {
				s.release(h)
			}
		}
	}
	if t.bug("BIND-005-ends") && had {
		t.mu.Lock()
		for _, c := range t.xconns {
			c.reset(codeGeneral)
		}
		t.mu.Unlock()
	}
	if had || !t.bug("BIND-005-none") {
		t.unbound(id, codeOK)
	}
}

// probe has a BIND wait until it is known whether the group that has what it asks for lives (BIND-007).
func (s *server) probe(g *group, a ask) {
	g.asks = append(g.asks, a)
	if g.probed {
		return
	}
	g.probed = true
	for _, t := range g.tunnels {
		t.tell(frame{typePing, []byte("are you?")})
	}
	began := time.Now()
	s.wg.Go(func() { s.watch(g, began) })
}

// watch looks for a sign of life of a group. probe starts it; it ends with the probe, or the server.
func (s *server) watch(g *group, began time.Time) {
	for !s.look(g, began) {
		time.Sleep(probeStep)
	}
}

// look reports whether the outcome of a probe is known, and acts on it.
func (s *server) look(g *group, began time.Time) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alive := slices.ContainsFunc(g.tunnels, func(t *tunnel) bool {
		if t.bug("BIND-007-first") && t != g.tunnels[0] {
			return false
		}
		return t.ear.heard.Load() > began.UnixNano()
	})
	dead := time.Since(began) >= takeoverProbe || s.o.bug("BIND-007-early") && time.Since(began) >= 2*time.Second
	g.asks = slices.DeleteFunc(g.asks, func(a ask) bool { // BIND-017
		drains := a.t.drains() && !a.t.bug("BIND-017-waits")
		if drains {
			a.t.bound(a.id, codeDrain, 0)
		}
		return drains
	})
	gone := len(g.tunnels) == 0 || g.drains()
	if !alive && !dead && !gone && !s.stopped {
		return false
	}
	asks := g.asks
	g.asks, g.probed = nil, false
	switch {
	case gone:
		for _, a := range asks {
			s.decide(a)
		}
	case alive:
		for _, a := range asks {
			s.refuse(a, codeInUse)
		}
	case dead:
		s.bury(g, asks)
	}
	return true
}

// bury gives what a dead group has to those who asked first, and ends its tunnels.
func (s *server) bury(g *group, asks []ask) {
	for _, a := range asks {
		switch h := s.holder(a); {
		case h == nil:
			s.give(a)
		case h.group == g || h.group == a.t.group:
			s.move(h, a)
		default:
			s.refuse(a, codeInUse)
		}
	}
	for _, t := range g.tunnels {
		if !t.bug("BIND-007-kept") {
			t.mu.Lock()
			t.away.over = true
			t.endAll(false)
			t.part(codeDead, "")
			t.mu.Unlock()
		}
	}
}

// acceptBound runs until the binding's listener is closed.
func (s *server) acceptBound(h *holding) {
	l := h.l
	for {
		sock, err := l.Accept()
		if err != nil {
			return
		}
		s.visitBound(h, sock.(*net.TCPConn))
	}
}

// visitBound makes a visitor's connection on a tunnel of the group that has the port, or ends it at once (BIND-004).
func (s *server) visitBound(h *holding, sock *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var from []*tunnel
	switch {
	case h.group == nil:
	case s.o.bug("BIND-004-other"):
		from = s.tunnels
	case s.o.bug("BIND-004-asked"):
		from = []*tunnel{h.tunnel}
	default:
		from = h.group.tunnels
	}
	for _, t := range slices.Backward(from) {
		if t == nil || t.drains() {
			continue
		}
		t.mu.Lock()
		fits := t.phase == up && t.live() < t.peerMax
		if fits {
			var to list
			to.add(tagService, []byte(h.service)...)
			if t.bug("BIND-004") {
				to.add(tagHost, []byte("127.0.0.1")...)
			}
			s.ask(t, sock, to, connectTimeout)
		}
		t.mu.Unlock()
		if fits {
			return
		}
	}
	if s.o.bug("BIND-008-waits") {
		time.AfterFunc(20*time.Second, func() { _ = sock.Close() })
		return
	}
	closeLocal(sock, true)
}
