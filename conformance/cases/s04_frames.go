package cases

import (
	"fmt"
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// Section 4, frames.
var s04 = slices.Concat([]Case{
	{
		ID: "FRAME-001", Role: Both, Title: "everything sent in a whole session is sound frames",
		Run: session,
	},
	{
		ID: "FRAME-009", Role: Both, Title: "no reserved type in a whole session",
		Run: session,
	},
	{
		ID: "FRAME-002", Variant: "nothing-after", Role: Both, Title: "nothing after a foreign version is acted on",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.SendRaw(append(Header(0x02, TypeKeepAlive, 0), Data(c.ID, []byte("late")).Bytes()...))
			c.Tun.ExpectClosed("a header with version 0x02 closes the tunnel")
			c.Local.ExpectEnd("Data after the foreign version is not delivered")
		},
	},
	{
		ID: "FRAME-003", Variant: "data", Role: Both, Title: "Data with a payload of exactly 1 MiB",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(MaxPayload - 4)
			c.Send(octets)
			c.Local.ExpectOctets("all octets of the largest Data frame arrive", octets)
			c.Works("the tunnel goes on after the largest frame")
		},
	},
	{
		ID: "FRAME-003", Variant: "unknown-type", Role: Both, Title: "an unknown type with a payload of exactly 1 MiB",
		Run: func(t *T) {
			c := t.Open()
			c.Tun.Send(Raw(0x80, t.Octets(MaxPayload)...))
			c.Works("the tunnel goes on after the largest frame of an unknown type")
		},
	},
	{
		ID: "FRAME-005", Role: Both, Title: "16 MiB from one local peer arrive in frames within the limit",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(16 << 20)
			c.Local.Write(octets)
			c.ExpectData("all octets come as Data", octets, Within(OthersGoOn))
		},
	},
	{
		ID: "FRAME-006", Variant: "one-octet", Role: Both, Title: "frames cut into single octets",
		Run: func(t *T) {
			c := t.Open()
			var all, want []byte
			for i := range 3 {
				octets := t.Octets(5 + i)
				want = append(want, octets...)
				all = append(all, Raw(0x06, octets...).Bytes()...)
				all = append(all, Data(c.ID, octets).Bytes()...)
			}
			c.Tun.SendPieces(all, 1, Apart)
			c.Local.ExpectOctets("octets arrive as if the frames had come whole", want)
			c.Works("the tunnel goes on")
		},
	},
	{
		ID: "FRAME-006", Variant: "opening", Role: Server, Title: "a success and Data cut into single octets",
		Run: func(t *T) {
			c := t.Requested()
			octets := t.Octets(9)
			c.Tun.SendPieces(append(Response(c.ID, Success).Bytes(), Data(c.ID, octets).Bytes()...), 1, Apart)
			c.Local.ExpectOctets("the connection opens and the octets arrive", octets)
		},
	},
	{
		ID: "FRAME-006", Variant: "opening", Role: Client, Title: "a ConnectRequest cut into single octets",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			id := n.NextID()
			n.SendPieces(RequestTo(id, svc.Host, svc.Port).Bytes(), 1, Apart)
			svc.Accept("the client dials the service")
			n.Expect("and answers with success", SuccessFor(id))
		},
	},
	{
		ID: "FRAME-006", Variant: "joined", Role: Both, Title: "many frames in one write",
		Run: func(t *T) {
			c := t.Open()
			var frames []Frame
			var want []byte
			for i := range 500 {
				octets := t.Octets(i % 7)
				want = append(want, octets...)
				frames = append(frames, Data(c.ID, octets), Raw(Type(0x40+i%0x40), octets...))
			}
			c.Tun.Send(frames...)
			c.Local.ExpectOctets("the octets of all frames arrive in order", want)
			c.Works("the tunnel goes on")
		},
	},
	{
		ID: "FRAME-006", Variant: "header-cuts", Role: Both, Title: "a frame cut at every octet of its header and ID",
		Run: func(t *T) {
			c := t.Open()
			for cut := 1; cut <= 11; cut++ {
				octets := t.Octets(8)
				b := Data(c.ID, octets).Bytes()
				c.Tun.SendRaw(b[:cut])
				c.Tun.SendRaw(b[cut:])
				c.Local.ExpectOctets(fmt.Sprintf("the octets arrive with a cut after octet %d", cut), octets)
			}
		},
	},
	{
		ID: "FRAME-006", Variant: "session", Role: Both, Title: "a whole session, which is the same however its octets are cut",
		Run: func(t *T) {
			session(t)
			if n := t.Tunnel(); t.Case.Role == Client {
				id := n.NextID()
				n.Send(Request(id, 0))
				n.Expect("port 0 is answered with a failure", FailureFor(id), For("OPEN-008"))
			}
		},
	},
	{
		ID: "FRAME-007", Role: Both, Title: "frames of unknown types are skipped, whatever their payload",
		Run: func(t *T) {
			c := t.Open()
			decoy := Close(c.ID).Bytes()
			for _, typ := range []Type{0x06, 0x0F, 0x40, 0x7F, 0x80, 0xFE, 0xFF} {
				c.Tun.Send(Raw(typ), Raw(typ, 0), Raw(typ, decoy...), Raw(typ, t.Octets(70_000)...))
				c.Works(fmt.Sprintf("the connection goes on after frames of type 0x%02X", byte(typ)))
			}
		},
	},
	{
		ID: "FRAME-010", Role: Both, Title: "with two busy connections Data stays at or below 64 KiB",
		Races: "how large a frame is depends on what waits at that instant",
		Run: func(t *T) {
			a, b := t.Open(), t.Open()
			const size = 24 << 20
			a.Tun.Hold() // both fill up before the first Data is taken
			a.Local.Write(t.Octets(size))
			b.Local.Write(t.Octets(size))
			// The suite takes a little at a time, so that both connections have octets waiting all along.
			var got [2]int
			small, large := 0, 0
			for got[0] < size/2 && got[1] < size/2 {
				t.Meanwhile(Moment, func() bool { return false })
				a.Tun.Release()
				for taken := 0; taken < 1<<20; {
					f := a.Tun.Expect("Data of both connections keeps coming", AnyData())
					i := 0
					if f.ID() == b.ID {
						i = 1
					}
					n := len(f.Octets())
					got[i] += n
					taken += n
					switch {
					case got[0] < size/4 || got[1] < size/4: // what was read before both were busy
					case n > FairPayload:
						large++
					default:
						small++
					}
				}
				a.Tun.Hold()
			}
			a.Tun.Release()
			// Now and then the queue runs empty, and a large frame is right: only a sender that never cuts is told.
			t.Check(large <= 16*small, "", "%d Data frames above 64 KiB, and %d not, while the other connection had octets waiting", large, small)
		},
	},
	{
		ID: "FRAME-011", Role: Both, Title: "a frame that drips in is given up", Wait: FrameProgress + 2*Answer,
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			start := t.Now()
			n.SendPieces(append(Header(Version, 0x80, 100), make([]byte, 60)...), 1, Look)
			n.ExpectClosed("the tunnel is closed 60 s after the first octet", Between(start, FrameProgress, FrameProgress+2*Answer))
		},
	},
}, foreign(), oversize(), malformed())

// session goes through a whole session, so that what the subject sends can be judged.
func session(t *T) {
	c := t.Working()
	octets := t.Octets(300_000)
	c.Local.Write(octets)
	c.ExpectData("a large answer comes as Data", octets, For("DATA-007"))
	c.Tun.Send(Data(c.Tun.UnusedID(), []byte("stray")), Raw(0x80, 1, 2, 3))
	c.Tun.Barrier()
	d := t.Open()
	d.Local.Write([]byte("last words"))
	d.Local.Finish()
	d.ExpectData("what a visitor or service sent just before its end arrives", []byte("last words"), For("DATA-007"))
	d.ExpectClose("then Close", For("CLOSE-002"))
	d.Close()
	c.End()
	c.Tun.Barrier()
}

// foreign makes a case for each greeting that is not of this protocol.
func foreign() []Case {
	var out []Case
	for _, g := range []struct {
		variant string
		octets  []byte
	}{
		{"zero", Header(0x00, TypeKeepAlive, 0)},
		{"two", Header(0x02, TypeKeepAlive, 0)},
		{"http", []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n")},
		{"tls", []byte{0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00, 0xc4, 0x03, 0x03}},
		{"ssh", []byte("SSH-2.0-OpenSSH_9.2\r\n")},
	} {
		out = append(out, Case{
			ID: "FRAME-002", Variant: g.variant, Role: Both, Title: "a tunnel that begins with a foreign version is closed",
			Run: func(t *T) {
				n := t.Tunnel()
				n.SendRaw(g.octets)
				n.ExpectClosed("the foreign version closes the tunnel")
			},
		})
	}
	return out
}

// oversize makes a case for each length above the limit; no payload follows the header.
func oversize() []Case {
	var out []Case
	for _, o := range []struct {
		variant string
		typ     Type
		length  uint32
	}{
		{"data", TypeData, MaxPayload + 1},
		{"data-largest", TypeData, 0xFFFFFFFF},
		{"keepalive", TypeKeepAlive, MaxPayload + 1},
		{"unknown-type", 0x80, MaxPayload + 1},
	} {
		out = append(out, Case{
			ID: "FRAME-004", Variant: o.variant, Role: Both, Title: "a length above 1 MiB closes the tunnel at the header",
			Run: func(t *T) {
				c := t.Working()
				c.Tun.SendRaw(Header(Version, o.typ, o.length))
				c.Tun.ExpectClosed(fmt.Sprintf("a header that announces %d octets closes the tunnel", o.length))
			},
		})
	}
	return out
}

// malformed makes a case for each payload size that its type does not allow.
func malformed() []Case {
	var out []Case
	add := func(role Role, variant string, f func(*Conn) Frame) {
		out = append(out, Case{
			ID: "FRAME-008", Variant: variant, Role: role, Title: "a payload of the wrong size closes the tunnel",
			Run: func(t *T) {
				c := t.Working()
				c.Tun.Send(f(c))
				c.Tun.ExpectClosed("a payload of the wrong size closes the tunnel")
			},
		})
	}
	short := func(typ Type, n int) func(*Conn) Frame {
		return func(c *Conn) Frame {
			return Raw(typ, slices.Concat(Close(c.ID).Payload, make([]byte, 8))[:n]...)
		}
	}
	add(Both, "data-0", short(TypeData, 0))
	add(Both, "data-3", short(TypeData, 3))
	add(Both, "close-0", short(TypeClose, 0))
	add(Both, "close-3", short(TypeClose, 3))
	add(Both, "close-5", short(TypeClose, 5))
	add(Both, "keepalive-1", short(TypeKeepAlive, 1))
	add(Server, "response-4", short(TypeConnectResponse, 4))
	add(Server, "response-6", short(TypeConnectResponse, 6))
	add(Client, "request-0", short(TypeConnectRequest, 0))
	add(Client, "request-5", short(TypeConnectRequest, 5))
	add(Client, "request-host-short", func(c *Conn) Frame {
		p := RequestTo(c.Tun.NextID(), "127.0.0.1", 80).Payload
		return Raw(TypeConnectRequest, p[:len(p)-1]...)
	})
	add(Client, "request-host-long", func(c *Conn) Frame {
		p := RequestTo(c.Tun.NextID(), "127.0.0.1", 80).Payload
		return Raw(TypeConnectRequest, append(p, 'x')...)
	})
	return out
}
