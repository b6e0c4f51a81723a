package referee

import (
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// transit is the time that octets are given between a side and the referee.
// A side is called silent only when nothing came from it for that long, so
// that nothing that it sent in time is still on the way.
const transit = time.Second

// slack is what section 17 adds to every timer, and the way here.
const slack = engine.Answer + transit

// An overdue rule is broken when something has not come by its time. Due says
// when, and for which side the frames of its peer had to be read: the time of a pause
// (section 12) and of a direction that was held up counts for nobody.
type overdue struct {
	req  string
	side Side
	says string
	due  func(t *tunnel) (due time.Time, owed bool)
	done func(t *tunnel, now time.Time) // so that it is charged once
}

// clocks are the rules about a tunnel as a whole.
var clocks = []overdue{
	{
		"ALIVE-001", Client, "a client sends a KeepAlive every 15 s",
		func(t *tunnel) (time.Time, bool) {
			return t.from(Client, t.alive).Add(engine.KeepAliveInterval + slack), true
		},
		func(t *tunnel, now time.Time) { t.alive = now },
	},
	{
		"ALIVE-002", Server, "a server answers each KeepAlive",
		func(t *tunnel) (time.Time, bool) {
			return t.reading(Server, t.from(Server, t.owedAnswer)).Add(slack), t.asked > t.answered
		},
		func(t *tunnel, _ time.Time) { t.answered = t.asked },
	},
	{
		"ALIVE-004", Client, "a client closes a tunnel from which it read nothing for 45 s",
		func(t *tunnel) (time.Time, bool) {
			return t.reading(Client, t.dirs[Server].last).Add(engine.DeadPeer + slack), !t.deaf[Client]
		},
		func(t *tunnel, _ time.Time) { t.deaf[Client] = true },
	},
	{
		"ALIVE-006", Server, "a server closes a tunnel from which it read nothing for 300 s",
		func(t *tunnel) (time.Time, bool) {
			return t.reading(Server, t.dirs[Client].last).Add(engine.DeadPeerServerMax + slack), !t.deaf[Server]
		},
		func(t *tunnel, _ time.Time) { t.deaf[Server] = true },
	},
	ended(Server), ended(Client),
}

// ended is TUN-002 for a side whose peer has ended the stream.
func ended(side Side) overdue {
	return overdue{
		"TUN-002", side, "the end of the stream in either direction is the end of the tunnel",
		func(t *tunnel) (time.Time, bool) {
			end := t.dirs[side.peer()].ended
			return t.reading(side, end).Add(slack), !end.IsZero() && !t.outlived[side]
		},
		func(t *tunnel, _ time.Time) { t.outlived[side] = true },
	}
}

// A wait is a rule about an ID for which somebody still owes something.
type wait struct {
	req  string
	side Side
	says string
	due  func(t *tunnel, l *life) (due time.Time, owed bool)
}

// waits are the rules about one ID.
var waits = []wait{
	{
		"OPEN-012", Client, "a client gives up a dial after 8 s",
		func(t *tunnel, l *life) (time.Time, bool) {
			return t.reading(Client, t.from(Client, l.requested)).Add(engine.DialTimeout + engine.LocalEffect + slack),
				l.unanswered() && l.closes[Server] == 0
		},
	},
	{
		"OPEN-022", Server, "a server gives up a request after 30 s at most",
		func(t *tunnel, l *life) (time.Time, bool) {
			return t.from(Server, l.requested).Add(engine.ConnectTimeoutMax + slack), l.unanswered() && l.closes[Server] == 0
		},
	},
	{
		"OPEN-004", Client, "a request that was given up is answered all the same",
		func(t *tunnel, l *life) (time.Time, bool) {
			return t.reading(Client, t.from(Client, l.closed[Server])).Add(engine.CloseWait + slack),
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
		func(t *tunnel, l *life) (time.Time, bool) {
			since := latest(l.opened, l.closed[side.peer()])
			return t.reading(side, t.from(side, since)).Add(engine.CloseTotal + slack),
				l.open() && l.closes[side.peer()] > 0 && l.closes[side] == 0
		},
	}
}

// answered is DATA-004 for a side.
func answered(side Side) wait {
	return wait{
		"DATA-004", side, "Data for an idle ID is answered with Close",
		func(t *tunnel, l *life) (time.Time, bool) {
			return t.reading(side, t.from(side, l.owes[side])).Add(slack), l.strange && !l.owes[side].IsZero()
		},
	}
}

// tick judges what has not come. The caller holds mu, and calls it before it lets octets in.
func (t *tunnel) tick(now time.Time) {
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
	for i := range clocks {
		c := &clocks[i]
		if c.req != "TUN-002" && t.dirs[c.side.peer()].over() || t.void || !t.silent(c.side, now) {
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
		for i := range waits {
			w := &waits[i]
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
func (t *tunnel) goesOn(now time.Time) {
	for side := range t.ends {
		e, reader := &t.ends[side], Side(side).peer()
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
func (t *tunnel) silent(side Side, now time.Time) bool {
	d := &t.dirs[side]
	return !d.over() && d.writing.IsZero() && now.Sub(d.held) >= transit && now.Sub(d.last) >= transit
}

// from is the later of a time and the last moment at which a side's own octets were held up.
func (t *tunnel) from(side Side, since time.Time) time.Time { return latest(since, t.dirs[side].held) }

// reading is since, as late as a side may have read what passed to it then:
// it may have been held up on the way, and the side may pause (section 12).
func (t *tunnel) reading(side Side, since time.Time) time.Time {
	return latest(since, t.dirs[side.peer()].held).Add(t.pause(side))
}

// pauseWindow is how long a connection to which Data passed is taken to be able to stop its receiver.
const pauseWindow = 60 * time.Second

// pause is the time for which a side may have read nothing: by FLOW-003 each
// connection that got Data lately can stop it for one window before it is ended.
func (t *tunnel) pause(side Side) time.Duration {
	return engine.StallWindow * time.Duration(t.feeds[side][0]+t.feeds[side][1])
}

// feed notes that Data passed to a side.
func (t *tunnel) feed(l *life, side Side) {
	if l.fed[side] != t.windows {
		l.fed[side] = t.windows
		t.feeds[side][0]++
	}
}

// turn begins a new window.
func (t *tunnel) turn(now time.Time) {
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
