package payload

import (
	"bytes"
	"encoding/binary"
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
	// MaxPacket is the most octets of a packet.
	MaxPacket = 4 << 20
	// MaxPiece is the most octets that At gives and Check takes at once.
	MaxPiece = 1 << 20

	ringSize = 1<<20 + 7 // prime: packets of a round size drift through it
	loops    = 8         // that streams next to each other do not share
)

// A Ring is the endless payload of all streams: the same random octets over
// and over, in one loop of several. Every stream begins at a place of its own,
// so an octet that is wrong, missing, doubled or another stream's does not
// match its position; the loop tells which of these it is.
type Ring struct {
	Seed  uint64
	loops [loops][]byte // each with its beginning again, so that every slice is in one piece
}

func NewRing(seed uint64) *Ring {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	octets := rand.NewChaCha8(key)
	r := &Ring{Seed: seed}
	for i := range r.loops {
		b := make([]byte, ringSize+MaxPiece)
		_, _ = octets.Read(b[:ringSize]) // never fails
		copy(b[ringSize:], b)
		r.loops[i] = b
	}
	return r
}

// At is n octets, at most MaxPiece, of a stream that begins at start.
func (r *Ring) At(start uint64, off int64, n int) []byte {
	p := (start%ringSize + uint64(off)) % ringSize
	return r.loops[start/ringSize][p : p+uint64(n)]
}

// Directions of a stream.
const (
	Up   = "up"   // visitor to service; an echo is the same octets
	Down = "down" // service to visitor
)

// Start is where a stream begins: loop times ringSize, and the place in the loop.
func (r *Ring) Start(stream uint64, direction string) uint64 {
	x := r.Seed ^ stream*0x9e3779b97f4a7c15
	if direction == Down {
		x = ^x
	}
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // splitmix64
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return stream%loops*ringSize + (x^x>>31)%ringSize
}

// Kinds of faults in a stream.
const (
	Corrupted  = "corrupted"  // octets have changed in place
	Lost       = "lost"       // octets are missing
	Duplicated = "duplicated" // octets came again
	Crossed    = "crossed"    // octets of another stream

	Undelivered = "undelivered" // right so far, but the rest did not come
)

// A Fault is the first octet of a stream that is not what was sent. That there
// is one, and where, is certain. Its kind is the nearest explanation: the place
// in the ring where the octets belong, measured from where each stream stands.
type Fault struct {
	Stream    uint64 `json:"stream"`
	Direction string `json:"direction"`
	Offset    int64  `json:"offset"` // of the first wrong octet in the stream
	Kind      string `json:"kind"`
	Octets    int64  `json:"octets,omitempty"` // how many are lost or duplicated
	Other     uint64 `json:"other,omitempty"`  // crossed: whose octets they are; 0: of a stream that has ended long ago
	Seen      string `json:"seen"`             // target or generator
}

func (f *Fault) Error() string {
	what := f.Kind
	switch {
	case f.Other != 0:
		what += fmt.Sprintf(" with stream %d", f.Other)
	case f.Kind == Crossed:
		what += " with a stream that has ended"
	case f.Octets != 0:
		what += fmt.Sprintf(", %d octets", f.Octets)
	}
	return fmt.Sprintf("stream %d, %s, offset %d: %s (seen by the %s)", f.Stream, f.Direction, f.Offset, what, f.Seen)
}

// A Verifier checks the streams that one side receives.
type Verifier struct {
	*Ring
	side string // target or generator
	way  string // the direction in which octets come to it

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
	Start  uint64       // of the payload in the ring
	off    atomic.Int64 // octets received and right
}

// Checker begins to check a stream; payload says which of the stream's two payloads comes.
func (v *Verifier) Checker(stream uint64, payload string) *Checker {
	c := &Checker{v: v, stream: stream, Start: v.Start(stream, payload)}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.live[c] = struct{}{}
	return c
}

// remembered is how many streams that are done can still be named.
const remembered = 1024

// Done says that a stream is over. It is remembered for a while: its octets may
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

// Check compares the next octets of the stream, at most MaxPiece of them. When
// they are wrong, and too few to tell why, it reads on from the connection that
// they came from, for as long as others would be on their way; nil: it does not.
func (c *Checker) Check(b []byte, from net.Conn) *Fault {
	off := c.off.Load()
	want := c.v.At(c.Start, off, len(b))
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
		c.explain(f, got, c.v.At(c.Start, off, clue))
	}
	return f
}

const (
	clue     = 16                     // octets that tell one place of the ring from all others
	onTheWay = 200 * time.Millisecond // how long octets may be that belong to the same piece
)

// enough is octets with those that come behind them, as many as tell where they belong.
func enough(b []byte, from net.Conn) []byte {
	if len(b) >= clue || from == nil || from.SetReadDeadline(time.Now().Add(onTheWay)) != nil {
		return b
	}
	more := make([]byte, clue-len(b))
	n, _ := io.ReadFull(from, more) // the connection is not used any more
	return append(slices.Clone(b), more[:n]...)
}

// explain finds where in the ring the wrong octets belong, and makes the
// nearest stream the explanation.
func (c *Checker) explain(f *Fault, got, want []byte) {
	same := 0
	for i := range clue { // no further: behind a piece of another stream may come the right octets again
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
	f.Kind = Crossed        // whosever they are: no octets of this stream are in another loop
	if loop == c.Start/ringSize {
		best = shift(place, c.Start, f.Offset)
		f.Kind, f.Octets = Lost, best
		if best < 0 {
			f.Kind, f.Octets = Duplicated, -best
		}
	}
	nearer := func(o *Checker) {
		if d := shift(place, o.Start, o.off.Load()); o != c && loop == o.Start/ringSize && abs(d) < abs(best) {
			best = d
			f.Kind, f.Octets, f.Other = Crossed, 0, o.stream
		}
	}
	c.v.mu.Lock()
	defer c.v.mu.Unlock()
	for o := range c.v.live {
		nearer(o)
	}
	if loop == c.Start/ringSize || abs(best) <= inFlight {
		return
	}
	for _, o := range c.v.ended {
		nearer(o)
	}
}

// inFlight is how far ahead of what has come a stream's octets usually are;
// with those that are done there are many streams, of which one may be nearer by chance.
const inFlight = 256 << 10

// find is the loop and the place of octets, -1 when they are nowhere.
func (r *Ring) find(octets []byte) (loop uint64, place int) {
	for i, b := range r.loops {
		if at := bytes.Index(b, octets); at >= 0 {
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
