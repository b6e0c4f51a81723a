package wire

import (
	"fmt"
	"iter"
	"sync"

	"github.com/adit-tunnel/adit/spec"
)

// Type is a frame type (section 5).
type Type byte

// Core frame types; payloads stand in the table of section 6.
const (
	TypeConnectRequest  Type = 0x01
	TypeConnectResponse Type = 0x02
	TypeData            Type = 0x03
	TypeClose           Type = 0x04
	TypeKeepAlive       Type = 0x05
)

// Constants of section 4.
const (
	Version    = 0x01    // the only protocol version
	HeaderLen  = 6       // version u8, type u8, length u32
	MaxPayload = 1 << 20 // octets of payload that any receiver accepts
)

// Statuses of a ConnectResponse. Everything but Success is a failure.
const (
	Success       byte = 0x00
	StatusGeneral byte = 0x01
	StatusRefused byte = 0x02
	StatusDenied  byte = 0x06
)

// A shape is a row of a table of frames, and what follows from it.
type shape struct {
	spec.Frame
	hasID  bool
	prefix uint32 // octets of payload that say all but what is carried on: see Scanner
}

// shapes are the rows of the tables of frames, Core's, the Extended profile's and those of its options, by type; nil for a type that they do not have.
var shapes = sync.OnceValue(func() *[256]*shape {
	var all [256]*shape
	for _, rows := range []iter.Seq[spec.Frame]{spec.Frames(), spec.ExtFrames(), spec.AuthFrames(), spec.BindFrames()} {
		for f := range rows {
			s := &shape{Frame: f, hasID: f.Scope == "connection"}
			for _, m := range f.Forms {
				s.prefix = max(s.prefix, prefix(m))
			}
			all[f.Type] = s
		}
	}
	return &all
})

// prefix is how much of a payload has to be seen: all of it, but for octets
// at its end that the frame only carries.
func prefix(m spec.Form) uint32 {
	at := 0
	for _, f := range m.Fields {
		if open(f) && f.Kind == "octets" {
			return uint32(at)
		}
		at += f.Size
	}
	return uint32(m.Max)
}

// open reports whether a field takes all that is left of the payload.
func open(f spec.Field) bool { return f.Size == 0 && f.Count == "" }

func (t Type) shape() *shape { return shapes()[t] }

// Known reports whether the text has the type: Core, or the Extended profile with its options.
func (t Type) Known() bool { return t.shape() != nil }

// HasID reports whether frames of this type begin with a connection ID.
func (t Type) HasID() bool {
	s := t.shape()
	return s != nil && s.hasID
}

// From is who sends frames of this type: server, client or both; empty for one that the text does not have.
func (t Type) From() string {
	if s := t.shape(); s != nil {
		return s.Frame.From
	}
	return ""
}

// Extension reports whether the type is from the range of the Extended profile, which a tunnel without HELLO skips.
func (t Type) Extension() bool { return t >= 0x10 && t <= 0x3F }

// Reserved reports whether no frame of the type is ever sent (FRAME-009).
func (t Type) Reserved() bool { return !t.Known() && (t < 0x10 || t >= 0x40 && t < 0x80) }

func (t Type) String() string {
	if s := t.shape(); s != nil {
		return s.Name
	}
	return fmt.Sprintf("type 0x%02X", byte(t))
}
