package payload

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxPacket is the most bytes of a packet.
	MaxPacket = 4 << 20
	// MaxPiece is the most bytes that At gives and Check takes at once.
	MaxPiece = 1 << 20

	ringSize = 1<<20 + 7 // prime: packets of a round size drift through it
	loops    = 8         // that streams next to each other do not share
)

// A Ring is the endless payload of all streams: the same random bytes over
// and over, in one loop of several. Every stream begins at a place of its own,
// so a byte that is wrong, missing, doubled or another stream's does not
// match its position; the loop tells which of these it is. Bytes and places
// follow from the key, which only generators and the target have: nobody
// between them can know what comes next.
type Ring struct {
	Key   string
	loops [loops][]byte // each with its beginning again, so that every slice is in one piece
	place [2]uint64     // what of the key decides where payloads begin
}

func NewRing(key string) *Ring {
	random := rand.NewChaCha8(sha256.Sum256([]byte(key)))
	r := &Ring{Key: key, place: [2]uint64{random.Uint64(), random.Uint64()}}
	for i := range r.loops {
		b := make([]byte, ringSize+MaxPiece)
		_, _ = random.Read(b[:ringSize]) // never fails
		copy(b[ringSize:], b)
		r.loops[i] = b
	}
	return r
}

// At is n bytes, at most MaxPiece, of a stream that begins at start.
func (r *Ring) At(start uint64, off int64, n int) []byte {
	p := (start%ringSize + uint64(off)) % ringSize
	return r.loops[start/ringSize][p : p+uint64(n)]
}

// Directions of a stream.
const (
	Up   = "up"   // visitor to service
	Down = "down" // service to visitor
)

// Start is where a stream begins: loop times ringSize, and the place in the loop.
func (r *Ring) Start(stream uint64, direction string) uint64 {
	if direction == Down {
		return r.Answer(stream, 0)
	}
	return r.start(stream, 0)
}

// Answer is where the target's answer to a packet of a stream begins: each at
// a place of its own, so that those before say nothing about it. The target
// answers what it has found right; so the answer proves that it got the packet.
func (r *Ring) Answer(stream, packet uint64) uint64 { return r.start(stream, packet+1) }

func (r *Ring) start(stream, part uint64) uint64 {
	return stream%loops*ringSize + rand.NewPCG(r.place[0]^stream, r.place[1]^part).Uint64()%ringSize
}

// Kinds of faults in a stream.
const (
	Corrupted  = "corrupted"  // bytes have changed in place
	Lost       = "lost"       // bytes are missing
	Duplicated = "duplicated" // bytes came again
	Crossed    = "crossed"    // bytes of another stream
	Forged     = "forged"     // bytes that the other end did not send: somebody between made them up

	Undelivered = "undelivered" // right so far, but the rest did not come
)

// A Fault is the first byte of a stream that is not what was sent. That there
// is one, and where, is certain. Its kind is the nearest explanation: the place
// in the ring where the bytes belong, measured from where each stream stands.
type Fault struct {
	Stream    uint64 `json:"stream"` // 0: of many
	Direction string `json:"direction"`
	Offset    int64  `json:"offset"` // of the first wrong byte in the stream
	Kind      string `json:"kind"`
	Octets    int64  `json:"octets,omitempty"` // how many are lost, duplicated or forged
	Other     uint64 `json:"other,omitempty"`  // crossed: whose bytes they are; 0: of a stream that has ended long ago
	Seen      string `json:"seen"`             // target or generator
}

func (f *Fault) Error() string {
	what := f.Kind
	switch {
	case f.Other != 0:
		what += fmt.Sprintf(" with stream %d", f.Other)
	case f.Kind == Crossed:
		what += " with a stream that has ended"
	case f.Kind == Forged && f.Octets == 0:
		what += ": the bytes that were sent came back, and no answer"
	case f.Kind == Forged:
		what += fmt.Sprintf(", %d bytes that the other end did not send", f.Octets)
	case f.Octets != 0:
		what += fmt.Sprintf(", %d bytes", f.Octets)
	}
	where := fmt.Sprintf("stream %d, %s, offset %d", f.Stream, f.Direction, f.Offset)
	if f.Stream == 0 {
		where = "streams that ended in order, " + f.Direction
	}
	return fmt.Sprintf("%s: %s (seen by the %s)", where, what, f.Seen)
}

// A Verifier checks the streams that one side receives.
type Verifier struct {
	*Ring
	side string // target or generator
	way  string // the direction in which bytes come to it

	mu    sync.Mutex
	live  map[*Checker]struct{} // guarded by mu
	ended []*Checker            // the last ones that are done, oldest first; guarded by mu
}

func NewVerifier(r *Ring, side string) *Verifier {
	way := Up
	if side == "generator" {
		way = Down
	}
	return &Verifier{Ring: r, side: side, way: way, live: map[*Checker]struct{}{}}
}

// A Checker checks one stream. It is used by one goroutine; off may be read by any.
type Checker struct {
	v      *Verifier
	stream uint64
	start  atomic.Uint64 // of the payload in the ring; that of an answer is where the stream would have begun
	before atomic.Uint64 // start of the answer before, whose bytes may come again
	off    atomic.Int64  // bytes received and right
}

// Checker begins to check a stream.
func (v *Verifier) Checker(stream uint64) *Checker {
	c := &Checker{v: v, stream: stream}
	c.start.Store(v.Start(stream, v.way))
	c.before.Store(c.start.Load())
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live[c] = struct{}{}
	return c
}

// remembered is how many streams that are done can still be named.
const remembered = 1024

// Await says that the answer to a packet is what comes next.
func (c *Checker) Await(packet uint64) {
	at := c.v.Answer(c.stream, packet)
	back := uint64(c.off.Load()) % ringSize
	c.before.Store(c.start.Load())
	c.start.Store(at/ringSize*ringSize + (at%ringSize+ringSize-back)%ringSize)
}

// Done says that a stream is over. It is remembered for a while: its bytes may
// come to another one after its end, and of two streams that have crossed the
// one found second is explained by where the first one stood.
func (v *Verifier) Done(c *Checker) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.live, c)
	if v.ended = append(v.ended, c); len(v.ended) > remembered {
		v.ended = v.ended[1:]
	}
}

// Check compares the next bytes of the stream, at most MaxPiece of them. When
// they are wrong, and too few to tell why, it reads on from the connection that
// they came from, for as long as others would be on their way; nil: it does not.
func (c *Checker) Check(b []byte, from net.Conn) *Fault {
	off, start := c.off.Load(), c.start.Load()
	want := c.v.At(start, off, len(b))
	if bytes.Equal(b, want) {
		c.off.Store(off + int64(len(b)))
		return nil
	}
	i := 0
	for b[i] == want[i] {
		i++
	}
	off += int64(i)
	c.off.Store(off)
	f := &Fault{Stream: c.stream, Direction: c.v.way, Offset: off, Kind: Corrupted, Seen: c.v.side}
	if got := enough(b[i:], from); len(got) >= clue {
		c.explain(f, got, c.v.At(start, off, clue))
	}
	return f
}

const (
	clue     = 16                     // bytes that tell one place of the ring from all others
	onTheWay = 200 * time.Millisecond // how long bytes may be that belong to the same piece
)

// enough is bytes with those that come behind them, as many as tell where they belong.
func enough(b []byte, from net.Conn) []byte {
	if len(b) >= clue || from == nil || from.SetReadDeadline(time.Now().Add(onTheWay)) != nil {
		return b
	}
	more := make([]byte, clue-len(b))
	n, _ := io.ReadFull(from, more) // the connection is not used any more
	return append(slices.Clone(b), more[:n]...)
}

// explain finds where in the ring the wrong bytes belong, and makes the
// nearest stream the explanation.
func (c *Checker) explain(f *Fault, got, want []byte) {
	same := 0
	for i := range clue { // no further: behind a piece of another stream may come the right bytes again
		if got[i] == want[i] {
			same++
		}
	}
	if same > clue/2 {
		return
	}
	loop, place := c.v.find(got[:clue])
	if place < 0 {
		return
	}
	best := int64(ringSize) // farther than any place
	f.Kind = Crossed        // whosever they are: no bytes of this stream are in another loop
	own := loop == c.start.Load()/ringSize
	if own {
		best = shift(place, c.start.Load(), f.Offset)
		if d := shift(place, c.before.Load(), f.Offset); abs(d) < abs(best) {
			best = d
		}
		f.Kind, f.Octets = Lost, best
		if best < 0 {
			f.Kind, f.Octets = Duplicated, -best
		}
		if sent := shift(place, c.v.Start(c.stream, Up), f.Offset); c.v.way == Down && abs(sent) < abs(best) {
			best = sent
			f.Kind, f.Octets = Forged, 0
		}
	}
	nearer := func(o *Checker) {
		start := o.start.Load()
		if d := shift(place, start, o.off.Load()); o != c && loop == start/ringSize && abs(d) < abs(best) {
			best = d
			f.Kind, f.Octets, f.Other = Crossed, 0, o.stream
		}
	}
	c.v.mu.Lock()
	defer c.v.mu.Unlock()
	for o := range c.v.live {
		nearer(o)
	}
	if own || abs(best) <= inFlight {
		return
	}
	for _, o := range c.v.ended {
		nearer(o)
	}
}

// inFlight is how far ahead of what has come a stream's bytes usually are;
// with those that are done there are many streams, of which one may be nearer by chance.
const inFlight = 256 << 10

// find is the loop and the place of bytes, -1 when they are nowhere.
func (r *Ring) find(piece []byte) (loop uint64, place int) {
	for i, b := range r.loops {
		if at := bytes.Index(b, piece); at >= 0 {
			return uint64(i), at
		}
	}
	return 0, -1
}

// shift is how far a place in the ring is ahead of offset off of a stream.
func shift(place int, start uint64, off int64) int64 {
	d := (int64(place) - int64((start%ringSize+uint64(off))%ringSize) + ringSize) % ringSize
	if d > ringSize/2 {
		d -= ringSize
	}
	return d
}

func abs(n int64) int64 { return max(n, -n) }
