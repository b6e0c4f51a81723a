package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errSilent is a server that accepts connections and no more.
var errSilent = errors.New("the server accepted the connection and has said nothing; look whether --server names its tunnel port, and whether something between keeps connections and passes nothing on")

// Try makes one tunnel, and ends it as soon as the server has taken this client. The error says what stood in the way. It is
// called in the place of Run.
func (c *Client) Try(ctx context.Context, within time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	c.mu.Lock()
	c.tried = stop
	c.mu.Unlock()
	c.grace.Store(int64(time.Second)) // there is no connection to wait for
	lingering, cut := context.WithCancel(context.WithoutCancel(ctx))
	_, _, err := c.tunnel(ctx, lingering)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cut()
	c.sessions.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stage.state == "connected":
		return nil
	case late:
		return fmt.Errorf("%w (%v)", errSilent, within)
	}
	return err
}
