package cases

import (
	"net"

	. "github.com/adit-tunnel/adit/conformance/engine"
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
