package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Session is one tunnel's engine. All methods may be called from any goroutine.
type Session struct {
	tunnel Socket
	cfg    Config
	log    *slog.Logger
	start  time.Time
	wg     sync.WaitGroup // every goroutine of the session but the reader

	// ctx ends with the tunnel; dials run under it.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when the tunnel is gone
	idle   chan struct{} // closed when a draining session has nothing left to do

	mu       sync.Mutex // guards everything below, and every conn
	todo     []todo     // effects to carry out by whoever releases the lock
	dead     bool
	err      error
	refusing bool
	ids      ids
	live     map[*conn]struct{} // connections with a local socket, or waiting for one

	frame   [300]byte // for making a control frame
	out     outbox    // frames queued
	flying  outbox    // frames being written; owned by the writer while writing is set
	writing bool      // there is a writer: a sender, kick, or flush
	room    sync.Cond // senders that wait for room in out
	answer  sync.Cond // senders that hold all they can until the response
	waiting int       // how many senders wait for room
	busy    int       // connections with Data frames to be written

	timer      *time.Timer // calls tick
	wakeAt     instant     // when it will
	nextDue    instant     // no connection's deadline is earlier; 0: none has one
	aliveAt    instant     // client: when the next KeepAlive leaves
	lastRead   instant     // when octets last came from the peer
	frameSince instant     // when the frame that is not complete began
	frameGot   int         // octets of it so far; 0: there is none

	paused   *conn // the connection that the reader waits for
	pausedAt instant
	resume   chan struct{} // wakes the paused reader
	meter    stallMeter
	stall    *time.Timer // owned by the reader

	stats Stats

	reader reader // owned by the caller of Run
}

// todo is what is left to do once the lock is released: an effect on a socket, or a line to log.
type todo struct {
	sock   Socket
	effect effect

	msg   string
	level slog.Level
	args  []any
}

// note logs once the lock is released.
func (s *Session) note(level slog.Level, msg string, args ...any) {
	if s.log.Enabled(s.ctx, level) {
		s.todo = append(s.todo, todo{msg: msg, level: level, args: args})
	}
}

// New returns a session over tunnel, which it owns from then on. Nothing happens before Run.
func New(tunnel Socket, cfg Config) *Session {
	if cfg.Role == Client && cfg.Dial == nil {
		panic("session: internal error: a client needs Config.Dial")
	}
	cfg = cfg.withDefaults()
	s := &Session{
		tunnel: tunnel,
		cfg:    cfg,
		log:    cfg.Logger.With("role", cfg.Role.String()),
		start:  time.Now(),
		done:   make(chan struct{}),
		idle:   make(chan struct{}),
		ids:    newIDs(cfg.FirstID),
		live:   map[*conn]struct{}{},
		resume: make(chan struct{}, 1),
		meter:  newStallMeter(cfg.StallWindow),
	}
	s.room.L, s.answer.L = &s.mu, &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.aliveAt = cfg.KeepAliveInterval
	return s
}

// Run serves the tunnel until it is gone, and returns why: nil after Close, the cause of ctx when that
// ended, io.EOF when the peer ended the stream, a wire.Violation after a tunnel error, ErrDeadPeer, or the
// error of the transport. When it returns no goroutine and no socket of the session is left. Call it once.
func (s *Session) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.cut(context.Cause(ctx)) })
	defer stop()
	s.mu.Lock()
	if !s.dead {
		s.timer = time.AfterFunc(time.Hour, s.tick)
		s.wakeAt = time.Hour
		s.rearm()
	}
	s.mu.Unlock()
	s.cut(s.read())
	s.wg.Wait()
	return s.err
}

// Done is closed when the tunnel is gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// now is the present instant.
func (s *Session) now() instant { return time.Since(s.start) }

// unlock releases the lock and carries out the effects that were noted under it.
func (s *Session) unlock() {
	list := s.todo
	s.todo = nil
	s.mu.Unlock()
	for _, t := range list {
		switch {
		case t.sock == nil:
			s.log.Log(s.ctx, t.level, t.msg, t.args...)
		case t.effect == effectReset:
			t.sock.Abort()
		case t.effect == effectClose:
			t.sock.Close()
		case t.effect == effectShut:
			t.sock.CloseWrite() // a failure shows in the next read
		}
	}
}

// cut ends the tunnel because of err.
func (s *Session) cut(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.end(err)
}

// end is the loss of the tunnel (section 14), the outcome of a tunnel error included: its transport is
// closed, what is queued is dropped, every local socket is closed. The lock is held.
func (s *Session) end(err error) {
	if s.dead {
		return
	}
	s.dead, s.err = true, err
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel()
	s.todo = append(s.todo, todo{sock: s.tunnel, effect: effectClose})
	for c := range s.live {
		// LOSS-001, LOSS-002: by reset, so that a cut transfer does not look complete. One that is complete,
		// all octets written and both Closes exchanged, has nothing to be cut.
		if c.state == ended && c.shut {
			c.letGo(effectClose)
		} else {
			c.letGo(effectReset)
		}
	}
	for _, c := range s.ids.conns {
		c.state = ended
	}
	clear(s.ids.conns)
	s.out.reset()
	s.room.Broadcast()
	s.answer.Broadcast()
	close(s.done)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.note(slog.LevelInfo, "tunnel lost", "error", err)
	}
}
