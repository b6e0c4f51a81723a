package engine

import "time"

// ExpectNext expects the very next frame that has not been taken yet, of whatever
// type and connection, to be the one that m describes. Types that Core does
// not know are passed over, and what over names.
func (n *Tunnel) ExpectNext(sentence string, m Matcher, over func(Frame) bool, opts ...Option) Frame {
	x := n.t.expect(sentence, Message, Answer, opts)
	n.expects("next", x, m)
	var got arrival
	have := false
	found := n.t.wait(x.within, func() bool {
		for len(n.inbox) > 0 && (!n.inbox[0].f.Type.known() || over(n.inbox[0].f)) {
			n.inbox = n.inbox[1:]
		}
		if have = len(n.inbox) > 0; have {
			got, n.inbox = n.inbox[0], n.inbox[1:]
		}
		return have || n.end != EndNone || n.broken != nil
	})
	if !have {
		n.t.failed(x, m.want, n.state(found, x))
	}
	if hit, _ := m.match(got.f); hit != 1 {
		n.t.failed(x, m.want, got.f.String())
	}
	n.took(got.f)
	n.t.inTime(x, got.at)
	return got.f
}

// Meanwhile lets d pass, or less when cond comes true, and reports cond. It
// paces a peer of the subject, and watches over a stretch of time that the text itself names;
// absence is proved by a barrier.
func (t *T) Meanwhile(d time.Duration, cond func() bool) bool {
	cond = t.looks(cond)
	hit := t.wait(d, func() bool {
		t.rec.mu.Unlock()
		defer t.rec.mu.Lock()
		return cond()
	})
	t.looked(hit, d, Step{Do: "pause", Pause: roundly(d)})
	if !hit && t.ctx.Err() != nil {
		t.failed(t.expect("the case goes on", Message, d, nil), "the time that the text names passes", "it did not")
	}
	return hit
}

// Unsent is how many octets the suite still has to hand to the kernel.
func (l *link) Unsent() int {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	l.t.saw("unsent", l.who, l.unsent)
	return l.unsent
}
