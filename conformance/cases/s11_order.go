package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// s11 proves section 11.
var s11 = []Case{
	{
		ID: "ORDER-001", Role: Both, Title: "many small frames and a Close are handled in order",
		Run: func(t *T) {
			c := t.Open()
			var frames []Frame
			var want []byte
			for range 300 {
				octets := t.Octets(1 + t.Rand().IntN(40))
				want = append(want, octets...)
				frames = append(frames, Data(c.ID, octets))
			}
			c.Tun.Send(append(frames, Close(c.ID))...)
			c.Local.ExpectOctets("every octet before Close arrives, in order", want)
			c.Local.ExpectEOF("then the end of the stream")
		},
	},
	{
		ID: "ORDER-002", Role: Both, Title: "the Closes owed for Data with idle IDs come in the order of the Data",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			var ids [20]uint32
			var frames []Frame
			for i := range ids {
				ids[i] = n.UnusedID()
				frames = append(frames, Data(ids[i], t.Octets(10)))
			}
			n.Send(frames...)
			for i, id := range ids {
				n.ExpectNext("answers leave in the order of the frames that caused them", CloseFor(id), again(t, ids[:i]))
			}
		},
	},
	{
		ID: "ORDER-002", Variant: "mixed", Role: Server, Title: "KeepAlive answers and owed Closes keep their order",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			var frames []Frame
			var ids [10]uint32
			for i := range ids {
				ids[i] = n.UnusedID()
				frames = append(frames, KeepAlive(), Data(ids[i], t.Octets(10)))
			}
			n.Send(frames...)
			const sentence = "answers leave in the order of the frames that caused them"
			for i, id := range ids {
				n.ExpectNext(sentence, AKeepAlive(), again(t, ids[:i]))
				n.ExpectNext(sentence, CloseFor(id), again(t, ids[:i]))
			}
		},
	},
	{
		ID: "ORDER-003", Role: Both, Title: "what is owed directly comes within 5 s, while a connection is busy",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Sink()
			for range 50 {
				c.Send(t.Octets(20_000))
				c.Tun.ExpectOpen("a barrier passes within 5 s", Within(Answer))
			}
		},
	},
	{
		ID: "ORDER-004", Role: Client, Needs: NeedTarpit, Title: "Data that comes in two pieces while the client dials is answered once",
		Races: "a failure and a Close are both right, and two parts of a client may race for it",
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Barrier()
			b := Data(c.ID, t.Octets(1000)).Bytes()
			c.Tun.SendRaw(b[:100])
			t.Meanwhile(Sip, func() bool { _, ok := c.Tun.Peek(FailureOrCloseFor(c.ID)); return ok })
			c.Tun.SendRaw(b[100:])
			c.Tun.Expect("Data in state dialing is a connection error", FailureOrCloseFor(c.ID), For("OPEN-019"))
			c.Tun.ExpectNone("the rest of the frame gets no answer of its own", AnythingFor(c.ID))
		},
	},
}

// again passes over what may come between the answers to Data with the IDs:
// further Closes for those that had one (DATA-004), and KeepAlives of a client's own.
func again(t *T, answered []uint32) func(Frame) bool {
	return func(f Frame) bool {
		return f.Type == TypeClose && slices.Contains(answered, f.ID()) || f.Type == TypeKeepAlive && t.Case.Role == Client
	}
}
