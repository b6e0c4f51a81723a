package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Types of section 5, and the sizes of section 4.
const (
	typeRequest   = 0x01
	typeResponse  = 0x02
	typeData      = 0x03
	typeClose     = 0x04
	typeKeepAlive = 0x05

	// Types of the Extended profile: its base, and what later parts of it are for.
	typeHello    = 0x10
	typeWindow   = 0x11
	typeFin      = 0x12
	typeReset    = 0x13
	typeOpen     = 0x14
	typeDatagram = 0x15
	typeGoAway   = 0x16
	typePing     = 0x17
	typePong     = 0x18
	typeAuth     = 0x19
	typeBind     = 0x1A
	typeBound    = 0x1B
	typeUnbind   = 0x1C
	typeOpened   = 0x1D
	typeAck      = 0x1E

	version    = 0x01
	headerSize = 6
	maxPayload = 1 << 20
)

// A frame is one frame of the tunnel.
type frame struct {
	typ     byte
	payload []byte
}

// withID is a frame whose payload begins with an ID.
func withID(typ byte, id uint32, rest ...byte) frame {
	return frame{typ, append(binary.BigEndian.AppendUint32(nil, id), rest...)}
}

func (f frame) id() uint32   { return binary.BigEndian.Uint32(f.payload) }
func (f frame) rest() []byte { return f.payload[4:] }

// bytes is the frame as it goes over the wire.
func (f frame) bytes() []byte {
	b := binary.BigEndian.AppendUint32([]byte{version, f.typ}, uint32(len(f.payload)))
	return append(b, f.payload...)
}

// sized reports whether the text allows the payload's size.
func (f frame) sized() bool {
	switch n := len(f.payload); f.typ {
	case typeRequest:
		return n == 6 || n >= 7 && n == 7+int(f.payload[6])
	case typeResponse:
		return n == 5
	case typeData:
		return n >= 4
	case typeClose:
		return n == 4
	case typeKeepAlive:
		return n == 0
	case typeHello:
		return n <= 4096
	case typeWindow:
		return n == 12
	case typeFin:
		return n == 4
	case typeReset:
		return n >= 6 && n <= 262
	case typeOpen, typeOpened:
		return n >= 4 && n <= 4096
	case typeGoAway:
		return n >= 2 && n <= 258
	case typePing, typePong:
		return n == 8
	case typeAuth:
		return n == 0 || n == 32
	case typeBind:
		return n >= 4 && n <= 4096
	case typeBound:
		return n >= 6 && n <= 4096
	case typeUnbind:
		return n == 6
	}
	return true
}

// A tunnelError names the requirement that makes it one.
type tunnelError struct {
	req, reason string
	code        code // of the GOAWAY that tells it
}

func (e *tunnelError) Error() string { return e.req + ": " + e.reason }

func broken(req, format string, args ...any) error {
	return &tunnelError{req, fmt.Sprintf(format, args...), codeProtocol}
}

// readFrame reads the next frame.
func (t *tunnel) readFrame() (frame, error) {
	var head [headerSize]byte
	if _, err := t.in.Peek(1); err != nil {
		return frame{}, err
	}
	if n := t.in.Buffered(); n < headerSize && t.bug("FRAME-006") {
		_, _ = t.in.Discard(n)
		return t.readFrame()
	}
	if t.in.Buffered() < headerSize {
		t.pieced.Store(true)
	}
	t.ear.begin()
	defer t.ear.end()
	if _, err := io.ReadFull(t.in, head[:]); err != nil {
		return frame{}, err
	}
	if head[0] != version && t.bug("SEC-005-frame") {
		more, _ := t.in.Peek(t.in.Buffered())
		fmt.Fprintf(os.Stderr, "this is no frame: %s%s\n", head[:], more)
	}
	// FRAME-002: a version that is not 0x01 is a tunnel error.
	if head[0] != version && !t.bug("FRAME-002") {
		return frame{}, broken("FRAME-002", "version 0x%02x", head[0])
	}
	n := int64(binary.BigEndian.Uint32(head[2:]))
	if n == maxPayload && t.bug("FRAME-003") {
		return frame{}, broken("FRAME-004", "length %d", n)
	}
	// FRAME-004: a length above the limit is a tunnel error, without waiting for the payload.
	if n > maxPayload {
		if t.bug("FRAME-004") {
			_, _ = io.CopyN(io.Discard, t.in, n)
		}
		return frame{}, broken("FRAME-004", "length %d", n)
	}
	// HELLO-012: so is a HELLO that is too long.
	if t.extends && head[1] == typeHello && n > helloMax && !t.bug("HELLO-012") {
		return frame{}, t.hugeHello(n)
	}
	// AUTH-015: and every frame that is, before the proofs.
	if t.asks && n > helloMax && !t.bug("AUTH-015") {
		t.mu.Lock()
		guarded := t.guarded()
		t.mu.Unlock()
		if guarded {
			return frame{}, broken("AUTH-015", "%d octets before the proofs", n)
		}
	}
	if t.bug("DATA-007-awaited") {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	if t.bug("SEC-004") {
		body := bytes.Repeat([]byte{1}, int(n))
		if _, err := io.ReadFull(t.in, body); err != nil {
			return frame{}, err
		}
		return frame{head[1], body}, nil
	}
	// SEC-004: the buffer grows with what comes, not with what was announced.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, t.in, n); err != nil {
		return frame{}, err
	}
	return frame{head[1], body.Bytes()}, nil
}

// An ear reads the tunnel's socket and gives up when it is silent for too
// long, or when a frame drips in (FRAME-011). Only time spent in Read counts
// (ALIVE-007).
type ear struct {
	sock    net.Conn
	silence time.Duration // 0: any
	heard   atomic.Int64  // when octets last came, in nanoseconds since 1970
	begun   time.Time     // first octet of the frame that is being read; zero: none
	got     int           // octets of it
}

var (
	errSilence = errors.New("the peer has been silent for too long")
	errDrip    = errors.New("FRAME-011: a frame drips in")
)

const (
	frameProgress = 60 * time.Second
	dripRate      = 1 << 10 // octets each second
)

func (e *ear) begin() { e.begun, e.got = time.Now(), 0 }
func (e *ear) end()   { e.begun = time.Time{} }

func (e *ear) Read(p []byte) (int, error) {
	until := time.Time{}
	if e.silence > 0 {
		until = time.Now().Add(e.silence)
	}
	for {
		deadline := until
		if !e.begun.IsZero() {
			drip := time.Now().Add(max(time.Until(e.begun.Add(frameProgress)), time.Second))
			if until.IsZero() || drip.Before(until) {
				deadline = drip
			}
		}
		_ = e.sock.SetReadDeadline(deadline)
		n, err := e.sock.Read(p)
		if n > 0 {
			e.heard.Store(time.Now().UnixNano())
		}
		e.got += n
		switch late := errors.Is(err, os.ErrDeadlineExceeded); {
		case e.dripping():
			return n, errDrip
		case n > 0 || !late:
			return n, err
		case !until.IsZero() && !time.Now().Before(until):
			return 0, errSilence
		}
	}
}

func (e *ear) dripping() bool {
	if e.begun.IsZero() {
		return false
	}
	took := time.Since(e.begun)
	return took >= frameProgress && float64(e.got) < took.Seconds()*dripRate
}

// isEnd reports whether a stream ended in order.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
