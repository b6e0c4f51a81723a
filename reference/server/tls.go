package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec"
)

// handshakeTime is how long a client may take for its TLS handshake (TLS-010).
var handshakeTime = spec.LimitOf("handshake").Time()

var (
	errNoRoom      = fmt.Errorf("%d tunnels from its address, or %d in all, are in their TLS handshake", mostUnprovenOfAddr, mostUnproven)
	errNoHandshake = fmt.Errorf("the client has not finished its TLS handshake within %v; a client of this server needs --tls", handshakeTime)
)

// shakeHands makes an encrypted tunnel of t, and reports whether it is one.
func (s *Server) shakeHands(ctx context.Context, t *tunnel) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTime, errNoHandshake)
	defer cancel()
	err := t.secure.Handshake(ctx)
	if err == nil {
		t.shaking.Store(false)
		return true
	}
	s.registry.remove(t)
	if errors.Is(err, net.ErrClosed) { // by Run, which ends
		t.log.Info("tunnel closed")
	} else {
		t.log.Warn("tunnel refused", "error", whyNoTLS(err))
	}
	return false
}

// whyNoTLS says in plain words why a handshake failed, and the remedy.
func whyNoTLS(err error) error {
	if e, ok := errors.AsType[*sock.NotTLSError](err); ok {
		switch speaks := session.Speaks(e.Begin); speaks {
		case "adit":
			return fmt.Errorf("the client does not speak TLS, which this server wants; start it with --tls: %w", err)
		case "":
			return fmt.Errorf("this is not an adit client: %w", err)
		default:
			return fmt.Errorf("this is not an adit client (it speaks %s): %w", speaks, err)
		}
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return fmt.Errorf("the client refuses this server, and its log says why: %w", err)
	}
	if errors.Is(err, sock.ErrNoProtocol) {
		return fmt.Errorf("this is not an adit client: %w", err)
	}
	if errors.Is(err, sock.ErrCut) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("the client went away in its TLS handshake: %w", err)
	}
	return err
}

// secured is what the log says of a tunnel that is encrypted.
func (t *tunnel) secured() []any {
	if t.secure == nil {
		return nil
	}
	args := []any{"tls", true}
	if shown := t.secure.State().PeerCertificates; len(shown) > 0 {
		args = append(args, "certificate", shown[0].Subject.String())
	}
	return args
}
