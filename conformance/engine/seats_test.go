package engine

import (
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// taking is a tunnel of a client that takes so many connections.
func taking(most uint32) *Tunnel {
	t, n := inbox()
	t.Case.Role, t.Case.Req.Profile, t.opened = Client, "ext", []*Tunnel{n}
	t.rec = newRecorder(t.Case, nil, false)
	n.take(wire.Hello(wire.U32(wire.TagMaxConnections, most)))
	n.Greet(Greeting{})
	return n
}

// over is what a case ends with, before its findings say anything.
func over(do func()) (s caseOver) {
	defer func() { s, _ = recover().(caseOver) }()
	do()
	return s
}

func TestNoConnectionIsOpenedBeyondTheClientsBound(t *testing.T) {
	for name, tt := range map[string]struct {
		most uint32
		do   func(n *Tunnel)
		want string // reason of the end; empty: none
	}{
		"as many as it takes":      {2, func(n *Tunnel) { n.Send(wire.Open(1), wire.Open(2)) }, ""},
		"one more":                 {2, func(n *Tunnel) { n.Send(wire.Open(1), wire.Open(2), wire.Open(3)) }, "the client takes 2 connections at a time, and this case has 3 or more"},
		"one more in pieces":       {1, func(n *Tunnel) { n.Send(wire.Open(1)); n.SendRaw(wire.Open(2).Bytes()) }, "takes 1 connections"},
		"none at all":              {0, func(n *Tunnel) { n.Send(wire.Open(1)) }, "takes 0 connections"},
		"behind the suite's RESET": {1, func(n *Tunnel) { n.Send(wire.Open(1), wire.Reset(1, wire.CodeReset, ""), wire.Open(2)) }, ""},
		"behind the client's RESET": {1, func(n *Tunnel) {
			n.Send(wire.Open(1))
			n.take(wire.Reset(1, wire.CodeRefused, ""))
			n.Send(wire.Open(2))
		}, ""},
		"behind the suite's FIN":     {1, func(n *Tunnel) { n.Send(wire.Open(1)); n.take(wire.Opened(1)); n.Send(wire.Fin(1), wire.Open(2)) }, "takes 1"},
		"on purpose":                 {1, func(n *Tunnel) { n.Overbook(wire.Open(1), wire.Open(2)) }, ""},
		"on purpose, and then again": {1, func(n *Tunnel) { n.Overbook(wire.Open(1)); n.Send(wire.Open(2)) }, "takes 1"},
		"the other tunnel is closed": {1, func(n *Tunnel) { n.Send(wire.Open(1)); n.closed = true; n.Send(wire.Open(2)) }, ""},
		"on another tunnel": {1, func(n *Tunnel) {
			n.Send(wire.Open(1))
			other := &Tunnel{n: 2, link: &link{t: n.t, who: "tunnel 2"}, limits: map[uint32]uint64{}, moved: map[uint32]uint64{}}
			n.t.opened = append(n.t.opened, other)
			other.take(wire.Hello(wire.U32(wire.TagMaxConnections, 1)))
			other.Greet(Greeting{})
			other.Send(wire.Open(2))
		}, "takes 1"},
	} {
		n := taking(tt.most)
		if s := over(func() { tt.do(n) }); s.verdict != "" != (tt.want != "") || !strings.Contains(s.reason, tt.want) || s.verdict != "" && s.verdict != NotApplicable {
			t.Errorf("%s: the case ends with %q, %q; want %q", name, s.verdict, s.reason, tt.want)
		}
	}
}

func TestADialThatIsTurnedDownIsNotWaitedFor(t *testing.T) {
	const port = 4711
	open := func(id uint32) Frame { return wire.Open(id, wire.U16(wire.TagPort, port)) }
	tooMany := wire.Reset(7, wire.CodeTooMany, "")
	for name, tt := range map[string]struct {
		sent []Frame
		came Frame
		want string
	}{
		"RESET":             {[]Frame{open(7)}, tooMany, "too-many"},
		"of an earlier one": {[]Frame{open(7), open(8)}, tooMany, "none within"},
		"of another port":   {[]Frame{wire.Open(7, wire.U16(wire.TagPort, port+1))}, tooMany, "none within"},
		"a failure":         {[]Frame{RequestTo(7, "127.0.0.1", port)}, wire.Response(7, StatusGeneral), "ConnectResponse"},
		"a success":         {[]Frame{RequestTo(7, "127.0.0.1", port)}, wire.Response(7, Success), "none within"},
		"Close":             {[]Frame{Request(7, port)}, Close(7), "Close"},
	} {
		n := taking(2)
		n.Send(tt.sent...)
		n.take(tt.came)
		svc := &Service{t: n.t, Port: port}
		if got := outcome(n.t, func() { svc.Accept("the client dials", Within(0)) }); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q; want %q", name, got, tt.want)
		}
	}
}
