package session

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// farewell is how long after its last GOAWAY a side reads and discards (AWAY-009).
var farewell = spec.LimitOf("bye").Time()

const (
	// patience is how long a side waits for the other to close a tunnel that is over (AWAY-006, AWAY-010).
	patience = 5 * time.Second
)

// GoAwayError is the GOAWAY by which the peer ended the tunnel.
type GoAwayError struct {
	Code wire.Code
	Text string // as the peer sent it: any bytes
}

func (e *GoAwayError) Error() string {
	return fmt.Sprintf("session: the other end ended the tunnel (%v): %q", e.Code, e.Text)
}

// partLocked ends the tunnel because of err with a GOAWAY, to a peer that knows it, in the place of what is in line
// (AWAY-009): its transport goes on until that is written and the peer has closed, or the time for it is over. Somebody
// has to call startWriteLocked.
func (s *Session) partLocked(err error, code wire.Code, text string) {
	if s.guarded() {
		s.startWriteLocked() // HELLO and proof leave in any case (AUTH-003)
	}
	if s.ended || !s.mayPart {
		s.endLocked(err)
		return
	}
	s.loseLocked(err)
	s.queued.control(wire.AppendGoAway(nil, code, text), false)
	s.partWithinLocked(farewell)
}

// partWithinLocked closes the transport when what is in line is written and the peer has closed, or d is over.
func (s *Session) partWithinLocked(d time.Duration) {
	s.parting = true
	s.bye = time.AfterFunc(d, func() { s.cut(nil) })
	s.shutWhenWrittenLocked()
}

// shutWhenWrittenLocked ends the stream to the peer when the last words are written.
func (s *Session) shutWhenWrittenLocked() {
	if s.parting && !s.shut && !s.writing && s.queued.size == 0 {
		s.shut = true
		s.effects = append(s.effects, effect{sock: s.tunnel, do: shutWriteSide})
	}
}

// rejectLocked acts on what stopped the reader, and reports whether the rest of the stream is to be discarded.
func (s *Session) rejectLocked(err error) bool {
	if v, ok := errors.AsType[*wire.Violation](err); ok {
		code := wire.CodeProtocol
		if v.Req == "WIN-002" {
			code = wire.CodeFlowControl
		}
		s.logViolationLocked(err)
		if s.mayPart {
			s.partLocked(err, code, v.Req+": "+v.Reason)
		}
	}
	s.startWriteLocked() // without last words: what is owed for the frames before
	return s.parting && !s.closed
}

// discard reads the tunnel to its end.
func (s *Session) discard() {
	for {
		buf, err := s.readTunnel()
		if err != nil {
			return
		}
		buf.Release()
	}
}

// onGoAwayLocked: section 28.
func (s *Session) onGoAwayLocked(_ wire.Header, payload []byte) error {
	code, text, err := wire.ParseGoAway(payload)
	if err != nil {
		return err
	}
	if s.guarded() && s.cfg.Role == Server && s.phase == greeting {
		return violation("AUTH-007", "GOAWAY before HELLO")
	}
	if code == wire.CodeDrain && s.phase == up {
		s.peerDrainsLocked(text)
		return nil
	}
	// AWAY-010
	if code == wire.CodeDone {
		s.peerDone = !s.ended
		s.loseLocked(nil)
	} else {
		s.loseLocked(&GoAwayError{Code: code, Text: text})
	}
	if s.guarded() {
		s.endLocked(s.err) // nothing is under way, and a stranger is not waited for
		return ErrEnded
	}
	s.partWithinLocked(patience)
	return ErrEnded
}

// drainLocked tells the peer that the tunnel ends when its connections have.
func (s *Session) drainLocked(owed bool) {
	if !s.drained {
		s.drained = true
		s.queueFirstLocked(wire.AppendGoAway(s.frame[:0], wire.CodeDrain, ""), owed)
	}
}

// peerDrainsLocked acts on the peer's GOAWAY drain.
func (s *Session) peerDrainsLocked(text string) {
	if s.peerDrains {
		return // AWAY-007
	}
	s.peerDrains = true
	unasked := !s.refusing
	s.refusing = true
	if s.cfg.Role == Server {
		s.drainLocked(true) // AWAY-002
	}
	if unasked {
		s.logLocked(slog.LevelInfo, "the other end drains the tunnel", "connections", len(s.ids.conns), "reason", text)
		s.tellDrainingLocked()
	}
	s.checkFinishedLocked()
}

// tellDrainingLocked tells whoever wants to know that no new connection comes through the tunnel.
func (s *Session) tellDrainingLocked() {
	if tell := s.cfg.Draining; tell != nil {
		s.tellLocked(tell)
	}
}

// PeerDone reports whether the peer has ended the tunnel in order, by GOAWAY done.
func (s *Session) PeerDone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peerDone
}

// Leave lets a client say that a tunnel is done which the server drains, once no connection of it is left: it has
// another, or wants none (AWAY-006).
func (s *Session) Leave() {
	s.mu.Lock()
	defer s.unlock()
	s.mayLeave = true
	s.checkFinishedLocked()
	s.startWriteLocked()
}

// checkDrainedLocked ends a tunnel that is drained and has no connection left. A client says that it is done when
// nothing can come any more (AWAY-003); a server only if the client does not for a while (AWAY-006).
func (s *Session) checkDrainedLocked() {
	if !s.drained && !s.peerDrains || s.ended || len(s.ids.conns) > 0 || s.writing || s.hasFramesLocked() {
		return
	}
	if s.cfg.Role == Client {
		if !s.peerDrains || !s.mayLeave {
			return
		}
	} else if s.leaveAt == 0 {
		s.leaveAt = s.now() + patience
		s.noteDueLocked(s.leaveAt)
		s.rearmLocked()
		return
	} else if s.now() < s.leaveAt {
		s.noteDueLocked(s.leaveAt)
		return
	}
	s.partLocked(nil, wire.CodeDone, "")
}

// cutOff ends the tunnel and all its connections at once; a peer that knows GOAWAY is told.
func (s *Session) cutOff() {
	s.mu.Lock()
	defer s.unlock()
	s.partLocked(nil, wire.CodeGeneral, "the time to end in good order is over")
	for c := range s.live {
		c.closeLocalLocked(resetSocket)
	}
	s.startWriteLocked()
}
