package session

import (
	"log/slog"
	"time"
)

// coarse is how late a connection's deadline may be noticed, so that many of them cost one look.
const coarse = 100 * time.Millisecond

// arm sees to it that tick looks at a new deadline. The lock is held.
func (s *Session) arm(due instant) {
	if s.nextDue == 0 || due < s.nextDue {
		s.nextDue = due
		s.rearm()
	}
}

// rearm sets the timer for the earliest of everything that tick looks at, if that is earlier than it is
// set for. The lock is held.
func (s *Session) rearm() {
	if s.timer == nil || s.dead {
		return
	}
	now := s.now()
	at := s.silentAt()
	if s.cfg.Role == Client {
		at = min(at, s.aliveAt)
	}
	if s.frameGot > 0 {
		at = min(at, max(s.slowAt(), now+coarse))
	}
	if s.nextDue > 0 {
		at = min(at, max(s.nextDue, now+coarse))
	}
	if at = max(at, now); at < s.wakeAt {
		s.wakeAt = at
		s.timer.Reset(at - now)
	}
}

// silentAt is when the peer counts as dead if no octet comes. While the reader is paused that is not
// before the pause has ended (ALIVE-007).
func (s *Session) silentAt() instant {
	at := s.lastRead + s.cfg.DeadPeer
	if s.paused != nil {
		at += s.now() - s.pausedAt + coarse
	}
	return at
}

// slowAt is when the frame that is not complete has taken too long: FrameProgress after it began, or
// later if it gained 1 KiB a second until then.
func (s *Session) slowAt() instant {
	at := s.frameSince + max(s.cfg.FrameProgress, time.Duration(s.frameGot>>10)*time.Second)
	if s.paused != nil {
		at += s.now() - s.pausedAt + coarse
	}
	return at
}

// tick is the session's only timer: KeepAlives, dead peers, frames that do not end, and the deadlines of
// connections. It sets the timer again until the tunnel is gone.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.unlock()
	if s.dead {
		return
	}
	s.wg.Add(1) // under the lock and not dead: Run is not waiting yet
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
		s.sendKeepAlive(false)
		s.aliveAt += s.cfg.KeepAliveInterval
		if s.aliveAt <= now {
			s.aliveAt = now + s.cfg.KeepAliveInterval // the process stood still: no burst afterwards
		}
	}
	switch {
	case now >= s.silentAt():
		// ALIVE-004, ALIVE-006
		s.end(ErrDeadPeer)
		return
	case s.frameGot > 0 && now >= s.slowAt():
		s.violate("FRAME-011", "frame neither complete nor making progress")
		return
	}
	if s.nextDue > 0 && now >= s.nextDue {
		s.nextDue = 0
		for _, c := range s.ids.conns {
			c.expire(now)
		}
		for c := range s.live {
			c.expire(now)
		}
	}
	s.rearm()
	s.kick()
}

// never is later than any deadline.
const never instant = 1<<63 - 1

// expire acts on the deadlines of c that have passed, and has tick look at the others in time.
func (c *conn) expire(now instant) {
	for which, due := range c.due {
		switch {
		case due == 0:
		case due > now:
			if c.s.nextDue == 0 || due < c.s.nextDue {
				c.s.nextDue = due
			}
		default:
			c.due[which] = 0
			c.expired(which)
		}
	}
}

func (c *conn) expired(which int) {
	switch which {
	case dueConnect:
		// OPEN-022: the visitor does not wait for ever.
		c.fail("OPEN-022", "no response within the connect timeout")
	case dueTotal:
		// CLOSE-006: octets not taken within 30 s of the Close.
		c.fail("CLOSE-006", "local socket did not take its queued octets in time")
	case dueDrain:
		c.letGo(effectClose)
	case dueWait:
		// CLOSE-009: the ID is not used again.
		c.retire()
	}
}

// retire gives up waiting for the peer's last word.
func (c *conn) retire() {
	s := c.s
	c.free()
	if !c.gone && c.due[dueTotal] == 0 && c.due[dueDrain] == 0 {
		c.letGo(effectReset)
	}
	s.ids.retired[c.id] = struct{}{}
	s.note(slog.LevelWarn, "connection ID retired", "id", c.id, "req", "CLOSE-009", "reason", "no last word from the peer")
	if len(s.ids.retired) > maxRetired {
		s.violate("CLOSE-011", "too many connections without a last word")
	}
}
