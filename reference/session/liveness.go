package session

import "time"

// coarse is how late a connection's deadline may be noticed, so that many of them cost one look.
const coarse = 100 * time.Millisecond

// setDueLocked sets a deadline of c that many from now.
func (c *conn) setDueLocked(due *instant, after time.Duration) {
	*due = c.s.now() + after
	if c.s.noteDueLocked(*due) {
		c.s.rearmLocked()
	}
}

// noteDueLocked has tick look at a deadline in time, and reports whether that is earlier than it would have.
func (s *Session) noteDueLocked(due instant) bool {
	if s.nextDue > 0 && s.nextDue <= due {
		return false
	}
	s.nextDue = due
	return true
}

// passedLocked clears a deadline that has passed and reports that; of any other it has tick look in time.
func (s *Session) passedLocked(due *instant, now instant) bool {
	switch {
	case *due == 0:
		return false
	case *due > now:
		s.noteDueLocked(*due)
		return false
	}
	*due = 0
	return true
}

// startTimer begins what tick goes on with.
func (s *Session) startTimer() {
	s.mu.Lock()
	defer s.unlock()
	if !s.ended {
		s.greetLocked()
		s.timer = time.AfterFunc(time.Hour, s.tick)
		s.wakeAt = time.Hour
		s.rearmLocked()
	}
}

// rearmLocked sets the timer for the earliest of everything that tick looks at, if that is earlier than it is
// set for.
func (s *Session) rearmLocked() {
	if s.timer == nil || s.ended && len(s.live) == 0 {
		return
	}
	now := s.now()
	at := never
	if !s.ended {
		at = s.silentAtLocked()
		if s.cfg.Role == Client {
			at = min(at, s.aliveAt)
		}
		if s.frameGot > 0 {
			at = min(at, max(s.slowAtLocked(), now+coarse))
		}
	}
	if s.nextDue > 0 {
		at = min(at, max(s.nextDue, now+coarse))
	}
	if at = max(at, now); at < s.wakeAt {
		s.wakeAt = at
		s.timer.Reset(at - now)
	}
}

// silentAtLocked is when the peer counts as dead if no byte comes. While the reader is paused that is not
// before the pause has ended (ALIVE-007).
func (s *Session) silentAtLocked() instant {
	at := s.lastRead + s.cfg.DeadPeer
	if s.paused != nil {
		at += s.now() - s.pausedAt + coarse
	}
	return at
}

// slowAtLocked is when the frame that is not complete has taken too long: FrameProgress after it began, or
// later if it gained 1 KiB a second until then.
func (s *Session) slowAtLocked() instant {
	at := s.frameSince + max(s.cfg.FrameProgress, time.Duration(s.frameGot>>10)*time.Second)
	if s.paused != nil {
		at += s.now() - s.pausedAt + coarse
	}
	return at
}

// tick is the session's only timer: KeepAlives, dead peers, frames that do not end, and the deadlines of
// connections. It sets the timer again until the tunnel and every local socket are gone.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.unlock()
	if s.ended && len(s.live) == 0 {
		return
	}
	s.wg.Add(1) // under the lock and not gone: Run is not waiting yet
	defer s.wg.Done()
	now := s.now()
	if late := now - s.wakeAt; late > time.Second {
		// ALIVE-007: the whole process stood still, this side did not read.
		s.lastRead += late
		s.frameSince += late
	}
	s.wakeAt = never
	for s.cfg.Role == Client && now >= s.aliveAt {
		// ALIVE-001: whatever else was sent.
		s.sendKeepAliveLocked(false)
		s.aliveAt += s.cfg.KeepAliveInterval
		if s.aliveAt <= now {
			s.aliveAt = now + s.cfg.KeepAliveInterval // the process stood still: no burst afterwards
		}
	}
	switch {
	case s.ended:
	case now >= s.silentAtLocked():
		// ALIVE-004, ALIVE-006
		s.endLocked(ErrDeadPeer)
		return
	case s.frameGot > 0 && now >= s.slowAtLocked():
		s.violateLocked("FRAME-011", "frame neither complete nor making progress")
		return
	}
	if s.nextDue > 0 && now >= s.nextDue {
		s.nextDue = 0
		if s.timedLocked() && !s.ended {
			if now >= handshake {
				s.tooLateLocked()
			} else {
				s.noteDueLocked(handshake)
			}
		}
		s.checkFinishedLocked()
		for _, c := range s.ids.conns {
			if s.passedLocked(&c.idDue, now) {
				c.kind.idDueLocked()
			}
		}
		for c := range s.live {
			if s.passedLocked(&c.local.due, now) {
				c.kind.localDueLocked()
			}
			if s.passedLocked(&c.local.idleDue, now) {
				c.lookIdleLocked()
			}
		}
	}
	s.rearmLocked()
	s.startWriteLocked()
}

// never is later than any deadline.
const never instant = 1<<63 - 1
