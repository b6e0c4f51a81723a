package loadgen

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A preface opens every connection of the generator; it says what the target
// does with it. It is not counted as payload.
//
//	octets 0–7 "adit-ld1" | 8 mode | 9–11 zero | 12–15 packet size | 16–23 stream | 24–31 seed
type preface struct {
	mode   string
	size   int
	stream uint64
	seed   uint64
}

const prefaceSize, prefaceMagic = 32, "adit-ld1"

func (p preface) bytes() []byte {
	b := append(make([]byte, 0, prefaceSize), prefaceMagic...)
	b = append(b, byte(slices.Index(modes, p.mode)), 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(p.size))
	b = binary.BigEndian.AppendUint64(b, p.stream)
	return binary.BigEndian.AppendUint64(b, p.seed)
}

func parsePreface(b []byte) (preface, error) {
	size := int(binary.BigEndian.Uint32(b[12:]))
	if string(b[:8]) != prefaceMagic || int(b[8]) >= len(modes) || size < 1 || size > maxPacket {
		return preface{}, fmt.Errorf("no preface of adit-load: % x", b)
	}
	return preface{modes[b[8]], size, binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])}, nil
}

// A Target is the service at the far end: it echoes, takes or sends what the
// preface asks for, and checks every octet that it receives. One goroutine
// accepts; each connection has one, in mode both two; Close ends them all.
type Target struct {
	data, control net.Listener
	wg            sync.WaitGroup
	began         time.Time

	mu       sync.Mutex
	closed   bool
	conns    map[net.Conn]struct{}
	streams  map[uint64]*stream
	strays   int           // connections without a preface
	stop     chan struct{} // closed when sources must stop; reset makes a new one
	verifier *verifier
}

// A stream is one connection as the target has it.
type stream struct {
	conn    net.Conn
	in, out atomic.Int64 // octets received and right; sent
	fault   atomic.Pointer[Fault]
}

// NewTarget serves connections on data and the generator's requests on control, until Close.
func NewTarget(data, control net.Listener) *Target {
	t := &Target{data: data, control: control, conns: map[net.Conn]struct{}{}, began: time.Now()}
	t.reset()
	t.wg.Go(func() { t.accept(data, t.serve) })
	t.wg.Go(func() { t.accept(control, t.answer) })
	return t
}

// Close ends everything and waits for it.
func (t *Target) Close() error {
	err := errors.Join(t.data.Close(), t.control.Close())
	t.mu.Lock()
	t.closed = true
	for c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	return err
}

const acceptPause = 10 * time.Millisecond

// accept serves one listener until it is closed.
func (t *Target) accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors; some come back when connections end
			time.Sleep(acceptPause)
			continue
		}
		t.mu.Lock()
		if t.closed {
			_ = c.Close()
		} else {
			t.conns[c] = struct{}{}
		}
		t.mu.Unlock()
		t.wg.Go(func() { t.hold(c, serve) })
	}
}

// hold serves one connection to its end.
func (t *Target) hold(c net.Conn, serve func(net.Conn)) {
	serve(c)
	_ = c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// reset forgets all streams, and ends those that still run.
func (t *Target) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.streams {
		_ = s.conn.Close()
	}
	t.streams, t.strays, t.stop = map[uint64]*stream{}, 0, make(chan struct{})
}

// enter registers a stream.
func (t *Target) enter(p preface, c net.Conn) (*stream, *verifier, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.verifier == nil || t.verifier.seed != p.seed {
		t.verifier = newVerifier(newRing(p.seed), "target")
	}
	s := &stream{conn: c}
	t.streams[p.stream] = s
	return s, t.verifier, t.stop
}

// serve does what the preface asks for.
func (t *Target) serve(c net.Conn) {
	b := make([]byte, prefaceSize)
	n, err := io.ReadFull(c, b)
	if n == 0 { // somebody looked whether the port is open
		return
	}
	p, bad := preface{}, err
	if err == nil {
		p, bad = parsePreface(b)
	}
	if bad != nil {
		t.mu.Lock()
		t.strays++
		t.mu.Unlock()
		return
	}
	s, v, stop := t.enter(p, c)
	check := v.checker(p.stream, up)
	defer v.done(check)
	switch p.mode {
	case PingPong:
		echo(c, p, s, check)
	case Upload:
		sink(c, s, check)
	case Download:
		source(c, p, s, v.ring, stop)
		sink(c, s, check)
	case Both:
		var wg sync.WaitGroup
		wg.Go(func() { source(c, p, s, v.ring, stop) })
		sink(c, s, check)
		_ = c.Close() // ends a source that is stuck
		wg.Wait()
	}
}

// echo sends every packet back once it is complete, so that a peer which
// writes a whole packet before it reads cannot lock itself up.
func echo(c net.Conn, p preface, s *stream, check *checker) {
	b := make([]byte, p.size)
	for {
		for have := 0; have < p.size; {
			n, err := c.Read(b[have:])
			if !take(s, check, b[have:have+n]) || err != nil {
				return
			}
			have += n
		}
		n, err := c.Write(b)
		s.out.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// sink takes octets until the stream ends.
func sink(c net.Conn, s *stream, check *checker) {
	b := make([]byte, 256<<10)
	for {
		n, err := c.Read(b)
		if !take(s, check, b[:n]) || err != nil {
			return
		}
	}
}

// take checks and counts octets; false says that they are wrong, which ends the connection.
func take(s *stream, check *checker, b []byte) bool {
	if f := check.check(b); f != nil {
		s.fault.Store(f)
		return false
	}
	s.in.Add(int64(len(b)))
	return true
}

// source sends packets until stop is closed or the connection ends.
func source(c net.Conn, p preface, s *stream, r *ring, stop <-chan struct{}) {
	start := r.start(p.stream, down)
	for off := int64(0); ; {
		select {
		case <-stop:
			return
		default:
		}
		n, err := c.Write(r.at(start, off, p.size))
		off += int64(n)
		s.out.Store(off)
		if err != nil {
			return
		}
	}
}

// Requests of the generator.
const (
	askReset  = "reset"  // forget the streams of the last block
	askMark   = "mark"   // how much was received until now
	askStop   = "stop"   // sources end with the packet that they are at
	askReport = "report" // all streams
)

// A reply answers any request.
type reply struct {
	Received int64         `json:"received"` // octets received and right, of all streams since the reset
	At       time.Duration `json:"at"`       // on the target's clock
	Streams  []streamState `json:"streams,omitempty"`
	Strays   int           `json:"strays,omitempty"`
}

// A streamState is a stream as the target has it.
type streamState struct {
	ID    uint64 `json:"id"`
	In    int64  `json:"in"`
	Out   int64  `json:"out"`
	Fault *Fault `json:"fault,omitempty"`
}

// answer serves the generator's requests, one at a time, each a JSON string, each reply a JSON object.
func (t *Target) answer(c net.Conn) {
	dec, enc := json.NewDecoder(c), json.NewEncoder(c)
	for {
		var ask string
		if dec.Decode(&ask) != nil {
			return
		}
		r := reply{At: time.Since(t.began)}
		switch ask {
		case askMark:
			t.mu.Lock()
			for _, s := range t.streams {
				r.Received += s.in.Load()
			}
			t.mu.Unlock()
		case askReset:
			t.reset()
		case askStop:
			t.mu.Lock()
			select {
			case <-t.stop:
			default:
				close(t.stop)
			}
			t.mu.Unlock()
		case askReport:
			t.mu.Lock()
			r.Strays = t.strays
			for id, s := range t.streams {
				r.Streams = append(r.Streams, streamState{id, s.in.Load(), s.out.Load(), s.fault.Load()})
			}
			t.mu.Unlock()
		}
		if enc.Encode(r) != nil {
			return
		}
	}
}

// A controller is the generator's end of the control connection. It is used by one goroutine.
type controller struct {
	c   net.Conn
	dec *json.Decoder
}

func dialController(ctx context.Context, addr string) (*controller, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("control connection to the target: %w", err)
	}
	return &controller{c, json.NewDecoder(c)}, nil
}

func (k *controller) ask(what string) (r reply, err error) {
	_ = k.c.SetDeadline(time.Now().Add(10 * time.Second))
	if err = json.NewEncoder(k.c).Encode(what); err == nil {
		err = k.dec.Decode(&r)
	}
	if err != nil {
		return r, fmt.Errorf("control connection to the target: %s: %w", what, err)
	}
	return r, nil
}
