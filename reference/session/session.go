package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// Session is one tunnel's engine. All methods may be called from any goroutine.
type Session struct {
	tunnel  sock.Socket
	splicer sock.Splicer // the tunnel, if it is one; else nil
	cfg     Config
	log     *slog.Logger
	start   time.Time
	wg      sync.WaitGroup // every goroutine of the session but the reader

	// ctx ends with the tunnel; dials run under it.
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan struct{} // closed when the tunnel is gone
	gone     chan struct{} // closed when the local sockets are gone, too
	finished chan struct{} // closed when a session that refuses new connections has nothing left to do

	mu         mutex   // guards everything below but reader, and every connection
	ended      bool    // the tunnel is gone, but for its last words
	shut       bool    // nothing is written to it any more
	closed     bool    // its transport is closed
	drained    bool    // this side's GOAWAY drain is sent, or in line
	peerDrains bool    // the peer's has come
	peerDone   bool    // the peer ended the tunnel by GOAWAY done
	mayLeave   bool    // a client may say that the tunnel is done
	leaveAt    instant // when a server ends a tunnel that is drained; 0: not yet
	parting    bool    // what is left to write are last words, and what comes is discarded
	bye        *time.Timer
	err        error    // why
	refusing   bool     // no new connections: it closes when the last one has ended
	effects    []effect // to carry out by whoever releases the lock
	lines      []line   // to log by whoever releases the lock
	ids        ids
	live       map[*conn]struct{} // connections with a local socket, or waiting for one

	dials    chan struct{} // a seat for each dial of an extended connection
	frame    [300]byte     // for making a control frame
	phase    phase         // of the handshake; written by the reader only
	mayPart  bool          // the peer sent a HELLO: it knows GOAWAY
	peer     wire.Hello    // what the peer's HELLO says
	asking   bool          // this side asks for auth; written by the reader only
	proofs   proofs        // of a handshake with auth
	bindings bindings      // of the option bind
	heard    func()        // called when bytes come next; nil: nobody asks
	why      string        // why it is Core on a tunnel that might have been more
	held     int           // memory of received bytes, and of those that were read ahead of their credit (WIN-008)
	grown    int64         // what windows have grown by, in all
	grants   []*extConn    // connections whose WINDOW is in line
	leaving  int           // connections whose ID is gone and whose last frame is not (XOPEN-011)
	// dials that are of no use any more and have not ended (XOPEN-013)
	cancelled int

	queued       outbox // frames in line
	urgent       outbox // those that go before all of queued
	split        bool   // urgent is in use
	follows      bool   // and was when the frames in flight left: urgent ones may overtake them
	ping         pinger
	inFlight     outbox    // frames being written; owned by the writer while writing is set
	vecs         [][]byte  // of them, for one call; owned by the writer
	writing      bool      // there is a writer: a sender, startWrite, or flush
	room         sync.Cond // senders that wait for room in queued
	roomFirst    sync.Cond // those of them that sent nothing of late
	waiting      int       // how many
	waitingFirst int       // how many of those
	allowed      sync.Cond // senders that wait for their connection's flow
	busy         int       // connections with Data frames in line or in flight

	timer      *time.Timer // calls tick
	wakeAt     instant     // when it will
	nextDue    instant     // no connection's deadline is earlier; 0: none has one
	aliveAt    instant     // client: when the next KeepAlive leaves
	lastRead   instant     // when bytes last came from the peer
	lastWrite  instant     // when bytes last went to it
	frameSince instant     // when the frame that is not complete began
	frameGot   int         // bytes of it so far; 0: there is none

	paused   *conn // the connection that the reader waits for
	pausedAt instant
	resume   chan struct{} // wakes the paused reader
	meter    stallMeter
	stall    *time.Timer // owned by the reader

	stats Stats

	reader reader // owned by the caller of Run
}

// New returns a session over tunnel, which it owns from then on. Nothing is read or written before Run.
func New(tunnel sock.Socket, cfg Config) *Session {
	if cfg.Role == Client && cfg.Dial == nil {
		panic("session: internal error: a client needs Config.Dial")
	}
	if cfg.Protocol == CoreOnly && (cfg.Key != nil || cfg.Keys != nil || cfg.Publisher != nil) {
		panic("session: internal error: Core has no options")
	}
	cfg = cfg.withDefaults()
	s := &Session{
		tunnel:   tunnel,
		cfg:      cfg,
		log:      cfg.Logger.With("role", cfg.Role.String()),
		start:    time.Now(),
		done:     make(chan struct{}),
		gone:     make(chan struct{}),
		finished: make(chan struct{}),
		ids:      newIDs(cfg.FirstID),
		live:     map[*conn]struct{}{},
		aliveAt:  cfg.KeepAliveInterval,
		resume:   make(chan struct{}, 1),
		dials:    make(chan struct{}, maxDials),
		meter:    newStallMeter(cfg.StallWindow),
		ping:     newPinger(),
		asking:   cfg.Key != nil || cfg.Keys != nil && !cfg.AuthOptional,
		bindings: bindings{waiting: map[uint32]bool{}, live: map[uint32]bool{}},
	}
	switch {
	case s.asks():
		s.aliveAt = never // AUTH-007
	case cfg.Greet || cfg.Protocol != CoreOnly: // HELLO-011
		s.aliveAt = 0
	}
	if cfg.Protocol == CoreOnly {
		s.phase = core
	}
	s.splicer, _ = tunnel.(sock.Splicer)
	s.room.L, s.roomFirst.L, s.allowed.L = &s.mu, &s.mu, &s.mu
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Run serves the tunnel until it is gone, and after that the connections that linger, which have everything from
// the peer and not yet given it to their local sockets (CLOSE-012): minutes at most. It returns why the tunnel ended:
// nil after Close, the cause of ctx when that ended, io.EOF when the peer ended the stream, a wire.Violation after a
// tunnel error, ErrDeadPeer, or the error of the transport. When it returns no goroutine and no socket of the session
// is left. The end of ctx cuts everything. Call it once.
func (s *Session) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.abort(context.Cause(ctx)) })
	defer stop()
	if m := s.cfg.Together; m != nil {
		m.add(s)
		defer m.remove(s)
	}
	s.startTimer()
	s.cut(s.read())
	<-s.gone
	s.wg.Wait()
	return s.err
}

// Lost is closed when the tunnel is gone; Run may go on for connections that linger.
func (s *Session) Lost() <-chan struct{} { return s.done }

// Err is why the tunnel ended, as Run returns it; nil before.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close refuses new connections, waits until the ones that there are have ended and what the session owes is
// written, and closes the tunnel; on an extended tunnel the peer is told first, and has time to end it (AWAY-006). When ctx ends first, the tunnel and all its connections are cut, and the
// cause of ctx is returned. It needs Run, which returns nil afterwards.
func (s *Session) Close(ctx context.Context) error {
	s.refuse()
	var err error
	select {
	case <-s.finished:
	case <-s.gone:
	default:
		select {
		case <-s.finished:
		case <-s.gone:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	s.cutOff()
	<-s.gone
	return err
}

// refuse makes Open fail, and a client answer requests with a failure, from now on.
func (s *Session) refuse() {
	s.mu.Lock()
	defer s.unlock()
	s.refusing, s.mayLeave = true, true
	if s.phase == up {
		s.drainLocked(false)
	}
	s.checkFinishedLocked()
	s.startWriteLocked()
}

// checkFinishedLocked notes that a session that refuses new connections has nothing left to do. Only the
// peer's last word for every connection proves that it has all bytes: what the system still holds of them when
// the tunnel is closed may be lost.
func (s *Session) checkFinishedLocked() {
	if s.phase == up {
		s.checkDrainedLocked()
		return
	}
	if !s.refusing || s.ended || len(s.live)+len(s.ids.conns) > 0 || s.writing || s.queued.size > 0 {
		return
	}
	select {
	case <-s.finished:
	default:
		close(s.finished)
	}
}

// A mutex is a lock whose holder looks at the clock once, however often it asks: a look costs as much as taking the lock.
type mutex struct {
	sync.Mutex
	at instant // what the clock said to the holder; 0: it has not looked
}

// Unlock releases the lock. Conditions that wait do so too.
func (m *mutex) Unlock() {
	m.at = 0
	m.Mutex.Unlock()
}

// now is the present instant, for whoever holds the lock: the one in which it first asked.
func (s *Session) now() instant {
	if s.mu.at == 0 {
		s.mu.at = time.Since(s.start)
	}
	return s.mu.at
}

// cut ends the tunnel because of err.
func (s *Session) cut(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.endLocked(err)
}

// abort is cut, and resets what lingers.
func (s *Session) abort(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.endLocked(err)
	for c := range s.live {
		c.closeLocalLocked(resetSocket)
	}
}

// checkGoneLocked notes that the tunnel is gone, and every local socket.
func (s *Session) checkGoneLocked() {
	if !s.closed || len(s.live) > 0 {
		return
	}
	select {
	case <-s.gone:
	default:
		if s.timer != nil {
			s.timer.Stop()
		}
		close(s.gone)
	}
}

// endLocked is the loss of the tunnel (section 14), the outcome of a tunnel error included: its transport is
// closed, what is queued is dropped, every local socket is closed but those of connections that linger.
func (s *Session) endLocked(err error) {
	s.loseLocked(err)
	if s.closed {
		return
	}
	s.closed, s.shut = true, true
	if s.bye != nil {
		s.bye.Stop()
	}
	s.effects = append(s.effects, effect{sock: s.tunnel, do: closeSocket})
	s.checkGoneLocked()
}

// loseLocked is endLocked but for the transport, which may have last words to carry.
func (s *Session) loseLocked(err error) {
	if s.ended {
		return
	}
	err = s.unprovenLocked(err)
	s.ended, s.err = true, err
	s.cancel()
	for c := range s.live {
		c.kind.tunnelLostLocked()
	}
	for _, c := range s.ids.conns {
		c.kind.tunnelLostLocked()
	}
	clear(s.ids.conns)
	s.queued.reset()
	s.urgent.reset()
	clear(s.grants)
	s.grants = s.grants[:0]
	close(s.done)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.logLocked(slog.LevelInfo, "tunnel lost", "error", err)
	}
}

// The lock is never held across I/O. Whoever decides under it that something is to happen to a socket, or to be
// logged, notes that, and unlock does it.

// effect is what is to happen to a socket once the lock is released.
type effect struct {
	sock sock.Socket
	do   action
	of   *extConn    // of lookForReset
	over func(error) // told that the connection of sock is over; may be nil
	why  error       // what it is told
}

// action is what an effect does.
type action uint8

const (
	resetSocket action = iota
	closeSocket
	shutWriteSide
	lookForReset
	tellOnly
)

// line is something to log once the lock is released.
type line struct {
	level slog.Level
	msg   string
	args  []any
}

// logLocked logs once the lock is released.
func (s *Session) logLocked(level slog.Level, msg string, args ...any) {
	if s.log.Enabled(s.ctx, level) {
		s.lines = append(s.lines, line{level, msg, args})
	}
}

// unlock releases the lock, and does what was noted under it.
func (s *Session) unlock() {
	effects, lines := s.effects, s.lines
	s.effects, s.lines = nil, nil
	s.mu.Unlock()
	for _, l := range lines {
		s.log.Log(s.ctx, l.level, l.msg, l.args...)
	}
	for _, e := range effects {
		e.carryOut()
	}
}

func (e effect) carryOut() {
	if e.over != nil {
		e.over(e.why)
	}
	switch e.do {
	case resetSocket:
		e.sock.Reset()
	case closeSocket:
		e.sock.Close()
	case shutWriteSide:
		e.sock.CloseWrite() // a failure shows in the next read
	case lookForReset:
		if err := e.sock.Err(); err != nil {
			e.of.failedLater(err)
		}
	}
}
