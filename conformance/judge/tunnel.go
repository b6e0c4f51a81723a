package judge

import (
	"fmt"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// Config says whom a Tunnel judges, and who is told what it finds.
type Config struct {
	Auth   bool                                                    // both sides ask for auth, whatever their HELLOs say
	Judged []Side                                                  // only they are charged; what the other does is known to be on purpose
	Found  func(Violation)                                         // is told each violation
	Saw    func(side Side, n uint64, f *wire.Frame, now time.Time) // is told each frame before it is judged; nil: nobody is
	Lost   func(why string)                                        // is told what is not judged from now on; nil: nobody is
}

// A Violation is one requirement broken by one side.
type Violation struct {
	Side   Side
	Req    string
	Says   string
	At     time.Time
	Number uint64 // of the frame among those of the side; of silence: of its last frame
	Frame  string // for people; empty for silence
	Octets string // the frame's first ones
}

// A Tunnel is one tunnel under judgement. It is not safe for concurrent use.
type Tunnel struct {
	c      Config
	judged [2]bool
	rules  *profile

	began time.Time
	dirs  [2]direction // by who sends
	ids

	asked, answered uint64    // KeepAlives of the client, of the server
	alive           time.Time // the client's last KeepAlive
	owedAnswer      time.Time // since when the server owes one
	doubt           bool      // the server sent KeepAlives unasked: its answers prove nothing
	hellos          [2]int
	greetings       [2]uint64  // the windows of the HELLOs
	mostStreams     int        // connections that the client takes, by its HELLO
	ext             *extension // nil: not an extended tunnel
	handshake                  // of section 30
	binds           bindings   // of section 32
	volley          int        // answered KeepAlives in strict alternation, nothing between
	served          bool       // the last KeepAlive was the client's
	volleyBegan     time.Time

	ends   [2]ending // a tunnel error by the sender
	void   bool      // neither IDs nor silence are judged any more
	unread bool      // nothing is

	v view // under judgement; here so that a frame costs no allocation

	silence
}

// New is a tunnel that begins now.
func New(c Config, now time.Time) *Tunnel {
	t := &Tunnel{c: c, rules: core(), began: now, alive: now, ids: newIDs(), silence: newSilence(now)}
	t.guarded = [2]bool{c.Auth, c.Auth}
	for _, side := range c.Judged {
		t.judged[side] = true
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
	wire.Scanner
	frames  uint64
	last    time.Time // octets came
	writing time.Time // a write began that has not returned
	held    time.Time // the last moment at which octets were held up on the way to the peer
	ended   time.Time
	strange *life  // whose Data is passing: what it asks for counts from its last octet
	settled uint64 // answers to KeepAlives that had passed when the line was last seen empty
}

func (d *direction) over() bool { return !d.ended.IsZero() }

// tlsHandshake is the first octet of a TLS stream.
const tlsHandshake = 0x16

// Octets judges octets of a side at the moment at which they came, before they are passed on.
func (t *Tunnel) Octets(side Side, b []byte, now time.Time) {
	t.tick(now)
	d := &t.dirs[side]
	t.came(side, now)
	d.writing = now
	if d.Lost() {
		return
	}
	if side == Client && d.frames == 0 && !d.Begun() && b[0] == tlsHandshake {
		t.Unread("encrypted")
	}
	if t.unread {
		return
	}
	for len(b) > 0 && !d.Lost() {
		var f wire.Frame
		var ok bool
		if b, f, ok = d.Next(b); ok {
			t.frame(side, f, now)
		}
		if d.strange != nil {
			d.strange.owes[side.Peer()] = now
			if !d.Carrying() {
				d.strange = nil
			}
		}
	}
}

// Frame judges a frame of a side as soon as it is known to have been sent. It
// is for whoever has frames and not octets; silence is not judged by it.
func (t *Tunnel) Frame(side Side, f wire.Frame, now time.Time) {
	t.came(side, now)
	if !t.unread {
		t.frame(side, f, now)
	}
	t.dirs[side].strange = nil
}

// Wrote says that the octets of a side that came at began have been passed on.
func (t *Tunnel) Wrote(side Side, began, now time.Time) {
	d := &t.dirs[side]
	d.writing = time.Time{}
	if now.Sub(began) > heldUp {
		d.held = now
	}
}

// Hold says that what a side sends cannot leave for now; Release ends that.
func (t *Tunnel) Hold(side Side, now time.Time) {
	t.dirs[side].writing, t.dirs[side].held = now, now
}

// Release says that what a side sends leaves again.
func (t *Tunnel) Release(side Side, now time.Time) {
	t.dirs[side].writing, t.dirs[side].held = time.Time{}, now
}

// Absent says that nobody looked until now: nothing is overdue.
func (t *Tunnel) Absent(now time.Time) {
	for i := range t.dirs {
		t.dirs[i].held = now
	}
}

// End says that a side ended its stream.
func (t *Tunnel) End(side Side, now time.Time) {
	t.tick(now)
	if d := &t.dirs[side]; !d.over() {
		d.ended = now
	}
}

// Look judges what is overdue.
func (t *Tunnel) Look(now time.Time) { t.tick(now) }

// Unread says that the rest of the tunnel cannot be judged.
func (t *Tunnel) Unread(why string) {
	if !t.unread {
		t.unread, t.void = true, true
		t.lose(why)
	}
}

// Ended says that a side's stream has no meaning any more, in a way that its peer may take for a tunnel error.
func (t *Tunnel) Ended(side Side, now time.Time) {
	t.ends[side] = ending{at: now, asked: t.asked, done: true}
	t.void = true
}

func (t *Tunnel) lose(why string) {
	if t.c.Lost != nil {
		t.c.Lost(why)
	}
}

// came notes that something came from a side.
func (t *Tunnel) came(side Side, now time.Time) {
	d := &t.dirs[side]
	if d.writing.IsZero() && now.Sub(latest(d.last, d.held)) >= emptied {
		d.settled = t.answered
	}
	d.last = now
}

// frame judges one frame and enters it.
func (t *Tunnel) frame(side Side, f wire.Frame, now time.Time) {
	d := &t.dirs[side]
	d.frames++
	t.v = view{Frame: f, side: side, n: d.frames, t: t, now: now}
	v := &t.v
	if t.c.Saw != nil {
		t.c.Saw(side, v.n, &v.Frame, now)
	}
	rules := &t.rules.at[side][f.Type]
	sound := t.listens(side) && !t.judge(v, rules.form)
	if f.Type == wire.TypeHello { // good or bad, it agrees to GOAWAY
		t.hellos[side]++
	}
	if f.Sound() && (f.Type == wire.TypeHello || f.Type == wire.TypeAuth) {
		t.shake(f, side)
		t.binds.note(v)
	}
	if t.ext != nil {
		t.ext.note(v)
	}
	if f.Type == wire.TypeKeepAlive && f.Sound() {
		t.keepAlive(side, now)
	} else {
		t.volley = 0
	}
	if t.void || !sound {
		t.proveGoesOn(now)
		return
	}
	switch {
	case t.ext != nil && f.Type.Binds():
		t.onBinding(v, rules.state)
	case t.ext != nil:
		t.onExtended(v, rules.state)
	case f.Type == wire.TypeHello:
		t.greet(f, side)
	case f.Type.HasID() && !t.full && f.Type.Core():
		t.byID(v, rules.state)
	}
}

// listens reports whether the frames of a side are judged at least by themselves: after
// a tunnel error they are not, unless it was the peer's on purpose.
func (t *Tunnel) listens(side Side) bool {
	return !t.void || t.ends[side].at.IsZero() && !t.judged[side.Peer()]
}

// judge charges the first rule that is broken, and reports whether that is a tunnel error.
func (t *Tunnel) judge(v *view, rules []*rule) (fatal bool) {
	for _, r := range rules {
		if !r.broken(v) {
			continue
		}
		if t.judged[v.side] {
			t.charge(v.side, r.req, r.says, &v.Frame, v.now)
			if v.l != nil {
				// What the sides make of the ID from here on is no longer certain.
				v.l.blind = true
				t.forget(v.l)
			}
			if v.s != nil {
				v.s.blind = true
			}
		}
		if r.ends != "" {
			t.ends[v.side] = ending{req: r.ends, at: v.now, asked: t.asked}
			t.void = true
		}
		return r.ends != ""
	}
	return false
}

// keepAlive enters a KeepAlive.
func (t *Tunnel) keepAlive(side Side, now time.Time) {
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
func (t *Tunnel) taken(asked uint64) bool { return !t.doubt && t.answered > asked }

// settled reports whether the server has taken it and nothing is left in its
// line from before: an answer to a KeepAlive may overtake what was put in line earlier (section 11).
func (t *Tunnel) settled(asked uint64) bool { return !t.doubt && t.dirs[Server].settled > asked }

// proveGoesOn charges a server that answers a KeepAlive which came after the client's tunnel error.
func (t *Tunnel) proveGoesOn(now time.Time) {
	if e := &t.ends[Client]; e.req != "" && !e.done && t.taken(e.asked) {
		e.done = true
		t.charge(Server, e.req, "a tunnel error closes the tunnel: no later KeepAlive is answered", nil, now)
	}
}

// pingPong reports whether the client answers KeepAlives, as far as this can be
// told from a client that sends many: for hundreds of frames each followed
// on the other, quickly, and nothing else passed.
func (t *Tunnel) pingPong(now time.Time) bool {
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

// charge charges a side.
func (t *Tunnel) charge(side Side, req, says string, f *wire.Frame, now time.Time) {
	if !t.judged[side] {
		return
	}
	v := Violation{Side: side, Req: req, Says: says, At: now, Number: t.dirs[side].frames}
	if f != nil {
		v.Frame, v.Octets = f.String(), f.Hex()
	}
	t.c.Found(v)
}

// chargeID charges a side with silence about an ID.
func (t *Tunnel) chargeID(side Side, req, says string, id uint32, now time.Time) {
	t.charge(side, req, fmt.Sprintf("%s (ID %d)", says, id), nil, now)
}
