package cases

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// stall sends Data for a local peer that reads nothing until the subject gives no more credit, most octets at most. A loopback
// socket takes several MiB before that.
func stall(t *T, c *Conn, most int) (sent int) {
	c.Local.Hold()
	chunk := t.Octets(FairPayload - 4)
	for sent < most {
		if !t.Meanwhile(Stopped, func() bool { return c.Credit() > 0 || c.Gone() }) || c.Gone() {
			break
		}
		k := min(c.Credit(), uint64(len(chunk)), uint64(most-sent))
		c.SendNow(chunk[:k])
		sent += int(k)
	}
	return sent
}

// stalled is more than any window and all socket buffers on the way can hold.
const stalled = 160 << 20

// s27 proves section 27.
var s27 = slices.Concat(limited(), []Case{
	{
		ID: "WIN-001", Variant: "steps", Role: Both, Title: "Data follows the limit step by step, and FIN needs no credit",
		Run: func(t *T) {
			n := t.Greet(Greeting{})
			c := t.Open()
			octets := t.Octets(10_000)
			c.Local.Write(octets)
			c.Local.Finish()
			for _, limit := range []int{1, 2, 1000, 5000, 9999} {
				c.Grant(uint64(limit))
				t.Until("as much comes as the limit lets", func() bool { return c.Moved() >= uint64(limit) })
				n.Barrier()
				t.Check(c.Moved() == uint64(limit), "", "%d octets came with a limit of %d", c.Moved(), limit)
				n.ExpectNone("no FIN before the last octet", FinFor(c.ID))
			}
			c.Grant(10_000)
			c.ExpectData("every octet comes", octets)
			c.ExpectFin("then FIN, without credit left", For("FIN-001"), Within(LocalEffect))
		},
	},
	{
		ID: "WIN-001", Variant: "octet", Role: Both, Title: "credit for one octet, and one more, and one more",
		Run: func(t *T) {
			n := t.Greet(Greeting{})
			c, other := t.Open(), t.Open()
			octets := t.Octets(10_000)
			c.Local.Write(octets)
			const grants = 500
			var tiny []Frame
			for i := range grants {
				tiny = append(tiny, wire.Window(c.ID, uint64(i+1)))
			}
			n.Send(tiny...)
			c.ExpectData("as many octets come as there is credit for", octets[:grants], For("WIN-003"))
			n.Barrier()
			t.Check(c.Moved() == grants, "", "%d octets of Data came with a limit of %d", c.Moved(), grants)
			other.Grant(1000)
			other.Works("another connection goes on")
		},
	},
	{
		ID: "WIN-001", Variant: "never", Role: Both, Title: "local peers that push are not read without credit",
		Run: func(t *T) {
			n := t.Greet(Greeting{})
			other := t.Open()
			other.Grant(wire.NoLimit)
			other.Works("a connection with credit echoes")
			var starved []*Conn
			const conns, each = 4, 16 << 20
			for range conns {
				starved = append(starved, t.Open())
			}
			before, known := t.Memory()
			octets := t.Octets(each)
			for _, c := range starved {
				c.Local.Write(octets)
			}
			var took int64
			t.Meanwhile(Stopped, func() bool {
				now, _ := t.Memory()
				took = max(took, now-before)
				return took > conns*each/4
			})
			n.Barrier()
			for _, c := range starved {
				t.Check(c.Moved() == 0, "", "%d octets of Data came without credit", c.Moved())
			}
			if known { // each may be read 64 KiB ahead
				t.Check(took < conns*each/4, "", "%d MiB more are held of %d that have no credit", took>>20, conns*each>>20)
			}
			other.Works("the connection with credit goes on")
			starved[0].Grant(100_000)
			starved[0].ExpectData("and what is given credit comes", octets[:100_000], For("WIN-003"))
		},
	},
	{
		ID: "WIN-001", Variant: "fin", Role: Both, Title: "FIN comes with a window of 0",
		Run: func(t *T) {
			t.Greet(Greeting{})
			c := t.Open()
			c.Local.Finish()
			c.ExpectFin("FIN needs no credit", For("FIN-001"), Within(LocalEffect))
			c.Fin()
			c.Local.ExpectEOF("and the other direction ends too", For("FIN-002"))
		},
	},
	{
		ID: "WIN-002", Role: Client, Needs: NeedTarpit, Title: "exactly the limit is taken, one octet more is a tunnel error with code flow-control",
		Run: func(t *T) {
			n := t.Extended()
			t.Tarpit()
			const most = 8 << 20
			if n.Window() > most {
				t.NotApplicable("the client's window is %d octets", n.Window())
			}
			c := t.Requested() // it dials: nothing is taken, so the limit stays
			chunk := t.Octets(FairPayload - 4)
			for left := int(n.Window()); left > 0; left -= len(chunk) {
				c.SendNow(chunk[:min(left, len(chunk))])
			}
			n.ExpectOpen("as much as the limit lets is none")
			c.SendNow([]byte("x"))
			overrun(t, n)
		},
	},
	{
		ID: "WIN-002", Variant: "stalled", Role: Both, Title: "exactly the limit of a local peer that reads nothing is taken, one octet more is a tunnel error with code flow-control",
		Races: "how much a local socket takes is up to the kernel",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			if stall(t, c, stalled) == stalled {
				t.NotApplicable("the subject gives credit for %d MiB and more", stalled>>20)
			}
			n.ExpectOpen("as much as the limit lets is none")
			t.Check(!c.Gone(), "WIN-007", "the connection was ended because its local peer reads nothing")
			c.SendNow([]byte("x"))
			overrun(t, n)
		},
	},
	{
		ID: "WIN-003", Role: Both, Title: "the highest limit holds, whatever is stated and in whatever order",
		Run: func(t *T) {
			n := t.Greet(Greeting{Window: 10})
			c := t.Open()
			octets := t.Octets(100_000)
			c.Local.Write(octets)
			for _, x := range []struct{ state, holds uint64 }{{5, 10}, {10, 10}, {0, 10}, {100, 100}, {100, 100}, {50, 100}, {101, 101}, {1, 101}} {
				c.Grant(x.state)
				t.Until(fmt.Sprintf("%d octets come", x.holds), func() bool { return c.Moved() >= x.holds })
				n.Barrier()
				t.Check(c.Moved() == x.holds, "", "%d octets came after a WINDOW of %d; the highest limit is %d", c.Moved(), x.state, x.holds)
			}
			c.Grant(wire.NoLimit)
			c.ExpectData("2^64 - 1 is no limit", octets)
			c.Grant(1)
			c.Works("and no later one takes it back")
		},
	},
	{
		ID: "WIN-003", Variant: "early", Role: Server, Title: "a WINDOW that comes before OPENED counts",
		Run: func(t *T) {
			t.Greet(Greeting{})
			c := t.Requested()
			c.Grant(1000)
			octets := t.Octets(1000)
			c.Local.Write(octets)
			c.Opened()
			c.ExpectData("the visitor's octets come within it", octets)
		},
	},
	{
		ID: "WIN-004", Role: Both, Wait: StallLimit, Title: "the credit of a local socket that takes nothing stays as it is",
		Races: "how much a local socket takes is up to the kernel",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			sent := stall(t, c, stalled)
			t.Check(sent < stalled, "", "%d MiB were given credit for a local peer that reads nothing", stalled>>20)
			before := c.Limit()
			more := t.Meanwhile(Quiet, func() bool { return c.Limit() > before })
			t.Check(!more, "", "the limit rose from %d to %d octets though the local socket took nothing", before, c.Limit())
			n.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "WIN-005", Role: Both, Title: "credit comes as the local socket takes octets",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			c.Local.Sink()
			total := int(min(24<<20, max(1<<20, 96*n.Window()))) // many windows of whatever size
			chunk := t.Octets(1 << 18)
			for sent := 0; sent < total; sent += len(chunk) {
				c.Send(chunk) // waits for credit, at most as long as it may take
			}
			t.Until("the local peer gets every octet", func() bool { return c.Local.Received() >= total }, For("WIN-001"))
			n.Barrier()
			// All was taken but for the piece that is being written: less than half of U left asks for a WINDOW.
			u := max(n.Window(), 4<<10)
			c.ExpectLimit("what is left of the limit is more than half of U", c.Spent+u/4)
		},
	},
	{
		ID: "WIN-005", Variant: "half", Role: Both, Title: "credit comes when half of the window is left, not when all of it is used up",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Open()
			u := n.Window()
			if u < 4<<10 || u > 64<<20 {
				t.NotApplicable("the subject's window of %d octets is less than the least U, or more than a case sends", u)
			}
			c.Local.Sink()
			octets := t.Octets(int(u - u/8)) // half of U or less is left, however far taken lags behind
			for chunk := range slices.Chunk(octets, FairPayload-4) {
				c.SendNow(chunk)
			}
			t.Until("the local peer gets every octet", func() bool { return c.Local.Received() == len(octets) }, For("DATA-001"))
			c.ExpectLimit("what is left of the limit is more than half of U", c.Spent+u/4)
		},
	},
	{
		ID: "WIN-005", Variant: "small", Role: Both, Title: "credit comes for octets one by one",
		Run: func(t *T) {
			t.Extended()
			c := t.Open()
			for range 200 {
				octets := t.Octets(97)
				c.Send(octets)
				c.Local.ExpectOctets("each is taken", octets, For("DATA-001"))
			}
			c.Works("the connection goes on")
		},
	},
	{
		ID: "WIN-006", Role: Both, Wait: StallLimit, Title: "a local peer that never reads stops nobody else",
		Races: "how much a local socket takes is up to the kernel",
		Run: func(t *T) {
			n := t.Extended()
			stuck, other := t.Open(), t.Open()
			stall(t, stuck, stalled)
			for range 3 {
				n.ExpectOpen("the tunnel is read", Within(Answer))
				other.Works("the other connection echoes")
			}
			t.Open().Works("and a new one")
			t.Check(!stuck.Gone(), "WIN-007", "a connection was ended because its local peer reads nothing")
		},
	},
	{
		ID: "WIN-007", Role: Both, Wait: CloseTotal + Answer, Title: "a local peer that reads nothing for 35 s gets everything then",
		Races: "how much a local socket takes is up to the kernel",
		Run:   func(t *T) { patient(t, CloseTotal+Answer) },
	},
	{
		ID: "WIN-007", Variant: "long", Role: Both, Wait: OverBudgetAfter - Answer, Title: "a local peer that reads nothing for nearly 300 s gets everything then",
		Races: "how much a local socket takes is up to the kernel",
		Run:   func(t *T) { patient(t, OverBudgetAfter-2*Answer) },
	},
	{
		ID: "WIN-008", Role: Both, Wait: OthersGoOn, Title: "connections that take nothing are ended when the tunnel's memory is full, and the others go on",
		Races: "how much a local socket takes is up to the kernel",
		Run:   crowded,
	},
	{
		ID: "WIN-008", Variant: "octets", Role: Both, Title: "Data of one octet, and of none, for a local peer that reads nothing costs no buffers",
		Races: "how much a local socket takes is up to the kernel",
		Run:   crumbs,
	},
})

// crumbs sends more than a narrow socket takes octet by octet, as far as there is credit, and as many Data without any.
func crumbs(t *T) {
	n := t.Extended()
	t.Narrow()
	healthy, c := t.Working(), t.Open()
	c.Local.Hold()
	for c.Spent < few && c.Credit() > 0 && !c.Gone() {
		k := min(c.Credit(), few-c.Spent)
		c.Spent += k
		n.Flood(Data(c.ID, []byte("x")), int(k))
		n.ExpectOpen("the tunnel goes on", Within(OthersGoOn))
	}
	n.Flood(Data(c.ID, nil), few)
	n.ExpectOpen("the tunnel goes on", Within(OthersGoOn))
	healthy.Works("a healthy connection goes on")
	bounded(t)
	if c.Gone() {
		return
	}
	c.Local.Release()
	c.Local.ExpectOctets("the local peer gets every octet", bytes.Repeat([]byte("x"), int(c.Spent)))
}

// claimed is tunnel-memory, as far as a subject says what it is.
func claimed(t *T) (memory uint64, ok bool) {
	text, _ := t.Claim("tunnel-memory")
	memory, err := strconv.ParseUint(text, 10, 64)
	return memory, err == nil
}

// bounded looks at the memory of a subject that says what it holds for a tunnel.
func bounded(t *T) {
	memory, says := claimed(t)
	if octets, known := t.Memory(); says && known {
		t.Check(uint64(octets) < 4*memory, "", "the subject holds %d MiB with a tunnel-memory of %d", octets>>20, memory>>20)
	}
}

// patient lets a local peer read nothing for a while, then all.
func patient(t *T, d time.Duration) {
	n := t.Extended()
	other, c := t.Working(), t.Open()
	c.Local.Sink()
	sent := stall(t, c, stalled)
	gone := func() bool { return c.Gone() || n.Ended() != EndNone }
	for until := t.Now() + d; t.Now() < until && !gone(); {
		t.Meanwhile(min(until-t.Now(), KeepAliveInterval), gone)
		other.Works("the other connection echoes")
	}
	t.Check(!gone(), "", "the connection was ended though its local peer may take nothing for %s", OverBudgetAfter)
	c.Local.Release()
	t.Until("the local peer gets every octet", func() bool { return c.Local.Received() >= sent }, Within(OthersGoOn))
	c.Fin()
	t.Until("and the end of the stream", func() bool { return c.Local.Ended() == EndFIN })
}

// crowded fills the tunnel's memory with connections whose local peers read nothing.
func crowded(t *T) {
	const most = 128 << 20
	memory, ok := claimed(t)
	if !ok || memory > most {
		t.NotApplicable("the subject file does not say that tunnel-memory is %d octets or less", most)
	}
	n := t.Extended()
	t.Narrow()
	healthy := t.Working()
	ended := func() bool { _, found := n.Peek(AnyReset()); return found }
	held, limit := uint64(0), 2*memory
	for held < limit && !ended() {
		c := t.Open()
		held += uint64(stall(t, c, int(limit-held)))
	}
	t.Until("a connection that takes nothing is ended", ended)
	f, _ := n.Peek(AnyReset())
	t.Check(f.Code() == wire.CodeOverBudget, "", "the code is over-budget: %s", f)
	healthy.Works("a healthy connection goes on")
	bounded(t)
}

// overrun expects the tunnel error of WIN-002.
func overrun(t *T, n *Tunnel) {
	n.ExpectClosed("one octet more ends the tunnel")
	f, ok := n.Peek(AGoAway())
	if !ok {
		t.Charge("AWAY-009", "a GOAWAY says why before the tunnel is closed")
		return
	}
	t.Check(f.Code() == wire.CodeFlowControl, "", "the code is flow-control: %s", f)
}

// limited makes cases of first windows: the sum of Data is never above the limit, while the local peer pushes.
func limited() (out []Case) {
	for _, w := range []uint32{0, 1, 65_535} {
		out = append(out, Case{
			ID: "WIN-001", Variant: fmt.Sprintf("window-%d", w), Role: Both, Title: fmt.Sprintf("with a window of %d no more Data comes than that, until a WINDOW lets it", w),
			Run: func(t *T) {
				n := t.Greet(Greeting{Window: w})
				c, other := t.Open(), t.Open()
				octets := t.Octets(300_000)
				c.Local.Write(octets)
				if w > 0 {
					t.Until("the window is used", func() bool { return c.Moved() >= uint64(w) })
				}
				n.Barrier()
				other.Grant(1000)
				other.Works("another connection has its own credit")
				t.Check(c.Moved() == uint64(w), "", "%d octets of Data came with a limit of %d", c.Moved(), w)
				c.Grant(uint64(w) + 1)
				t.Until("a WINDOW lets more come", func() bool { return c.Moved() >= uint64(w)+1 })
				c.Grant(300_000)
				c.ExpectData("and every octet in the end", octets)
			},
		})
	}
	return out
}
