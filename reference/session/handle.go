package session

import (
	"log/slog"

	"github.com/adit-tunnel/adit/spec/wire"
)

// This file is the rows of the state tables (sections 7.1 and 7.2) that a frame causes. All of it runs on
// the reader, in the order of the frames (ORDER-001).

// handleRequest handles a ConnectRequest; the role is checked before.
func (s *Session) handleRequest(r wire.ConnectRequest) error {
	s.mu.Lock()
	defer s.unlock()
	if s.dead {
		return nil
	}
	// ID-004: the state of the ID comes before the content.
	if !s.ids.idle(r.ID) {
		return violation("ID-004", "ConnectRequest for an ID in use")
	}
	if status := s.checkRequest(r); status != wire.StatusSuccess {
		s.stats.Failed++
		s.note(slog.LevelInfo, "request refused", "id", r.ID, "host", r.Host, "port", r.Port, "status", status.String())
		s.sendResponse(r.ID, status)
		return nil
	}
	s.startDial(r)
	return nil
}

// handleResponse handles a ConnectResponse; the role is checked before.
func (s *Session) handleResponse(id uint32, status wire.Status) {
	s.mu.Lock()
	defer s.unlock()
	c := s.ids.conns[id]
	switch {
	case c != nil && c.state == requested:
		if status == wire.StatusSuccess {
			c.opened()
			return
		}
		// OPEN-014: the ID is free, no Close.
		s.stats.Failed++
		s.note(slog.LevelInfo, "request failed", "id", id, "status", status.String(), "code", uint8(status))
		c.free()
		c.letGo(effectReset)
	case c != nil && c.state == abandoned:
		if status == wire.StatusSuccess {
			// OPEN-025: the client may have forgotten the first.
			s.sendClose(id, true)
			return
		}
		c.free()
	default:
		// OPEN-016
		s.note(slog.LevelDebug, "response ignored", "id", id, "req", "OPEN-016")
	}
}

// handleData begins a Data frame: it decides who gets the octets that follow.
func (s *Session) handleData(id uint32, h wire.Header) {
	s.skip(h)
	rd := &s.reader
	rd.left -= wire.IDLen
	s.mu.Lock()
	defer s.unlock()
	c := s.ids.conns[id]
	switch {
	case c == nil:
		rd.id, rd.answer = id, true
	case c.state == open:
		rd.to = c
	case c.state == requested:
		c.fail("OPEN-018", "Data before the response")
	case c.state == dialing:
		c.fail("OPEN-019", "Data before the response")
	default:
		// DATA-005, DATA-006: dropped without answer.
	}
}

// finish ends the frame that was begun last.
func (s *Session) finish() {
	rd := &s.reader
	rd.to = nil
	if !rd.answer {
		return
	}
	rd.answer = false
	s.mu.Lock()
	defer s.unlock()
	if s.ids.idle(rd.id) {
		// DATA-004: the peer believes in a connection that is gone. A retired ID gets no answer.
		s.note(slog.LevelDebug, "data for an idle ID", "id", rd.id, "req", "DATA-004")
		s.sendClose(rd.id, true)
	}
}

// handleClose handles a Close.
func (s *Session) handleClose(id uint32) {
	s.mu.Lock()
	defer s.unlock()
	c := s.ids.conns[id]
	if c == nil {
		// CLOSE-007
		s.note(slog.LevelDebug, "close ignored", "id", id, "req", "CLOSE-007")
		return
	}
	switch c.state {
	case requested:
		// OPEN-015: as a failure response.
		s.stats.Failed++
		s.note(slog.LevelInfo, "request failed", "id", id, "status", "closed")
		c.free()
		c.letGo(effectReset)
	case dialing:
		// OPEN-024: the failure is what frees the ID.
		c.refuse(wire.StatusGeneral)
	case abandoned, closing:
		c.free()
	case open:
		// CLOSE-008, CLOSE-004
		c.state = draining
		c.setDue(dueTotal, s.cfg.CloseTotal)
		c.drained()
		s.room.Broadcast()
	}
}

// handleKeepAlive handles a KeepAlive.
func (s *Session) handleKeepAlive() {
	s.mu.Lock()
	defer s.unlock()
	s.stats.LastKeepAlive = s.start.Add(s.now())
	if s.cfg.Role == Server {
		// ALIVE-002; a client never answers (ALIVE-003).
		s.sendKeepAlive(true)
	}
}
