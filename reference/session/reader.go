package session

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/adit-tunnel/adit/spec/wire"
)

// readSize is how much of the tunnel is read at once.
const readSize = 512 << 10

var readPool = &sync.Pool{New: func() any { return new([readSize]byte) }}

// reader turns octets into frames, in place. It is owned by the caller of Run, and holds memory only while
// octets are on the way.
type reader struct {
	buf  *[readSize]byte
	r, w int // buf[r:w] is not parsed yet

	// The frame whose payload is being consumed.
	left   int    // octets of it still to come; 0: none
	total  int    // octets of it in all, header included
	to     *conn  // takes the octets of Data; nil: dropped
	answer bool   // Data for an ID without connection: Close may follow
	id     uint32 // that ID

	frames uint64 // complete frames
	marked uint64 // value of frames when frameSince was set
}

// Borrow is for the read of the tunnel.
func (rd *reader) Borrow() []byte {
	if rd.buf == nil {
		rd.buf = readPool.Get().(*[readSize]byte)
	}
	return rd.buf[rd.w:]
}

// GiveBack is for the read of the tunnel.
func (rd *reader) GiveBack() {
	if rd.r == rd.w && rd.buf != nil {
		readPool.Put(rd.buf)
		rd.buf, rd.r, rd.w = nil, 0, 0
	}
}

// compact makes room behind what is not parsed yet, which is less than a header and a control payload.
func (rd *reader) compact() {
	rd.w = copy(rd.buf[:], rd.buf[rd.r:rd.w])
	rd.r = 0
}

// unfinished is how many octets of the next frame are here, 0 when none are.
func (rd *reader) unfinished() int {
	if rd.left > 0 {
		return rd.total - rd.left
	}
	return rd.w - rd.r
}

// read reads the tunnel until it ends or the peer breaks a rule, and returns why.
func (s *Session) read() error {
	rd := &s.reader
	defer func() {
		rd.r = rd.w
		rd.GiveBack()
	}()
	for {
		n, err := s.tunnel.ReadReady(rd)
		if n > 0 {
			rd.w += n
			s.received(n)
			if err := s.parse(); err != nil {
				s.reject(err)
				return err
			}
			rd.compact()
			s.parsed()
		}
		if err != nil {
			// TUN-002
			return err
		}
	}
}

// received notes that n octets came.
func (s *Session) received(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastRead = s.now()
	s.stats.OctetsIn += int64(n)
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
		s.rearm()
	}
	s.kick()
}

// parse handles every frame, and every part of a Data frame, that is in the buffer.
func (s *Session) parse() error {
	rd := &s.reader
	for rd.r < rd.w {
		b := rd.buf[rd.r:rd.w]
		if rd.left == 0 {
			n, err := s.begin(b)
			if err != nil {
				return err
			}
			if n == 0 {
				return nil // too little to begin with
			}
			rd.r += n
		} else {
			b = b[:min(len(b), rd.left)]
			rd.r += len(b)
			rd.left -= len(b)
			if rd.to != nil {
				rd.to.deliver(b)
			}
		}
		if rd.left == 0 {
			rd.frames++
			s.finish()
		}
	}
	return nil
}

// begin handles the frame that b begins with: wholly, or of Data and of unknown types what precedes the
// octets. It returns how many octets it used, 0 if it needs more. The order of the checks is that of section 15.
func (s *Session) begin(b []byte) (int, error) {
	h, err := wire.ParseHeader(b)
	if errors.Is(err, wire.ErrShort) {
		// FRAME-002: a foreign version shows in the first octet.
		if b[0] != wire.Version {
			_, err = wire.ParseHeader(append(b[:1:1], 0, 0, 0, 0, 0))
			return 0, err
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !h.Type.Known() {
		// FRAME-007: skipped.
		s.skip(h)
		return wire.HeaderLen, nil
	}
	if err := s.checkRole(h.Type); err != nil {
		return 0, err
	}
	if err := h.CheckLength(); err != nil {
		return 0, err
	}
	need := wire.HeaderLen + int(h.Length)
	if h.Type == wire.TypeData {
		need = wire.HeaderLen + wire.IDLen
	}
	if len(b) < need {
		return 0, nil
	}
	p := b[wire.HeaderLen:need]
	switch h.Type {
	case wire.TypeConnectRequest:
		r, err := wire.ParseConnectRequest(p)
		if err != nil {
			return 0, err
		}
		return need, s.handleRequest(r)
	case wire.TypeConnectResponse:
		id, status, err := wire.ParseConnectResponse(p)
		if err != nil {
			return 0, err
		}
		s.handleResponse(id, status)
	case wire.TypeData:
		id, _, err := wire.ParseData(p)
		if err != nil {
			return 0, err
		}
		s.handleData(id, h)
	case wire.TypeClose:
		id, err := wire.ParseClose(p)
		if err != nil {
			return 0, err
		}
		s.handleClose(id)
	case wire.TypeKeepAlive:
		s.handleKeepAlive()
	}
	return need, nil
}

// checkRole reports a frame that the peer's role never sends.
func (s *Session) checkRole(t wire.Type) error {
	switch {
	case t == wire.TypeConnectRequest && s.cfg.Role == Server:
		// OPEN-010
		return violation("OPEN-010", "ConnectRequest from a client")
	case t == wire.TypeConnectResponse && s.cfg.Role == Client:
		// OPEN-011
		return violation("OPEN-011", "ConnectResponse from a server")
	}
	return nil
}

// skip drops the payload of a frame.
func (s *Session) skip(h wire.Header) {
	rd := &s.reader
	rd.left, rd.total = int(h.Length), wire.HeaderLen+int(h.Length)
	rd.to, rd.answer = nil, false
}

// violation is a tunnel error that the session's state shows.
func violation(req, reason string) error {
	return &wire.Violation{Req: req, Scope: wire.ScopeTunnel, Reason: reason}
}

// reject logs a tunnel error, and sends what is owed for the frames before it.
func (s *Session) reject(err error) {
	s.mu.Lock()
	defer s.unlock()
	s.kick()
	s.logViolation(err)
}

// violate ends the tunnel because of what the peer did, or did not do. The lock is held.
func (s *Session) violate(req, reason string) {
	if s.dead {
		return
	}
	err := violation(req, reason)
	s.logViolation(err)
	s.end(err)
}

func (s *Session) logViolation(err error) {
	if v, ok := errors.AsType[*wire.Violation](err); ok {
		s.note(slog.LevelWarn, "protocol violation", "req", v.Req, "scope", v.Scope.String(), "reason", v.Reason)
	}
}
