package cases

import . "github.com/adit-tunnel/adit/conformance/engine"

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
			for _, id := range ids {
				next(n, "answers leave in the order of the frames that caused them", CloseFor(id))
			}
		},
	},
	{
		ID: "ORDER-002", Variant: "mixed", Role: Server, Title: "KeepAlive answers and owed Closes keep their order",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Mute()
			var frames []Frame
			var want []Matcher
			for range 10 {
				id := n.UnusedID()
				frames = append(frames, KeepAlive(), Data(id, t.Octets(10)))
				want = append(want, AKeepAlive(), CloseFor(id))
			}
			n.Send(frames...)
			for _, m := range want {
				n.ExpectNext("answers leave in the order of the frames that caused them", m)
			}
		},
	},
	{
		ID: "ORDER-003", Role: Both, Title: "what is owed directly comes within 5 s, while a connection is busy",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Auto(Sink)
			for range 50 {
				c.Send(t.Octets(20_000))
				c.Tun.ExpectOpen("a barrier passes within 5 s", Within(Answer))
			}
		},
	},
}

// next expects the next frame, passing over KeepAlives that a client sends of its own accord.
func next(n *Tunnel, sentence string, m Matcher) {
	for {
		if _, ok := n.Peek(AKeepAlive()); !ok {
			break
		}
		n.Expect("a KeepAlive of the client's own", AKeepAlive())
	}
	n.ExpectNext(sentence, m)
}
