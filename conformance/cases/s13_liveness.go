package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// s13 proves section 13.
var s13 = []Case{
	{
		ID: "ALIVE-001", Variant: "idle", Role: Client, Wait: 2 * KeepAliveInterval, Title: "an idle tunnel carries a KeepAlive every 15 s",
		Run: func(t *T) {
			n := t.Tunnel()
			for range 2 {
				n.Expect("a KeepAlive comes within 15 s of the last", AKeepAlive(), Within(KeepAliveInterval+Answer))
			}
		},
	},
	{
		ID: "ALIVE-001", Variant: "busy", Role: Client, Wait: KeepAliveInterval, Title: "a busy tunnel carries a KeepAlive every 15 s",
		Races: "how often the connection is used until the KeepAlive is a matter of time",
		Run: func(t *T) {
			t.Tunnel()
			begun := t.Now()
			c := t.Open()
			for heard := 0; heard == 0; heard, _ = c.Tun.KeepAlives() {
				if t.Now()-begun >= KeepAliveInterval+Answer {
					t.Fail("", "no KeepAlive within 15 s on a tunnel that carries Data")
				}
				c.Works("the connection works meanwhile")
				t.Meanwhile(10*Moment, func() bool { return false })
			}
		},
	},
	{
		ID: "ALIVE-002", Role: Server, Title: "each KeepAlive gets exactly one",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			n.Send(KeepAlive(), KeepAlive(), KeepAlive())
			n.ExpectOpen("each KeepAlive is answered, those too that come together")
			id := n.UnusedID()
			n.Send(Data(id, nil))
			n.Expect("a later frame is answered", CloseFor(id), For("DATA-004"))
			heard, asked := n.KeepAlives()
			t.Check(heard == asked, "", "as many KeepAlives come as were sent: %d sent, %d came", asked, heard)
		},
	},
	{
		ID: "ALIVE-002", Variant: "unasked", Role: Server, Wait: KeepAliveInterval + Look, Title: "no KeepAlive without being asked",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			t.Meanwhile(KeepAliveInterval+Look, func() bool { heard, _ := n.KeepAlives(); return heard > 0 })
			heard, _ := n.KeepAlives()
			t.Check(heard == 0, "", "%d KeepAlives came unasked", heard)
		},
	},
	{
		ID: "ALIVE-003", Role: Client, Title: "KeepAlives from the server are accepted and not answered",
		Run: func(t *T) {
			c := t.Open()
			before, _ := c.Tun.KeepAlives()
			for range 20 {
				c.Tun.Send(KeepAlive())
			}
			c.Tun.Barrier()
			heard, _ := c.Tun.KeepAlives()
			t.Check(heard-before <= 2, "", "%d KeepAlives came back for 20 sent", heard-before)
			c.Works("the connection goes on")
		},
	},
	{
		ID: "ALIVE-004", Role: Client, Wait: DeadPeer, Title: "a tunnel that carried nothing for 45 s is closed, and dialled again",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			n.Barrier()
			start := t.Now()
			n.Send(KeepAlive())
			n.ExpectClosed("the client closes the silent tunnel after 45 s", Exactly(start, DeadPeer))
			t.Accept()
		},
	},
	{
		ID: "ALIVE-004", Variant: "answered", Role: Client, Wait: DeadPeer + Answer, Title: "a tunnel whose KeepAlives are answered stays",
		Run: func(t *T) {
			n := t.Tunnel()
			t.Meanwhile(DeadPeer+Answer, func() bool { return n.Ended() != EndNone })
			n.ExpectOpen("the tunnel is alive after 50 s of KeepAlives and nothing else")
		},
	},
	{
		ID: "ALIVE-005", Role: Server, Wait: DeadPeer, Title: "a silent client is not given up before 45 s",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			start := t.Now() // before the last octet that the server reads, however late its answer is
			n.Barrier()
			gone := t.Meanwhile(start+DeadPeer-Earliness-t.Now(), func() bool { return n.Ended() != EndNone })
			t.Check(!gone, "", "the tunnel was closed after %s of silence", (t.Now() - start).Round(Moment))
		},
	},
	{
		ID: "ALIVE-006", Role: Server, Wait: DeadPeerServerMax, Title: "a silent client is given up within 300 s",
		Also: []string{"ALIVE-005"},
		Run: func(t *T) {
			c := t.Open()
			c.Tun.Mute()
			c.Works("the connection works before")
			start := t.Now() // before the last octet that the server reads: what it sends comes later on a busy machine
			c.Tun.Send(KeepAlive())
			c.Tun.ExpectClosed("the server closes the silent tunnel", Between(start, DeadPeer, DeadPeerServerMax+Answer))
			c.Local.ExpectEnd("and ends its visitors", For("LOSS-001"))
		},
	},
}
