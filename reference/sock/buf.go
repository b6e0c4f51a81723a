package sock

import "sync"

// Pool lends buffers of a few sizes. It keeps memory that nobody holds, and nothing else: any number of
// users may share it.
type Pool struct {
	head    int
	classes []*class // by size
}

type class struct {
	size int
	free sync.Pool
}

// NewPool returns a pool of buffers of these sizes, in rising order, each with room for head bytes in front.
func NewPool(head int, sizes ...int) *Pool {
	p := &Pool{head: head}
	for _, size := range sizes {
		c := &class{size: size}
		c.free.New = func() any { return &Buf{mem: make([]byte, head+size), class: c} }
		p.classes = append(p.classes, c)
	}
	return p
}

// Get returns an empty buffer with room for size bytes, or of the largest size.
func (p *Pool) Get(size int) *Buf {
	i, last := 0, len(p.classes)-1
	for i < last && p.classes[i].size < size {
		i++
	}
	b := p.classes[i].free.Get().(*Buf)
	b.r, b.w = p.head, p.head
	return b
}

// Largest is the size of the pool's largest buffers.
func (p *Pool) Largest() int { return p.classes[len(p.classes)-1].size }

// Buf is a block of borrowed memory, held only while there is something in it.
type Buf struct {
	mem   []byte // room in front, then class.size
	r, w  int    // mem[r:w] holds bytes
	class *class
	next  *Buf // in a Queue
	had   int
	pipe  *sysPipe // has the bytes, w-r of them, in the place of mem; nil: mem does
}

// Bytes are the bytes in b, valid until they are consumed or b is released.
func (b *Buf) Bytes() []byte { return b.mem[b.r:b.w] }

// Len is how many bytes are in b.
func (b *Buf) Len() int { return b.w - b.r }

// Size is how many bytes b has room for behind the room in front; piped, how many it had at first.
func (b *Buf) Size() int {
	if b.pipe != nil {
		return b.had
	}
	return b.class.size
}

// Room is how many more bytes can be added.
func (b *Buf) Room() int {
	if b.pipe != nil {
		return 0
	}
	return len(b.mem) - b.w
}

// space is where up to n more bytes go.
func (b *Buf) space(n int) []byte { return b.mem[b.w:min(b.w+n, len(b.mem))] }

// Add copies what fits of p behind the bytes in b, and returns how much that was.
func (b *Buf) Add(p []byte) int {
	n := copy(b.mem[b.w:], p)
	b.w += n
	return n
}

// Prepend makes n bytes of the room in front the first bytes of b, and returns them for the caller to write.
func (b *Buf) Prepend(n int) []byte {
	b.r -= n
	return b.mem[b.r : b.r+n]
}

// Consume forgets n bytes at the front.
func (b *Buf) Consume(n int) { b.r += n }

// Truncate forgets all but the first n bytes.
func (b *Buf) Truncate(n int) { b.w = b.r + n }

// Release gives b back. Its bytes must not be used any more.
func (b *Buf) Release() {
	if b.pipe != nil {
		b.releasePiped()
		return
	}
	b.next = nil
	b.class.free.Put(b)
}

// Queue is a queue of bytes in borrowed buffers; empty it holds none.
type Queue struct {
	head, tail *Buf
	size       int
	held       int
}

// Len is how many bytes were added and are not done with; those that were taken count until then.
func (q *Queue) Len() int { return q.size }

// Held is the size of the buffers that were lent for the queue and not given back.
func (q *Queue) Held() int { return q.held }

// Release gives back a buffer that was taken.
func (q *Queue) Release(b *Buf) {
	q.held -= b.Size()
	b.Release()
}

// Add copies p to the end of the queue, into buffers of pool.
func (q *Queue) Add(pool *Pool, p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		if q.tail == nil || q.tail.Room() == 0 {
			size := len(p)
			if q.tail != nil {
				size = pool.Largest() // a queue that has grown is going to grow more
			}
			q.append(pool.Get(size))
		}
		p = p[q.tail.Add(p):]
	}
}

// AddBuf adds what is in b, which it takes, to the end of the queue.
func (q *Queue) AddBuf(b *Buf) {
	q.size += b.Len()
	q.append(b)
}

func (q *Queue) append(b *Buf) {
	q.held += b.Size()
	if q.tail == nil {
		q.head = b
	} else {
		q.tail.next = b
	}
	q.tail = b
}

// Take removes the first buffer of the queue, or returns nil. Its bytes count in Len until Done.
func (q *Queue) Take() *Buf {
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

// Done ends the counting of n bytes that were taken.
func (q *Queue) Done(n int) { q.size -= n }

// Drop empties the queue, but for what was taken, and returns how many bytes it forgot.
func (q *Queue) Drop() (dropped int) {
	for b := q.Take(); b != nil; b = q.Take() {
		dropped += b.Len()
		q.Done(b.Len())
		q.Release(b)
	}
	return dropped
}
