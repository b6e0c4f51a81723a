package referee

import (
	"fmt"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Bounds of memory, for each tunnel. Beyond the first the tunnel's IDs are no
// longer judged, beyond the second only those that were forgotten.
const (
	maxLives = 1 << 17 // IDs in use
	maxDone  = 1 << 12 // IDs that are free again, kept for frames that still cross
)

const (
	tickEvery = time.Second
	heldUp    = 100 * time.Millisecond // a write that took longer held the direction up
)

// A tunnel is one tunnel under judgement.
type tunnel struct {
	n   int
	ref *Referee

	mu      sync.Mutex // guards the following
	began   time.Time
	dirs    [2]direction // by who sends
	lives   map[uint32]*life
	owed    map[uint32]*life // those for which somebody owes something
	done    []*life          // over or strange, oldest at next once it is full
	next    int
	forgot  [2]uint32 // lowest and highest ID that was forgotten
	forgets bool      // there are such IDs

	asked, answered uint64    // KeepAlives of the client, of the server
	alive           time.Time // the client's last KeepAlive
	owedAnswer      time.Time // since when the server owes one
	doubt           bool      // the server sent KeepAlives unasked: its answers prove nothing
	hellos          [2]int
	volley          int  // answered KeepAlives in strict alternation, nothing between
	served          bool // the last KeepAlive was the client's
	volleyBegan     time.Time

	ends     [2]ending // a tunnel error by the sender
	void     bool      // nothing but goesOn is judged any more
	noIDs    bool      // too many IDs: only frames by themselves are judged
	deaf     [2]bool   // ALIVE-004, ALIVE-006 charged
	outlived [2]bool   // TUN-002 charged

	f frame // under judgement; here so that a frame costs no allocation
	v view

	ticked  time.Time
	window  time.Time
	windows uint32
	feeds   [2][2]int // connections to which Data passed, by receiver: in this window, in the one before
}

func newTunnel(ref *Referee, n int, now time.Time) *tunnel {
	t := &tunnel{
		n: n, ref: ref, began: now, alive: now, ticked: now, window: now, windows: 1,
		lives: map[uint32]*life{}, owed: map[uint32]*life{},
	}
	for i := range t.dirs {
		t.dirs[i].last = now
	}
	return t
}

// An ending is a tunnel error: the rule by which the reader has to close the tunnel.
type ending struct {
	req   string
	at    time.Time
	asked uint64
	done  bool
}

// A direction is what one side sends.
type direction struct {
	scanner
	frames  uint64
	last    time.Time // octets came
	writing time.Time // a write began that has not returned
	held    time.Time // the last moment at which octets were held up on the way to the peer
	ended   time.Time
	strange *life // whose Data is passing: what it asks for counts from its last octet
}

func (d *direction) over() bool { return !d.ended.IsZero() }

// saw judges octets of a side, before they are passed on.
func (t *tunnel) saw(side Side, b []byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick(now)
	d := &t.dirs[side]
	d.last, d.writing = now, now
	if d.lost {
		return
	}
	if side == Client && d.frames == 0 && d.have == 0 && b[0] == tlsHandshake {
		t.unread("TLS: its frames cannot be read")
	}
	if t.void && !t.ended() {
		d.lost = true // never judged: nothing to scan for
		return
	}
	for len(b) > 0 && !d.lost {
		var f frame
		var ok bool
		if b, f, ok = d.take(b); ok {
			d.frames++
			t.f = f
			t.f.side, t.f.n = side, d.frames
			t.frame(&t.f, now)
		}
		if d.strange != nil {
			d.strange.owes[side.peer()] = now
			if d.skip == 0 {
				d.strange = nil
			}
		}
	}
}

// tlsHandshake is the first octet of a TLS stream.
const tlsHandshake = 0x16

// ended reports whether a tunnel error was seen.
func (t *tunnel) ended() bool { return t.ends[Server].req != "" || t.ends[Client].req != "" }

// unread ends the judging of this tunnel. The caller holds mu.
func (t *tunnel) unread(why string) {
	if !t.void {
		t.void = true
		t.ref.lost(t, why)
	}
}

// frame judges one frame and enters it.
func (t *tunnel) frame(f *frame, now time.Time) {
	t.ref.frames.Add(1)
	t.ref.show(t, f, now)
	if t.void {
		if f.side == Server && f.version == engine.Version && f.typ == engine.TypeKeepAlive {
			t.answered++
			t.proveGoesOn(now)
		} else if f.side == Client && f.version == engine.Version && f.typ == engine.TypeKeepAlive {
			t.asked++
		}
		return
	}
	v := &t.v
	*v = view{frame: f, t: t, now: now}
	if t.judge(v, form) {
		return
	}
	switch {
	case f.typ == engine.TypeKeepAlive:
		t.keepAlive(f.side, now)
	case f.typ == hello:
		t.hellos[f.side]++
	}
	if f.typ != engine.TypeKeepAlive {
		t.volley = 0
	}
	if f.hasID() && !t.noIDs {
		t.byID(v)
	}
}

// judge charges the first rule that is broken, and reports whether that is a tunnel error.
func (t *tunnel) judge(v *view, rules []rule) (fatal bool) {
	for i := range rules {
		r := &rules[i]
		if !r.broken(v) {
			continue
		}
		t.charge(v.side, r.req, r.says, v.frame, v.now)
		if v.l != nil {
			// What the sides make of the ID from here on is no longer certain.
			v.l.blind = true
			t.forget(v.l)
		}
		if r.ends != "" {
			t.ends[v.side] = ending{req: r.ends, at: v.now, asked: t.asked}
			t.void = true
		}
		return r.ends != ""
	}
	return false
}

// byID judges a sound frame by the life of its ID.
func (t *tunnel) byID(v *view) {
	id := v.id()
	v.l = t.lives[id]
	if v.l == nil && v.typ != engine.TypeConnectRequest && t.forgets && id >= t.forgot[0] && id <= t.forgot[1] {
		return
	}
	if v.l == nil || !v.l.blind {
		if t.judge(v, state) {
			return
		}
	}
	if v.typ == engine.TypeConnectRequest {
		t.request(v)
		return
	}
	if v.l == nil {
		if v.typ != engine.TypeData {
			return // charged, or ignored by whoever receives it
		}
		v.l = &life{id: id, strange: true}
		if t.add(v.l); t.noIDs {
			return
		}
		t.forget(v.l)
	}
	l, was := v.l, v.l.over()
	switch v.typ {
	case engine.TypeConnectResponse:
		if l.strange {
			return
		}
		kind := failure
		if v.success() {
			kind = success
		}
		l.take(kind, v.side, v.now, t.asked)
	case engine.TypeData:
		l.take(data, v.side, v.now, t.asked)
		t.feed(l, v.side.peer())
		if l.strange {
			t.dirs[v.side].strange = l
		}
	case engine.TypeClose:
		l.take(closing, v.side, v.now, t.asked)
	}
	if l.over() && !was && !l.strange {
		t.forget(l)
	}
	t.owe(l)
}

// request begins the life of an ID.
func (t *tunnel) request(v *view) {
	l := &life{id: v.id(), requested: v.now, refuse: refuse(v.frame)}
	if old := v.l; old != nil {
		// Late answers to the Data of its past cannot be told from what comes now.
		l.blind = old.blind || old.free[Server] || old.free[Client] || !old.strange && !old.over()
	}
	t.ref.connections.Add(1)
	t.add(l)
	t.owe(l)
}

// add enters a life, unless there are too many.
func (t *tunnel) add(l *life) {
	if len(t.lives) >= maxLives {
		t.noIDs = true
		clear(t.lives)
		clear(t.owed)
		t.ref.lost(t, fmt.Sprintf("more than %d IDs in use: IDs are no longer judged", maxLives))
		return
	}
	t.lives[l.id] = l
}

// owe keeps l among those for which somebody owes something, or not.
func (t *tunnel) owe(l *life) {
	switch {
	case t.noIDs:
	case l.pending():
		t.owed[l.id] = l
	case t.owed[l.id] != nil:
		delete(t.owed, l.id)
	}
}

// forget puts l among those that are kept for a while only.
func (t *tunnel) forget(l *life) {
	if len(t.done) < maxDone {
		t.done = append(t.done, l)
		return
	}
	old := t.done[t.next]
	t.done[t.next] = l
	t.next = (t.next + 1) % maxDone
	if t.lives[old.id] != old {
		return // the ID has begun another life
	}
	delete(t.lives, old.id)
	delete(t.owed, old.id)
	if !t.forgets {
		t.forgets, t.forgot = true, [2]uint32{old.id, old.id}
	}
	t.forgot = [2]uint32{min(t.forgot[0], old.id), max(t.forgot[1], old.id)}
}

// keepAlive enters a KeepAlive.
func (t *tunnel) keepAlive(side Side, now time.Time) {
	t.served = side == Client
	if side == Client {
		if t.asked++; t.asked == t.answered+1 {
			t.owedAnswer = now
		}
		t.alive = now
		return
	}
	if t.answered >= t.asked { // charged
		t.doubt = true
		return
	}
	t.answered++
	t.owedAnswer = now // what is still owed gets its time anew
	t.volley++
}

// taken reports whether the server has provably handled what the client sent before its KeepAlive number asked+1.
func (t *tunnel) taken(asked uint64) bool { return !t.doubt && t.answered > asked }

// proveGoesOn charges a server that answers a KeepAlive which came after the client's tunnel error.
func (t *tunnel) proveGoesOn(now time.Time) {
	if e := &t.ends[Client]; e.req != "" && !e.done && t.taken(e.asked) {
		e.done = true
		t.charge(Server, e.req, "a tunnel error closes the tunnel: no later KeepAlive is answered", nil, now)
	}
}

// pingPong reports whether the client answers KeepAlives, as far as this can be
// told from a client that sends many: for hundreds of frames each followed
// on the other, quickly, and nothing else passed.
func (t *tunnel) pingPong(now time.Time) bool {
	const long, quick = 256, 256 * time.Second
	if t.volley == 0 || t.served {
		t.volley, t.volleyBegan = 0, now
	}
	if t.volley < long {
		return false
	}
	t.volley = 0
	return now.Sub(t.volleyBegan) < quick
}

// wrote notes that the octets of a side that came at began have been passed on.
func (t *tunnel) wrote(side Side, began, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirs[side].writing = time.Time{}
	if now.Sub(began) > heldUp {
		t.dirs[side].held = now
	}
}

// hold says that what a side sends cannot leave for now.
func (t *tunnel) hold(side Side, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirs[side].writing, t.dirs[side].held = now, now
}

// absent says that the referee itself did not look until now: nothing is overdue.
func (t *tunnel) absent(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.dirs {
		t.dirs[i].held = now
	}
}

// end notes that a side ended its stream.
func (t *tunnel) end(side Side, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick(now)
	if d := &t.dirs[side]; !d.over() {
		d.ended = now
	}
}

// look judges what is overdue.
func (t *tunnel) look(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick(now)
}

// charge charges a side.
func (t *tunnel) charge(side Side, req, says string, f *frame, now time.Time) {
	v := Violation{
		Tunnel: t.n, At: now, Seconds: now.Sub(t.began).Seconds(), Side: side.String(),
		Req: req, Says: says, Number: t.dirs[side].frames,
	}
	if f != nil {
		v.Frame, v.Octets = f.String(), f.octets()
	}
	t.ref.found(v)
}

// chargeID charges a side with silence about an ID.
func (t *tunnel) chargeID(side Side, req, says string, id uint32, now time.Time) {
	t.charge(side, req, fmt.Sprintf("%s (ID %d)", says, id), nil, now)
}
