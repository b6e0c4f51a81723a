package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// Section 3, the tunnel.
var s03 = []Case{
	{
		ID: "TUN-001", Role: Server, Title: "a client that has sent nothing is served visitors",
		Run: func(t *T) {
			n := t.Dial()
			n.Mute()
			c := t.Requested(For("TUN-001"))
			c.Respond(Success)
			c.Works("octets pass through a tunnel whose client spoke only when asked")
		},
	},
	{
		ID: "TUN-002", Variant: "fin", Role: Both, Title: "the end of the tunnel's stream is its loss",
		Also: []string{"LOSS-001"},
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Finish()
			c.Local.ExpectEnd("the local socket is closed when the tunnel's stream ends")
			c.Tun.ExpectClosed("the subject closes its own end of the tunnel as well")
		},
	},
	{
		ID: "TUN-002", Variant: "reset", Role: Both, Title: "a transport error on the tunnel is its loss",
		Also: []string{"LOSS-001"},
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Abort()
			c.Local.ExpectEnd("the local socket is closed when the tunnel is reset")
		},
	},
}
