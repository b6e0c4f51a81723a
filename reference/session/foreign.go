package session

import (
	"bytes"
	"errors"

	"github.com/adit-tunnel/adit/spec/wire"
)

// ForeignError is the FRAME-002 of a peer that never sent a frame: it is no program of this protocol.
type ForeignError struct {
	Speaks string // what it speaks; "" when its bytes do not say so
	Err    error  // the violation
}

func (e *ForeignError) Error() string {
	if e.Speaks == "" {
		return "the other end does not speak this protocol: " + e.Err.Error()
	}
	return "the other end speaks " + e.Speaks + ": " + e.Err.Error()
}

func (e *ForeignError) Unwrap() error { return e.Err }

// foreign returns err, which the bytes b led to, as a ForeignError when they are the peer's first.
func (rd *reader) foreign(b []byte, err error) error {
	if v, ok := errors.AsType[*wire.Violation](err); ok && v.Req == "FRAME-002" && rd.frames == 0 {
		return &ForeignError{Speaks: protocolOf(b), Err: err}
	}
	return err
}

// Speaks names the protocol that a stream begins like: adit, or one that people confuse with it; "" when it is none of them.
func Speaks(begin []byte) string {
	if len(begin) > 0 && begin[0] == wire.Version {
		return "adit"
	}
	return protocolOf(begin)
}

// protocolOf names the protocol that a stream begins like; "" when it is none of those that people confuse with
// a tunnel.
func protocolOf(b []byte) string {
	for _, p := range []struct{ begin, name string }{
		{"SSH-", "SSH"},
		{"HTTP/", "HTTP"},
		{"GET ", "HTTP"},
		{"HEAD ", "HTTP"},
		{"POST ", "HTTP"},
		{"PUT ", "HTTP"},
		{"OPTIONS ", "HTTP"},
		{"CONNECT ", "HTTP"},
		{"PRI * HTTP/2", "HTTP"},
		{"\x15\x03", "TLS"}, // an alert
		{"\x16\x03", "TLS"}, // a handshake
		{"220 ", "SMTP or FTP"},
		{"RFB ", "VNC"},
	} {
		if bytes.HasPrefix(b, []byte(p.begin)) {
			return p.name
		}
	}
	return ""
}
