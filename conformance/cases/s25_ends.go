package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// queued is a connection whose local peer reads nothing, and what was sent to it: more than a narrow socket takes, as far as the
// window allows.
func queued(t *T, n *Tunnel) (c *Conn, octets []byte) {
	t.Narrow()
	c, octets = t.Open(), t.Octets(room(n, few))
	c.Local.Hold()
	for chunk := range slices.Chunk(octets, FairPayload-4) {
		c.SendNow(chunk)
	}
	return c, octets
}

// Section 25.3, half-close and reset.
var extEnds = slices.Concat([]Case{
	{
		ID: "FIN-001", Role: Both, Title: "the end of the local stream becomes FIN, and what comes is still delivered",
		Run: func(t *T) {
			t.Extended()
			c := t.Working()
			last := t.Octets(30_000)
			c.Local.Write(last)
			c.Local.Finish()
			c.ExpectData("every octet before the end comes before FIN", last)
			c.ExpectFin("then FIN", Within(LocalEffect))
			for range 3 {
				more := t.Octets(20_000)
				c.Send(more)
				c.Local.ExpectOctets("what comes behind the subject's FIN is delivered", more)
			}
			c.Fin()
			c.Local.ExpectEOF("to its end", For("FIN-002"))
		},
	},
	{
		ID: "FIN-001", Variant: "large", Role: Both, Title: "a question, its end, and an answer of 4 MiB",
		Run: func(t *T) {
			t.Extended()
			c := t.Open()
			c.Grant(wire.NoLimit)
			c.Send([]byte("question"))
			c.Fin()
			c.Local.ExpectOctets("the question is read", []byte("question"))
			c.Local.ExpectEOF("to its end", For("FIN-002"))
			answer := t.Octets(4 << 20)
			c.Local.Write(answer)
			c.Local.Finish()
			c.ExpectData("the whole answer comes back", answer)
			c.ExpectFin("then its end", Within(LocalEffect))
		},
	},
	{
		ID: "FIN-002", Role: Both, Title: "FIN shuts down the local write side, and the other direction goes on",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			last := t.Octets(30_000)
			c.Send(last)
			c.Fin()
			c.Local.ExpectOctets("what came before FIN is written", last)
			c.Local.ExpectEOF("then the end of the stream")
			n.ExpectNone("and nothing ends the connection", ResetFor(c.ID))
			for range 3 {
				more := t.Octets(20_000)
				c.Local.Write(more)
				c.ExpectData("the other direction goes on", more)
			}
			c.Local.Finish()
			c.ExpectFin("to its own end", For("FIN-001"), Within(LocalEffect))
		},
	},
	{
		ID: "FIN-002", Variant: "slow-reader", Role: Both, Title: "a local peer that reads late gets every octet, then the end",
		Run: func(t *T) {
			n := t.Extended()
			c, last := queued(t, n)
			c.Fin()
			n.Barrier()
			t.Meanwhile(Settle, func() bool { return c.Local.Ended() != EndNone })
			c.Local.Release()
			c.Local.ExpectOctets("what came before FIN is written", last)
			c.Local.ExpectEOF("then the end of the stream")
		},
	},
	{
		ID: "FIN-004", Variant: "crossing", Role: Both, Title: "FIN against FIN: nothing more for that ID, and the local socket is closed",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			var conns []*Conn
			for range 5 {
				conns = append(conns, t.Working())
			}
			for _, c := range conns {
				c.Local.Finish()
				c.Fin()
			}
			for _, c := range conns {
				c.ExpectFin("the subject's FIN comes", For("FIN-001"), Within(LocalEffect))
				c.Local.ExpectEOF("the local stream ends in order")
				n.Quiet("and nothing more for that ID", c.ID)
			}
			other.Works("the tunnel goes on")
		},
	},
	{
		ID: "FIN-004", Variant: "silent", Role: Both, Title: "both directions end with no octet at all",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			c.Fin()
			c.Local.ExpectEOF("FIN ends the local stream", For("FIN-002"))
			c.Local.Finish()
			c.ExpectFin("and so the other way", For("FIN-001"), Within(LocalEffect))
			n.Quiet("and nothing more for that ID", c.ID)
		},
	},
	{
		ID: "FIN-004", Variant: "tunnel-ends", Role: Both, Title: "what is queued is written although the tunnel has ended",
		Run: func(t *T) {
			n := t.Extended()
			c, last := queued(t, n)
			c.Fin()
			c.Local.Finish()
			c.ExpectFin("both directions have ended", For("FIN-001"), Within(LocalEffect))
			n.Barrier()
			n.Abort()
			t.Meanwhile(Settle, func() bool { return c.Local.Ended() != EndNone })
			c.Local.Release()
			c.Local.ExpectOctets("a slow reader gets all of it", last)
			c.Local.ExpectEOF("and the end of the stream")
		},
	},
	{
		ID: "FIN-004", Variant: "reset", Role: Both, Title: "a local socket that is reset when both directions have ended: nothing more for that ID",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			c, _ := queued(t, n)
			c.Fin()
			c.Local.Finish()
			c.ExpectFin("both directions have ended", For("FIN-001"), Within(LocalEffect))
			n.Barrier()
			c.Local.Abort()
			t.Meanwhile(Settle, c.Gone) // in which the subject sees it
			n.Quiet("what becomes of the rest is nobody's affair", c.ID)
			other.Works("the tunnel goes on")
		},
	},
	{
		ID: "FIN-005", Role: Both, Wait: CloseTotal + Answer, Title: "a connection of which one direction has ended is left alone",
		Run: func(t *T) {
			n := t.Extended()
			a, b := t.Working(), t.Working()
			a.Local.Finish()
			a.ExpectFin("the end of the local stream becomes FIN", For("FIN-001"), Within(LocalEffect))
			b.Fin()
			b.Local.ExpectEOF("FIN ends the local stream", For("FIN-002"))
			gone := func() bool { return a.Local.Ended() != EndNone || n.Ended() != EndNone }
			t.Meanwhile(CloseTotal+Answer, gone)
			t.Check(!gone(), "", "a connection of which one direction had ended was ended")
			octets := t.Octets(5000)
			a.Send(octets)
			a.Local.ExpectOctets("the other direction works", octets)
			b.Local.Write(octets)
			b.ExpectData("and so the other way", octets)
		},
	},
	{
		ID: "RESET-001", Role: Both, Title: "a local socket that is reset becomes RESET",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			c := t.Working()
			c.Local.Abort()
			f := c.ExpectReset("a reset local socket becomes RESET", Within(LocalEffect))
			t.Check(f.Code() == wire.CodeReset, "", "the code of a socket that was reset is reset: %s", f)
			n.Quiet("and nothing more for that ID", c.ID)
			other.Works("other connections go on")
		},
	},
	{
		ID: "RESET-002", Role: Both, Title: "RESET resets the local socket, and is not answered",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			for _, code := range []wire.Code{wire.CodeReset, wire.CodeGeneral, wire.CodeIdle} {
				c := t.Working()
				c.Reset(code)
				c.Local.ExpectReset("the local socket is reset")
				n.Quiet("RESET gets no answer", c.ID)
			}
			other.Works("other connections go on")
		},
	},
	{
		ID: "RESET-002", Variant: "crossing", Role: Both, Title: "RESET against RESET: neither is answered",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			for range 5 {
				c := t.Working()
				c.Local.Abort()
				c.Reset(wire.CodeReset)
				n.Barrier()
				n.ExpectNone("at most the subject's own RESET comes", FinFor(c.ID))
			}
			other.Works("other connections go on")
		},
	},
	{
		ID: "RESET-002", Variant: "queued", Role: Both, Title: "RESET drops what is queued",
		Races: "how much the local socket took before the RESET is a matter of time",
		Run: func(t *T) {
			n := t.Extended()
			c, _ := queued(t, n)
			c.Reset(wire.CodeReset)
			n.Barrier()
			t.Meanwhile(Settle, func() bool { return c.Local.Ended() != EndNone })
			c.Local.Release()
			t.Until("the local socket is reset", func() bool { return c.Local.Ended() == EndReset })
		},
	},
	{
		ID: "RESET-003", Role: Both, Title: "a RESET with any code and any text is taken",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			for _, x := range []struct {
				code wire.Code
				text string
			}{{0x7777, ""}, {0xFFFF, "\xff\xfe\x00\r\n"}, {0, "why"}, {wire.CodeReset, string(t.Octets(256))}} {
				c := t.Working()
				n.Send(wire.Reset(c.ID, x.code, x.text))
				c.Local.ExpectReset("the local socket is reset", For("RESET-002"))
			}
			n.ExpectOpen("the tunnel goes on")
			other.Works("and its connections")
		},
	},
	{
		ID: "RESET-005", Role: Both, Title: "a local socket that is reset behind its FIN is noticed",
		Run: func(t *T) {
			t.Extended()
			c := t.Working()
			c.Local.Finish()
			c.ExpectFin("the end of the local stream becomes FIN", For("FIN-001"), Within(LocalEffect))
			c.Local.Abort()
			c.ExpectReset("and its reset RESET, though nothing is read there any more", Within(LocalEffect))
		},
	},
}, fouls(
	foul{
		id: "FIN-003", variant: "data", role: Both, title: "Data behind FIN is a tunnel error, WINDOW is not",
		twin: func(c *Conn) { c.Fin(); c.Grant(1 << 21) },
		send: func(c *Conn) { c.Fin(); c.SendNow([]byte("x")) },
	},
	foul{
		id: "FIN-003", variant: "empty", role: Both, title: "Data with no octets is nothing, and a tunnel error behind FIN",
		twin: raw(func(c *Conn) Frame { return Data(c.ID, nil) }),
		send: func(c *Conn) { c.Fin(); c.SendNow(nil) },
	},
	foul{
		id: "FIN-003", variant: "twice", role: Both, title: "a second FIN is a tunnel error, WINDOW is not",
		twin: func(c *Conn) { c.Fin(); c.Grant(1 << 21) },
		send: func(c *Conn) { c.Fin(); c.Fin() },
	},
))
