package session

import (
	"errors"
	"log/slog"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// row says what this side does with one type of frame.
type row struct {
	from   sender                                                // whose it is
	misuse string                                                // the requirement that it breaks from the other role
	part   int                                                   // bytes of payload that act needs; 0: all
	act    func(s *Session, h wire.Header, payload []byte) error // under the lock
	ext    bool                                                  // of the Extended profile
}

// sender says which roles send a frame.
type sender uint8

const (
	either sender = iota
	fromServer
	fromClient
)

// rows are the types that are not skipped (FRAME-007).
var rows = [256]row{
	wire.TypeConnectRequest:  {from: fromServer, misuse: "OPEN-010", act: (*Session).onConnectRequestLocked},
	wire.TypeConnectResponse: {from: fromClient, misuse: "OPEN-011", act: (*Session).onConnectResponseLocked},
	wire.TypeData:            {part: wire.IDLen, act: (*Session).onDataLocked},
	wire.TypeClose:           {act: (*Session).onCloseLocked},
	wire.TypeKeepAlive:       {act: (*Session).onKeepAliveLocked},

	wire.TypeHello:  {ext: true, act: (*Session).onHelloLocked},
	wire.TypeOpen:   {ext: true, from: fromServer, misuse: "XOPEN-016", act: (*Session).onOpenLocked},
	wire.TypeOpened: {ext: true, from: fromClient, misuse: "XOPEN-016", act: (*Session).onOpenedLocked},
	wire.TypeWindow: {ext: true, act: (*Session).onWindowLocked},
	wire.TypeFin:    {ext: true, act: (*Session).onFinLocked},
	wire.TypeReset:  {ext: true, act: (*Session).onResetLocked},
	wire.TypeGoAway: {ext: true, act: (*Session).onGoAwayLocked},
	wire.TypePing:   {ext: true, act: (*Session).onPingLocked},
	wire.TypePong:   {ext: true, act: (*Session).onPongLocked},
	wire.TypeAuth:   {ext: true, act: (*Session).onAuthLocked},
	wire.TypeBind:   {ext: true, from: fromClient, misuse: "BIND-018", act: (*Session).onBindLocked},
	wire.TypeBound:  {ext: true, from: fromServer, misuse: "BIND-018", act: (*Session).onBoundLocked},
	wire.TypeUnbind: {ext: true, act: (*Session).onUnbindLocked},
}

const (
	// tunnelRead is how much of the tunnel is read at once.
	tunnelRead = 512 << 10
	// guardedRead is how much is before the proofs (AUTH-017).
	guardedRead = 4 << 10
	// maxPart is longer than any part of a frame that is kept for the next read: a whole HELLO.
	maxPart = wire.HeaderLen + wire.IDLen + wire.MaxTLVs
)

// tunnelPool lends the buffers of tunnel reads, with room in front for the part of a frame that came before.
var tunnelPool = sock.NewPool(maxPart, guardedRead, tunnelRead)

// bulkReads is how many reads without the head of a large frame end the time in which no payload of one is copied.
const bulkReads = 4

// readTunnel waits for bytes of the tunnel.
func (s *Session) readTunnel() (*sock.Buf, error) {
	rd := &s.reader
	switch {
	case s.guarded():
		return s.tunnel.Read(tunnelPool, guardedRead)
	case s.passes():
		b, err := s.splicer.SpliceRead(min(rd.left, tunnelRead))
		if !errors.Is(err, sock.ErrNoPipe) {
			return b, err
		}
	case rd.bulk > 0:
		return s.tunnel.Read(tunnelPool, min(rd.rest()+headRoom, tunnelRead))
	}
	return s.tunnel.Read(tunnelPool, tunnelRead)
}

// passes reports whether what is left of a Data frame can go to its local socket without being copied, and is much, or the
// end of what was.
func (s *Session) passes() bool {
	rd := &s.reader
	if rd.to == nil || rd.left == 0 || rd.left < leastSpliced && !rd.piped {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return rd.to.takesLocked() && rd.to.splicer() != nil
}

// pass hands on bytes of a Data frame that are piped, which it takes.
func (s *Session) pass(b *sock.Buf) error {
	rd := &s.reader
	rd.left -= b.Len()
	b, err := rd.to.deliverPiped(b)
	switch {
	case err != nil:
		return err
	case b != nil:
		rd.to.deliver(b.Bytes())
		b.Release()
	}
	if rd.left == 0 {
		return s.finish()
	}
	return nil
}

// reader turns bytes into frames, in place. It is owned by the caller of Run, and holds a buffer only while
// there is something in it.
type reader struct {
	buf  *sock.Buf
	part []byte // of a frame, kept for the next read

	// The frame whose payload is being consumed.
	left   int   // bytes of it still to come; 0: none
	total  int   // bytes of it in all, header included
	to     *conn // takes the bytes of Data; nil: dropped
	answer bool  // Data for an ID without connection: Close may follow

	piped bool // what was read last was
	bulk  int  // how many reads to come take no more than the frame and the head of the next, whose payload may be much

	proven bool   // the peer is one of this protocol, and has the key where this side asks for auth
	frames uint64 // complete frames
	marked uint64 // value of frames when frameSince was set
}

// skip consumes the rest of a frame of which used bytes of payload were acted on.
func (rd *reader) skip(h wire.Header, used int) {
	rd.left, rd.total = int(h.Length)-used, wire.HeaderLen+int(h.Length)
}

// unfinished is how many bytes of the next frame are here, 0 when none are.
func (rd *reader) unfinished() int {
	if rd.left > 0 {
		return rd.total - rd.left
	}
	return len(rd.part)
}

// rest is how much of the frame is to come, as far as is known.
func (rd *reader) rest() int {
	if h, err := wire.ParseHeader(rd.part); err == nil {
		return wire.HeaderLen + int(h.Length) - len(rd.part)
	}
	return rd.left
}

// read reads the tunnel until it ends or the peer breaks a rule, and returns why.
func (s *Session) read() error {
	rd := &s.reader
	rd.part = make([]byte, 0, maxPart)
	for {
		buf, err := s.readTunnel()
		if err != nil {
			return err // TUN-002
		}
		s.received()
		if rd.piped = buf.Piped(); rd.piped {
			err = s.pass(buf)
		} else {
			rd.bulk = max(rd.bulk-1, 0)
			copy(buf.Prepend(len(rd.part)), rd.part)
			rd.buf = buf
			if err = s.parse(); err == nil {
				rd.part = append(rd.part[:0], buf.Bytes()...)
			}
			rd.buf = nil
			buf.Release()
		}
		if err != nil {
			if s.reject(err) {
				s.discard()
			}
			return err
		}
		s.parsed()
	}
}

// received notes that bytes came.
func (s *Session) received() {
	s.mu.Lock()
	defer s.unlock()
	s.lastRead = s.now()
	if tell := s.heard; tell != nil {
		s.heard = nil
		s.tellLocked(tell)
	}
}

// parsed notes how far the last frame has come, and has everything written that the frames asked for.
func (s *Session) parsed() {
	s.mu.Lock()
	defer s.unlock()
	rd := &s.reader
	s.frameGot = rd.unfinished()
	if s.frameGot > 0 && rd.marked != rd.frames+1 {
		rd.marked = rd.frames + 1
		s.frameSince = s.lastRead
		s.rearmLocked()
	}
	s.startWriteLocked()
}

// parse handles every frame, and every part of a Data frame, that is in the buffer.
func (s *Session) parse() error {
	rd := &s.reader
	for rd.buf.Len() > 0 {
		b := rd.buf.Bytes()
		if rd.left == 0 {
			n, err := s.begin(b)
			if err != nil {
				return rd.foreign(b, err)
			}
			if n == 0 {
				return nil // too little to begin with
			}
			rd.buf.Consume(n)
		} else {
			b = b[:min(len(b), rd.left)]
			rd.buf.Consume(len(b))
			rd.left -= len(b)
			if rd.to != nil {
				rd.to.deliver(b)
			}
		}
		if rd.left == 0 {
			if err := s.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin handles the frame that b begins with: wholly, or the part that its row names. It returns how many
// bytes it used, 0 if it needs more. The order of the checks is that of section 15.
func (s *Session) begin(b []byte) (int, error) {
	h, err := wire.ParseHeader(b)
	if errors.Is(err, wire.ErrShort) {
		// FRAME-002: a foreign version shows in the first byte.
		if b[0] != wire.Version {
			_, err = wire.ParseHeader(append(b[:1:1], 0, 0, 0, 0, 0))
			return 0, err
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if s.guarded() {
		if err := s.admit(h); err != nil {
			return 0, err
		}
	}
	r := &rows[h.Type]
	if r.act == nil || r.ext && s.skips(h.Type) {
		if s.phase == up && notAgreed(h.Type) {
			return 0, violation("HELLO-006", h.Type.String()+", of an option that was not agreed")
		}
		// FRAME-007, HELLO-007
		s.reader.skip(h, 0)
		return wire.HeaderLen, nil
	}
	// OPEN-010, OPEN-011
	if r.from == fromServer && s.cfg.Role == Server || r.from == fromClient && s.cfg.Role == Client {
		return 0, violation(r.misuse, h.Type.String()+" from a peer whose role never sends it")
	}
	if r.ext {
		err = h.CheckExtLength() // HELLO-012
	} else {
		err = h.CheckLength()
	}
	if err != nil {
		return 0, err
	}
	need := wire.HeaderLen + int(h.Length)
	if r.part > 0 {
		need = wire.HeaderLen + r.part
	}
	if len(b) < need {
		return 0, nil
	}
	s.mu.Lock()
	defer s.unlock()
	if s.ended {
		return 0, ErrEnded
	}
	return need, r.act(s, h, b[wire.HeaderLen:need])
}

// onDataLocked begins a Data frame: it decides who gets the bytes that follow. It serves every kind.
func (s *Session) onDataLocked(h wire.Header, payload []byte) error {
	id, _, err := wire.ParseData(payload)
	if err != nil {
		return err
	}
	rd := &s.reader
	rd.skip(h, wire.IDLen)
	c := s.ids.conns[id]
	switch {
	case c != nil:
		take, err := c.kind.dataLocked(int(h.Length) - wire.IDLen)
		if take {
			rd.to = c
			if h.Length >= leastSpliced && c.splicer() != nil {
				rd.bulk = bulkReads
			}
		}
		return err
	case s.phase == up:
		return s.deadLocked(id)
	}
	rd.answer = true
	s.ids.begun, s.ids.stray = true, id
	return nil
}

// finish ends the frame that was begun last.
func (s *Session) finish() error {
	rd := &s.reader
	rd.frames++
	if !rd.proven && !s.guarded() {
		rd.proven = true
		if err := s.first(); err != nil {
			s.turnAway(err) // before parsed writes what the frame asked for
			return err
		}
	}
	rd.to = nil
	if !rd.answer {
		return nil
	}
	rd.answer = false
	s.mu.Lock()
	defer s.unlock()
	s.ids.begun = false
	if id := s.ids.stray; s.ids.idle(id) {
		// DATA-004: the peer believes in a connection that is gone. A retired ID gets no answer.
		s.logLocked(slog.LevelDebug, "data for an idle ID", "id", id, "req", "DATA-004")
		s.sendCloseLocked(id, true)
	}
	return nil
}

// first acts on the peer's first frame as such, where this side asks for auth on the first after which the tunnel is up.
func (s *Session) first() error {
	if err := s.chosen(); err != nil || s.cfg.Proven == nil {
		return err
	}
	return s.cfg.Proven()
}

// turnAway ends the tunnel of a peer that this side does not take. One that sent HELLO is told (HELLO-002).
func (s *Session) turnAway(err error) {
	s.mu.Lock()
	defer s.unlock()
	if s.asks() {
		s.startWriteLocked() // a right proof has its answer in any case (AUTH-005)
	}
	s.partLocked(err, wire.CodeTooMany, err.Error())
}

// violation is a tunnel error that the session's state shows.
func violation(req, reason string) error {
	return &wire.Violation{Req: req, Scope: wire.ScopeTunnel, Reason: reason}
}

// reject acts on what stopped the reader, and reports whether the rest of the stream is to be discarded.
func (s *Session) reject(err error) bool {
	s.mu.Lock()
	defer s.unlock()
	return s.rejectLocked(err)
}

// violateLocked ends the tunnel because of what the peer did, or did not do.
func (s *Session) violateLocked(req, reason string) {
	if s.ended {
		return
	}
	err := violation(req, reason)
	s.logViolationLocked(err)
	s.endLocked(err)
}

func (s *Session) logViolationLocked(err error) {
	if v, ok := errors.AsType[*wire.Violation](err); ok {
		args := []any{"req", v.Req, "scope", v.Scope.String(), "reason", v.Reason}
		if e, foreign := errors.AsType[*ForeignError](err); foreign && e.Speaks != "" {
			args = append(args, "speaks", e.Speaks)
		}
		s.logLocked(slog.LevelWarn, "protocol violation", args...)
	}
}
