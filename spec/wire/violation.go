package wire

import "fmt"

// Scope is what an error ends (section 15).
type Scope uint8

// Scopes.
const (
	ScopeConnection Scope = iota + 1 // the local socket is reset, the tunnel goes on
	ScopeTunnel                      // the tunnel is closed
)

func (s Scope) String() string {
	switch s {
	case ScopeConnection:
		return "connection error"
	case ScopeTunnel:
		return "tunnel error"
	}
	return "no error"
}

// A Violation is a broken requirement, noticed in what a peer sent.
type Violation struct {
	Req    string // requirement of PROTOCOL.md, like FRAME-002
	Scope  Scope  // what it ends
	Reason string // what the peer did, for people; never contains bytes of the peer unquoted
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s: %s (%s)", v.Scope, v.Reason, v.Req)
}

func tunnelError(req, format string, args ...any) error {
	return &Violation{Req: req, Scope: ScopeTunnel, Reason: fmt.Sprintf(format, args...)}
}
