package engine

import (
	"fmt"
	"slices"
)

// A Matcher tells the frame that a case waits for from frames that may come
// before it, and from those that must not.
type Matcher struct {
	name string // of Frames
	want string
	typ  Type
	id   *uint32                    // nil: any
	ok   func(Frame) (string, bool) // nil: any; the text says what is wrong
	over []Type                     // types of the same ID that may come first
}

// AnyRequest matches the next ConnectRequest.
func AnyRequest() Matcher {
	return Matcher{name: "request", want: "a ConnectRequest", typ: TypeConnectRequest}
}

// AnyResponse matches the ConnectResponse for id, whatever its status.
func AnyResponse(id uint32) Matcher {
	return Matcher{name: "response", want: fmt.Sprintf("a ConnectResponse for ID %d", id), typ: TypeConnectResponse, id: &id}
}

// SuccessFor matches a ConnectResponse for id with status success.
func SuccessFor(id uint32) Matcher {
	m := AnyResponse(id)
	m.name = "success"
	m.want += " with status 0x00"
	m.ok = func(f Frame) (string, bool) { return "a failure status", f.Status() == Success }
	return m
}

// FailureFor matches a ConnectResponse for id with any status but success.
func FailureFor(id uint32) Matcher {
	m := AnyResponse(id)
	m.name = "failure"
	m.want += " with a failure status"
	m.ok = func(f Frame) (string, bool) { return "success", f.Status() != Success }
	return m
}

// DataFor matches the next Data for id.
func DataFor(id uint32) Matcher {
	return Matcher{name: "data", want: fmt.Sprintf("Data for ID %d", id), typ: TypeData, id: &id}
}

// AnyData matches the next Data of any connection.
func AnyData() Matcher { return Matcher{name: "any-data", want: "Data", typ: TypeData} }

// CloseFor matches the Close for id; Data for id that comes first is passed over, and gone.
func CloseFor(id uint32) Matcher {
	return Matcher{name: "close", want: fmt.Sprintf("Close for ID %d", id), typ: TypeClose, id: &id, over: []Type{TypeData}}
}

// FailureOrCloseFor matches what ends a request that was not opened: a
// failure response, or a Close in its place.
func FailureOrCloseFor(id uint32) Matcher {
	m := FailureFor(id)
	m.name = "failure-or-close"
	m.want = fmt.Sprintf("a failure response or a Close for ID %d", id)
	m.typ = 0
	m.ok = func(f Frame) (string, bool) {
		return f.String(), f.Type == TypeClose || f.Type == TypeConnectResponse && f.Status() != Success
	}
	return m
}

// AKeepAlive matches a KeepAlive.
func AKeepAlive() Matcher { return Matcher{name: "keepalive", want: "a KeepAlive", typ: TypeKeepAlive} }

// AnythingFor matches any frame about id.
func AnythingFor(id uint32) Matcher {
	return Matcher{name: "anything", want: fmt.Sprintf("a frame for ID %d", id), id: &id}
}

// AnythingButCloseFor matches any frame about id but Close, of which Data for an idle ID may get several (DATA-004).
func AnythingButCloseFor(id uint32) Matcher {
	m := AnythingFor(id)
	m.want += " that is no Close"
	m.ok = func(f Frame) (string, bool) { return "a Close", f.Type != TypeClose }
	return m
}

// match says whether f is the frame (1), may come before it (0), or must not (-1).
func (m Matcher) match(f Frame) (int, string) {
	sameID := m.id != nil && f.Type.hasID() && f.ID() == *m.id
	switch {
	case f.Malformed() != nil, m.id != nil && !sameID:
		return 0, ""
	case m.typ != 0 && f.Type != m.typ:
		if sameID && !slices.Contains(m.over, f.Type) {
			return -1, f.String()
		}
		return 0, ""
	}
	if m.ok != nil {
		if what, ok := m.ok(f); !ok {
			return -1, fmt.Sprintf("%s: %s", f, what)
		}
	}
	return 1, ""
}

// passOver drops from the first n arrivals those that may come before the frame.
func (m Matcher) passOver(inbox []arrival, n int) []arrival {
	if len(m.over) == 0 || n == 0 {
		return inbox
	}
	rest := inbox[n:]
	kept := slices.DeleteFunc(slices.Clone(inbox[:n]), func(a arrival) bool {
		return a.f.Type.hasID() && a.f.ID() == *m.id && slices.Contains(m.over, a.f.Type)
	})
	return append(kept, rest...)
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

// Expect waits for the frame that m describes and takes it from the inbox.
// Frames about other connections, KeepAlives and extensions are left alone;
// another frame about the same connection in its place is a failure.
func (n *Tunnel) Expect(sentence string, m Matcher, opts ...Option) Frame {
	x := n.t.expect(sentence, Message, Answer, opts)
	n.expects("expect", x, m)
	var got arrival
	var foul string
	found := n.t.wait(x.within, func() bool {
		for i, a := range n.inbox {
			switch hit, what := m.match(a.f); hit {
			case 1:
				got = a
				n.inbox = without(n.inbox, i)
				n.inbox = m.passOver(n.inbox, i)
				return true
			case -1:
				foul = what
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
	n.took(got.f)
	n.t.inTime(x, got.at)
	return got.f
}

// state says in words what is there instead of the frame that was awaited.
func (n *Tunnel) state(found bool, x expectation) string {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	switch {
	case n.broken != nil:
		return "octets that are no frame: " + n.broken.Error()
	case found:
		return "the tunnel " + n.end.String()
	}
	return "nothing within " + brief(x.within)
}

// Barrier waits until the subject has taken every frame sent before: for a
// server a KeepAlive and its answer, for a client Data for an ID that nobody
// uses and the Close that answers it (section 11).
func (n *Tunnel) Barrier() {
	n.barrier("the subject has taken every frame so far and the tunnel goes on", nil)
}

// ExpectOpen expects the tunnel to go on: a barrier passes.
func (n *Tunnel) ExpectOpen(sentence string, opts ...Option) { n.barrier(sentence, opts) }

func (n *Tunnel) barrier(sentence string, opts []Option) {
	x := n.t.expect(sentence, Message, Answer, opts)
	defer n.t.asOne(x, Step{Do: "barrier", On: n.who})()
	if n.t.Case.Role == Client {
		id := n.UnusedID()
		n.Send(Data(id, []byte("barrier")))
		n.Expect(sentence, CloseFor(id), opts...)
		return
	}
	n.Send(KeepAlive())
	n.t.rec.mu.Lock()
	asked := n.asked
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
		n.t.failed(x, want, fmt.Sprintf("%d; %s", heard, n.state(ok, x)))
	}
	n.t.inTime(x, n.t.Now())
}

// ExpectNone expects that the subject sent no frame that m describes: it
// passes a barrier, then looks at everything that came.
func (n *Tunnel) ExpectNone(sentence string, m Matcher, opts ...Option) {
	x := n.t.expect(sentence, Message, Answer, opts)
	defer n.t.asOne(x, Step{Do: "none", On: n.who, Frame: m.name, ID: n.written(m)})()
	n.Barrier()
	if f, ok := n.Peek(m); ok {
		answer := "KeepAlive"
		if n.t.Case.Role == Client {
			answer = "Close for Data that nobody waits for"
		}
		n.t.failed(x, "no such frame before the "+answer+" that answers the suite's (section 11: a barrier)", f.String())
	}
}

// Peek looks for a frame that has come and that m describes, without waiting and without taking it.
func (n *Tunnel) Peek(m Matcher) (f Frame, found bool) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	defer func() { n.peeked(m, found) }()
	for _, a := range n.inbox {
		if hit, _ := m.match(a.f); hit == 1 {
			return a.f, true
		}
	}
	return Frame{}, false
}

// ExpectClosed expects the subject to close the tunnel, in order or by reset.
func (n *Tunnel) ExpectClosed(sentence string, opts ...Option) End {
	x := n.t.expect(sentence, Ending, Answer, opts)
	n.t.awaits(x, Step{Do: "closed", On: n.who})
	if !n.t.wait(x.within, func() bool { return n.end != EndNone }) {
		n.t.failed(x, "the end of the tunnel's stream, or a reset", "the tunnel is still open after "+brief(x.within))
	}
	n.t.inTime(x, n.endAt)
	return n.end
}

// Ended is how the subject has ended the tunnel so far.
func (n *Tunnel) Ended() End {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.t.saw("end", n.who, n.end)
	return n.end
}

// KeepAlives is how many KeepAlives the subject has sent on the tunnel, and how many the suite has.
func (n *Tunnel) KeepAlives() (heard, asked int) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.t.saw("keepalives", n.who, fmt.Sprintf("%d came, %d sent", n.heard, n.asked))
	return n.heard, n.asked
}
