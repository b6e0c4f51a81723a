package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// few is how many octets are sent to a local peer that reads nothing: more than a narrow socket takes.
const few = 400_000

// stuff sends Data for a local peer that reads nothing, or no more than a small queue makes it, and is sure that the subject has it.
func stuff(t *T, c *Conn) []byte {
	c.Local.Hold()
	octets := t.Octets(few)
	for chunk := range slices.Chunk(octets, FairPayload-4) {
		c.Send(chunk)
	}
	c.Tun.MakeRoom(c.Local)
	return octets
}

// linger is a connection whose ID is idle while the subject still has octets for the local peer, which reads nothing.
func linger(t *T) (*Conn, []byte) {
	t.Narrow()
	c := t.Open()
	c.Works("the connection is open")
	octets := stuff(t, c)
	c.Local.Finish()
	c.ExpectClose("the end of the local stream becomes Close", For("CLOSE-002"))
	c.Close()
	c.Tun.Barrier()
	return c, octets
}

// s10 proves section 10.
var s10 = []Case{
	{
		ID: "CLOSE-001", Variant: "local-first", Role: Both, Title: "one Close when the local peer ends first",
		Run: func(t *T) {
			c := t.Working()
			c.Local.Finish()
			c.ExpectClose("the end of the local stream becomes Close", For("CLOSE-002"))
			c.Close()
			c.Tun.ExpectNone("and no second one", CloseFor(c.ID))
		},
	},
	{
		ID: "CLOSE-001", Variant: "tunnel-first", Role: Both, Title: "one Close when the tunnel's peer ends first",
		Run: func(t *T) {
			c := t.Working()
			c.End()
			c.Tun.ExpectNone("no second Close", CloseFor(c.ID))
		},
	},
	{
		ID: "CLOSE-001", Variant: "crossing", Role: Both, Title: "one Close when both end at once",
		Run: func(t *T) {
			var conns []*Conn
			for range 10 {
				conns = append(conns, t.Working())
			}
			for _, c := range conns {
				c.Local.Finish()
				c.Close()
			}
			for _, c := range conns {
				c.ExpectAnswer("one Close")
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
			c := t.Working()
			c.Local.Abort()
			c.ExpectClose("a reset local socket becomes Close", Within(OwnClose)) // at once is CLOSE-010
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
			c.ExpectAnswer("the subject sends its own Close")
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
			c.ExpectAnswer("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-003", Variant: "ended-early", Role: Server, Title: "a visitor that ended its stream while its request was pending reads the end of the stream",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Write([]byte("my whole request"))
			c.Local.Finish()
			t.Requested()
			c.Respond(Success)
			c.ExpectData("what it sent is delivered", []byte("my whole request"), For("OPEN-021"))
			c.ExpectClose("then Close comes", For("OPEN-021"))
			c.Local.ExpectEOF("its write side is shut down, not reset")
			c.Close()
		},
	},
	{
		ID: "CLOSE-004", Role: Both, Title: "Close is answered with Close, even when the local peer keeps its side open",
		Run: func(t *T) {
			c := t.Working()
			c.Close()
			c.ExpectAnswer("the subject's own Close comes within 30 s")
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
			c.Tun.Barrier()
			c.Local.Write(t.Octets(200_000)) // a socket closed by now answers with a reset
			c.Local.ExpectSent("the subject goes on reading", Within(CloseDrain))
			c.Tun.Barrier()
			c.Local.Release()
			c.Local.ExpectOctets("no reset destroys what was not read yet", octets)
			c.Local.ExpectEOF("the stream ends in order")
			c.ExpectAnswer("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-005", Variant: "at-least", Role: Both, Title: "a local socket is kept for 5 s after the end was passed on", Wait: CloseDrain,
		Run: func(t *T) {
			c := t.Working()
			start := t.Now()
			c.Close()
			c.Local.ExpectEOF("the local peer reads the end of the stream", For("CLOSE-003"))
			refused := func() bool { return c.Local.Refused() > 0 }
			for probe := start + CloseDrain/50; probe < start+CloseDrain; probe += CloseDrain / 50 { // a socket closed by now answers with a reset, seen at the next probe
				if t.Meanwhile(probe-t.Now(), refused) || t.Now() > start+CloseDrain {
					break
				}
				c.Local.Write(t.Octets(1))
			}
			t.Meanwhile(start+CloseDrain-t.Now(), refused)
			at := c.Local.Refused()
			t.Check(at == 0 || at >= start+CloseDrain, "", "the local socket was closed %v after Close, while its peer was still sending", at-start)
			c.ExpectAnswer("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-005", Variant: "sends-on", Role: Both, Title: "a local peer that sends on for ever loses nothing that it has not read", Wait: CloseDrain,
		Races: "how much of it the subject reads is its own choice",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			octets := t.Octets(150_000)
			c.Send(octets)
			start := t.Now()
			c.Close()
			c.Tun.Barrier()
			c.Local.Write(make([]byte, 32<<20))
			t.Meanwhile(start+CloseDrain/2-t.Now(), func() bool { return false })
			c.Local.Release()
			c.Local.ExpectOctets("no reset destroys what was not read yet", octets)
			c.ExpectAnswer("the subject sends its own Close")
		},
	},
	{
		ID: "CLOSE-006", Variant: "reads-on", Role: Both, Title: "a local peer that goes on reading after Close gets everything", Wait: CloseTotal + Answer,
		Races: "how much a socket takes at a time is up to the kernel",
		Also:  []string{"CLOSE-004"},
		Run: func(t *T) {
			t.Narrow()
			c := t.Open()
			octets := stuff(t, c)
			start := t.Now()
			c.Close()
			ended := func() bool { return c.Local.Ended() != EndNone }
			t.Meanwhile(CloseStall/2, ended)
			c.Local.Sip(few / 6) // enough for a kernel to let the subject know, and not to take all that is left
			t.Meanwhile(start+CloseStall+Answer/2-t.Now(), ended)
			c.ExpectClose("the subject's own Close does not wait longer than 30 s", For("CLOSE-004"), Within(Answer))
			c.Local.Release()
			c.Local.ExpectOctets("a peer that reads on is not cut after 30 s", octets)
			c.Local.ExpectEOF("then comes the end of the stream", For("CLOSE-003"))
		},
	},
	{
		ID: "CLOSE-006", Role: Both, Title: "a local peer that never reads is reset 30 s after Close", Wait: CloseTotal,
		Races: "how much a socket takes before it is reset is up to the kernel",
		Also:  []string{"CLOSE-004", "FLOW-002"},
		Run: func(t *T) {
			t.Open() // for its sake a subject with a small queue gives up the other by FLOW-002
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
			c := t.Working()
			const total = 64 << 20 // more than all socket buffers on the way can hold
			c.Tun.Hold()
			c.Local.Write(make([]byte, total))
			c.Close()
			c.Tun.Release()
			sent := 0
			for {
				f := c.Tun.Expect("the subject's own Close comes", AnythingFor(c.ID), Within(OwnClose))
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
	{
		ID: "CLOSE-012", Role: Both, Title: "octets that are queued when the ID becomes idle are written all the same",
		Run: func(t *T) {
			c, octets := linger(t)
			c.Send(nil)
			c.ExpectClose("the ID is idle", For("DATA-004"))
			c.Local.Release()
			c.Local.ExpectOctets("the local peer reads every octet", octets)
			c.Local.ExpectEOF("then the end of the stream")
		},
	},
	{
		ID: "CLOSE-012", Variant: "tunnel-lost", Role: Both, Title: "a connection that both sides have closed is finished without the tunnel",
		Run: func(t *T) {
			other := t.Open()
			c, octets := linger(t)
			c.Tun.Abort()
			other.Local.ExpectEnd("the loss of the tunnel is noticed", For("LOSS-001"))
			c.Local.Release()
			c.Local.ExpectOctets("the local peer reads every octet", octets)
			c.Local.ExpectEOF("then the end of the stream")
		},
	},
}
