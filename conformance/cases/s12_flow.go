package cases

import (
	"time"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// flood is more than the queue that section 12 allows and all socket buffers on the way can hold.
const flood = 96 << 20

// alone is more than a queue of the usual size and all socket buffers on the way can hold.
const alone = 24 << 20

// pour sends Data for c, in all n octets.
func pour(t *T, c *Conn, n int) {
	chunk := t.Octets(FairPayload)
	c.Pour(chunk, n/len(chunk))
}

// s12 proves section 12.
var s12 = []Case{
	{
		ID: "FLOW-001", Role: Both, Wait: StallLimit, Title: "what is queued for a local peer that never reads is bounded",
		Races: "how much is taken before a connection is ended is up to the kernel",
		Run: func(t *T) {
			t.Open()
			c := t.Open()
			c.Local.Hold()
			pour(t, c, flood)
			taken := func() bool { return c.Tun.Unsent() == 0 }
			ended := func() bool { _, ok := c.Tun.Peek(CloseFor(c.ID)); return ok }
			t.Until("the subject stops taking octets, or ends the connection", func() bool { return taken() || ended() }, Within(OthersGoOn))
			t.Meanwhile(LocalEffect, ended) // its Close may come after the rest was taken, and dropped
			t.Check(ended(), "", "%d MiB were taken for a local peer that reads nothing, and the connection goes on", flood>>20)
		},
	},
	{
		ID: "FLOW-002", Role: Both, Wait: 3 * StallLimit, Title: "a connection whose local peer takes no octet for 5 s of a pause is ended",
		Races: "how much is taken before a connection is ended is up to the kernel",
		Run: func(t *T) {
			t.Open() // whom it stops
			c := t.Open()
			c.Local.Hold()
			pour(t, c, flood)
			c.ExpectClose("the stalled connection is ended", Within(3*StallLimit+Answer))
			c.Close()
			c.Tun.ExpectOpen("what is left of the flood is dropped", Within(OthersGoOn))
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "FLOW-003", Role: Both, Wait: OthersGoOn, Title: "a local peer that takes octets only now and then is ended as well",
		Races: "how much is taken before a connection is ended is up to the kernel",
		Also:  []string{"FLOW-004"},
		Run: func(t *T) {
			t.Open() // whom it stops
			c := t.Open()
			c.Local.Sink()
			c.Local.Hold()
			pour(t, c, flood)
			ended := func() bool { _, ok := c.Tun.Peek(CloseFor(c.ID)); return ok }
			// Less would not make room in the subject's socket: a kernel with 4 MiB to send waits for a third of it.
			const sip = 4 << 20
			for start := t.Now(); !ended() && t.Now()-start < OthersGoOn; {
				if t.Meanwhile(Nap, ended) {
					break
				}
				before := c.Local.Received()
				c.Local.Release()
				t.Meanwhile(Sip, func() bool { return c.Local.Received() > before+sip || ended() })
				c.Local.Hold()
			}
			t.Check(ended(), "", "pauses exceed 10 s in 15 s, and the connection goes on after %s", OthersGoOn)
		},
	},
	{
		ID: "FLOW-004", Role: Both, Wait: OthersGoOn, Title: "one local peer that never reads stops the others for 30 s at most",
		Races: "how much is taken before a connection is ended is up to the kernel",
		Run: func(t *T) {
			stuck, other := t.Open(), t.Open()
			stuck.Local.Hold()
			pour(t, stuck, flood)
			octets := t.Octets(1000)
			other.Send(octets)
			other.Local.ExpectOctets("the other connection goes on within 30 s", octets, Within(OthersGoOn))
			other.Works("and works")
		},
	},
	{
		ID: "FLOW-005", Role: Both, Title: "the subject reads while its own frames wait to be sent",
		Run: func(t *T) {
			a, b := t.Working(), t.Open()
			a.Tun.Hold()
			a.Local.Write(make([]byte, 64<<20))
			t.Meanwhile(Look, func() bool { return false }) // the subject's way out fills up
			octets := t.Octets(100_000)
			b.Send(octets)
			b.Local.ExpectOctets("Data is delivered though the tunnel takes nothing of the subject's", octets)
			a.Tun.Release()
		},
	},
	{
		ID: "FLOW-005", Variant: "pings", OnExtended: true, Role: Both, Wait: Answer, Also: []string{"FLOW-006"},
		Title: "PINGs of a peer that reads nothing are read on, or end the tunnel",
		Races: "how many answers leave before they have to wait is up to the kernel",
		Run:   pings,
	},
	{
		ID: "FLOW-007", Role: Both, Wait: StallLimit, Title: "a connection is not ended as soon as its queue is full",
		Races: "how much is taken before a connection is ended is up to the kernel",
		Run: func(t *T) {
			t.Open()
			c := t.Open()
			c.Local.Hold()
			start := t.Now()
			pour(t, c, flood)
			ended := func() bool { _, ok := c.Tun.Peek(CloseFor(c.ID)); return ok || c.Local.Ended() != EndNone }
			early := t.Meanwhile(start+StallLimit-t.Now(), ended) && t.Now()-start < StallLimit // from then on it may be
			t.Check(!early, "", "a local peer that reads nothing was given up after %v", t.Now()-start)
		},
	},
	{
		ID: "FLOW-007", Variant: "alone", Role: Both, Wait: StallWindow, Title: "a local peer that stops reading for 17 s, and has the tunnel for itself, gets everything",
		Races: "how much is taken while a local peer reads nothing is up to the kernel",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Sink()
			c.Local.Hold()
			pour(t, c, alone)
			ended := func() bool { _, ok := c.Tun.Peek(CloseFor(c.ID)); return ok || c.Local.Ended() != EndNone }
			t.Meanwhile(StallWindow+Look, ended)
			t.Check(!ended(), "", "a local peer that is alone on its tunnel was given up for being slow")
			c.Local.Release()
			t.Until("the local peer gets every octet", func() bool { return ended() || c.Local.Received() >= alone }, Within(OthersGoOn))
			t.Check(c.Local.Received() == alone, "", "%d of %d octets came", c.Local.Received(), alone)
		},
	},
	{
		ID: "FLOW-008", Role: Server, Wait: PauseSign, Title: "a server that pauses shows that it lives",
		Races: "how much is taken before the server pauses is up to the kernel",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Hold()
			pour(t, c, alone)
			t.Meanwhile(Look, func() bool { return c.Tun.Unsent() == 0 })
			if c.Tun.Unsent() == 0 {
				t.NotApplicable("the subject takes %d MiB without a pause", alone>>20)
			}
			c.Tun.Expect("Data with no octets comes when the server has sent nothing for 15 s", DataFor(c.ID), Within(PauseSign+Answer))
		},
	},
}

// pings asks on an extended tunnel for more than the kernel can hold, and reads next to nothing.
func pings(t *T) {
	n := t.Extended()
	t.Working()
	n.Tighten()
	n.Hold()
	ping := wire.Ping(wire.Mark{})
	n.Flood(ping, (32<<20)/len(ping.Bytes()))
	gone := func() bool { return n.Refused() > 0 }
	// A Linux without memory for what comes shrinks its window (6.7 and later), and drops the acknowledgements of a peer
	// that had sent into the old one: then nothing moves either way, whatever the subject reads. A sip ends that. Of a
	// subject that reads only as it writes it brings out as many octets as it lets in.
	const sip = 64 << 10
	sips, before := 0, n.Unsent()
	for left := before; left > 0 && !gone(); left = n.Unsent() {
		if t.Meanwhile(Look, func() bool { return gone() || n.Unsent() == 0 }) || n.Unsent() < left {
			continue
		}
		if before-left > 2*sips*sip {
			sips, before = 0, left
		}
		if time.Duration(sips)*Look >= Answer {
			t.Fail("", "the subject reads no more, though its tunnel goes on")
		}
		n.Sip(sip)
		sips++
	}
	// Behind its GOAWAY a side reads on for 5 s at most; what comes after that is refused.
	for until := t.Now() + 2*Answer; !gone() && t.Now() < until; t.Meanwhile(Moment, gone) {
		n.Send(ping)
	}
	t.Check(gone(), "FLOW-006", "the tunnel goes on, with answers to 32 MiB of PINGs that nobody reads")
	n.Abort()
	t.Extended()
	t.Open().Works("the next tunnel serves")
}
