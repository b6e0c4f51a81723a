package session

import (
	"math"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

// credit is the flow of an extended connection's out half: as much as the peer has allowed (WIN-001).
type credit struct {
	half  *outHalf
	limit uint64 // of all Data since the connection began; it only rises
	more  sync.Cond
}

func (f *credit) allowLocked(n int) int { return int(min(uint64(n), f.limit-f.half.sent)) }

func (f *credit) waitLocked() { f.more.Wait() }

func (f *credit) wakeLocked() { f.more.Broadcast() }

// raiseLocked sets the limit to the larger of both (WIN-003).
func (f *credit) raiseLocked(limit uint64) {
	if limit > f.limit {
		f.limit = limit
		f.wakeLocked()
	}
}

// kept is the flow of an extended connection's in half: what came was allowed, and is kept (WIN-006).
type kept struct{}

func (kept) allowLocked(n int) int { return n }

func (kept) waitLocked() {
	panic("session: internal error: the reader waits for an extended connection")
}

func (kept) wakeLocked() {}

// leastWindow is the smallest window that is granted, whatever HELLO said (WIN-005).
const leastWindow = 4 << 10

// granted is what the peer may send on an extended connection, and what became of it.
type granted struct {
	window   uint64 // how far limit is ahead of taken when it is raised
	limit    uint64 // of all Data since the connection began
	received uint64
	taken    uint64 // by the local socket
	inLine   bool   // a WINDOW is going to be sent

	// Of the time in which the local socket takes one window:
	from  uint64  // taken when it began
	since instant // when it began
}

const (
	// quickLeast is the time within which a window that is taken grows, however short the round trip is.
	quickLeast = 2 * time.Millisecond
	// idleWindow is how long a connection moves nothing before its window is what it was.
	idleWindow = 10 * time.Second
	// inSystem is how much the system takes of what nobody reads, once attachedLocked has told it: until a local socket took
	// more that says nothing about its reader.
	inSystem = 1 << 20
	// mostUnsentLocal is how much the system holds for a local socket that it cannot send.
	mostUnsentLocal = 512 << 10
)

var (
	// mostWindow is how far a window may grow (WIN-004).
	mostWindow = uint64(size("window-max"))
	// growthBudget is what the windows of a tunnel may grow by in all; one step takes a quarter of what is left.
	growthBudget = int64(size("growth-budget"))
)

// tookLocked counts n bytes that the local socket took, and lets the window grow while it is what holds the peer up
// (WIN-009): credit that leaves at half a window brings half of it in a round trip at least, and a whole one takes two.
// Whatever the socket's rate, the window stays below what it takes in six round trips; how deep the queue is says nothing
// more, as a window may come in one piece.
func (c *extConn) tookLocked(n int) {
	g, now := &c.granted, c.s.now()
	if now-g.since > idleWindow {
		c.shrinkLocked()
		g.from, g.since = g.taken, now
	}
	g.taken += uint64(n)
	if g.taken-g.from >= g.window {
		trip := time.Duration(c.s.ping.trips.best(now)) // what credit takes now, whatever it waits for
		if g.taken > inSystem && trip > 0 && now-g.since < max(3*trip, quickLeast) {
			step := min(g.window, max(mostWindow, g.window)-g.window, uint64(growthBudget-c.s.grown)/4)
			g.window += step
			c.s.grown += int64(step)
		}
		g.from, g.since = g.taken, now
	}
	c.dueLocked()
	c.s.measureLocked()
}

// attachedLocked has the system take not much more for the local socket than its peer has room for, so that it does not take
// windows full of what nobody reads.
func (c *extConn) attachedLocked() {
	if local, ok := c.local.sock.(limiter); ok {
		c.s.effects = append(c.s.effects, effect{do: tellOnly, over: func(error) { local.LimitUnsent(mostUnsentLocal) }})
	}
}

// shrinkLocked gives back what the window has grown by. What was granted stays granted.
func (c *extConn) shrinkLocked() {
	w := c.firstWindow()
	c.s.grown -= int64(c.granted.window - w)
	c.granted.window = w
}

// firstWindow is the window of a connection that has just begun.
func (c *extConn) firstWindow() uint64 { return max(uint64(c.s.cfg.Window), leastWindow) }

// dueLocked has a WINDOW sent when credit is due (WIN-005), and there is somebody to use it.
func (c *extConn) dueLocked() {
	g := &c.granted
	if c.state != opened || c.in.ended || g.inLine || !c.local.takes() || g.limit-g.taken > g.window/2 {
		return
	}
	g.inLine = true
	c.s.grants = append(c.s.grants, c)
}

// grantLocked queues a WINDOW for each connection that is due one, with the newest limit.
func (s *Session) grantLocked() {
	for i, c := range s.grants {
		s.grants[i] = nil
		g := &c.granted
		g.inLine = false
		if c.state == opened && !c.in.ended && g.taken+g.window > g.limit {
			g.limit = g.taken + g.window
			s.queueFirstLocked(wire.AppendWindow(s.frame[:0], c.id, g.limit), false)
		}
	}
	s.grants = s.grants[:0]
}

// creditSizeLocked is the room that the next read of c gets on an extended tunnel: within its credit, or a small one to
// see the end of the stream or a reset (WIN-001), unless there is no memory for that.
func (s *Session) creditSizeLocked(c *conn) int {
	for s.scarceLocked() && c.out.flow.allowLocked(1) == 0 && !c.overLocked() {
		c.out.flow.waitLocked()
	}
	size := c.out.want
	if c.splicer() == nil { // what is piped can be cut later
		size = min(s.fairLocked(c, size), s.ping.cut)
	}
	return min(size, max(small, c.out.flow.allowLocked(math.MaxInt32)))
}

// overLocked reports whether nothing more is read from the local socket to be sent.
func (c *conn) overLocked() bool { return c.s.ended || c.local.closed || c.out.ended }

// countHeldLocked keeps the session's sum of what its queues hold, in buffers and not in bytes (WIN-008). What is being
// written to a socket that was given up is as good as released.
func (c *conn) countHeldLocked() {
	held := c.in.queue.Held()
	if c.local.closed {
		held = 0
	}
	c.s.holdLocked(held - c.in.held)
	c.in.held = held
}
