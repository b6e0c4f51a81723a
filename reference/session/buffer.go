package session

import (
	"sync"
)

// headRoom is the room in front of a buffer's payload for the header and ID of a Data frame.
const headRoom = 10

// Payload sizes of borrowed buffers. The largest is also the largest Data payload this side sends, fair
// the largest while another connection has octets waiting (FRAME-010).
const (
	small = 16 << 10
	fair  = 64 << 10
	large = 256 << 10
)

// buffer is a block of memory that is held only while there is something in it.
type buffer struct {
	b    []byte // headRoom + one of the sizes above
	r, w int    // b[r:w] holds octets
	next *buffer
}

// The pools are the only state that sessions share: memory that nobody holds.
var smallPool, fairPool, largePool = pool(small), pool(fair), pool(large)

func pool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { return &buffer{b: make([]byte, headRoom+size)} }}
}

func poolFor(size int) *sync.Pool {
	switch {
	case size <= small:
		return smallPool
	case size <= fair:
		return fairPool
	}
	return largePool
}

// borrow returns an empty buffer for at least size octets of payload, or of the largest size.
func borrow(size int) *buffer {
	b := poolFor(size).Get().(*buffer)
	b.r, b.w = headRoom, headRoom
	return b
}

// release gives b back. Its octets must not be used any more.
func (b *buffer) release() {
	b.next = nil
	poolFor(len(b.b) - headRoom).Put(b)
}

// size is the payload b has room for in all.
func (b *buffer) size() int { return len(b.b) - headRoom }

// add copies what fits of p behind the octets in b, and returns how much that was.
func (b *buffer) add(p []byte) int {
	n := copy(b.b[b.w:], p)
	b.w += n
	return n
}

// octets is a queue of octets in borrowed buffers; empty it holds none.
type octets struct {
	head, tail *buffer
	size       int // counts what was taken, too, until the taker subtracts it
}

// add copies p to the end of the queue.
func (q *octets) add(p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		if q.tail == nil || q.tail.w == len(q.tail.b) {
			// A queue that has grown is going to grow more.
			size := small
			if q.tail != nil || len(p) > small {
				size = fair
			}
			b := borrow(size)
			if q.tail == nil {
				q.head = b
			} else {
				q.tail.next = b
			}
			q.tail = b
		}
		p = p[q.tail.add(p):]
	}
}

// take removes the first buffer of the queue, or returns nil. Its octets go on counting in size.
func (q *octets) take() *buffer {
	b := q.head
	if b == nil {
		return nil
	}
	if q.head = b.next; q.head == nil {
		q.tail = nil
	}
	b.next = nil
	return b
}

// drop empties the queue, but for what was taken.
func (q *octets) drop() {
	for b := q.take(); b != nil; b = q.take() {
		q.size -= b.w - b.r
		b.release()
	}
}
