package session

import (
	"log/slog"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// This file is the state tables of sections 7.1 and 7.2: first the rows of frames, which run on the reader in the
// order of the frames (ORDER-001), and of the dial that a request starts; then what many rows do; then the rows of
// local sockets and deadlines.

func (s *Session) onConnectRequestLocked(_ wire.Header, payload []byte) error {
	if s.phase == up {
		return violation("HELLO-008", "ConnectRequest after the server's HELLO")
	}
	r, err := wire.ParseConnectRequest(payload)
	if err != nil {
		return err
	}
	// ID-004: the state of the ID comes before the content.
	if !s.ids.idle(r.ID) {
		return violation("ID-004", "ConnectRequest for an ID in use")
	}
	s.ids.note(r.ID)
	if status := s.checkRequestLocked(r); status != wire.StatusSuccess {
		s.stats.Failed++
		s.logLocked(slog.LevelInfo, "request refused", "id", r.ID, "host", r.Host, "port", r.Port, "status", status.String())
		s.sendResponseLocked(r.ID, status)
		return nil
	}
	s.startDialLocked(&s.addCoreLocked(r.ID, dialing).conn, Target{Host: r.Host, Port: r.Port})
	return nil
}

func (c *coreConn) dialledLocked(socket sock.Socket, target Target, err error) bool {
	switch {
	case c.state != dialing:
		return false // cancelled and answered
	case err != nil:
		// OPEN-006, OPEN-007
		status := StatusOf(err)
		c.s.logLocked(slog.LevelInfo, "dial failed", "id", c.id, "host", target.Host, "port", target.Port, "status", status.String(), "error", err)
		c.refuseLocked(status)
		return false
	}
	c.local.sock = socket
	c.openLocked()
	// OPEN-005: only now.
	c.s.sendResponseLocked(c.id, wire.StatusSuccess)
	return true
}

func (s *Session) onConnectResponseLocked(_ wire.Header, payload []byte) error {
	id, status, err := wire.ParseConnectResponse(payload)
	if err != nil {
		return err
	}
	c, err := s.coreLocked(id)
	switch {
	case err != nil:
		return err
	case c != nil && c.state == requested && status == wire.StatusSuccess:
		c.openLocked()
		// OPEN-020: before everything that comes later.
		c.sendHeldLocked()
		if c.local.readEnded {
			c.closeAfterDataLocked() // OPEN-021: the end comes behind them
		}
	case c != nil && c.state == requested:
		// OPEN-014: the ID is free, no Close.
		s.logLocked(slog.LevelInfo, "request failed", "id", id, "status", status.String(), "code", uint8(status))
		c.unopenedLocked(status)
	case c != nil && c.state == abandoned && status == wire.StatusSuccess:
		// OPEN-025: the client may have forgotten the first.
		s.sendCloseLocked(id, true)
	case c != nil && c.state == abandoned:
		c.freeLocked()
	default:
		// OPEN-016
		s.logLocked(slog.LevelDebug, "response ignored", "id", id, "req", "OPEN-016")
	}
	return nil
}

func (c *coreConn) dataLocked(int) (bool, error) {
	switch c.state {
	case open:
		return true, nil
	case requested:
		c.failLocked("OPEN-018", "Data before the response")
	case dialing:
		c.failLocked("OPEN-019", "Data before the response")
	}
	return false, nil // DATA-005, DATA-006: dropped without answer
}

func (s *Session) onCloseLocked(_ wire.Header, payload []byte) error {
	id, err := wire.ParseClose(payload)
	if err != nil {
		return err
	}
	c, err := s.coreLocked(id)
	if err != nil {
		return err
	}
	if c == nil {
		// CLOSE-007
		s.logLocked(slog.LevelDebug, "close ignored", "id", id, "req", "CLOSE-007")
		return nil
	}
	switch c.state {
	case requested:
		// OPEN-015: as a failure response.
		s.logLocked(slog.LevelInfo, "request failed", "id", id, "status", "closed")
		c.unopenedLocked(wire.StatusGeneral)
	case dialing:
		// OPEN-024: the failure is what frees the ID.
		c.refuseLocked(wire.StatusGeneral)
	case abandoned:
		c.freeLocked()
	case closing:
		c.lingerLocked()
	case open:
		// CLOSE-008, CLOSE-004
		c.state = draining
		c.setDueLocked(&c.idDue, s.cfg.CloseTotal)
		c.drainLocked()
	}
	return nil
}

func (s *Session) onKeepAliveLocked(wire.Header, []byte) error {
	s.stats.LastKeepAlive = s.start.Add(s.now())
	if s.cfg.Role == Server {
		// ALIVE-002; a client never answers (ALIVE-003).
		s.sendKeepAliveLocked(true)
		return nil
	}
	return s.unansweredLocked()
}

// openLocked opens the connection.
func (c *coreConn) openLocked() {
	c.s.stats.Opened++
	c.state, c.idDue = open, 0
}

// unopenedLocked ends a requested connection whose ID the client has freed.
func (c *coreConn) unopenedLocked(status wire.Status) {
	c.local.why = &DialError{Status: status, Err: errAnswered}
	c.s.stats.Failed++
	c.freeLocked()
	c.closeLocalLocked(resetSocket)
}

// refuseLocked ends a dialing connection with a failure response.
func (c *coreConn) refuseLocked(status wire.Status) {
	c.s.stats.Failed++
	c.s.sendResponseLocked(c.id, status)
	c.freeLocked()
	c.closeLocalLocked(resetSocket)
}

// freeLocked makes the ID idle.
func (c *coreConn) freeLocked() {
	c.state = idle
	c.conn.freeLocked()
}

// lingerLocked makes the ID idle while there is a local socket to finish with (CLOSE-012).
func (c *coreConn) lingerLocked() {
	c.freeLocked()
	if !c.local.closed {
		c.state = lingering
	}
}

// drainLocked has what is queued written, and no more, after the first Close of the connection (CLOSE-003).
func (c *coreConn) drainLocked() {
	c.endHalvesLocked()
	c.local.closeAt = c.s.now()
	c.setDueLocked(&c.local.due, c.s.cfg.CloseStall)
	c.checkWrittenLocked()
}

// sendLastLocked sends this side's Close and goes on to a state that waits for the peer's last word.
func (c *coreConn) sendLastLocked(next state) {
	c.s.sendCloseLocked(c.id, false)
	c.state = next
	c.setDueLocked(&c.idDue, c.s.cfg.CloseWait)
	c.endHalvesLocked()
}

// closeAfterDataLocked sends Close behind the last Data of an open connection whose local stream has ended
// (CLOSE-002).
func (c *coreConn) closeAfterDataLocked() {
	c.sendLastLocked(closing)
	c.drainLocked()
}

// failLocked is the connection error: the local socket is reset, its bytes dropped, one Close sent unless one
// was (section 15).
func (c *coreConn) failLocked(req, reason string) {
	c.local.why = &wire.Violation{Req: req, Scope: wire.ScopeConnection, Reason: reason}
	c.s.logLocked(slog.LevelWarn, "connection error", "id", c.id, "target", c.local.target.String(), "req", req, "reason", reason, "state", c.state.String())
	c.resetLocked()
}

// resetLocked is what failLocked does, and what the reset of the local socket leads to.
func (c *coreConn) resetLocked() {
	switch c.state {
	case requested:
		c.s.stats.Failed++
		c.sendLastLocked(abandoned)
	case dialing:
		c.refuseLocked(wire.StatusGeneral)
	case open:
		c.sendLastLocked(closing)
	case draining:
		c.s.sendCloseLocked(c.id, false)
		c.freeLocked()
	}
	c.closeLocalLocked(resetSocket)
}

func (c *coreConn) isOpenLocked() bool { return c.state == open }

// resetIdleLocked: CLOSE-013.
func (c *coreConn) resetIdleLocked() { c.resetLocked() }

func (c *coreConn) readEndedLocked() {
	switch c.state {
	case requested:
		// OPEN-023: gone without a word. With bytes held the end waits for the response, too (OPEN-021).
		if c.out.held == nil {
			c.s.stats.Failed++
			c.sendLastLocked(abandoned)
			c.closeLocalLocked(closeSocket)
		}
	case open:
		c.closeAfterDataLocked()
	default:
		if c.local.write == writeShut {
			c.closeLocalLocked(closeSocket)
		}
	}
}

func (c *coreConn) readFailedLocked(err error) {
	c.local.why = err
	c.s.logLocked(slog.LevelDebug, "local socket failed", "id", c.id, "target", c.local.target.String(), "state", c.state.String(), "error", err)
	c.resetLocked()
}

// writeFailedLocked leaves an open connection until its local stream ends: bytes that the socket sent before may
// still be there to read (a service that answers early and closes).
func (c *coreConn) writeFailedLocked() {
	if c.state != open {
		c.resetLocked()
	}
}

func (c *coreConn) tookLocked(int) {
	if c.s.paused == &c.conn {
		c.s.wakeReaderLocked()
	}
}

func (c *coreConn) overBudgetLocked() {
	c.failLocked("WIN-008", "took nothing for longest when the tunnel held too much")
}

// writtenLocked: the local peer now reads the end (CLOSE-003).
func (c *coreConn) writtenLocked() {
	c.local.write = writeShut
	if c.state == draining {
		// CLOSE-004: own Close once everything is written.
		c.s.sendCloseLocked(c.id, false)
		c.lingerLocked()
	}
	if c.local.readEnded {
		c.closeLocalLocked(closeSocket)
		return
	}
	// CLOSE-005: the socket stays until the end of its stream or 5 s.
	c.setDueLocked(&c.local.due, c.s.cfg.CloseDrain)
	c.s.effects = append(c.s.effects, effect{sock: c.local.sock, do: shutWriteSide})
}

func (c *coreConn) idDueLocked() {
	switch c.state {
	case requested:
		// OPEN-022: the visitor does not wait for ever.
		c.failLocked("OPEN-022", "no response within the connect timeout")
	case draining:
		// CLOSE-004: the ID does not wait for a slow local peer.
		c.s.sendCloseLocked(c.id, false)
		c.lingerLocked()
	default:
		c.retireLocked()
	}
}

func (c *coreConn) localDueLocked() {
	if c.local.write == writeShut {
		c.closeLocalLocked(closeSocket) // CLOSE-005
		return
	}
	l, now := &c.local, c.s.now()
	limit := min(max(l.closeAt, c.in.took)+c.s.cfg.CloseStall, l.closeAt+c.s.cfg.CloseMost)
	if limit > now { // it took bytes since
		c.setDueLocked(&l.due, limit-now)
		return
	}
	c.failLocked("CLOSE-006", "local socket does not take its queued bytes")
}

// retireLocked gives up waiting for the peer's last word (CLOSE-009: the ID is not used again).
func (c *coreConn) retireLocked() {
	s := c.s
	c.freeLocked()
	c.local.why = violation("CLOSE-009", "no last word from the peer")
	c.closeLocalLocked(resetSocket)
	s.ids.retired[c.id] = struct{}{}
	s.logLocked(slog.LevelWarn, "connection ID retired", "id", c.id, "req", "CLOSE-009", "reason", "no last word from the peer")
	if len(s.ids.retired) > maxRetired {
		s.violateLocked("CLOSE-011", "too many connections without a last word")
	}
}

// tunnelLostLocked resets the local socket, so that a cut transfer does not look complete (LOSS-001, LOSS-002). What
// lingers has everything, and goes on.
func (c *coreConn) tunnelLostLocked() {
	if c.state != lingering {
		c.state = idle
		c.closeLocalLocked(resetSocket)
	}
}
