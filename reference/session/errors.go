package session

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/adit-tunnel/adit/spec/wire"
)

// Errors that Open, Run and a Visitor's Over get.
var (
	// ErrEnded: the tunnel is gone.
	ErrEnded = fmt.Errorf("session: tunnel ended: %w", net.ErrClosed)
	// ErrClosing: the session is about to close and takes no new connection.
	ErrClosing = fmt.Errorf("session: closing: %w", net.ErrClosed)
	// ErrTooMany: Config.MaxConnections is reached.
	ErrTooMany = errors.New("session: too many connections")
	// ErrCoreOnly: the peer speaks Core only, and Config.Protocol wants more.
	ErrCoreOnly = errors.New("session: the other end speaks the Core profile only; tell both ends to speak more (protocol auto), or this one to do with Core")
	// ErrNotUp: the client has not proven to have a key.
	ErrNotUp = errors.New("session: the client has not proven its key yet")
	// ErrNoAuth: the server does not ask for auth, and this client has a key.
	ErrNoAuth = errors.New("session: the server does not prove that it has this client's key, as it speaks the Core profile only or has no keys; give it keys (adit-server keygen), or start this client without one")
	// ErrNoBind: the server does not have the option bind, and this client is to publish something.
	ErrNoBind = errors.New("session: the server takes no requests for public ports: it is older than 1.3; bring it up to date, or start this client without --publish and map the ports there")
	// ErrWrongServer: the server's proof is wrong.
	ErrWrongServer = errors.New("session: the server does not have this client's key: it is not in the server's file of keys, or with another secret, or this is another server, or somebody stands between")
	// ErrDenied: the client is none of this server's. The three below wrap it.
	ErrDenied = errors.New("session: the client was denied")
	// ErrNoKey: it has no key.
	ErrNoKey error = &denied{"it has no key, or one of another scheme"}
	// ErrUnknownKey: it has one that is none of the server's.
	ErrUnknownKey error = &denied{"the key is none of this server's, or the binding none of this tunnel's"}
	// ErrWrongProof: it does not prove that it has the key.
	ErrWrongProof error = &denied{"it has another secret, or somebody stands between"}
	// ErrRevoked: the client's key was taken away.
	ErrRevoked = errors.New("session: the client's key was taken away")
	// errTooLate: the handshake took too long (AUTH-009).
	errTooLate = fmt.Errorf("session: no proof in time: %w", os.ErrDeadlineExceeded)
	// errAnswered is what a client knows and its answer does not say.
	errAnswered = errors.New("session: the client's answer; its log says more")
	// ErrDrainTimeout is the cause for the ctx of a Close that has waited long enough.
	ErrDrainTimeout = errors.New("connections did not finish in time")
	// ErrDeadPeer: nothing was read from the peer for Config.DeadPeer.
	ErrDeadPeer = fmt.Errorf("session: peer silent for too long: %w", os.ErrDeadlineExceeded)
)

// denied says why a client is; its log line has the reason alone.
type denied struct{ why string }

func (d *denied) Error() string { return ErrDenied.Error() + ": " + d.why }
func (d *denied) Unwrap() error { return ErrDenied }

// BindingError is the end of a client's tunnel whose server ties the proofs to something else than the client does (AUTH-022).
type BindingError struct {
	Server uint8 // the server's binding
	Has    bool  // the client has that one, too
	Err    error
}

func (e *BindingError) Error() string {
	why := "client and server do not agree on what encrypts the tunnel: tls_ends_before has to be set at both or at none, when a balancer ends TLS"
	if e.Has {
		why = fmt.Sprintf("the server ties the proofs to something else; this client does so too from its next attempt on (binding %d)", e.Server)
	}
	return "session: " + why + ": " + e.Err.Error()
}

func (e *BindingError) Unwrap() error { return e.Err }

// RuleOf is the requirement of PROTOCOL.md that ended a connection or a tunnel with err; "" when none did.
func RuleOf(err error) string {
	if v, ok := errors.AsType[*wire.Violation](err); ok {
		return v.Req
	}
	return ""
}
