// Package recording has what tests let pass by a judge: exchanges in a few words, those
// that the text allows and one for each rule that is broken.
//
//	recording.go  the words
//	legal.go      exchanges in which nobody breaks a rule
//	illegal.go    exchanges in which somebody does, the dialogues among the vectors included
package recording

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Step is one thing that happens on a tunnel.
type Step struct {
	Wait   time.Duration // passes first
	From   string        // server or client; empty: a new tunnel begins, or only time passes
	Octets []byte        // that From sends; none: its stream ends
	Begins bool
}

// frames are the words for frames.
var frames = map[string]func(id uint32) []byte{
	"request":   func(id uint32) []byte { return wire.RequestTo(id, "127.0.0.1", 22).Bytes() },
	"port0":     func(id uint32) []byte { return wire.Request(id, 0).Bytes() },
	"badhost":   func(id uint32) []byte { return wire.RequestTo(id, "a\r\nb", 22).Bytes() },
	"success":   func(id uint32) []byte { return wire.Response(id, wire.Success).Bytes() },
	"failure":   func(id uint32) []byte { return wire.Response(id, wire.StatusRefused).Bytes() },
	"data":      func(id uint32) []byte { return wire.Data(id, []byte("octets")).Bytes() },
	"close":     func(id uint32) []byte { return wire.Close(id).Bytes() },
	"alive":     func(uint32) []byte { return wire.KeepAlive().Bytes() },
	"version":   func(uint32) []byte { return []byte{2, 5, 0, 0, 0, 0} },
	"long":      func(uint32) []byte { return wire.Header(1, wire.TypeData, 1<<20+1) },
	"malformed": func(uint32) []byte { return wire.Raw(wire.TypeClose, 1, 2).Bytes() },
	"reserved":  func(uint32) []byte { return wire.Raw(6).Bytes() },
	"hello": func(uint32) []byte {
		return wire.Hello(wire.U32(wire.TagWindow, 6), wire.U32(wire.TagMaxConnections, 2)).Bytes()
	},
	"offer":     func(uint32) []byte { return wire.Hello(wire.Auth{ID: "home"}.TLV()).Bytes() },
	"offerless": func(uint32) []byte { return wire.Hello(wire.Auth{}.TLV()).Bytes() },
	"answer":    func(uint32) []byte { return wire.Hello(wire.Auth{}.TLV()).Bytes() },
	"proof":     func(uint32) []byte { return wire.Prove(wire.Proof{}).Bytes() },
	"admit":     func(uint32) []byte { return wire.Admit().Bytes() },
	"denied":    func(uint32) []byte { return wire.GoAway(wire.CodeDenied, "").Bytes() },
	"denies":    func(uint32) []byte { return wire.GoAway(wire.CodeDenied, "why").Bytes() },
	"huge":      func(uint32) []byte { return wire.Raw(wire.TypeAuth, make([]byte, 4097)...).Bytes() },
	"helloless": func(uint32) []byte { return wire.Hello(wire.U16(wire.TagWindow, 6)).Bytes() },
	"hellolong": func(uint32) []byte { return wire.Raw(wire.TypeHello, make([]byte, 4097)...).Bytes() },
	"open":      func(id uint32) []byte { return wire.Open(id, wire.U16(wire.TagPort, 22)).Bytes() },
	"openless":  func(id uint32) []byte { return wire.Open(id).Bytes() },
	"opentwice": func(id uint32) []byte {
		return wire.Open(id, wire.U16(wire.TagPort, 22), wire.U16(wire.TagPort, 22)).Bytes()
	},
	"opened":    func(id uint32) []byte { return wire.Opened(id).Bytes() },
	"fin":       func(id uint32) []byte { return wire.Fin(id).Bytes() },
	"reset":     func(id uint32) []byte { return wire.Reset(id, wire.CodeReset, "why").Bytes() },
	"window":    func(id uint32) []byte { return wire.Window(id, 12).Bytes() },
	"unlimited": func(id uint32) []byte { return wire.Window(id, wire.NoLimit).Bytes() },
	"finless":   func(id uint32) []byte { return wire.Raw(wire.TypeFin, 1).Bytes() },
	"ping":      func(mark uint32) []byte { return wire.Ping(wire.Mark{7: byte(mark)}).Bytes() },
	"pong":      func(mark uint32) []byte { return wire.Pong(wire.Mark{7: byte(mark)}).Bytes() },
	"drain":     func(uint32) []byte { return wire.GoAway(wire.CodeDrain, "").Bytes() },
	"option":    func(uint32) []byte { return wire.Raw(0x15, 0, 0, 0, 7).Bytes() },
	"later":     func(uint32) []byte { return wire.Raw(0x30).Bytes() },
	"offers":    func(uint32) []byte { return wire.Hello(wire.TLV{Tag: wire.TagBind}).Bytes() },
	"bind":      func(id uint32) []byte { return wire.Bind(id, wire.U16(wire.TagPort, 22)).Bytes() },
	"bindany":   func(id uint32) []byte { return wire.Bind(id, wire.U16(wire.TagPort, 0)).Bytes() },
	"bindname":  func(id uint32) []byte { return wire.Bind(id).Bytes() },
	"bound":     func(id uint32) []byte { return wire.Bound(id, wire.CodeOK, wire.U16(wire.TagPort, 22)).Bytes() },
	"boundless": func(id uint32) []byte { return wire.Bound(id, wire.CodeOK).Bytes() },
	"boundzero": func(id uint32) []byte { return wire.Bound(id, wire.CodeOK, wire.U16(wire.TagPort, 0)).Bytes() },
	"boundelse": func(id uint32) []byte { return wire.Bound(id, wire.CodeOK, wire.U16(wire.TagPort, 23)).Bytes() },
	"inuse":     func(id uint32) []byte { return wire.Bound(id, wire.CodeInUse).Bytes() },
	"unbind":    func(id uint32) []byte { return wire.Unbind(id, wire.CodeOK).Bytes() },
	"grease":    func(uint32) []byte { return wire.Raw(0x2A, 1).Bytes() },
	"private":   func(uint32) []byte { return wire.Raw(0x80, 1).Bytes() },
}

// Parse reads an exchange: a side, S or C, a frame or "end", an ID (7 when left out); "wait" and a
// time. "×" between two frames means that they cross: they pass in either order, with swap the other way round.
func Parse(t testing.TB, text string, swap bool) (steps []Step) {
	t.Helper()
	for part := range strings.SplitSeq(text, ",") {
		both := strings.Split(part, "×")
		if swap {
			slices.Reverse(both)
		}
		for _, words := range both {
			steps = append(steps, parse(t, words))
		}
	}
	return steps
}

func parse(t testing.TB, words string) Step {
	t.Helper()
	f := append(strings.Fields(words), "", "")
	if f[0] == "wait" {
		d, err := time.ParseDuration(f[1])
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		return Step{Wait: d}
	}
	id := uint32(7)
	if f[2] != "" {
		if _, err := fmt.Sscan(f[2], &id); err != nil {
			t.Fatalf("%q: %v", words, err)
		}
	}
	s := Step{Wait: time.Millisecond, From: map[string]string{"S": "server", "C": "client"}[f[0]]}
	frame := frames[f[1]]
	switch {
	case s.From == "" || frame == nil && f[1] != "end":
		t.Fatalf("%q: no side, or no frame", words)
	case frame != nil:
		s.Octets = frame(id)
	}
	return s
}

// Dialogue is what passes on the tunnels of a vector.
func Dialogue(v spec.Vector) (steps []Step) {
	for _, s := range v.Steps {
		switch {
		case s.From != "":
			steps = append(steps, Step{Wait: time.Millisecond, From: s.From, Octets: s.Octets.Bytes()})
		case s.Event == "tunnel begins":
			steps = append(steps, Step{Begins: true})
		}
	}
	return steps
}
