package sock

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// NewRate returns a bound of bytes a second, for any number of sockets together. What may be moved at once is an eighth of a
// second's: more would come in bursts, less would cost calls.
func NewRate(bytes int64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(bytes), int(min(max(bytes/8, 1), 1<<20)))
}

// limited is a socket whose bytes are paid for, after they were moved, out of budgets that other sockets share. Who moves more
// than is there waits until the debt is paid: nothing that is set aside is lost by a socket that takes less.
type limited struct {
	Socket
	read, write *rate.Limiter // nil: no bound
	ctx         context.Context
	end         context.CancelFunc
}

// Limit bounds what is read from s and what is written to it; nil: no bound. Closing or resetting it ends every wait.
func Limit(s Socket, read, write *rate.Limiter) Socket {
	if read == nil && write == nil {
		return s
	}
	l := &limited{Socket: s, read: read, write: write}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// Pay waits until n bytes, which were moved, are paid for, or ctx has ended. Nil is no bound.
func Pay(ctx context.Context, limit *rate.Limiter, n int) {
	for limit != nil && n > 0 {
		part := min(n, limit.Burst())
		if limit.WaitN(ctx, part) != nil { // ctx has ended
			return
		}
		n -= part
	}
}

// Read reads, and hands over what it has when that is paid for.
func (l *limited) Read(pool *Pool, size int) (*Buf, error) {
	if l.read != nil {
		size = min(size, l.read.Burst())
	}
	b, err := l.Socket.Read(pool, size)
	if err == nil {
		Pay(l.ctx, l.read, b.Len())
	}
	return b, err
}

// TryWrite writes nothing while there is a debt.
func (l *limited) TryWrite(b []byte) (int, error) {
	if l.write == nil {
		return l.Socket.TryWrite(b)
	}
	if l.write.Tokens() <= 0 {
		return 0, nil
	}
	n, err := l.Socket.TryWrite(b[:min(len(b), l.write.Burst())])
	l.write.ReserveN(time.Now(), n)
	return n, err
}

// WriteSome writes, and returns when that is paid for.
func (l *limited) WriteSome(v [][]byte) (int, error) {
	if l.write == nil {
		return l.Socket.WriteSome(v)
	}
	n, err := l.Socket.WriteSome([][]byte{v[0][:min(len(v[0]), l.write.Burst())]})
	Pay(l.ctx, l.write, n)
	return n, err
}

// Close closes the socket.
func (l *limited) Close() error {
	l.end()
	return l.Socket.Close()
}

// Reset resets the socket.
func (l *limited) Reset() {
	l.end()
	l.Socket.Reset()
}
