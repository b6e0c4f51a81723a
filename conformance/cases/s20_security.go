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
			f := c.Tun.Expect("the client answers", AnyResponse(id), Within(DialTimeout+LocalEffect))
			t.Check(f.Status() == StatusDenied, "", "a request for %s has status 0x%02X, 0x06 says denied", host, f.Status())
			c.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "SEC-004", Role: Both, Title: "announced payloads that never come do not stop a tunnel from being served",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection works before")
			c.Tun.SendRaw(Header(Version, TypeData, MaxPayload))
			for range 10 { // the first may overtake the header within the subject
				c.Local.Write(t.Octets(10))
				c.Tun.Expect("the subject goes on sending while a payload is awaited", DataFor(c.ID))
			}
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
