package cases

import (
	"net"
	"strings"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// s20 proves section 20.
var s20 = []Case{
	{
		ID: "SEC-002", Role: Client, Title: "a request for a host beyond loopback is denied",
		Run: func(t *T) {
			host := beyondLoopback()
			if host == "" {
				t.NotApplicable("this machine has no address but loopback to ask for")
			}
			c := t.Open()
			id := c.Tun.NextID()
			c.Tun.Send(RequestTo(id, host, c.Request.Port()))
			f := c.Tun.Expect("the client answers", AnyResponse(id), Within(DialEnds))
			t.Check(f.Status() == StatusDenied, "", "a request for %s has status 0x%02X, 0x06 says denied", host, f.Status())
			c.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "SEC-004", Role: Server, Title: "payloads that are announced and do not come take no memory",
		Run: func(t *T) {
			const n = 40
			var tunnels []*Tunnel
			for range n {
				tunnel := t.Dial()
				tunnel.Send(KeepAlive()) // so that it counts as a client's
				tunnel.Expect("the server answers", AKeepAlive(), For("ALIVE-002"))
				tunnels = append(tunnels, tunnel)
			}
			before, ok := t.Memory()
			if !ok {
				t.NotApplicable("only of a subject that the suite started the memory is known")
			}
			for _, tunnel := range tunnels {
				tunnel.SendRaw(append(Header(Version, TypeData, MaxPayload), t.Octets(100)...))
			}
			var took int64
			t.Meanwhile(LocalEffect, func() bool {
				now, _ := t.Memory()
				took = max(took, now-before)
				return took > n*MaxPayload/2
			})
			t.Check(took < n*MaxPayload/2, "", "%d tunnels that announced 1 MiB each and sent 100 octets of it take %d KiB more", n, took>>10)
		},
	},
	{
		ID: "SEC-005", Role: Both, Title: "what is no frame, and a host that is none, do not reach the log as they are",
		Run: func(t *T) {
			t.Working()
			n := t.Tunnel()
			if t.Case.Role == Client {
				id := n.NextID()
				n.Send(RequestTo(id, forgery, 22))
				n.Expect("a host that is none is answered with a failure", FailureFor(id), For("OPEN-009"))
			}
			n.SendRaw([]byte(forgery))
			n.ExpectClosed("what is no frame ends the tunnel", For("FRAME-002"))
			legible(t)
		},
	},
	{
		ID: "SEC-005", Variant: "texts", OnExtended: true, Role: Both, Bare: true, Title: "texts for people, and names that are none, do not reach the log as they are",
		Run: func(t *T) {
			text := func(tag wire.Tag) TLV { return wire.Text(tag, forgery) }
			n := hello(t, wire.Hello(text(wire.TagAgent), text(wire.TagName), wire.U32(wire.TagWindow, 1<<20)), "")
			c := t.Working()
			n.Send(wire.Reset(c.ID, wire.CodeGeneral, forgery))
			c.Local.ExpectEnd("RESET is taken with any text", For("RESET-002"))
			if t.Case.Role == Client {
				turnedDown(t, n, "a bad host is refused", wire.Open(n.NextID(), wire.U16(wire.TagPort, 22), text(wire.TagHost)))
				turnedDown(t, n, "and a bad name of a service", wire.Open(n.NextID(), text(wire.TagService)))
			}
			n.Send(wire.GoAway(wire.CodeGeneral, forgery))
			n.Finish()
			n.ExpectClosed("GOAWAY ends the tunnel with any text", For("AWAY-010"))
			legible(t)
		},
	},
}

// What a peer says that writes on whoever reads the log: a line of its own, and codes that a terminal obeys.
const (
	forged  = "level=error msg=forged"
	codes   = "\x1b[2J\x1b]0;forged\a"
	forgery = "x\r\n" + forged + codes
)

// legible expects that the subject's log shows nothing of forgery as it came.
func legible(t *T) {
	t.Meanwhile(Settle, func() bool { return false })
	lines, ok := t.Log()
	if !ok {
		t.NotApplicable("only of a subject that the suite started the log is known")
	}
	for _, line := range lines {
		t.Check(!strings.HasPrefix(line, forged) && !strings.Contains(line, codes), "", "a line of the log has octets of the peer as they came: %q", line)
	}
}

// beyondLoopback is an address of this machine itself that is no loopback address, or "".
func beyondLoopback() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}
