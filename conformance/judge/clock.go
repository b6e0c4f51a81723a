package judge

import (
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// Times of section 17.
var (
	answer            = spec.LimitOf("answer").Time()
	localEffect       = spec.LimitOf("local-effect").Time()
	connectTimeoutMax = spec.LimitOf("connect-timeout").MaxTime()
	dialTimeout       = spec.LimitOf("dial-timeout").Time()
	closeTotal        = spec.LimitOf("close-total").Time()
	closeWait         = spec.LimitOf("close-wait").Time()
	stallWindow       = spec.LimitOf("stall-window").Time()
	keepAliveInterval = spec.LimitOf("keepalive-interval").Time()
	deadPeerClient    = spec.LimitOf("dead-peer-client").Time()
	deadPeerServerMax = spec.LimitOf("dead-peer-server").MaxTime()
)

const (
	tickEvery = time.Second
	heldUp    = 100 * time.Millisecond // a write that took longer held the direction up
	emptied   = 5 * time.Second        // a line in which nothing moved for so long, though nothing held it up, is empty
)

// transit is the time that octets are given between a side and whoever watches.
// A side is called silent only when nothing came from it for that long, so
// that nothing that it sent in time is still on the way.
const transit = time.Second

// slack is what section 17 adds to every timer, and the way here.
var slack = answer + transit

// An overdue rule is broken when something has not come by its time. Due says
// when, and for which side the frames of its peer had to be read: the time of a pause
// (section 12) and of a direction that was held up counts for nobody.
type overdue struct {
	req  string
	side Side
	says string
	due  func(t *Tunnel) (due time.Time, owed bool)
	done func(t *Tunnel, now time.Time) // so that it is charged once
}

// coreClocks are the rules about a tunnel as a whole.
var coreClocks = []overdue{
	{
		"ALIVE-001", Client, "a client sends a KeepAlive every 15 s",
		func(t *Tunnel) (time.Time, bool) {
			return t.from(Client, t.alive).Add(keepAliveInterval + slack), !t.guarded[Server]
		},
		func(t *Tunnel, now time.Time) { t.alive = now },
	},
	{
		"ALIVE-002", Server, "a server answers each KeepAlive",
		func(t *Tunnel) (time.Time, bool) {
			return t.reading(Server, t.from(Server, t.owedAnswer)).Add(slack), t.asked > max(t.answered, t.missed)
		},
		func(t *Tunnel, _ time.Time) { t.missed = t.asked },
	},
	{
		"ALIVE-004", Client, "a client closes a tunnel from which it read nothing for 45 s",
		func(t *Tunnel) (time.Time, bool) {
			return t.reading(Client, t.dirs[Server].last).Add(deadPeerClient + slack), !t.kept[Client]
		},
		func(t *Tunnel, _ time.Time) { t.kept[Client] = true },
	},
	{
		"ALIVE-006", Server, "a server closes a tunnel from which it read nothing for 300 s",
		func(t *Tunnel) (time.Time, bool) {
			return t.reading(Server, t.dirs[Client].last).Add(deadPeerServerMax + slack), !t.kept[Server]
		},
		func(t *Tunnel, _ time.Time) { t.kept[Server] = true },
	},
	ended(Server), ended(Client),
}

// ended is TUN-002 for a side whose peer has ended the stream.
func ended(side Side) overdue {
	return overdue{
		"TUN-002", side, "the end of the stream in either direction is the end of the tunnel",
		func(t *Tunnel) (time.Time, bool) {
			end := t.dirs[side.Peer()].ended
			return t.reading(side, end).Add(slack), !end.IsZero() && !t.outlived[side]
		},
		func(t *Tunnel, _ time.Time) { t.outlived[side] = true },
	}
}

// A wait is a rule about an ID for which somebody still owes something.
type wait struct {
	req  string
	side Side
	says string
	due  func(t *Tunnel, l *life) (due time.Time, owed bool)
}

// coreWaits are the rules about one ID.
var coreWaits = []wait{
	{
		"OPEN-012", Client, "a client gives up a dial after 8 s",
		func(t *Tunnel, l *life) (time.Time, bool) {
			return t.reading(Client, t.from(Client, l.requested)).Add(dialTimeout + localEffect + slack),
				l.unanswered() && l.closes[Server] == 0
		},
	},
	{
		"OPEN-022", Server, "a server gives up a request after 30 s at most",
		func(t *Tunnel, l *life) (time.Time, bool) {
			return t.from(Server, l.requested).Add(connectTimeoutMax + slack), l.unanswered() && l.closes[Server] == 0
		},
	},
	{
		"OPEN-004", Client, "a request that was given up is answered all the same",
		func(t *Tunnel, l *life) (time.Time, bool) {
			return t.reading(Client, t.from(Client, l.closed[Server])).Add(closeWait + slack),
				l.unanswered() && l.closes[Server] > 0
		},
	},
	closed(Server), closed(Client),
	answered(Server), answered(Client),
}

// unanswered reports whether the client has said nothing about a request.
func (l *life) unanswered() bool { return !l.strange && l.answers == 0 && l.closes[Client] == 0 }

// closed is CLOSE-004 for a side.
func closed(side Side) wait {
	return wait{
		"CLOSE-004", side, "Close is answered with Close within 30 s",
		func(t *Tunnel, l *life) (time.Time, bool) {
			since := latest(l.opened, l.closed[side.Peer()])
			return t.reading(side, t.from(side, since)).Add(closeTotal + slack),
				l.open() && l.closes[side.Peer()] > 0 && l.closes[side] == 0
		},
	}
}

// answered is DATA-004 for a side.
func answered(side Side) wait {
	return wait{
		"DATA-004", side, "Data for an idle ID is answered with Close",
		func(t *Tunnel, l *life) (time.Time, bool) {
			return t.reading(side, t.from(side, l.owes[side])).Add(slack), l.strange && !l.owes[side].IsZero()
		},
	}
}

// silence is what the rules of the clock remember.
type silence struct {
	missed   uint64  // KeepAlives of the client until the answers to which were charged: ALIVE-002
	kept     [2]bool // ALIVE-004, ALIVE-006 charged
	outlived [2]bool // TUN-002 charged
	ticked   time.Time
	window   time.Time
	windows  uint32
	feeds    [2][2]int // connections to which Data passed, by receiver: in this window, in the one before
}

func newSilence(now time.Time) silence { return silence{ticked: now, window: now, windows: 1} }

// tick judges what has not come. It comes before octets are let in.
func (t *Tunnel) tick(now time.Time) {
	if now.Before(t.ticked.Add(tickEvery)) {
		return
	}
	t.ticked = now
	for i := range t.dirs {
		if d := &t.dirs[i]; !d.writing.IsZero() && now.Sub(d.writing) > heldUp {
			d.held = now
		}
	}
	if now.Sub(t.window) >= pauseWindow {
		t.turn(now)
	}
	t.goesOn(now)
	for i := range t.rules.clocks {
		c := &t.rules.clocks[i]
		if c.req != "TUN-002" && t.dirs[c.side.Peer()].over() || t.void || !t.silent(c.side, now) {
			continue
		}
		if due, owed := c.due(t); owed && now.After(due) {
			t.charge(c.side, c.req, c.says, nil, now)
			c.done(t, now)
		}
	}
	if t.void || t.dirs[Server].over() || t.dirs[Client].over() {
		return
	}
	for id, l := range t.owed {
		if !l.pending() {
			delete(t.owed, id)
			continue
		}
		for i := range t.rules.waits {
			w := &t.rules.waits[i]
			if l.late&(1<<i) != 0 || !t.silent(w.side, now) {
				continue
			}
			if due, owed := w.due(t, l); owed && now.After(due) {
				l.late |= 1 << i
				t.chargeID(w.side, w.req, w.says, l.id, now)
			}
		}
	}
}

// goesOn judges a side that lives on after the peer's tunnel error.
func (t *Tunnel) goesOn(now time.Time) {
	for side := range t.ends {
		e, reader := &t.ends[side], Side(side).Peer()
		if e.req == "" || e.done || t.dirs[reader].over() || t.dirs[side].over() {
			continue
		}
		if due := t.reading(reader, e.at).Add(slack); now.After(due) {
			e.done = true
			t.charge(reader, e.req, "a tunnel error closes the tunnel", nil, now)
		}
	}
}

// silent reports whether all that a side has sent has come: it lives, its
// octets are not held up here, and none came for a while.
func (t *Tunnel) silent(side Side, now time.Time) bool {
	d := &t.dirs[side]
	return !d.over() && d.writing.IsZero() && now.Sub(d.held) >= transit && now.Sub(d.last) >= transit
}

// from is the later of a time and the last moment at which a side's own octets were held up.
func (t *Tunnel) from(side Side, since time.Time) time.Time { return latest(since, t.dirs[side].held) }

// reading is since, as late as a side may have read what passed to it then:
// it may have been held up on the way, and the side may pause (section 12).
func (t *Tunnel) reading(side Side, since time.Time) time.Time {
	return latest(since, t.dirs[side.Peer()].held).Add(t.pause(side))
}

// pauseWindow is how long a connection to which Data passed is taken to be able to stop its receiver.
const pauseWindow = 60 * time.Second

// pause is the time for which a side may have read nothing: by FLOW-003 each
// connection that got Data lately can stop it for one window before it is ended.
func (t *Tunnel) pause(side Side) time.Duration {
	return stallWindow * time.Duration(t.feeds[side][0]+t.feeds[side][1])
}

// feed notes that Data passed to a side.
func (t *Tunnel) feed(l *life, side Side) {
	if l.fed[side] != t.windows {
		l.fed[side] = t.windows
		t.feeds[side][0]++
	}
}

// turn begins a new window.
func (t *Tunnel) turn(now time.Time) {
	t.window = now
	t.windows++
	for i := range t.feeds {
		t.feeds[i] = [2]int{0, t.feeds[i][0]}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
