package session

import (
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// This file is the state tables of the Extended profile's connections: first the rows of frames, then what many rows
// do, then the rows of local sockets and deadlines.

// extState is the state of an extended connection. One that is idle does not exist.
type extState uint8

const (
	opening extState = iota // server: no answer to its OPEN
	waiting                 // client: its dial runs (the text's dialing)
	opened                  // the text's open
	gone                    // off the wire; its local socket may have bytes to take
)

var extStateNames = [...]string{"opening", "dialing", "open", "gone"}

func (st extState) String() string { return extStateNames[st] }

const (
	// lookAgain is how often a half that has sent FIN looks for a reset (RESET-005).
	lookAgain = time.Second
	// lastRead is how long what a local socket sent before it failed may take to be read (RESET-001).
	lastRead = time.Second
	// maxDials is how many dials of extended connections run at a time; others wait.
	maxDials = 256
)

// extConn is a connection by the Extended profile's tables.
type extConn struct {
	conn
	state extState
	credit
	granted
}

// addExtLocked makes an extended connection.
func (s *Session) addExtLocked(id uint32, st extState) *extConn {
	c := &extConn{state: st}
	c.initLocked(s, id, c, kept{}, c)
	c.in.took = s.now()
	c.credit.half, c.credit.limit, c.credit.more.L = &c.out, uint64(s.peer.Window), &s.mu
	c.granted.limit = uint64(s.cfg.Window)
	c.granted.window = c.firstWindow()
	return c
}

// deadLocked judges an ID that a frame names and no connection has.
func (s *Session) deadLocked(id uint32) error {
	if s.ids.above(id) {
		return violation("XID-003", "a frame for an ID that was never in use")
	}
	return nil // XID-004: dropped without answer
}

// extLocked is the extended connection that a frame names; nil: it is gone, and so is the frame.
func (s *Session) extLocked(id uint32) (*extConn, error) {
	c := s.ids.conns[id]
	if c == nil {
		return nil, s.deadLocked(id)
	}
	if x, ok := c.kind.(*extConn); ok {
		return x, nil
	}
	return nil, violation("XID-005", "a frame of the Extended profile for a connection of Core's")
}

func (s *Session) onOpenLocked(_ wire.Header, payload []byte) error {
	o, err := wire.ParseOpen(payload)
	if err != nil {
		return err
	}
	switch {
	case s.peerDrains:
		return violation("AWAY-001", "OPEN behind GOAWAY")
	case !s.ids.above(o.ID):
		return violation("XID-002", "OPEN with an ID that is not above all before")
	}
	s.ids.note(o.ID)
	target := Target{Host: o.Host, Port: o.Port, Service: o.Service, Origin: o.Origin, Local: o.Local}
	if code, text := s.refusalLocked(o); code != wire.CodeOK {
		s.stats.Failed++
		s.logLocked(slog.LevelInfo, "request refused", "id", o.ID, "target", target.String(), "origin", o.Origin, "code", code.String(), "reason", text)
		s.queueFirstLocked(wire.AppendReset(s.frame[:0], o.ID, code, text), true)
		return nil
	}
	c := s.addExtLocked(o.ID, waiting)
	c.local.origin = o.Origin
	c.in.writing = true // what comes is kept until there is a socket (XOPEN-007)
	s.startDialLocked(&c.conn, target)
	return nil
}

// refusalLocked says with which code, and why, an OPEN is refused (XOPEN-005, XOPEN-012); CodeOK: it is dialled.
func (s *Session) refusalLocked(o wire.Open) (wire.Code, string) {
	code, text := o.Refusal()
	switch {
	case code != wire.CodeOK:
		return code, text
	case o.HasService && (s.cfg.Publisher == nil || !s.cfg.Publisher.Serves(o.Service)): // BIND-010
		return wire.CodeUnknownService, "no service of that name"
	case s.fullLocked():
		return wire.CodeTooMany, "as many connections as allowed"
	}
	return wire.CodeOK, ""
}

func (c *extConn) dialledLocked(socket sock.Socket, target Target, err error) bool {
	s := c.s
	switch {
	case c.state != waiting:
		return false // XOPEN-010
	case err != nil:
		status := StatusOf(err)
		s.logLocked(slog.LevelInfo, "dial failed", "id", c.id, "host", target.Host, "port", target.Port, "status", status.String(), "error", err)
		s.stats.Failed++
		c.resetLocked(wire.Code(status), "")
		return false
	}
	c.local.sock = socket
	c.attachedLocked()
	c.state = opened
	s.stats.Opened++
	s.queueFirstLocked(wire.AppendOpened(s.frame[:0], c.id), true) // XOPEN-004
	c.in.writing = c.in.queue.Len() > 0
	if c.in.writing {
		c.in.took = s.now()
		s.wg.Go(c.writeQueue)
	}
	c.checkWrittenLocked()
	c.dueLocked()
	return true
}

func (s *Session) onOpenedLocked(_ wire.Header, payload []byte) error {
	id, err := wire.ParseOpened(payload)
	if err != nil {
		return err
	}
	c, err := s.extLocked(id)
	switch {
	case c == nil || err != nil:
		return err
	case c.state != opening:
		return violation("XOPEN-016", "a second OPENED")
	}
	c.state, c.idDue = opened, 0
	s.stats.Opened++
	c.dueLocked()
	return nil
}

func (c *extConn) dataLocked(n int) (bool, error) {
	switch {
	case c.state == opening:
		return false, violation("XOPEN-006", "Data before OPENED")
	case c.in.ended:
		return false, violation("FIN-003", "Data after FIN")
	case c.received+uint64(n) > c.granted.limit:
		return false, violation("WIN-002", "Data beyond the limit")
	}
	c.received += uint64(n)
	return c.local.takes(), nil
}

func (s *Session) onWindowLocked(_ wire.Header, payload []byte) error {
	id, limit, err := wire.ParseWindow(payload)
	if err != nil {
		return err
	}
	c, err := s.extLocked(id)
	if c == nil || err != nil {
		return err
	}
	c.raiseLocked(limit)
	return nil
}

func (s *Session) onFinLocked(_ wire.Header, payload []byte) error {
	id, err := wire.ParseFin(payload)
	if err != nil {
		return err
	}
	c, err := s.extLocked(id)
	switch {
	case c == nil || err != nil:
		return err
	case c.state == opening:
		return violation("XOPEN-006", "FIN before OPENED")
	case c.in.ended:
		return violation("FIN-003", "a second FIN")
	}
	c.in.ended = true
	c.checkEndedLocked()
	c.checkWrittenLocked() // FIN-002
	return nil
}

func (s *Session) onResetLocked(_ wire.Header, payload []byte) error {
	id, code, text, err := wire.ParseReset(payload)
	if err != nil {
		return err
	}
	c, err := s.extLocked(id)
	if c == nil || err != nil {
		return err
	}
	// RESET-002, RESET-003
	c.local.why = &ResetError{Code: code, Text: text}
	if c.state == opening {
		s.stats.Failed++
	}
	s.logLocked(slog.LevelDebug, "reset by the peer", "id", c.id, "state", c.state.String(), "code", code.String(), "reason", text)
	c.goneLocked()
	c.closeLocalLocked(resetSocket)
	return nil
}

// openExtLocked sends OPEN for a visitor (XOPEN-001, XOPEN-002).
func (s *Session) openExtLocked(v Visitor) (*conn, error) {
	id, ok := s.ids.rise()
	switch {
	case !ok:
		// XID-006
		s.refusing = true
		s.drainLocked(false)
		s.tellDrainingLocked()
		return nil, ErrClosing
	case len(s.ids.conns)+s.leaving >= int(s.peer.MaxConnections):
		return nil, ErrTooMany // XOPEN-011
	}
	c := s.addExtLocked(id, opening)
	c.local.sock = v.Socket
	c.attachedLocked()
	o := wire.Open{ID: id, Port: v.Target.Port, HasPort: true, Origin: v.Origin, Local: v.Local}
	if v.Target.Service != "" { // BIND-004
		o.Port, o.HasPort, o.Service, o.HasService = 0, false, v.Target.Service, true
	} else if !s.cfg.ShortRequests && v.Target.Host != "" {
		o.Host, o.HasHost = v.Target.Host, true
	}
	s.queueFirstLocked(s.greaseTags(wire.AppendOpen(s.frame[:0], o), wire.IDLen), false)
	return &c.conn, nil
}

// goneLocked takes the connection off the wire.
func (c *extConn) goneLocked() {
	if c.out.frames > 0 && !c.leaving {
		c.leaving = true
		c.s.leaving++
	}
	c.state, c.idDue = gone, 0
	c.shrinkLocked()
	c.freeLocked()
}

// resetLocked ends the connection by a RESET, behind what is in line of it (RESET-001), and resets its local socket.
func (c *extConn) resetLocked(code wire.Code, text string) {
	s := c.s
	if !s.ended {
		frame := wire.AppendReset(s.frame[:0], c.id, code, text)
		if c.out.frames > 0 {
			s.countLocked(&c.conn, 1)
			s.queued.last(&c.conn, frame)
		} else {
			s.queueFirstLocked(frame, c.state == waiting)
		}
	}
	c.goneLocked()
	c.closeLocalLocked(resetSocket)
}

// checkEndedLocked takes the connection off the wire when both FINs have passed (FIN-004). What is queued has its time.
func (c *extConn) checkEndedLocked() {
	if !c.in.ended || !c.out.ended || c.state == gone {
		return
	}
	c.goneLocked()
	if !c.local.closed {
		c.local.closeAt = c.s.now()
		c.setDueLocked(&c.local.due, c.s.cfg.Linger)
	}
}

// readEndedLocked sends FIN behind the last Data (FIN-001), unless the other direction has failed.
func (c *extConn) readEndedLocked() {
	if c.local.write == writeClosed {
		c.readFailedLocked(c.local.why)
		return
	}
	c.out.ended = true
	if !c.s.ended {
		c.s.countLocked(&c.conn, 1)
		c.s.queued.last(&c.conn, wire.AppendFin(c.s.frame[:0], c.id))
	}
	c.setDueLocked(&c.local.due, lookAgain)
	c.checkEndedLocked()
	if c.local.write == writeShut {
		c.closeLocalLocked(closeSocket)
	}
}

// readFailedLocked: RESET-001, XOPEN-009.
func (c *extConn) readFailedLocked(err error) {
	c.local.why = err
	c.s.logLocked(slog.LevelDebug, "local socket failed", "id", c.id, "target", c.local.target.String(), "state", c.state.String(), "error", err)
	switch c.state {
	case gone:
		c.closeLocalLocked(resetSocket)
	case opening:
		c.s.stats.Failed++
		c.resetLocked(wire.CodeCancelled, "")
	default:
		c.resetLocked(resetCode(err), "")
	}
}

// resetCode is the code of a local socket that failed.
func resetCode(err error) wire.Code {
	switch {
	case errors.Is(err, syscall.ETIMEDOUT):
		return wire.CodeTimedOut
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return wire.CodeUnreachable
	case errors.Is(err, syscall.ECONNREFUSED):
		return wire.CodeRefused
	}
	return wire.CodeReset
}

// writeFailedLocked lets what the local socket sent before it failed be read and sent, as far as there is credit.
func (c *extConn) writeFailedLocked() {
	if c.state == gone || c.out.ended || c.allowLocked(1) == 0 {
		c.readFailedLocked(c.local.why)
		return
	}
	c.setDueLocked(&c.local.due, lastRead)
}

// waitLocked waits for credit. There is none for what a local socket sent before it failed.
func (c *extConn) waitLocked() {
	if c.local.write == writeClosed {
		c.readFailedLocked(c.local.why)
		return
	}
	c.credit.waitLocked()
}

// writtenLocked passes the end on (FIN-002), and closes the socket that has given its own (FIN-004).
func (c *extConn) writtenLocked() {
	c.local.write = writeShut
	if c.local.readEnded {
		c.closeLocalLocked(closeSocket)
		return
	}
	c.s.effects = append(c.s.effects, effect{sock: c.local.sock, do: shutWriteSide})
}

func (c *extConn) idDueLocked() {
	// XOPEN-008
	c.s.stats.Failed++
	c.local.why = &wire.Violation{Req: "XOPEN-008", Scope: wire.ScopeConnection, Reason: "no answer within the connect timeout"}
	c.s.logLocked(slog.LevelWarn, "request timed out", "id", c.id, "target", c.local.target.String(), "req", "XOPEN-008")
	c.resetLocked(wire.CodeTimedOut, "")
}

func (c *extConn) localDueLocked() {
	switch {
	case c.local.write == writeClosed:
		c.readFailedLocked(c.local.why)
	case c.state != gone:
		// RESET-005
		c.s.effects = append(c.s.effects, effect{sock: c.local.sock, do: lookForReset, of: c})
		c.setDueLocked(&c.local.due, lookAgain)
	default:
		left := max(c.local.closeAt, c.in.took) + c.s.cfg.Linger - c.s.now()
		if left > 0 {
			c.setDueLocked(&c.local.due, left)
			return
		}
		c.failLocked("FIN-004", "local socket does not take its queued bytes")
	}
}

// failedLater acts on the failure of a local socket whose stream had ended.
func (c *extConn) failedLater(err error) {
	s := c.s
	s.mu.Lock()
	defer s.unlock()
	if !c.local.closed {
		c.readFailedLocked(err)
		s.startWriteLocked()
	}
}

func (c *extConn) overBudgetLocked() {
	c.local.why = &ResetError{Code: wire.CodeOverBudget, Text: "took nothing for longest when the tunnel held too much"}
	c.s.logLocked(slog.LevelWarn, "connection over budget", "id", c.id, "target", c.local.target.String(), "req", "WIN-008", "state", c.state.String(), "queue", c.in.queue.Len())
	if c.state == gone {
		c.closeLocalLocked(resetSocket)
		return
	}
	c.resetLocked(wire.CodeOverBudget, "")
}

func (c *extConn) isOpenLocked() bool { return c.state == opened }

// resetIdleLocked: RESET-004.
func (c *extConn) resetIdleLocked() { c.resetLocked(wire.CodeIdle, "") }

func (c *extConn) failLocked(req, reason string) {
	c.local.why = &wire.Violation{Req: req, Scope: wire.ScopeConnection, Reason: reason}
	c.s.logLocked(slog.LevelWarn, "connection error", "id", c.id, "target", c.local.target.String(), "req", req, "reason", reason, "state", c.state.String())
	if c.state == gone {
		c.closeLocalLocked(resetSocket)
		return
	}
	c.resetLocked(wire.CodeGeneral, req)
}

// tunnelLostLocked resets the local socket. A connection whose FINs have passed is no longer the tunnel's (FIN-004).
func (c *extConn) tunnelLostLocked() {
	if c.state != gone {
		c.state = gone
		c.shrinkLocked()
		c.closeLocalLocked(resetSocket)
	}
}

// ResetError is the RESET that ended a connection, the peer's or this side's own.
type ResetError struct {
	Code wire.Code
	Text string // as the peer sent it: any bytes
}

func (e *ResetError) Error() string { return fmt.Sprintf("reset (%v): %q", e.Code, e.Text) }
