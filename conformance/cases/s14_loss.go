package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// s14 proves section 14.
var s14 = []Case{
	{
		ID: "LOSS-001", Role: Both, Title: "a lost tunnel closes every local socket, queued octets dropped",
		Run: func(t *T) {
			a, b := t.Working(), t.Working()
			a.Tun.Abort()
			a.Local.ExpectEnd("the first local socket is closed")
			b.Local.ExpectEnd("the second local socket is closed")
		},
	},
	{
		ID: "LOSS-001", Variant: "requested", Role: Server, Title: "a lost tunnel ends the visitors whose request is pending",
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Abort()
			c.Local.ExpectEnd("the waiting visitor is ended, no octet sent to it")
		},
	},
	{
		ID: "LOSS-001", Variant: "draining", Role: Both, Title: "a lost tunnel closes local sockets that still have queued octets",
		Races: "how much was written when the tunnel is lost is a matter of time",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Sink()
			c.Local.Hold()
			c.Send(t.Octets(900_000))
			c.Close()
			c.Tun.ExpectSent("the subject takes the octets")
			c.Tun.Abort()
			c.Local.Release()
			t.Until("the local socket is closed", func() bool { return c.Local.Ended() != EndNone })
		},
	},
	{
		ID: "LOSS-002", Role: Both, Title: "a lost tunnel resets the local sockets",
		Races: "whether a plain close is seen as a reset depends on what was unread",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Abort()
			c.Local.ExpectReset("the local socket is reset when the tunnel is lost")
		},
	},
	{
		ID: "LOSS-003", Role: Client, Wait: RedialDelay, Title: "a client that lost its tunnel dials again, and again",
		Run: func(t *T) {
			t.Tunnel().Abort()
			t.Accept().Finish()
			t.Accept()
			t.Open().Works("a connection on the third tunnel works")
		},
	},
	{
		ID: "LOSS-003", Variant: "after-error", Role: Client, Wait: RedialDelay, Title: "a client that closed its tunnel for an error dials again",
		Run: func(t *T) {
			n := t.Tunnel()
			n.SendRaw(Header(0x07, TypeKeepAlive, 0))
			n.ExpectClosed("the foreign version closes the tunnel", For("FRAME-002"))
			t.Accept()
			t.Open().Works("a connection on the new tunnel works")
		},
	},
	{
		ID: "LOSS-004", Role: Server, Title: "after a loss a new tunnel serves visitors",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Abort()
			c.Local.ExpectEnd("the loss is noticed", For("LOSS-001"))
			t.Dial()
			t.Open().Works("the new tunnel works")
		},
	},
	{
		ID: "LOSS-005", Role: Both, Title: "on a new tunnel every ID is idle",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Abort()
			c.Local.ExpectEnd("the loss is noticed", For("LOSS-001"))
			n := renewed(t)
			n.Send(Data(c.ID, []byte("of the lost tunnel")))
			n.Expect("Data for an ID of the lost tunnel is answered with Close", CloseFor(c.ID))
		},
	},
}

// renewed is the tunnel after the last one was lost.
func renewed(t *T) *Tunnel {
	if t.Case.Role == Client {
		return t.Accept()
	}
	return t.Dial()
}
