package sock

import (
	"errors"
	"sync"
	"sync/atomic"
)

// A Splicer is a Socket from and to which the system moves bytes through a pipe of its own, so that the process
// never copies them.
type Splicer interface {
	Socket
	// SpliceRead is Read but for the bytes, up to size of them, which are in a pipe: see Buf.Piped. It may
	// return ErrNoPipe.
	SpliceRead(size int) (*Buf, error)
	// SpliceWrite writes bytes of b, which is piped, and returns how many, which the caller has to consume. With wait it
	// is one at least, without it is what can be written at once.
	SpliceWrite(b *Buf, wait bool) (int, error)
	// WriteMore is WriteSome where more follows at once: the system does not send a short packet for v alone.
	WriteMore(v [][]byte) (int, error)
}

// ErrNoPipe says that the system gave no pipe.
var ErrNoPipe = errors.New("no pipe")

// pipeSize is how many bytes a pipe is asked to have room for. It counts pages, so what fits may be less.
const pipeSize = 512 << 10

// sysPipe is a pipe of the system. The Bufs that have its bytes hold it; a Buf has those before the one that was split from it.
type sysPipe struct {
	r, w int // descriptors
	left int // bytes in it; whoever moves some in or out has the first Buf
	bufs atomic.Int32
}

// pipes are those that nobody holds. They are as few as are in use at a time, and no more than idlePipes.
var pipes struct {
	sync.Mutex
	idle []*sysPipe
	lent int
}

// Bounds on the pipes that are lent, and on those that wait for use: each has two descriptors.
const (
	mostPipes = 64
	idlePipes = 16
)

// borrowPipe returns an empty pipe, nil if the system gives none.
func borrowPipe() *sysPipe {
	pipes.Lock()
	defer pipes.Unlock()
	var p *sysPipe
	if n := len(pipes.idle); n > 0 {
		p = pipes.idle[n-1]
		pipes.idle = pipes.idle[:n-1]
	} else if pipes.lent < mostPipes {
		p = newPipe(pipeSize)
	}
	if p != nil {
		pipes.lent++
	}
	return p
}

// giveBack takes a pipe that nobody holds any more.
func (p *sysPipe) giveBack() {
	pipes.Lock()
	defer pipes.Unlock()
	pipes.lent--
	if p.left > 0 || len(pipes.idle) == idlePipes {
		p.close()
		return
	}
	pipes.idle = append(pipes.idle, p)
}

// Piped reports whether the bytes of b are in a pipe: it has no Bytes, and nothing can be added to it.
func (b *Buf) Piped() bool { return b.pipe != nil }

var pipedBufs = sync.Pool{New: func() any { return new(Buf) }}

// piped is a Buf of the next n bytes of p.
func piped(p *sysPipe, n int) *Buf {
	p.bufs.Add(1)
	b := pipedBufs.Get().(*Buf)
	*b = Buf{w: n, had: n, pipe: p}
	return b
}

// releasePiped gives back the pipe with the last Buf that has bytes of it.
func (b *Buf) releasePiped() {
	p := b.pipe
	b.pipe = nil
	pipedBufs.Put(b)
	if p.bufs.Add(-1) == 0 {
		p.giveBack()
	}
}

// Split takes all but the first n bytes of b into another Buf, for which it may borrow one of pool.
func (b *Buf) Split(pool *Pool, n int) *Buf {
	var rest *Buf
	if b.pipe != nil {
		rest = piped(b.pipe, b.Len()-n)
	} else {
		rest = pool.Get(b.Len() - n)
		rest.Add(b.Bytes()[n:])
	}
	b.Truncate(n)
	b.had = n
	return rest
}

// Copied returns the bytes of b, which is piped, in a buffer of pool, whose largest has to have room for them. It releases b.
func (b *Buf) Copied(pool *Pool) (*Buf, error) {
	defer b.Release()
	c := pool.Get(b.Len())
	for b.Len() > 0 {
		n, err := b.pipe.read(c.space(b.Len()))
		if err != nil {
			c.Release()
			return nil, err
		}
		b.r += n
		c.w += n
	}
	return c, nil
}
