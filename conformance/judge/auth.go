package judge

import "github.com/adit-tunnel/adit/conformance/wire"

// A handshake is what the wire has shown of section 30. Index of a pair is who sends.
type handshake struct {
	offers  [2]bool // the side's HELLO has the tag auth
	guarded [2]bool // the side may send nothing but HELLO, AUTH and GOAWAY
	proven  [2]bool // its proof has passed
}

// shake enters a HELLO or an AUTH.
func (t *Tunnel) shake(f wire.Frame, side Side) {
	h := &t.handshake
	switch {
	case f.Type == wire.TypeHello:
		_, h.offers[side] = f.Auth()
		if h.offers[side] && (side == Client || h.offers[Client]) && !h.proven[side] {
			h.guarded[side] = true
		}
	case f.Size > 0:
		h.proven[side] = true
		if side == Client {
			h.guarded[Client] = false
		}
	case h.proven[Client]:
		h.guarded[Server] = false
		t.alive = latest(t.alive, t.v.now) // the times of section 13 count from here
	}
}

// agreed reports whether both sides ask for auth.
func (t *Tunnel) agreed() bool {
	return t.c.Auth || t.offers[Server] && t.offers[Client]
}

// authForm are the rules about a frame by itself before the proofs: they come behind those about the header.
var authForm = []rule{
	{"AUTH-015", either, anyType, tooLongForAStranger, "AUTH-015", "no payload before the proofs is longer than 4,096 octets"},
	{"AUTH-007", either, beyondHandshake, unprovenBoth, "AUTH-007", "before the proofs nothing is sent but HELLO, AUTH and GOAWAY"},
	{"AUTH-007", either, beyondHandshake, unproven, "", "before the proofs nothing is sent but HELLO, AUTH and GOAWAY"}, // to a peer that may not ask
	{"AUTH-013", either, hello, brokenAuth, "AUTH-013", "the tag auth has the size of its scheme"},
	{"AUTH-024", aServer, only(wire.TypeGoAway), explains, "", "a GOAWAY denied before the proofs has no text"},
}

func beyondHandshake(t wire.Type) bool {
	return t != wire.TypeHello && t != wire.TypeAuth && t != wire.TypeGoAway
}

func unproven(v *view) bool     { return v.t.guarded[v.side] }
func unprovenBoth(v *view) bool { return unproven(v) && v.t.agreed() }

func tooLongForAStranger(v *view) bool {
	return unprovenBoth(v) && v.Type != wire.TypeHello && v.Size > wire.MaxTLVs // HELLO-012 has a HELLO
}

func brokenAuth(v *view) bool { return !v.AuthSized(v.side.String()) }

func explains(v *view) bool {
	return unprovenBoth(v) && v.Code() == wire.CodeDenied && v.Size > 2
}

// notAgreed is a frame of an option that the HELLOs did not agree to.
func notAgreed(v *view) bool {
	if v.Type.Binds() {
		return !v.t.binds.agreed()
	}
	return v.Type != wire.TypeAuth || !v.t.agreed()
}

// answersNothing is an AUTH that has no place in the handshake.
func answersNothing(v *view) bool {
	h := &v.t.handshake
	switch {
	case v.side == Client:
		return v.Size == 0 || h.proven[Client]
	case v.Size == 0:
		return !h.proven[Client] || !h.guarded[Server]
	}
	return h.proven[Server]
}
