package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

// s10 proves section 10.
var s10 = []Case{
	{
		ID: "CLOSE-001", Variant: "local-first", Role: Both, Title: "one Close when the local peer ends first",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection is open")
			c.Local.Finish()
			c.ExpectClose("the end of the local stream becomes Close")
			c.Close()
			c.Tun.ExpectNone("and no second one", CloseFor(c.ID))
		},
	},
	{
		ID: "CLOSE-001", Variant: "tunnel-first", Role: Both, Title: "one Close when the tunnel's peer ends first",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection is open")
			c.End()
			c.Tun.ExpectNone("no second Close", CloseFor(c.ID))
		},
	},
	{
		ID: "CLOSE-001", Variant: "crossing", Role: Both, Title: "one Close when both end at once",
		Run: func(t *T) {
			for range 10 {
				c := t.Open()
				c.Works("the connection is open")
				c.Local.Finish()
				c.Close()
				c.ExpectClose("one Close")
				c.Local.ExpectEOF("the local socket ends in order", For("CLOSE-003"))
				c.Tun.ExpectNone("and no second one", CloseFor(c.ID))
			}
		},
	},
	{
		ID: "CLOSE-002", Variant: "end-of-stream", Role: Both, Title: "the end of the local stream becomes Close, after the last Data",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(300_000)
			c.Local.Write(octets)
			c.Local.Finish()
			c.ExpectData("every octet before the end comes before Close", octets)
			c.ExpectClose("then Close")
		},
	},
	{
		ID: "CLOSE-002", Variant: "silent", Role: Both, Title: "a local stream that ends with nothing sent becomes Close",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Finish()
			c.ExpectClose("the end of the stream becomes Close")
		},
	},
	{
		ID: "CLOSE-002", Variant: "reset", Role: Both, Title: "a local socket that fails becomes Close",
		Run: func(t *T) {
			other := t.Open()
			c := t.Open()
			c.Works("the connection is open")
			c.Local.Abort()
			c.ExpectClose("a reset local socket becomes Close")
			c.Close()
			other.Works("other connections go on")
		},
	},
	{
		ID: "CLOSE-003", Role: Both, Title: "what came before Close is delivered, then the end of the stream",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(100_000)
			c.Send(octets)
			c.Close()
			c.Local.ExpectOctets("what came before Close is delivered", octets)
			c.Local.ExpectEOF("then the write side is shut down")
			c.Local.Close()
			c.ExpectClose("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-003", Variant: "slow-reader", Role: Both, Title: "a local peer that reads late still gets every octet",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			octets := t.Octets(700_000)
			for rest := octets; len(rest) > 0; rest = rest[70_000:] {
				c.Send(rest[:70_000])
			}
			c.Close()
			c.Tun.ExpectSent("the tunnel takes what fits the queues")
			c.Local.Release()
			c.Local.ExpectOctets("what came before Close is delivered", octets)
			c.Local.ExpectEOF("then the write side is shut down")
			c.ExpectClose("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-004", Role: Both, Title: "Close is answered with Close, even when the local peer keeps its side open",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection is open")
			c.Close()
			c.ExpectClose("the subject's own Close comes within 30 s", Within(CloseTotal+Answer))
		},
	},
	{
		ID: "CLOSE-005", Role: Both, Title: "a local peer that still sends after Close loses nothing that it has not read",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			octets := t.Octets(150_000)
			c.Send(octets)
			c.Close()
			c.ExpectClose("the subject wrote everything and sent its own Close", For("CLOSE-004"), Within(CloseTotal))
			c.Local.Write(t.Octets(200_000)) // a socket closed by now answers with a reset
			c.Local.ExpectSent("the subject goes on reading", Within(CloseDrain))
			c.Tun.Barrier()
			c.Local.Release()
			c.Local.ExpectOctets("no reset destroys what was not read yet", octets)
			c.Local.ExpectEOF("the stream ends in order")
		},
	},
	{
		ID: "CLOSE-006", Role: Both, Title: "a local peer that never reads is reset 30 s after Close", Wait: CloseTotal,
		Races: "how much a socket takes before it is reset is up to the kernel",
		Also:  []string{"CLOSE-004", "FLOW-002"},
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			chunk := t.Octets(FairPayload)
			const total = 12 << 20 // more than sockets buffer for a peer that reads nothing
			for range total / len(chunk) {
				c.Send(chunk)
			}
			c.Close()
			c.ExpectClose("the subject gives up and sends its own Close", Within(CloseTotal+StallLimit+Answer))
			c.Local.Release()
			t.Until("the local socket is closed before it took everything", func() bool { return c.Local.Ended() != EndNone })
			t.Check(c.Local.Received() < total, "", "a peer that read nothing for 30 s still got all %d octets", total)
		},
	},
	{
		ID: "CLOSE-007", Role: Both, Title: "Close for an ID that was never used is ignored",
		Run: func(t *T) {
			n := t.Tunnel()
			id := n.UnusedID()
			n.Send(Close(id))
			n.ExpectNone("Close for an idle ID gets no answer", AnythingFor(id))
		},
	},
	{
		ID: "CLOSE-007", Variant: "closed-for-good", Role: Both, Title: "a second Close for a connection closed for good is ignored",
		Run: func(t *T) {
			other := t.Open()
			c := t.Open()
			c.End()
			c.Close()
			c.Tun.ExpectNone("a Close too many gets no answer", AnythingFor(c.ID))
			other.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "CLOSE-008", Role: Both, Title: "on Close the subject stops sending what its local peer goes on to send",
		Races: "how much Data is in line when Close comes is a matter of time",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection is open")
			const total = 64 << 20 // more than all socket buffers on the way can hold
			c.Tun.Hold()
			c.Local.Write(make([]byte, total))
			c.Close()
			c.Tun.Release()
			sent := 0
			for {
				f := c.Tun.Expect("the subject's own Close comes", AnythingFor(c.ID), Within(CloseTotal+Answer))
				if f.Type != TypeData {
					break
				}
				sent += len(f.Octets())
			}
			t.Check(sent < total, "", "all %d octets of the local peer came after Close", sent)
		},
	},
	{
		ID: "CLOSE-010", Role: Both, Title: "a reset local socket becomes Close at once",
		Races: "a side that takes about 5 s is in time now and then",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			c.Send(t.Octets(200_000))
			c.Tun.Barrier()
			c.Local.Abort()
			c.ExpectClose("Close comes at once", Within(Answer))
		},
	},
}
