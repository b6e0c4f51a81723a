package session

import (
	"log/slog"

	"github.com/adit-tunnel/adit/spec/wire"
)

// This file is the option bind (section 32), as far as one tunnel goes: the rows of its frames, and which of them may come. Who
// holds a port is the business of who owns the session.

// Binder is what a server does for clients that ask for bindings. Its methods are called by the reader, in the order of the
// frames and without a lock.
type Binder interface {
	// Bind is a BIND that may be served: Session.Bound answers it, once.
	Bind(wire.Bind)
	// Unbind is a client's UNBIND, for whatever bind ID: Session.Unbound answers it, before Unbind returns.
	Unbind(id uint32)
}

// Publisher is what a client that asks for bindings does. Its methods are called by the reader, in the order of the frames; all
// but Serves without a lock.
type Publisher interface {
	// Serves reports whether the client has a service of that name; it does not wait for anything.
	Serves(service string) bool
	// Bound is the answer to a BIND.
	Bound(wire.Bound)
	// Unbound is the end of a binding that the server ended.
	Unbound(id uint32, code wire.Code)
}

// bindings are those of one tunnel.
type bindings struct {
	agreed  bool            // the option
	used    uint32          // the highest bind ID so far
	begun   bool            // there is one
	waiting map[uint32]bool // of a client: its BINDs without BOUND
	live    map[uint32]bool // of a client: those that the server has given; false: it has sent UNBIND for it
}

// offersBind reports whether this side has the option.
func (s *Session) offersBind() bool { return s.cfg.Binder != nil || s.cfg.Publisher != nil }

// options are the tags of the options that this side has.
func (s *Session) options() (all []wire.Tag) {
	if s.asks() || s.cfg.Keys != nil {
		all = append(all, wire.TagAuth)
	}
	if s.offersBind() {
		all = append(all, wire.TagBind)
	}
	return all
}

// tellLocked calls what somebody wants to know by, once the lock is released.
func (s *Session) tellLocked(tell func()) {
	s.effects = append(s.effects, effect{do: tellOnly, over: func(error) { tell() }})
}

func (s *Session) onBindLocked(_ wire.Header, payload []byte) error {
	v, err := wire.ParseBind(payload)
	if err != nil {
		return err
	}
	b := &s.bindings
	if b.begun && v.ID <= b.used {
		return violation("BIND-001", "BIND with an ID that is not above all before")
	}
	b.begun, b.used = true, v.ID
	code, text := v.Refusal()
	if s.drained { // BIND-017: also when the client drains, which is answered
		code, text = wire.CodeDrain, ""
	}
	if code != wire.CodeOK { // BIND-003
		s.logLocked(slog.LevelInfo, "binding refused", "bind", v.ID, "service", v.Service, "code", code.String(), "reason", text)
		s.queueFirstLocked(wire.AppendBound(nil, wire.Bound{ID: v.ID, Code: code, Text: text}), true)
		return nil
	}
	s.tellLocked(func() { s.cfg.Binder.Bind(v) })
	return nil
}

func (s *Session) onUnbindLocked(_ wire.Header, payload []byte) error {
	id, code, err := wire.ParseUnbind(payload)
	if err != nil {
		return err
	}
	b := &s.bindings
	if s.cfg.Role == Server {
		b.used, b.begun = max(b.used, id), true
		s.tellLocked(func() { s.cfg.Binder.Unbind(id) })
		return nil
	}
	mine, live := b.live[id]
	switch {
	case id == 0 || id > b.used:
		return violation("BIND-011", "UNBIND for an ID that was never in use")
	case b.waiting[id]:
		return violation("BIND-011", "UNBIND before BOUND")
	case live && mine:
		s.tellLocked(func() { s.cfg.Publisher.Unbound(id, code) })
	}
	delete(b.live, id)
	return nil
}

func (s *Session) onBoundLocked(_ wire.Header, payload []byte) error {
	v, err := wire.ParseBound(payload)
	if err != nil {
		return err
	}
	b := &s.bindings
	if !b.waiting[v.ID] {
		return violation("BIND-011", "BOUND that answers no BIND, or a second one")
	}
	delete(b.waiting, v.ID)
	if _, given := b.live[v.ID]; !given && v.Code == wire.CodeOK {
		b.live[v.ID] = true
	}
	s.tellLocked(func() { s.cfg.Publisher.Bound(v) })
	return nil
}

// Bound answers a BIND of the client.
func (s *Session) Bound(v wire.Bound) {
	s.mu.Lock()
	defer s.unlock()
	s.queueFirstLocked(wire.AppendBound(nil, v), true)
	s.startWriteLocked()
}

// Unbound answers an UNBIND of the client, or tells it that a binding has ended (BIND-005, BIND-006).
func (s *Session) Unbound(id uint32, code wire.Code) {
	s.mu.Lock()
	defer s.unlock()
	s.queueFirstLocked(wire.AppendUnbind(s.frame[:0], id, code), true)
	s.startWriteLocked()
}

// Bind asks the server for a binding, and returns the bind ID that it chose in the place of v.ID. 0: the tunnel is not up, or it
// ends.
func (s *Session) Bind(v wire.Bind) (id uint32) {
	s.mu.Lock()
	defer s.unlock()
	b := &s.bindings
	if s.ended || s.phase != up || !b.agreed || s.drained || s.peerDrains {
		return 0
	}
	b.used++ // BIND-001
	v.ID = b.used
	b.waiting[v.ID] = true
	s.queueFirstLocked(s.greaseTags(wire.AppendBind(nil, v), wire.IDLen), false)
	s.startWriteLocked()
	return v.ID
}

// Unbind gives a binding up.
func (s *Session) Unbind(id uint32) {
	s.mu.Lock()
	defer s.unlock()
	if s.ended {
		return
	}
	s.bindings.live[id] = false
	s.queueFirstLocked(wire.AppendUnbind(s.frame[:0], id, wire.CodeOK), false)
	s.startWriteLocked()
}

// Probe sends a PING, and calls told when bytes come from the peer next (BIND-007). Of two calls before that the first is
// forgotten.
func (s *Session) Probe(told func()) {
	s.mu.Lock()
	defer s.unlock()
	s.heard = told
	s.queueFirstLocked(wire.AppendPing(s.frame[:0], probeMark), false)
	s.startWriteLocked()
}

// probeMark is the mark of a PING whose PONG measures nothing.
var probeMark = wire.Mark{'p', 'r', 'o', 'b', 'e'}
