package forward

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/adit-tunnel/adit/reference/sock"
)

const (
	bufferSize = 64 << 10 // one small read; a read that fills it starts bulk
	bulkChunk  = 1 << 20  // bytes handed to the kernel at a time, so that counts stay live

	// bulkPatience bounds the wait for one chunk. A stream slower than chunk/patience (10 MiB/s) goes back
	// to small reads, whose counts are exact.
	bulkPatience = 100 * time.Millisecond
)

var buffers = sock.NewPool(0, bufferSize)

// half is one direction of a relay, owned by the goroutine that copies it.
type half struct {
	ctx      context.Context // of the relay
	dst, src *sock.TCP
	count    *atomic.Int64
	limit    *rate.Limiter // nil: no bound
}

// copy returns nil at the end of src's stream.
func (h *half) copy() error {
	for {
		bulk, err := h.small()
		if bulk && err == nil && h.limit == nil {
			err = h.bulk()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// small moves one buffer. It reports bulk when the buffer came back full, and [io.EOF] at the end.
func (h *half) small() (bulk bool, err error) {
	size := bufferSize
	if h.limit != nil {
		size = min(size, h.limit.Burst())
	}
	buf, err := h.src.Read(buffers, size)
	if err != nil {
		return false, err
	}
	defer buf.Release()
	n, err := h.dst.Conn.Write(buf.Bytes())
	h.count.Add(int64(n))
	sock.Pay(h.ctx, h.limit, n)
	return n == bufferSize, err
}

// bulk moves chunks by [net.TCPConn.ReadFrom], which splices inside the kernel where it can, until the
// stream slows down (nil) or ends ([io.EOF]).
func (h *half) bulk() error {
	chunk := io.LimitedReader{R: h.src.Conn}
	for {
		chunk.N = bulkChunk
		h.src.Conn.SetReadDeadline(time.Now().Add(bulkPatience)) // fails only on a closed socket, as the next read does
		n, err := h.dst.Conn.ReadFrom(&chunk)
		h.count.Add(n)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Nothing is lost: ReadFrom has written all that it read.
			return h.src.Conn.SetReadDeadline(time.Time{})
		case err != nil:
			return err
		case n < bulkChunk:
			return io.EOF
		}
	}
}
