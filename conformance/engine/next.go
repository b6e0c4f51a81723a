package engine

import "time"

// ExpectNext expects the very next frame that has not been taken yet, of whatever
// type and connection, to be the one that m describes.
// Extensions (0x10 to 0x3F) are passed over.
func (n *Tunnel) ExpectNext(sentence string, m Matcher, opts ...Option) Frame {
	x := n.t.expect(sentence, Message, Answer, opts)
	var got arrival
	have := false
	found := n.t.wait(x.within, func() bool {
		for len(n.inbox) > 0 && n.inbox[0].f.Type.extension() {
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
	n.t.inTime(x, got.at)
	return got.f
}

// Meanwhile lets d pass, or less when cond comes true, and reports cond. It
// paces a peer of the subject, and watches over a stretch of time that the text itself names;
// absence is proved by a barrier.
func (t *T) Meanwhile(d time.Duration, cond func() bool) bool {
	return t.wait(d, func() bool {
		t.rec.mu.Unlock()
		defer t.rec.mu.Lock()
		return cond()
	})
}

// Unsent is how many octets the suite still has to hand to the kernel.
func (l *link) Unsent() int {
	l.t.rec.mu.Lock()
	defer l.t.rec.mu.Unlock()
	return l.unsent
}
