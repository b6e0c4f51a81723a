package engine

import (
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// Expect waits for the frame that m describes and takes it from the inbox.
// Frames about other connections, KeepAlives and extensions are left alone;
// another frame about the same connection in its place is a failure.
func (n *Tunnel) Expect(sentence string, m Matcher, opts ...Option) Frame {
	x := n.t.expect(sentence, Message, Answer, opts).on(n.who, m.step(n.t.Case.Role))
	var got arrival
	var foul string
	found := n.t.wait(x.within, func() bool {
		for i, a := range n.inbox {
			switch m.match(a.f) {
			case 1:
				got = a
				n.inbox = without(n.inbox, i)
				n.inbox = m.passOver(n.inbox, i)
				return true
			case -1:
				foul = a.f.String()
				return true
			}
		}
		return n.end != EndNone || n.broken != nil
	})
	switch {
	case foul != "":
		n.t.failed(x, m.want, foul)
	case got.f.Type == 0 && got.at == 0:
		n.t.failed(x, m.want, n.state(found, x))
	}
	if got.f.Type == TypeConnectRequest || got.f.Type == TypeOpen {
		x.step.Frame = new(wire.Decode(got.f))
	}
	n.t.met(x, got.at)
	return got.f
}

// ExpectNext expects the very next frame that has not been taken yet, of whatever
// type and connection, to be the one that m describes. Types that Core does
// not know are passed over, and what over names.
func (n *Tunnel) ExpectNext(sentence string, m Matcher, over func(Frame) bool, opts ...Option) Frame {
	m.next, m.skip = true, func(f Frame) bool { return !f.Type.Core() || over(f) }
	return n.Expect(sentence, m, opts...)
}

// without is the inbox without its i-th frame. Most often that is the first:
// it goes at once however many are behind it.
func without(inbox []arrival, i int) []arrival {
	if i == 0 {
		inbox[0] = arrival{}
		return inbox[1:]
	}
	return slices.Delete(inbox, i, i+1)
}

// state says in words what is there instead of the frame that was awaited.
func (n *Tunnel) state(found bool, x expectation) string {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	switch {
	case n.broken != nil:
		return "octets that are no frame: " + n.broken.Error()
	case found:
		return "the tunnel " + n.end.String() + " before that"
	}
	return "nothing within " + brief(x.within)
}

// Barrier waits until the subject has taken every frame sent before: on an extended tunnel by a PING and its PONG, for a
// server a KeepAlive and its answer, for a client Data for an ID that nobody
// uses and the Close that answers it (section 11).
func (n *Tunnel) Barrier() {
	_ = n.barrier("the subject has taken every frame so far and the tunnel goes on", nil)
}

// ExpectOpen expects the tunnel to go on: a barrier passes.
func (n *Tunnel) ExpectOpen(sentence string, opts ...Option) { _ = n.barrier(sentence, opts) }

// barrier passes a barrier and returns the subject's answer as a dialogue step.
func (n *Tunnel) barrier(sentence string, opts []Option) spec.Step {
	if n.Up() {
		m := PongFor(n.Ping())
		n.Expect(sentence, m, opts...)
		return m.step(n.t.Case.Role)
	}
	if n.t.Case.Role == Client {
		id := n.UnusedID()
		n.Send(Data(id, []byte("barrier")))
		n.Expect(sentence, CloseFor(id), opts...)
		return CloseFor(id).step(Client)
	}
	x := n.t.expect(sentence, Message, Answer, opts).on(n.who, AKeepAlive().step(Server))
	n.Send(KeepAlive())
	n.t.rec.mu.Lock()
	asked := len(n.asked)
	n.t.rec.mu.Unlock()
	ok := n.t.wait(x.within, func() bool { return n.heard >= asked || n.end != EndNone || n.broken != nil })
	n.t.rec.mu.Lock()
	heard := n.heard
	n.t.rec.mu.Unlock()
	if heard < asked {
		want := "a KeepAlive in answer to the suite's"
		if asked > 1 {
			want = fmt.Sprintf("%d KeepAlives in answer to the suite's %d", asked, asked)
		}
		n.t.failed(x, want, fmt.Sprintf("%d KeepAlives, then %s", heard, n.state(ok, x)))
	}
	n.t.met(x, n.t.Now())
	return *x.step
}

// ExpectNone expects that the subject sent no frame that m describes: it
// passes a barrier, then looks at everything that came.
func (n *Tunnel) ExpectNone(sentence string, m Matcher, opts ...Option) {
	step := n.barrier("the subject has taken every frame so far and the tunnel goes on", nil)
	step.Without = slices.DeleteFunc(slices.Clone(m.like), func(d spec.Decoded) bool { return d.Type == TypeWindow.String() }) // one from before is none
	x := n.t.expect(sentence, Message, Answer, opts).on(n.who, step)
	if f, ok := n.Peek(m); ok {
		answer := "KeepAlive"
		switch {
		case n.Up():
			answer = "PONG"
		case n.t.Case.Role == Client:
			answer = "Close for Data that nobody waits for"
		}
		n.t.failed(x, "no such frame before the "+answer+" that answers the suite's (section 11: a barrier)", f.String())
	}
}

// Peek looks for a frame that has come and that m describes, without waiting and without taking it.
func (n *Tunnel) Peek(m Matcher) (f Frame, found bool) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	for _, a := range n.inbox {
		if m.match(a.f) == 1 {
			return a.f, true
		}
	}
	return Frame{}, false
}

// ExpectClosed expects the subject to close the tunnel, in order or by reset.
func (n *Tunnel) ExpectClosed(sentence string, opts ...Option) End {
	x := n.t.expect(sentence, Ending, Answer, opts).on(n.who, spec.Step{Expect: "is closed"})
	if !n.t.wait(x.within, func() bool { return n.end != EndNone }) {
		n.t.failed(x, "the end of the tunnel's stream, or a reset", "the tunnel is still open after "+brief(x.within))
	}
	n.t.met(x, n.endAt)
	return n.end
}

// Ended is how the subject has ended the tunnel so far.
func (n *Tunnel) Ended() End {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.end
}

// KeepAlives is how many KeepAlives the subject has sent on the tunnel, and how many the suite has.
func (n *Tunnel) KeepAlives() (heard, asked int) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	return n.heard, len(n.asked)
}
