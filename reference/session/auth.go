package session

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// This file is the option auth (section 30): the rows of its frames, and what they have in common. The server proves first.

// proofs are what a handshake with auth goes by.
type proofs struct {
	own    *wire.Auth // what this side's HELLO says; nil: this side does not ask for auth
	hello  []byte     // of a client: its HELLO, as sent
	key    wire.Key   // of the client, as it says it is
	known  bool       // on a server: the key is one of its own
	wanted wire.Proof // the peer's
	mine   wire.Proof // this side's
}

// asks reports whether this side asks for auth: a server to which it is optional does from a HELLO with auth on. Called by
// the reader, or under the lock.
func (s *Session) asks() bool { return s.asking }

// unheard reports whether the peer has to speak first, as only that says whether there is auth (AUTH-026).
func (s *Session) unheard() bool { return s.cfg.AuthOptional && s.phase == greeting }

// guarded reports whether nothing counts but a handshake with auth. Called by the reader, or under the lock.
func (s *Session) guarded() bool { return s.asks() && s.phase != up }

// admit judges by its header a frame that comes before the proofs.
func (s *Session) admit(h wire.Header) (err error) {
	switch {
	case h.Length > wire.MaxTLVs: // whatever its type
		err = violation("AUTH-015", fmt.Sprintf("%v with a payload of %d bytes before the proofs", h.Type, h.Length))
	case h.Type != wire.TypeHello && h.Type != wire.TypeAuth && h.Type != wire.TypeGoAway:
		err = violation("AUTH-007", h.Type.String()+" before the proofs")
	}
	if err != nil && s.cfg.Role == Client && s.phase == greeting {
		return fmt.Errorf("%w: %w", ErrNoAuth, err) // it speaks Core
	}
	return err
}

// cb is the CB of a binding of this tunnel's transport; false: it has none of that number.
func (s *Session) cb(binding uint8) (wire.CB, bool) {
	if s.cfg.Binding == nil {
		return wire.CB{}, binding == wire.BindingNone
	}
	return s.cfg.Binding(binding)
}

// TLSBinding is Config.Binding of a tunnel over TLS.
func TLSBinding(t *sock.TLS) func(binding uint8) (wire.CB, bool) {
	return func(binding uint8) (cb wire.CB, ok bool) {
		switch binding {
		case wire.BindingExporter:
			if exported, err := t.Export(wire.ExporterLabel, wire.CBLen); err == nil {
				return wire.CB(exported), true
			}
		case wire.BindingCertificate:
			cert := t.ServerCertificate()
			return wire.CertificateCB(cert), cert != nil
		}
		return cb, false
	}
}

// preferred is the binding that this side states of its own accord: what it was told, if it has that, and else 1 rather than
// 2 under TLS, and 0 without (AUTH-010, AUTH-021).
func (s *Session) preferred() uint8 {
	for _, binding := range []uint8{cmp.Or(s.cfg.StateBinding, wire.BindingExporter), wire.BindingExporter, wire.BindingCertificate, wire.BindingNone} {
		if _, ok := s.cb(binding); ok {
			return binding
		}
	}
	panic("session: internal error: a transport without binding")
}

// authOf is what this side's HELLO says, with a nonce of this tunnel alone (AUTH-014).
func authOf(binding uint8) *wire.Auth {
	a := &wire.Auth{Scheme: wire.SchemeHMAC, Binding: binding}
	rand.Read(a.Nonce[:])
	return a
}

// offerAuthLocked readies a client's HELLO, which is the next that helloLocked makes.
func (s *Session) offerAuthLocked() {
	p := &s.proofs
	p.key = *s.cfg.Key
	p.own = authOf(s.preferred())
	p.own.KeyID = p.key.ID
}

// onClientHelloLocked answers a client's HELLO, the whole frame, by this side's and the proof (AUTH-003).
func (s *Session) onClientHelloLocked(peer wire.Hello, frame []byte) error {
	a, p := peer.Auth, &s.proofs
	if !hasAuth(peer) { // AUTH-019
		return s.denyLocked(ErrNoKey)
	}
	binding := a.Binding
	cb, accepted := s.cb(binding)
	if !accepted { // AUTH-021
		binding = s.preferred()
		cb, _ = s.cb(binding)
	}
	p.own = authOf(binding)
	p.key = wire.Key{ID: a.KeyID, Secret: decoy(a.KeyID)}
	if secret, ok := s.cfg.Keys(a.KeyID); ok && accepted {
		p.key.Secret, p.known = secret, true
	}
	hello := s.helloLocked()
	t := wire.TranscriptOf(frame, hello)
	p.mine, p.wanted = p.key.Secret.ServerProof(cb, t), p.key.Secret.ClientProof(cb, t)
	s.queueLocked(hello, true)
	s.queueLocked(wire.AppendAuth(s.frame[:0], p.mine), true)
	s.peer, s.phase = peer, greeted
	return nil
}

// onServerHelloLocked takes the server's HELLO, the whole frame, and waits for its proof.
func (s *Session) onServerHelloLocked(peer wire.Hello, frame []byte) error {
	a, p := peer.Auth, &s.proofs
	switch {
	case !hasAuth(peer):
		return fmt.Errorf("%w: %w", ErrNoAuth, violation("AUTH-019", "HELLO without auth"))
	case a.Binding != p.own.Binding:
		_, has := s.cb(a.Binding)
		return &BindingError{Server: a.Binding, Has: has, Err: violation("AUTH-022", fmt.Sprintf("binding %d; the client's is %d", a.Binding, p.own.Binding))}
	}
	cb, _ := s.cb(a.Binding)
	t := wire.TranscriptOf(p.hello, frame)
	p.mine, p.wanted = p.key.Secret.ClientProof(cb, t), p.key.Secret.ServerProof(cb, t)
	s.peer, s.phase = peer, greeted
	return nil
}

func (s *Session) onAuthLocked(_ wire.Header, payload []byte) error {
	proof, full, err := wire.ParseAuth(payload)
	if err != nil {
		return err
	}
	p, server := &s.proofs, s.cfg.Role == Server
	switch {
	case server && s.phase == greeted: // AUTH-005
		has := s.hasLocked(p.key) // asked whoever it is, as it takes time; it may have been taken away since HELLO (AUTH-018)
		switch right := full && proof.Equal(p.wanted); {
		case !p.known || !has:
			return s.denyLocked(ErrUnknownKey)
		case !right:
			return s.denyLocked(ErrWrongProof)
		}
		s.queueLocked(wire.AppendAuthEmpty(s.frame[:0]), true)
		return s.upLocked()
	case !server && s.phase == greeted && full: // AUTH-004
		if !proof.Equal(p.wanted) {
			s.endLocked(ErrWrongServer)
			return ErrEnded
		}
		s.queueLocked(wire.AppendAuth(s.frame[:0], p.mine), true)
		s.phase = proving
	case !server && s.phase == proving && !full:
		return s.upLocked()
	default:
		return violation("AUTH-025", "AUTH that answers nothing")
	}
	return nil
}

// hasLocked reports whether a server has the key.
func (s *Session) hasLocked(key wire.Key) bool {
	secret, ok := s.cfg.Keys(key.ID)
	return ok && secret.Equal(key.Secret)
}

// hasAuth reports whether the peer's HELLO has auth of a scheme that is known.
func hasAuth(peer wire.Hello) bool { return peer.Auth != nil && peer.Auth.Scheme == wire.SchemeHMAC }

// unprovenLocked returns err, which ends the tunnel; or if that was a client's that has sent no proof, since it has found the
// server's wrong, one that says why.
func (s *Session) unprovenLocked(err error) error {
	if s.cfg.Role == Client || s.phase != greeted || errors.Is(err, ErrDenied) || errors.Is(err, errTooLate) || errors.Is(err, context.Canceled) || RuleOf(err) != "" {
		return err
	}
	why := ErrWrongProof
	if !s.proofs.known {
		why = ErrUnknownKey
	}
	s.logDeniedLocked("client without proof", why)
	return fmt.Errorf("%w: %w", why, err)
}

func (s *Session) logDeniedLocked(msg string, why error) {
	if d, ok := errors.AsType[*denied](why); ok {
		s.logLocked(slog.LevelWarn, msg, "key", s.proofs.key.ID, "reason", d.why)
	}
}

// denyLocked turns away a client whose proof was not right, and does not tell it why (AUTH-024).
func (s *Session) denyLocked(why error) error {
	s.logDeniedLocked("client denied", why)
	s.partLocked(why, wire.CodeDenied, "")
	return ErrEnded
}

// tooLateLocked ends a tunnel whose handshake is not over in time (AUTH-009).
func (s *Session) tooLateLocked() {
	switch {
	case !s.asks():
		s.endLocked(ErrCoreOnly) // HELLO-010
	case s.cfg.Role == Client && s.phase == greeting:
		s.endLocked(fmt.Errorf("%w: %w", ErrNoAuth, errTooLate))
	case s.cfg.Role == Server && s.phase == greeted:
		s.partLocked(errTooLate, wire.CodeTimedOut, "")
	default:
		s.endLocked(errTooLate)
	}
}

// Key is the key that client and server have proven to each other; false: none.
func (s *Session) Key() (wire.Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proofs.key, s.asks() && s.phase == up
}

// Revoke ends the tunnel because its key was taken away (AUTH-018).
func (s *Session) Revoke() { s.Part(ErrRevoked, wire.CodeDenied, "the key was taken away") }

// Part ends the tunnel because of err, with a GOAWAY to a peer that knows it.
func (s *Session) Part(err error, code wire.Code, text string) {
	s.mu.Lock()
	defer s.unlock()
	s.partLocked(err, code, text)
	s.startWriteLocked()
}

// Peer is what the HELLO of the peer says; without one, which Up tells of, nothing.
func (s *Session) Peer() wire.Hello {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

// processSecret makes the secrets of keys that a server does not have.
var processSecret = sync.OnceValue(func() (secret [sha256.Size]byte) {
	rand.Read(secret[:])
	return secret
})

// decoy is the secret in the place of that of a key that the server does not have (AUTH-006): the same for the same ID, and
// nobody can find out which.
func decoy(id string) (secret wire.Secret) {
	own := processSecret()
	m := hmac.New(sha256.New, own[:])
	m.Write([]byte(id))
	m.Sum(secret[:0])
	return secret
}
