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
	errNoHandshake = fmt.Errorf("the client has not finished its TLS handshake within %v; a client of this server needs a key, or --tls", handshakeTime)
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
		s.refused.add(refusalOf(err, "tls"))
		t.log.Warn("tunnel refused", "error", s.whyNoTLS(err))
	}
	return false
}

// whyNoTLS says in plain words why a handshake failed, and the remedy.
func (s *Server) whyNoTLS(err error) error {
	if e, ok := errors.AsType[*sock.NotTLSError](err); ok {
		switch speaks := session.Speaks(e.Begin); speaks {
		case "adit":
			remedy := "start it with --tls"
			if s.cfg.Keys != nil {
				remedy = "give it a key, and leave --plain out (or start both ends with --plain)"
			}
			return fmt.Errorf("the client does not speak TLS, which this server wants; %s: %w", remedy, err)
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

// whyPlain says why the server has no TLS, and the remedy.
func (s *Server) whyPlain() string {
	switch {
	case s.cfg.Keys == nil:
		return "give it keys (adit-server keygen NAME) or set security.tunnel.enable_tls here, or start the client without --tls and key"
	case s.cfg.TLSEndsBefore:
		return "a balancer is to end it (tls_ends_before), and this client has come past that; give it the balancer's address"
	}
	return "leave --plain out here, or start the client with --plain"
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
