package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// s15 proves section 15.
var s15 = []Case{
	{
		ID: "ERR-001", Role: Both, Title: "a tunnel error ends every connection of the tunnel",
		Run: func(t *T) {
			a, b := t.Working(), t.Working()
			a.Tun.Send(Raw(TypeClose, 0, 0, 0))
			a.Tun.ExpectClosed("the tunnel is closed")
			a.Local.ExpectEnd("the first local socket is ended")
			b.Local.ExpectEnd("the second local socket is ended")
		},
	},
	{
		ID: "ERR-001", Variant: "requested", Role: Server, Title: "a tunnel error ends a visitor whose request is pending",
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Send(Raw(TypeClose, 0, 0, 0))
			c.Tun.ExpectClosed("the tunnel is closed")
			c.Local.ExpectEnd("the waiting visitor is ended, no octet sent to it")
		},
	},
	{
		ID: "ERR-002", Role: Both, Title: "a connection error leaves the other connections as they were",
		Run: func(t *T) {
			other := t.Open()
			for range 3 {
				c := t.Working()
				c.Local.Abort()
				t.Until("Close comes, or the tunnel ends", func() bool {
					_, came := c.Tun.Peek(CloseFor(c.ID))
					return came || c.Tun.Ended() != EndNone
				}, For("CLOSE-002"), Within(OwnClose))
				t.Check(c.Tun.Ended() == EndNone, "", "the tunnel was closed because a local socket failed")
				c.ExpectClose("a failed local socket becomes Close", For("CLOSE-002"), Within(OwnClose))
				other.Works("the other connection goes on")
				c.Close()
			}
			t.Open().Works("and new ones open")
		},
	},
	{
		ID: "ERR-003", Variant: "ready", Role: Server, Title: "after a tunnel error the server takes the next tunnel",
		Run: func(t *T) {
			for _, octets := range [][]byte{Header(0x02, TypeKeepAlive, 0), Header(Version, TypeData, MaxPayload+1), []byte("GET / HTTP/1.0\r\n\r\n")} {
				n := t.Dial()
				n.SendRaw(octets)
				n.ExpectClosed("the tunnel is closed", For("FRAME-002"))
			}
			t.Dial()
			t.Open().Works("the next tunnel works")
		},
	},
	{
		ID: "ERR-003", Variant: "other-tunnel", Role: Server, Title: "an error on one tunnel leaves the other as it was", Needs: NeedManyTunnels, Wait: LocalEffect,
		Run: func(t *T) {
			c := t.Working()
			n := t.Dial()
			n.Barrier()
			if t.Meanwhile(LocalEffect, func() bool { return c.Tun.Ended() != EndNone }) {
				t.NotApplicable("the server keeps one tunnel, the newest (MULTI-001)")
			}
			n.SendRaw(Header(0x02, TypeKeepAlive, 0))
			n.ExpectClosed("the second tunnel is closed", For("FRAME-002"))
			c.Works("the first tunnel goes on")
		},
	},
}
