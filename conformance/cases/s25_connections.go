package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// Section 25.1, IDs.
var extIDs = slices.Concat([]Case{
	{
		ID: "XID-001", Role: Server, Title: "the IDs of OPENs rise, and none is used again",
		Run: func(t *T) {
			n := t.Extended()
			last := int64(-1)
			for i := range 20 {
				c := t.Open()
				t.Check(int64(c.ID) > last, "", "ID %d comes after %d", c.ID, last)
				last = int64(c.ID)
				switch i % 3 {
				case 0:
					c.Reset(wire.CodeReset)
				case 1:
					c.Local.Abort()
					c.ExpectReset("the visitor's reset becomes RESET", For("RESET-001"))
				}
			}
			n.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "XID-002", Variant: "gap", Role: Client, Title: "an ID may be far above the one before",
		Run: func(t *T) {
			n, svc := t.Extended(), t.Service()
			t.Open().Works("the first connection works")
			open := wire.Open(n.NextID()+1<<24, wire.U16(wire.TagPort, svc.Port), wire.Text(wire.TagHost, svc.Host))
			n.Send(open)
			svc.Accept("the client dials for an ID with a gap before it")
			n.Expect("and says so", OpenedFor(open.ID()))
			n.Send(Data(open.ID()-1, []byte("never opened")), wire.Fin(open.ID()-2))
			n.Quiet("an ID in the gap is like one that is gone", open.ID()-1)
		},
	},
	{
		ID: "XID-002", Variant: "gone", Role: Client, Title: "an OPEN with the ID of a connection that is gone is a tunnel error",
		Run: func(t *T) {
			n := t.Extended()
			t.Working()
			c := t.Working()
			c.Reset(wire.CodeReset)
			n.Barrier()
			n.Send(c.Request)
			breaks(t, n, "an ID that was used ends the tunnel")
		},
	},
	{
		ID: "XID-003", Variant: "fresh", Role: Both, Title: "with no connection so far every ID is above the highest, 0 too",
		Run: func(t *T) {
			n := t.Extended()
			n.Send(Close(0))
			n.Quiet("Close for such an ID is ignored", 0)
			n.Send(wire.Window(0, 1))
			breaks(t, n, "WINDOW for an ID that nobody used ends the tunnel")
		},
	},
	{
		ID: "XID-004", Role: Both, Title: "late frames for an ID that is gone are dropped without answer",
		Run: func(t *T) {
			n := t.Extended()
			other := t.Working()
			reset, ended := t.Working(), t.Working()
			reset.Local.Abort()
			reset.ExpectReset("a reset local socket becomes RESET", For("RESET-001"))
			ended.Local.Finish()
			ended.ExpectFin("the end of the local stream becomes FIN", For("FIN-001"))
			ended.Fin()
			ended.Local.ExpectEOF("and so the other way", For("FIN-002"))
			for _, c := range []*Conn{reset, ended} {
				n.Send(Data(c.ID, []byte("late")), wire.Fin(c.ID), wire.Window(c.ID, 1<<30), wire.Reset(c.ID, wire.CodeReset, ""), Close(c.ID))
				if t.Case.Role == Server {
					n.Send(wire.Opened(c.ID), Response(c.ID, Success))
				}
				n.Quiet("late frames get no answer", c.ID)
			}
			other.Works("the other connection goes on")
		},
	},
}, fouls(
	foul{
		id: "XID-002", variant: "equal", role: Client, title: "an OPEN with the ID of a connection that lives is a tunnel error",
		send: raw(func(c *Conn) Frame { return c.Request }),
	},
	foul{
		id: "XID-002", variant: "lower", role: Client, title: "an OPEN with an ID below the highest is a tunnel error",
		send: raw(func(c *Conn) Frame { return with(wire.Open(c.ID-1), c.Request.Payload[4:]) }),
	},
	foul{
		id: "XID-003", variant: "data", role: Both, title: "Data for an ID above the highest is a tunnel error, Close is ignored",
		twin: raw(func(c *Conn) Frame { return Close(c.ID + 1000) }), send: raw(func(c *Conn) Frame { return Data(c.ID+1000, []byte("x")) }),
	},
	foul{
		id: "XID-003", variant: "fin", role: Both, title: "FIN for an ID above the highest is a tunnel error, Close is ignored",
		twin: raw(func(c *Conn) Frame { return Close(c.ID + 1000) }), send: raw(func(c *Conn) Frame { return wire.Fin(c.ID + 1000) }),
	},
	foul{
		id: "XID-003", variant: "reset", role: Both, title: "RESET for an ID above the highest is a tunnel error, Close is ignored",
		twin: raw(func(c *Conn) Frame { return Close(c.ID + 1000) }), send: raw(func(c *Conn) Frame { return wire.Reset(c.ID+1000, wire.CodeReset, "") }),
	},
	foul{
		id: "XID-003", variant: "opened", role: Server, title: "OPENED for an ID above the highest is a tunnel error, ConnectResponse is ignored",
		twin: raw(func(c *Conn) Frame { return Response(c.ID+1000, Success) }), send: raw(func(c *Conn) Frame { return wire.Opened(c.ID + 1000) }),
	},
	foul{
		id: "XID-005", variant: "close", role: Both, title: "Close for an extended connection is a tunnel error",
		send: raw(func(c *Conn) Frame { return Close(c.ID) }),
	},
	foul{
		id: "XID-005", variant: "response", role: Server, title: "ConnectResponse for an extended connection is a tunnel error",
		send: raw(func(c *Conn) Frame { return Response(c.ID, Success) }),
	},
	foul{
		id: "XOPEN-016", variant: "open", role: Server, title: "OPEN from a client is a tunnel error",
		send: raw(func(c *Conn) Frame { return wire.Open(c.ID+1, wire.U16(wire.TagPort, 80)) }),
	},
	foul{
		id: "XOPEN-016", variant: "opened", role: Client, title: "OPENED from a server is a tunnel error",
		send: raw(func(c *Conn) Frame { return wire.Opened(c.ID) }),
	},
))

// s25 proves section 25.
var s25 = slices.Concat(extIDs, extOpening, extEnds)
