package peer

import (
	"encoding/binary"
	"slices"
)

// code is the reason of a RESET or GOAWAY.
type code uint16

// Codes of the base. 0x01 to 0x07 are the statuses of section 6.2.
const (
	codeOK             code = 0x0000
	codeGeneral        code = 0x0001
	codeTimedOut       code = 0x0003
	codeDenied         code = 0x0006
	codeTooMany        code = 0x0007
	codeUnsupported    code = 0x0008
	codeUnknownService code = 0x0009
	codeInUse          code = 0x000A
	codeReset          code = 0x0010
	codeCancelled      code = 0x0011
	codeIdle           code = 0x0012
	codeOverBudget     code = 0x0013
	codeDrain          code = 0x0020
	codeDone           code = 0x0021
	codeProtocol       code = 0x0022
	codeFlowControl    code = 0x0023
	codeDead           code = 0x0024
	codeReplaced       code = 0x0025
)

// coded is a payload of begin, a code and its text.
func coded(begin []byte, no code, text string) []byte {
	return append(binary.BigEndian.AppendUint16(begin, uint16(no)), text...)
}

// extended is a frame on a tunnel that is up. Done is false for what Core judges: its connections, KeepAlive, types
// that nobody knows. mu is held.
func (t *tunnel) extended(f frame) (done bool, err error) {
	fromServer := t.role == Client
	switch f.typ {
	case typeHello:
		return true, t.hello(f)
	case typeRequest:
		if fromServer && !t.bug("HELLO-008") {
			return true, broken("HELLO-008", "a ConnectRequest behind HELLO")
		}
		return false, nil
	case typeAuth:
		if t.asks {
			return true, t.astray()
		}
		return true, t.optional(f)
	case typeBind, typeBound, typeUnbind:
		switch {
		case !t.hasBind:
			return true, t.optional(f)
		case fromServer:
			return true, t.answered(f)
		}
		t.mu.Unlock()
		defer t.mu.Lock()
		return true, t.server.optionFrame(t, f)
	case typeDatagram, typeAck:
		return true, t.optional(f)
	case typeOpen:
		if !fromServer {
			return true, t.wrongRole("an OPEN from a client")
		}
	case typeOpened:
		if fromServer {
			return true, t.wrongRole("an OPENED from a server")
		}
	case typeData, typeClose:
	case typeResponse:
		if fromServer {
			return false, nil // OPEN-011
		}
	case typeWindow, typeFin, typeReset, typePing, typePong, typeGoAway:
	default:
		return false, nil
	}
	if !f.sized() {
		return true, broken("FRAME-008", "type 0x%02x with %d octets", f.typ, len(f.payload))
	}
	switch f.typ {
	case typePing: // PING-001
		if t.bug("PING-001") {
			slices.Reverse(f.payload)
		}
		return true, t.answer(frame{typePong, f.payload})
	case typePong: // PING-002
		if t.bug("PING-002") {
			return true, broken("PING-002", "a PONG that nothing asked for")
		}
		return true, nil
	case typeGoAway:
		return true, t.heard(code(binary.BigEndian.Uint16(f.payload)))
	case typeOpen:
		return true, t.open(f)
	}
	return t.named(f)
}

// optional is a frame of an option that nobody agreed to (HELLO-006).
func (t *tunnel) optional(f frame) error {
	if t.bug("HELLO-006") {
		return nil
	}
	return broken("HELLO-006", "type 0x%02x, which nobody agreed to", f.typ)
}

// wrongRole is a frame that the peer's role does not send (XOPEN-016).
func (t *tunnel) wrongRole(what string) error {
	if t.bug("XOPEN-016") {
		return nil
	}
	return broken("XOPEN-016", "%s", what)
}

// named is a frame that names a connection.
func (t *tunnel) named(f frame) (done bool, err error) {
	var refused uint16
	if f.typ == typeOpened {
		if _, refused, err = t.readTLVs(f.rest(), inOpened); err != nil {
			return true, err
		}
	}
	ofCore := f.typ == typeData || f.typ == typeClose || f.typ == typeResponse
	c := t.xconns[f.id()]
	switch {
	case t.conns[f.id()] != nil && ofCore: // HELLO-009
		return false, nil
	case t.conns[f.id()] != nil && t.bug("HELLO-009-kind"):
		return true, nil
	case t.conns[f.id()] != nil:
		return true, broken("HELLO-009", "type 0x%02x for a Core connection", f.typ)
	case c == nil && int64(f.id()) > t.highest && (f.typ == typeClose || f.typ == typeResponse):
		return true, nil // CLOSE-007, OPEN-016
	case c == nil && int64(f.id()) > t.highest:
		if t.bug("XID-003") {
			return true, nil
		}
		return true, broken("XID-003", "ID %d was never used", f.id())
	case c == nil: // XID-004: dropped, no answer
		if t.bug("XID-004") && f.typ != typeReset {
			t.send(frame{typeReset, coded(f.payload[:4], codeGeneral, "")})
		}
		return true, nil
	case refused != 0:
		return true, &tunnelError{"TLV-003", "a critical tag in OPENED", codeUnsupported}
	}
	return true, c.handle(f)
}
