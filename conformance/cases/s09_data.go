package cases

import (
	"bytes"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// s09 proves section 9.
var s09 = []Case{
	{
		ID: "DATA-001", Role: Both, Title: "octets arrive unchanged and in order, in frames of many sizes",
		Run: func(t *T) {
			c := t.Open()
			var all []byte
			for _, n := range []int{1, 0, 2, 1000, 65536, 3, 65535} {
				octets := t.Octets(n)
				all = append(all, octets...)
				c.Send(octets)
			}
			c.Local.ExpectOctets("every octet arrives, in order", all)
		},
	},
	{
		ID: "DATA-001", Variant: "bulk", Role: Both, Title: "8 MiB arrive unchanged and in order",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(8 << 20)
			for rest := octets; len(rest) > 0; {
				n := min(len(rest), 50_000)
				c.Send(rest[:n])
				rest = rest[n:]
			}
			c.Local.ExpectOctets("every octet arrives, in order", octets, Within(OthersGoOn))
		},
	},
	{
		ID: "DATA-002", Role: Both, Title: "octets of three connections, interleaved, reach their own local sockets alone",
		Run: func(t *T) {
			conns := []*Conn{t.Open(), t.Open(), t.Open()}
			want := make([][]byte, len(conns))
			for range 50 {
				for i, c := range conns {
					octets := bytes.Repeat([]byte{byte('a' + i)}, 1+t.Rand().IntN(300))
					want[i] = append(want[i], octets...)
					c.Send(octets)
				}
			}
			for i, c := range conns {
				c.Local.ExpectOctets("each local socket gets its own connection's octets", want[i])
			}
			for i, c := range conns {
				c.Local.Write(want[i])
			}
			for i, c := range conns {
				c.ExpectData("and each connection its own local peer's", want[i])
			}
		},
	},
	{
		ID: "DATA-003", Role: Both, Title: "Data with no octets delivers nothing and harms nothing",
		Run: func(t *T) {
			c := t.Open()
			c.Send(nil)
			c.Send(nil)
			c.Works("the connection goes on after Data with no octets")
		},
	},
	{
		ID: "DATA-004", Variant: "never-used", Role: Both, Title: "Data for an ID never used is answered with Close",
		Run: func(t *T) {
			c := t.Open()
			for _, octets := range [][]byte{[]byte("stray"), nil} {
				id := c.Tun.UnusedID()
				c.Tun.Send(Data(id, octets), Data(id, octets), Data(id, octets))
				c.Tun.Expect("the last of a run of Data for an idle ID is followed by a Close", CloseFor(id))
			}
			c.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "DATA-004", Variant: "closed-for-good", Role: Both, Title: "Data for an ID that was closed for good is answered with Close",
		Run: func(t *T) {
			c := t.Working()
			c.End()
			c.Send([]byte("stray"))
			c.ExpectClose("Data after both Closes is answered with a Close")
			c.Tun.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "DATA-005", Role: Both, Title: "Data after the peer's Close is dropped",
		Run: func(t *T) {
			other := t.Open()
			c := t.Open()
			before := t.Octets(500)
			c.Tun.Send(Data(c.ID, before), Close(c.ID), Data(c.ID, []byte("after Close")))
			c.Local.ExpectOctets("what came before Close is delivered", before)
			c.Local.ExpectEOF("what came after it is not")
			other.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "DATA-006", Role: Both, Title: "Data that crossed the subject's Close is dropped without answer",
		Run: func(t *T) {
			other := t.Open()
			c := t.Working()
			c.Local.Finish()
			c.ExpectClose("the end of the local stream becomes Close", For("CLOSE-002"))
			c.Send([]byte("crossed the Close"))
			c.Send(nil)
			c.Tun.ExpectNone("Data that crossed the Close gets no answer", AnythingFor(c.ID))
			c.Close()
			other.Works("the tunnel and its connections go on")
		},
	},
	{
		ID: "DATA-007", Role: Both, Title: "what the local peer sends comes as Data, unchanged, complete and in order",
		Run: func(t *T) {
			c := t.Open()
			for _, n := range []int{1, 2, 1000, 65536, 3, 200_000} {
				octets := t.Octets(n)
				c.Local.Write(octets)
				c.ExpectData("the local peer's octets come", octets)
			}
			octets := t.Octets(8 << 20)
			c.Local.Write(octets)
			c.ExpectData("8 MiB come unchanged", octets, Within(OthersGoOn))
		},
	},
	{
		ID: "DATA-007", Variant: "payload-awaited", Role: Both, Title: "what the local peer sends comes while the rest of a frame is awaited",
		Run: func(t *T) {
			c := t.Open()
			c.Works("the connection works before")
			c.Tun.SendRaw(Header(Version, TypeData, MaxPayload))
			for range 10 { // the first may overtake the header within the subject
				c.Local.Write(t.Octets(10))
				c.Tun.Expect("the subject goes on sending while a payload is awaited", DataFor(c.ID))
			}
		},
	},
	{
		ID: "DATA-008", Role: Both, Title: "no Data after the subject's own Close",
		Races: "how much Data is in line when Close comes is a matter of time",
		Run: func(t *T) {
			c := t.Open()
			octets := t.Octets(1 << 20)
			c.Local.Write(octets)
			c.Local.Finish()
			c.ExpectData("everything before the end of the stream comes", octets)
			c.ExpectClose("then Close", For("CLOSE-002"))
			c.Tun.ExpectNone("and no Data after it", DataFor(c.ID))
			c.Close()

			d := t.Open()
			d.Local.Write(octets)
			d.Close()
			d.ExpectAnswer("the subject closes a connection whose local peer still sends")
			for range 16 { // more than buffers hold: what has gone by then, the subject has read
				d.Local.Write(octets)
			}
			t.Meanwhile(CloseDrain, func() bool { return d.Local.Unsent() == 0 || d.Local.Ended() != EndNone })
			d.Tun.ExpectNone("no Data after the subject's own Close", DataFor(d.ID))
		},
	},
}
