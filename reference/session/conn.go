package session

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// instant is the time since a session was made.
type instant = time.Duration

// conn is one connection at one end of a tunnel: its local socket and the two halves that carry its bytes. What
// its ID goes through is its kind's. Guarded by Session.mu but where a line says otherwise.
type conn struct {
	s     *Session
	id    uint32
	kind  kind
	idDue instant // the deadline of the ID's state; 0: none
	local local
	in    inHalf
	out   outHalf

	leaving bool // its ID is gone, and its last frame is not
}

// kind is what a connection's state table says: Core's (core.go) or that of the Extended profile (ext.go). All is
// called under the lock.
type kind interface {
	// dataLocked begins a Data frame of n bytes, and reports whether they are for the local socket. An error ends the
	// tunnel.
	dataLocked(n int) (bool, error)
	// dialledLocked takes the result of the dial, and reports whether it wants the socket.
	dialledLocked(socket sock.Socket, target Target, err error) bool
	// readEndedLocked: the local stream has ended, and all before the end was sent.
	readEndedLocked()
	// readFailedLocked: the local socket was reset.
	readFailedLocked(err error)
	// writeFailedLocked: the local socket takes no more bytes.
	writeFailedLocked()
	// tookLocked: the local socket took n bytes.
	tookLocked(n int)
	// writtenLocked: the in half has ended, and all its bytes are written.
	writtenLocked()
	// idDueLocked and localDueLocked: a deadline has passed.
	idDueLocked()
	localDueLocked()
	// isOpenLocked reports whether the connection is open, and resetIdleLocked ends one that is because nothing moves.
	isOpenLocked() bool
	resetIdleLocked()
	// overBudgetLocked: the connection has to go, because the tunnel holds too much (WIN-008).
	overBudgetLocked()
	// failLocked ends the connection because of a broken requirement, and leaves the tunnel as it was.
	failLocked(req, reason string)
	// tunnelLostLocked ends the connection with its tunnel.
	tunnelLostLocked()
}

// coreConn is a connection by Core's tables (core.go).
type coreConn struct {
	conn
	state state
}

// addCoreLocked makes a connection.
func (s *Session) addCoreLocked(id uint32, st state) *coreConn {
	c := &coreConn{}
	c.initLocked(s, id, c, pause{&c.conn}, answered{c})
	c.out.holds = true
	c.state = st
	return c
}

// coreLocked is the Core connection of an ID, or nil. An extended one that a frame of Core names is an error.
func (s *Session) coreLocked(id uint32) (*coreConn, error) {
	c := s.ids.conns[id]
	if c == nil {
		return nil, nil
	}
	core, ok := c.kind.(*coreConn)
	if !ok {
		return nil, violation("XID-005", "a frame of Core's for an extended connection")
	}
	return core, nil
}

// state of a connection in Core (PROTOCOL.md section 7). An ID that is idle or retired has no connection in the
// table; one that lingers has given its ID back, and has a local socket to finish with.
type state uint8

const (
	idle state = iota
	requested
	dialing
	abandoned
	open
	closing
	draining
	lingering
)

var stateNames = [...]string{"idle", "requested", "dialing", "abandoned", "open", "closing", "draining", "lingering"}

func (st state) String() string { return stateNames[st] }

// flow bounds how far a half may run ahead of who takes its bytes. In Core the in half's is pause, the out half's
// answered; in the Extended profile they are kept and credit.
type flow interface {
	// allowLocked returns how many of n bytes may move now.
	allowLocked(n int) int
	// waitLocked waits, with the lock released, until that may have changed or the connection is over.
	waitLocked()
	// wakeLocked ends such a wait.
	wakeLocked()
}

// local is the life of a connection's local socket. It ends before or after its ID is idle: bytes may still have
// to be written, or the peer's last word be missing.
type local struct {
	target    Target
	origin    netip.AddrPort // of the visitor; the zero value: not known
	sock      sock.Socket    // nil: there is none yet; never changed then
	cancel    func()         // while it is dialled
	counts    *sock.Counts   // nil: nobody counts
	over      func(error)    // told when it is given up; may be nil
	readEnded bool           // its stream has ended
	write     writeSide
	closed    bool    // it was closed or reset, or never came
	closeAt   instant // of the connection's first Close
	why       error   // what made its end untimely; nil: nothing did
	due       instant // the deadline of what it has to do; 0: none

	idle    time.Duration // how long nothing may move; 0: for ever
	idleDue instant       // when to look next whether something did; 0: never
	moved   int64         // what had moved then
	movedAt instant       // when that was first seen
}

// writeSide is how far the writing to a local socket has come.
type writeSide uint8

const (
	writeOpen   writeSide = iota
	writeClosed           // a write failed: it takes no more bytes
	writeShut             // the end was passed on
)

// takes reports whether bytes may be written to the socket.
func (l *local) takes() bool { return !l.closed && l.write == writeOpen }

// initLocked makes c a connection that is in use.
func (c *conn) initLocked(s *Session, id uint32, k kind, in, out flow) {
	*c = conn{s: s, id: id, kind: k}
	c.in.flow, c.out.flow, c.out.want = in, out, small
	s.ids.add(id, c)
	s.live[c] = struct{}{}
	s.wakeReaderLocked() // it may have waited for the only one
}

// lookIdleLocked ends a connection on which nothing has moved for too long.
func (c *conn) lookIdleLocked() {
	l, now := &c.local, c.s.now()
	if l.closed {
		return
	}
	if n := l.counts.ToService.Load() + l.counts.ToVisitor.Load() + int64(c.in.queue.Len()); n != l.moved || !c.kind.isOpenLocked() {
		l.moved, l.movedAt = n, now
	}
	if now-l.movedAt >= l.idle {
		l.why = &ResetError{Code: wire.CodeIdle, Text: "no octet in either direction for " + l.idle.String()}
		c.s.logLocked(slog.LevelInfo, "connection idle", "id", c.id, "target", l.target.String(), "for", l.idle)
		c.kind.resetIdleLocked()
		return
	}
	c.setDueLocked(&l.idleDue, l.idle/4)
}

// freeLocked takes c's ID out of use.
func (c *conn) freeLocked() {
	delete(c.s.ids.conns, c.id)
	c.s.checkFinishedLocked()
}

// endHalvesLocked makes both halves carry no more than they have.
func (c *conn) endHalvesLocked() {
	c.in.ended, c.out.ended = true, true
	c.s.roomFirst.Broadcast()
	c.s.room.Broadcast() // its sender may be one of those that wait
	c.out.flow.wakeLocked()
	c.in.flow.wakeLocked()
}

// closeLocalLocked gives up the local socket, by closing or by resetting it, and drops what waits for it.
func (c *conn) closeLocalLocked(do action) {
	l := &c.local
	if l.closed {
		return
	}
	l.closed, l.due = true, 0
	if l.cancel != nil {
		l.cancel()
		l.cancel = nil
		c.s.cancelled++
	}
	if do == resetSocket {
		l.why = cmp.Or(l.why, ErrEnded)
	}
	c.tellLossLocked()
	c.in.queue.Drop()
	c.countHeldLocked()
	c.out.dropHeld()
	delete(c.s.live, c)
	if l.sock != nil {
		c.s.effects = append(c.s.effects, effect{sock: l.sock, do: do, over: l.over, why: l.why})
	}
	c.endHalvesLocked()
	c.s.checkFinishedLocked()
	c.s.checkGoneLocked()
}

// tellLossLocked says which bytes of the tunnel do not reach the local socket that is given up: to whoever waits for
// its end, or to the log. How many of those that it took are lost the system alone knows.
func (c *conn) tellLossLocked() {
	l, n := &c.local, c.in.lost+c.in.queue.Len()
	switch {
	case n == 0:
	case l.over != nil:
		l.why = fmt.Errorf("%d bytes for it are lost: %w", n, l.why)
	default:
		c.s.logLocked(slog.LevelWarn, "bytes lost", "id", c.id, "target", l.target.String(), "bytes", n, "error", l.why)
	}
}

// maxRetired bounds the IDs that a peer may leave without a last word (CLOSE-011).
const maxRetired = 1 << 16

// ids knows which connection IDs are in use. Guarded by Session.mu.
type ids struct {
	next    uint32
	conns   map[uint32]*conn    // every ID that is neither idle nor retired
	retired map[uint32]struct{} // never used again on this tunnel
	highest uint32              // of those that were ever in use
	used    bool                // there was one
	begun   bool                // Data for stray, which was idle, has begun to arrive: Close will follow
	stray   uint32
}

func newIDs(first uint32) ids {
	return ids{next: first, conns: map[uint32]*conn{}, retired: map[uint32]struct{}{}}
}

// allocate returns the next ID that is idle, in increasing order with wrap-around (ID-001, ID-002).
// There always is one: maps of 2^32 entries do not exist.
func (t *ids) allocate() uint32 {
	for {
		id := t.next
		t.next++
		if t.idle(id) && !(t.begun && t.stray == id) {
			return id
		}
	}
}

// add puts an ID to use.
func (t *ids) add(id uint32, c *conn) {
	t.conns[id] = c
	t.note(id)
}

// note remembers that an ID was used, or refused.
func (t *ids) note(id uint32) {
	if t.above(id) {
		t.highest, t.used = id, true
	}
}

// above reports whether no ID so far was as high: with none so far every ID is (XID-003).
func (t *ids) above(id uint32) bool { return !t.used || id > t.highest }

// rise returns the next ID of an extended tunnel, where each is used once (XID-001), and whether there is one.
func (t *ids) rise() (id uint32, ok bool) {
	if t.used {
		return t.highest + 1, t.highest != 1<<32-1
	}
	return t.next, true
}

func (t *ids) idle(id uint32) bool {
	return t.conns[id] == nil && !t.isRetired(id)
}

func (t *ids) isRetired(id uint32) bool {
	_, ok := t.retired[id]
	return ok
}
