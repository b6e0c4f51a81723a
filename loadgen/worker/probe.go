package worker

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/payload"
)

// A Path is where a probe connects, and what it sends.
type Path struct {
	Addr   string `json:"addr"`
	Seed   uint64 `json:"seed"`
	Stream uint64 `json:"stream"`
}

// probe sends one packet and waits for its echo.
func (w *Worker) probe(ctx context.Context, p Path) (none control.None, err error) {
	w.mu.Lock()
	ring := w.verifierOf(p.Seed).Ring
	w.mu.Unlock()
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return none, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	const size = 64
	packet := ring.At(ring.Start(p.Stream, payload.Up), 0, size)
	if _, err := c.Write(append(payload.Preface{Service: payload.Echo, Size: size, Stream: p.Stream, Seed: p.Seed}.Bytes(), packet...)); err != nil {
		return none, err
	}
	_, err = io.ReadFull(c, make([]byte, size))
	return none, err
}
