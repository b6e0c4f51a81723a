package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// s28 proves section 28.
var s28 = slices.Concat([]Case{
	{
		ID: "PING-001", Role: Both, Title: "each PING gets one PONG with its octets, in order",
		Run: func(t *T) {
			n := t.Extended()
			marks := []wire.Mark{n.Ping(), n.Ping(), n.Ping()}
			n.Send(wire.Ping(wire.Mark{}), wire.Ping(wire.Mark{}))
			for _, m := range append(marks, wire.Mark{}, wire.Mark{}) {
				n.ExpectNext("PONGs come in the order of their PINGs", PongFor(m), func(f Frame) bool { return f.Type == TypeKeepAlive })
			}
			n.ExpectNone("and none too many", PongFor(wire.Mark{}))
		},
	},
	{
		ID: "PING-001", Variant: "barrier", Role: Both, Title: "a PONG says that every frame before the PING was handled",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			for range 5 {
				c.Reset(wire.CodeReset)
				n.Barrier()
				c.Local.ExpectReset("what came before was handled", For("RESET-002"))
				c = t.Working()
			}
		},
	},
	{
		ID: "PING-001", Variant: "busy", Role: Both, Title: "PONGs come while Data flows",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			c.Grant(wire.NoLimit)
			octets := t.Octets(8 << 20)
			c.Local.Write(octets)
			for range 5 {
				n.Barrier()
			}
			c.ExpectData("every octet comes", octets)
		},
	},
	{
		ID: "PING-002", Role: Both, Title: "a PONG that nobody asked for is ignored",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			for range 20 {
				n.Send(wire.Pong(wire.Mark(t.Octets(8))))
			}
			n.ExpectOpen("the tunnel goes on")
			c.Works("and its connections")
		},
	},
	{
		ID: "AWAY-001", Role: Server, Needs: NeedDrain, Title: "behind its GOAWAY a server sends no OPEN",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			t.Drain()
			n.Expect("a server that drains says GOAWAY drain", AGoAway(wire.CodeDrain))
			for range 3 {
				t.Try(func() { t.Visitor() }) // its port may be closed by now
			}
			n.ExpectNone("no OPEN follows", AnyOpen())
			c.Works("the connection goes on", For("AWAY-004"))
		},
	},
	{
		ID: "AWAY-002", Role: Server, Title: "a client's GOAWAY drain is answered by one, and is the last word about opening",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, "suite"), KeepAlive())
			n.Expect("the server answers GOAWAY drain with GOAWAY drain", AGoAway(wire.CodeDrain))
			n.Barrier()
			t.Visitor().ExpectEnd("a visitor that nobody can serve is ended at once", For("AWAY-008"), Within(Answer))
			n.ExpectNone("and asked for by no OPEN", AnyOpen(), For("AWAY-001"))
			c.Works("the connection goes on", For("AWAY-004"))
		},
	},
	{
		ID: "AWAY-003", Role: Client, Needs: NeedDrain, Title: "a client that drains goes on serving OPENs until the server's GOAWAY",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			t.Drain()
			n.Expect("a client that drains says GOAWAY drain", AGoAway(wire.CodeDrain))
			for range 3 {
				t.Open().Works("an OPEN that crossed it is served")
			}
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			n.Barrier()
			c.Works("and the connections go on", For("AWAY-004"))
		},
	},
	{
		ID: "AWAY-004", Role: Both, Title: "a transfer that is under way at a drain ends whole",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			c.Grant(wire.NoLimit)
			there, back := t.Octets(3<<20), t.Octets(3<<20)
			c.Local.Write(back)
			c.Send(there[:1<<20])
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			c.Send(there[1<<20:])
			c.Fin()
			c.Local.ExpectOctets("what was under way arrives", there)
			c.Local.ExpectEOF("to its end", For("FIN-002"))
			c.Local.Finish()
			c.ExpectData("and so the other way", back)
			c.ExpectFin("to its end", For("FIN-001"), Within(LocalEffect))
		},
	},
	{
		ID: "AWAY-005", Role: Client, Title: "a client dials the next tunnel at once when the server drains one that is in use",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			next := t.Accept(Within(Answer), For("AWAY-005"))
			next.Meet(Greeting{Window: 1 << 20})
			c.Works("the connection goes on on the old one", For("AWAY-004"))
			t.Open().Works("and the next one serves")
		},
	},
	{
		ID: "AWAY-006", Role: Client, Title: "the end of a drained tunnel is planned: the client dials at once",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			c.Local.Finish()
			c.Fin()
			c.ExpectFin("the connection ends", For("FIN-001"), Within(LocalEffect))
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			next := t.Accept(Within(Answer), For("AWAY-006"))
			next.Meet(Greeting{Window: 1 << 20})
			t.Open().Works("the next tunnel serves")
		},
	},
	{
		ID: "AWAY-007", Role: Both, Title: "a further GOAWAY is no error",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""), wire.GoAway(wire.CodeDrain, "again"), wire.GoAway(wire.CodeDrain, string(t.Octets(256))))
			n.ExpectOpen("the tunnel goes on")
			c.Works("and its connections")
		},
	},
	{
		ID: "AWAY-008", Variant: "alone", Role: Server, Title: "a visitor that comes during a drain, with no other tunnel, is ended at once",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			n.Expect("the server answers GOAWAY drain", AGoAway(wire.CodeDrain), For("AWAY-002"))
			for range 3 {
				t.Visitor().ExpectEnd("the visitor is ended at once, no octet sent to it", Within(Answer))
			}
			c.Works("the connection goes on", For("AWAY-004"))
		},
	},
	{
		ID: "AWAY-008", Role: Server, Needs: NeedManyTunnels, Title: "a visitor that comes during a drain goes to another tunnel",
		Run: func(t *T) {
			old := t.Extended()
			c := t.Working()
			next := t.Extended()
			old.Send(wire.GoAway(wire.CodeDrain, ""))
			old.Expect("the server answers GOAWAY drain", AGoAway(wire.CodeDrain), For("AWAY-002"))
			for range 3 {
				next.Requested().Served("the other tunnel serves the visitor")
			}
			old.ExpectNone("the drained one gets no OPEN", AnyOpen(), For("AWAY-001"))
			c.Works("and keeps its connections", For("AWAY-004"))
		},
	},
	{
		ID: "AWAY-009", Role: Both, Title: "at a tunnel error a GOAWAY with code protocol comes before the end",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(Close(c.ID))
			n.Expect("a GOAWAY says that a rule was broken", AGoAway(wire.CodeProtocol))
			n.ExpectClosed("then the tunnel ends", For("XID-005"))
		},
	},
	{
		ID: "AWAY-010", Role: Both, Wait: Answer, Title: "behind a GOAWAY with another code than drain nothing is answered, and the tunnel ends",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			start := t.Now()
			n.Send(wire.GoAway(wire.CodeGeneral, "planned"))
			m := n.Ping()
			t.Meanwhile(Settle, func() bool { return n.Ended() != EndNone })
			c.Local.Write(t.Octets(1000))
			n.ExpectClosed("the tunnel is closed 5 s later at the latest", Between(start, 0, 2*Answer))
			_, answered := n.Peek(PongFor(m))
			t.Check(!answered, "", "a PING behind it was answered")
			_, data := n.Peek(DataFor(c.ID))
			t.Check(!data, "", "Data was sent behind it")
		},
	},
	{
		ID: "AWAY-013", Role: Client, Title: "a client does not leave a drained tunnel while the next one is under way",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			if !t.Try(func() { t.Accept(Within(Answer)) }) {
				t.NotApplicable("the client dials the next tunnel when the old one has ended (AWAY-005)")
			}
			c.Local.Finish()
			c.Fin()
			c.ExpectFin("the last connection ends", For("FIN-001"), Within(LocalEffect))
			left := func() bool { _, said := n.Peek(AGoAway(wire.CodeDone)); return said || n.Ended() != EndNone }
			t.Meanwhile(Look, left)
			t.Check(!left(), "", "the client left the old tunnel though the next one was not up")
		},
	},
	{
		ID: "AWAY-013", Variant: "auth", Role: Client, With: WithKey, Title: "a client with a key does not leave a drained tunnel before the next one is up",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			if !t.Try(func() { t.Accept(Within(Answer)) }) {
				t.NotApplicable("the client dials the next tunnel when the old one has ended (AWAY-005)")
			}
			next := t.Tunnel()
			next.ExpectHello()
			greets(t, next, t.Offering(t.Auth(t.Key())), t.Key())
			c.Local.Finish()
			c.Fin()
			c.ExpectFin("the last connection ends", For("FIN-001"), Within(LocalEffect))
			left := func() bool { _, said := n.Peek(AGoAway(wire.CodeDone)); return said || n.Ended() != EndNone }
			t.Meanwhile(Look, left)
			t.Check(!left(), "", "the client left the old tunnel when the next one had a HELLO of the server, and was not up")
			next.Prove(t.Key())
			next.ExpectProof("the client proves itself on the next tunnel", t.Key(), For("AUTH-004"))
			next.Send(wire.Admit())
			n.Expect("when that is up GOAWAY done comes on the old one", AGoAway(wire.CodeDone), For("AWAY-014"))
		},
	},
	{
		ID: "AWAY-014", Role: Client, Title: "a client that has nothing left on a drained tunnel says GOAWAY done and closes it",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			if t.Try(func() { t.Accept(Within(Answer)) }) {
				next := t.Tunnel()
				next.Meet(Greeting{Window: 1 << 20})
				next.Barrier()
			}
			c.Local.Finish()
			c.Fin()
			c.ExpectFin("the last connection ends", For("FIN-001"), Within(LocalEffect))
			n.Expect("GOAWAY done comes", AGoAway(wire.CodeDone))
			n.ExpectClosed("then the end")
		},
	},
	{
		ID: "AWAY-015", Role: Server, Wait: 2 * Answer, Title: "a server closes a drained tunnel 5 s after its last connection, if the client does not",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			n.Expect("the server answers GOAWAY drain", AGoAway(wire.CodeDrain), For("AWAY-002"))
			c.Local.Finish()
			c.ExpectFin("the last connection ends", For("FIN-001"), Within(LocalEffect))
			start := t.Now()
			c.Fin()
			n.Expect("GOAWAY done comes 5 s later", AGoAway(wire.CodeDone), Exactly(start, Answer))
			n.ExpectClosed("then the end")
		},
	},
})
