package cases

import (
	"encoding/binary"
	"fmt"
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// optionTags are the tags of HELLO that options have, which this text does not define.
var optionTags = []wire.Tag{0x0010, 0x0011, 0x0012, 0x0013}

// optionTypes are the types that are set aside for options.
var optionTypes = []Type{0x15, 0x19, 0x1A, 0x1B, 0x1C, 0x1E}

// filled is a HELLO of the suite that is so many octets long.
func filled(t *T, octets int) Frame {
	f := t.Hello(Greeting{Window: 1 << 20})
	value := make([]byte, octets-int(f.Size)-4)
	return with(f, append(binary.BigEndian.AppendUint16([]byte{0x0A, 0x0A}, uint16(len(value))), value...))
}

// s23 proves section 23.
var s23 = slices.Concat([]Case{
	{
		ID: "HELLO-002", Role: Server, Bare: true, Title: "HELLO is answered by one HELLO, before what comes behind it",
		Run: func(t *T) {
			n := t.Dial()
			n.Send(t.Hello(Greeting{Window: 1 << 20}), KeepAlive())
			n.ExpectNext("the server answers HELLO first", AHello(), func(Frame) bool { return false })
			n.Expect("then the KeepAlive", AKeepAlive(), For("ALIVE-002"))
			n.ExpectNone("there is one HELLO", AHello())
			t.Open().Works("and the tunnel serves")
		},
	},
	{
		ID: "HELLO-002", Variant: "empty", Role: Server, Bare: true, Title: "a HELLO that states nothing is a HELLO",
		Run: func(t *T) {
			n := t.Dial()
			n.Send(wire.Hello())
			n.ExpectHello(For("HELLO-002"))
			t.Open().Works("the tunnel is extended, and serves")
		},
	},
	{
		ID: "HELLO-003", Variant: "keepalive", Role: Server, Bare: true, Title: "HELLO behind another frame is a tunnel error",
		Run: func(t *T) { lateHello(t, KeepAlive()) },
	},
	{
		ID: "HELLO-003", Variant: "unknown-type", Role: Server, Bare: true, Title: "HELLO behind a frame of an unknown type is a tunnel error",
		Run: func(t *T) { lateHello(t, Raw(0x80, 1)) },
	},
	{
		ID: "HELLO-003", Variant: "second", Role: Server, Title: "a second HELLO is a tunnel error",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(t.Hello(Greeting{Window: 1}))
			breaks(t, n, "a second HELLO ends the tunnel")
			c.Local.ExpectEnd("and its visitors", For("LOSS-001"))
		},
	},
	{
		ID: "HELLO-003", Variant: "flood", Role: Server, Needs: NeedManyTunnels, Title: "HELLO a thousand times ends that tunnel, and no other",
		Run: func(t *T) {
			n := t.Dial() // before the other: a server may keep the newest tunnel alone (MULTI-001)
			t.Extended()
			c := t.Working()
			n.Send(slices.Repeat([]Frame{t.Hello(Greeting{Window: 1})}, 1000)...)
			n.ExpectClosed("the second HELLO ends the tunnel")
			c.Works("the other tunnel goes on", For("ERR-003"))
		},
	},
	{
		ID: "HELLO-004", Variant: "flood", Role: Client, Title: "HELLO a thousand times ends the tunnel, and the next one serves",
		Run: func(t *T) {
			n := t.Extended()
			t.Working()
			n.Send(slices.Repeat([]Frame{t.Hello(Greeting{Window: 1})}, 1000)...)
			n.ExpectClosed("the second HELLO ends the tunnel")
			t.Extended()
			t.Open().Works("the next tunnel serves")
		},
	},
	{
		ID: "HELLO-004", Variant: "second", Role: Client, Title: "a second HELLO of the server is a tunnel error",
		Run: func(t *T) {
			n := t.Extended()
			t.Working()
			n.Send(t.Hello(Greeting{Window: 1}))
			breaks(t, n, "a second HELLO ends the tunnel")
		},
	},
	{
		ID: "HELLO-004", Variant: "late", Role: Client, Bare: true, Title: "a HELLO of a server that was taken for a Core one is a tunnel error",
		Run: func(t *T) {
			n := t.Accept()
			n.ExpectHello()
			n.Decline()
			n.Send(KeepAlive()) // for a client that did not ask (HELLO-011)
			n.Barrier()
			n.Greet(Greeting{Window: 1})
			n.ExpectClosed("HELLO behind the sign of a Core server ends the tunnel")
		},
	},
	{
		ID: "HELLO-005", Role: Server, Bare: true, Title: "the server's HELLO has no option that was not offered",
		Run: func(t *T) {
			n := t.Extended()
			f, _ := n.Hello()
			for _, tag := range optionTags {
				_, has := f.Tag(tag)
				t.Check(!has, "", "the server's HELLO has tag %s, which the client's had not", tag)
			}
			t.Open().Works("the tunnel serves")
		},
	},
	{
		ID: "HELLO-007", Variant: "skipped", Role: Both, Bare: true, Title: "before both HELLOs extended frames are skipped, as by a Core peer",
		Run: func(t *T) {
			n := t.Tunnel()
			if t.Case.Role == Client {
				n.ExpectHello()
			}
			for typ := Type(0x11); typ <= 0x3F; typ++ {
				if typ == TypeGoAway && t.Case.Role == Client {
					continue // it ends the tunnel
				}
				n.Send(Raw(typ, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9))
			}
			n.ExpectOpen("frames of types 0x11 to 0x3F are skipped")
			if t.Case.Role == Client {
				n.Greet(Greeting{Window: 1 << 20})
				n.ExpectOpen("and HELLO is answered by an extended tunnel")
			}
			t.Open().Works("the tunnel serves")
		},
	},
	{
		ID: "HELLO-007", Variant: "silent", Role: Server, Bare: true, Title: "on a tunnel without HELLO the server sends no extended frame",
		Run: session,
	},
	{
		ID: "HELLO-008", Role: Server, Title: "behind its HELLO a server opens by OPEN alone",
		Run: func(t *T) {
			n := t.Extended()
			for range 5 {
				t.Open().Works("a visitor is served")
			}
			n.ExpectNone("no ConnectRequest comes", AnyRequest())
		},
	},
	{
		ID: "HELLO-009", Variant: "beside", Role: Both, Bare: true, Title: "a Core connection that crossed HELLO and an extended one, side by side",
		Run: func(t *T) {
			core, n := crossed(t)
			c := t.Open()
			for range 3 {
				core.Works("the Core connection echoes")
				c.Works("and the extended one")
			}
			core.Local.Finish()
			core.ExpectClose("the Core connection ends as Core's do", For("CLOSE-002"))
			core.Close()
			n.Barrier()
			core.Tun.Send(Data(core.ID, []byte("late")))
			n.Quiet("Data for the ID of a Core connection that has ended is dropped without answer", core.ID)
			c.Works("the extended connection goes on")
		},
	},
	{
		ID: "HELLO-009", Variant: "foreign", Role: Both, Bare: true, Title: "an extended frame that names a Core connection is a tunnel error",
		Run: func(t *T) {
			core, n := crossed(t)
			core.Works("the Core connection echoes")
			n.Send(wire.Fin(core.ID))
			breaks(t, n, "FIN for a Core connection ends the tunnel")
		},
	},
	{
		ID: "HELLO-010", Role: Client, Bare: true, Title: "a client whose HELLO a Core server skips speaks Core",
		Run: func(t *T) {
			n := t.Accept()
			n.ExpectHello()
			n.Decline()
			n.Send(KeepAlive())
			svc, id := t.Service(), n.NextID()
			n.Send(RequestTo(id, svc.Host, svc.Port))
			k := svc.Accept("the client serves a ConnectRequest")
			n.Expect("and answers as a Core client", SuccessFor(id), Within(LocalEffect))
			c := Conn{Tun: n, ID: id, Local: k}
			c.Works("octets pass")
			c.End()
		},
	},
	{
		ID: "HELLO-011", Role: Client, Bare: true, Title: "a KeepAlive comes right behind HELLO",
		Run: func(t *T) {
			n := t.Accept()
			n.ExpectHello()
			t.Check(t.Meanwhile(Answer, n.Asked), "", "no KeepAlive came behind HELLO within %s", Answer)
			n.Decline()
			t.Open().Works("the client serves")
		},
	},
	{
		ID: "HELLO-012", Role: Both, Bare: true, Title: "a HELLO of 4,096 octets is taken, one octet more is a tunnel error at its header",
		Run: func(t *T) {
			hello(t, filled(t, wire.MaxTLVs), "")
			t.Tunnel().Close()
			nextTunnel(t)
			n := t.Tunnel()
			n.SendRaw(Header(Version, TypeHello, wire.MaxTLVs+1))
			n.ExpectClosed("the header of a HELLO that is too long ends the tunnel")
		},
	},
}, agreed())

// lateHello sends a HELLO that is not the client's first frame; its twin, which is, went well.
func lateHello(t *T, before Frame) {
	t.Extended()
	t.Working()
	n := t.Dial()
	n.Send(before, t.Hello(Greeting{}))
	n.ExpectClosed("HELLO behind another frame ends the tunnel")
}

// nextTunnel takes up the subject's next tunnel, and reads a client's HELLO.
func nextTunnel(t *T) {
	if t.Case.Role != Client {
		t.Dial()
		return
	}
	t.Accept().ExpectHello()
}

// crossed is a Core connection whose request crossed HELLO, on a tunnel that is extended by now.
func crossed(t *T) (*Conn, *Tunnel) {
	n := t.Tunnel()
	if t.Case.Role == Client {
		n.ExpectHello()
		c := t.Open()
		n.Greet(Greeting{Window: 1 << 20})
		n.Barrier()
		return c, n
	}
	c := t.Requested()
	n.Greet(Greeting{Window: 1 << 20})
	n.ExpectHello()
	c.Respond(Success)
	return c, n
}

// agreed makes cases of what HELLO did not agree to.
func agreed() (out []Case) {
	for _, typ := range optionTypes {
		out = append(out, fouls(foul{
			id: "HELLO-006", variant: fmt.Sprintf("type-%02x", byte(typ)), role: Both, title: "a frame of an option that was not agreed is a tunnel error, one of an unknown type is skipped",
			twin: raw(func(*Conn) Frame { return Raw(0x30, 0, 0, 0, 1) }, func(*Conn) Frame { return Raw(0x2A, 1, 2, 3) }),
			send: raw(func(c *Conn) Frame { return Raw(typ, 0, 0, 0, 1, 0, 0, 0) }),
		})...)
	}
	out = append(out, fouls(foul{
		id: "HELLO-008", variant: "request", role: Client, title: "a ConnectRequest behind the server's HELLO is a tunnel error",
		send: raw(func(c *Conn) Frame {
			return RequestTo(c.Tun.NextID(), "127.0.0.1", 9)
		}),
	})...)
	for _, tag := range optionTags {
		out = append(out, Case{
			ID: "HELLO-005", Variant: "unoffered-" + tag.String(), Role: Client, Bare: true, Title: "a server's HELLO with an option that was not offered is a tunnel error",
			Run: func(t *T) {
				n := t.Accept()
				f := n.ExpectHello()
				if _, offered := f.Tag(tag); offered {
					t.NotApplicable("the client offers the option of tag %s", tag)
				}
				n.Greet(Greeting{Extra: []TLV{{Tag: tag}}})
				breaks(t, n, "an option that was not offered ends the tunnel")
				t.Extended()
				t.Open().Works("the next tunnel, whose HELLO has none, serves")
			},
		})
	}
	return out
}
