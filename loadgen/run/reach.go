package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/loadgen/analyse"
)

const (
	reachPatience = 5 * time.Second        // for a connection
	reachListen   = 300 * time.Millisecond // for a service to speak, or for whoever has taken the connection to end it
)

// Reached is what connecting to an address some times came to; nothing was sent.
type Reached struct {
	Times     int
	Connected []float64 // milliseconds
	Spoke     []float64 // milliseconds from connected to the first octet, of those on which the service spoke first
	Silent    int       // still open, and nobody spoke
	Ended     int       // in order, before anybody spoke
	Reset     int       // before anybody spoke
	Failed    []error   // to connect, each once
	Refused   int       // how many did not connect
}

// Reach connects to an address, one time after the other, listens for a moment and ends each connection in order.
func Reach(ctx context.Context, addr string, times int) *Reached {
	r := &Reached{}
	for ; r.Times < times && ctx.Err() == nil; r.Times++ {
		begun := time.Now()
		conn, err := (&net.Dialer{Timeout: reachPatience}).DialContext(ctx, "tcp", addr)
		if errors.Is(err, syscall.ECONNRESET) { // so soon that it was not even told of the connection
			r.Reset++
			continue
		}
		if err != nil {
			r.Refused++
			if len(r.Failed) == 0 || r.Failed[len(r.Failed)-1].Error() != err.Error() {
				r.Failed = append(r.Failed, err)
			}
			continue
		}
		connected := time.Now()
		r.Connected = append(r.Connected, connected.Sub(begun).Seconds()*1e3)
		err = conn.SetReadDeadline(connected.Add(reachListen))
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 1))
		}
		switch {
		case err == nil:
			r.Spoke = append(r.Spoke, time.Since(connected).Seconds()*1e3)
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.Silent++
		case errors.Is(err, syscall.ECONNRESET):
			r.Reset++
		default:
			r.Ended++
		}
		_ = conn.Close() // nothing was sent that could be lost
	}
	return r
}

// Well reports whether every connection was made, and none ended at once.
func (r *Reached) Well() bool { return r.Refused+r.Reset+r.Ended == 0 && r.Times > 0 }

func (r *Reached) String() string {
	ms := func(of []float64) string {
		v := analyse.Reach(of)
		return fmt.Sprintf("%.3g ms (%.3g to %.3g)", v.Median, v.Low, v.High)
	}
	parts := []string{fmt.Sprintf("%d of %d connections made", len(r.Connected), r.Times)}
	if len(r.Connected) > 0 {
		parts[0] += " in " + ms(r.Connected)
	}
	if n := len(r.Spoke); n > 0 {
		parts = append(parts, fmt.Sprintf("on %d the service spoke first, after %s", n, ms(r.Spoke)))
	}
	if r.Silent > 0 {
		parts = append(parts, fmt.Sprintf("on %d it waits for the visitor to speak", r.Silent))
	}
	if n := r.Reset; n > 0 {
		parts = append(parts, fmt.Sprintf("%d were reset at once: no service is behind it, or no tunnel", n))
	}
	if r.Ended > 0 {
		parts = append(parts, fmt.Sprintf("%d were closed before anybody spoke", r.Ended))
	}
	for _, err := range r.Failed {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}
