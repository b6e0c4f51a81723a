package session

import (
	"bytes"
	"log/slog"
	"math/rand/v2"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// phase is how far the handshake of the Extended profile has come.
type phase uint8

const (
	greeting phase = iota // server: no frame has come; client: its HELLO has no answer
	greeted               // with auth: both HELLOs have passed
	proving               // with auth, a client: its proof is sent
	core                  // the peer speaks Core, or this side does
	up                    // both HELLOs have passed, and both proofs where this side asks for auth
)

// handshake is how long a tunnel may take to be up where this side does not do with Core.
var handshake = spec.LimitOf("handshake").Time()

// timedLocked reports whether the handshake goes on, and its time is bounded.
func (s *Session) timedLocked() bool {
	return s.phase < core && (s.asks() || s.cfg.Role == Client && s.cfg.Protocol == ExtendedOnly)
}

// greetLocked begins the handshake: a client sends its HELLO, before everything else (HELLO-001). The KeepAlive that tick
// sends right behind it is the barrier of HELLO-011; with auth there is none.
func (s *Session) greetLocked() {
	if s.timedLocked() {
		s.noteDueLocked(handshake)
	}
	if s.cfg.Role == Server || s.phase != greeting {
		return
	}
	if s.asks() {
		s.offerAuthLocked()
	}
	s.proofs.hello = s.helloLocked()
	s.queueLocked(s.proofs.hello, false)
	if s.asks() {
		s.startWriteLocked() // no KeepAlive comes
	}
}

// helloLocked is this side's HELLO.
func (s *Session) helloLocked() []byte {
	h := wire.Hello{
		Agent: s.cfg.Agent, Name: s.cfg.Name, Instance: s.cfg.Instance, Window: uint32(s.cfg.Window), MaxConnections: uint32(s.cfg.MaxConnections),
		Auth: s.proofs.own, Bind: s.cfg.Publisher != nil || s.bindings.agreed,
	}
	return s.greaseTags(wire.AppendHello(nil, h, s.cfg.Role == Client), 0)
}

func (s *Session) onHelloLocked(h wire.Header, payload []byte) error {
	s.mayPart = true // good or bad, it is agreement to GOAWAY
	if s.phase != greeting {
		if s.cfg.Role == Server {
			return violation("HELLO-003", "HELLO after another frame")
		}
		return violation("HELLO-004", "HELLO that answers none, or a second one")
	}
	peer, err := wire.ParseHello(payload, s.cfg.Role == Server, s.options()...)
	if err != nil {
		return err
	}
	if s.unheard() && hasAuth(peer) {
		s.asking = true
		s.noteDueLocked(max(handshake, s.now()))
		s.rearmLocked()
	}
	s.bindings.agreed, peer.Instance = peer.Bind, bytes.Clone(peer.Instance) // which is a part of what is read
	if s.asks() {
		frame := append(wire.AppendHeader(nil, h.Type, len(payload)), payload...) // as it was sent: a header has one form
		if s.cfg.Role == Server {
			return s.onClientHelloLocked(peer, frame)
		}
		return s.onServerHelloLocked(peer, frame)
	}
	if s.cfg.Role == Server {
		s.queueLocked(s.helloLocked(), true) // HELLO-002
	}
	s.peer = peer
	return s.upLocked()
}

// upLocked ends the handshake. A client that needs the option bind ends the tunnel of a server that does not have it.
func (s *Session) upLocked() error {
	s.phase = up
	now := s.now()
	s.limitUnsentLocked(now)
	if s.greases() {
		s.queueLocked(greaseFrame(), false)
	}
	if s.refusing {
		s.drainLocked(false)
	}
	if s.asks() && s.cfg.Role == Client { // the times of section 13 count from here
		s.aliveAt = now + s.cfg.KeepAliveInterval
		s.rearmLocked()
	}
	args := []any{"agent", s.peer.Agent, "name", s.peer.Name, "window", s.peer.Window, "max", s.peer.MaxConnections}
	if s.asks() {
		args = append(args, "key", s.proofs.key.ID)
	}
	s.logLocked(slog.LevelInfo, "extended tunnel", args...)
	if s.cfg.Publisher != nil && !s.bindings.agreed {
		s.partLocked(ErrNoBind, wire.CodeUnsupported, "this client was told to publish, and the server lacks the option bind")
		return ErrEnded
	}
	s.measureLocked()
	if tell := s.cfg.Up; tell != nil {
		s.tellLocked(tell)
	}
	return nil
}

// chosen notes that a client whose first frame was no HELLO speaks Core.
func (s *Session) chosen() error {
	s.mu.Lock()
	defer s.unlock()
	if s.cfg.Role == Client || s.phase != greeting {
		return nil
	}
	return s.fallBackLocked("the client's first frame was no HELLO")
}

// unansweredLocked notes that a server which answered the KeepAlive behind a HELLO and not that speaks Core (HELLO-010).
func (s *Session) unansweredLocked() error {
	if s.phase != greeting {
		return nil
	}
	return s.fallBackLocked("the server answered no HELLO")
}

// fallBackLocked makes the tunnel one of Core, if this side can do with that.
func (s *Session) fallBackLocked(why string) error {
	s.phase, s.why = core, why
	s.logLocked(slog.LevelInfo, "core tunnel", "reason", why)
	if s.cfg.Protocol == ExtendedOnly {
		return ErrCoreOnly
	}
	return nil
}

// skips reports whether a frame of the Extended profile is passed over like an unknown one (HELLO-007). Called by the
// reader.
func (s *Session) skips(t wire.Type) bool {
	switch {
	case t == wire.TypeAuth:
		return !s.asks()
	case wire.TypeBind <= t && t <= wire.TypeUnbind && s.phase == up:
		return !s.bindings.agreed
	case s.phase == up || s.guarded():
		return false
	case t == wire.TypeHello:
		return s.cfg.Protocol == CoreOnly
	case t == wire.TypeGoAway:
		return s.cfg.Role == Server || s.phase == core // a server may answer HELLO by it (HELLO-002)
	}
	return true
}

// notAgreed reports whether t is set aside for an option; those of options that were agreed are not asked about.
func notAgreed(t wire.Type) bool {
	return t == 0x15 || 0x19 <= t && t <= 0x1C || t == 0x1E
}

// greases reports whether grease is due (TLV-004).
func (s *Session) greases() bool { return s.cfg.Grease > 0 && rand.N(s.cfg.Grease) == 0 }

// greaseTag returns a tag that never gets a meaning, of random choice.
func greaseTag() wire.Tag { return wire.Tag(0x0A0A + 0x1010*rand.N[uint16](7)) }

// greaseTags puts a tag without meaning at a random place among the TLVs of a frame, now and then. They begin skip
// bytes into its payload.
func (s *Session) greaseTags(frame []byte, skip int) []byte {
	if !s.greases() {
		return frame
	}
	head := wire.HeaderLen + skip
	all, err := wire.ParseTLVs(frame[head:])
	if err != nil {
		panic("session: internal error: a frame of ours: " + err.Error())
	}
	place := rand.N(len(all) + 1)
	payload := append([]byte(nil), frame[wire.HeaderLen:head]...)
	for i := range len(all) + 1 {
		if i == place {
			payload = wire.AppendTLV(payload, greaseTag(), randomBytes(32))
		}
		if i < len(all) {
			payload = wire.AppendTLV(payload, all[i].Tag, all[i].Value)
		}
	}
	return append(wire.AppendHeader(nil, wire.Type(frame[1]), len(payload)), payload...)
}

// greaseFrame is a frame that never gets a meaning.
func greaseFrame() []byte {
	payload := randomBytes(64)
	return append(wire.AppendHeader(nil, wire.Type(0x2A+0x10*rand.N(2)), len(payload)), payload...)
}

// randomBytes returns up to most random bytes.
func randomBytes(most int) []byte {
	b := make([]byte, rand.N(most+1))
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
