// Package faulty is a TCP relay that does one thing wrong. Tests put it on a
// path, as a process of its own, to prove that adit-load finds it out.
package faulty

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// What a relay can do wrong.
const (
	Nothing   = "nothing"
	Corrupt   = "corrupt"  // one byte of one connection is changed
	Lose      = "lose"     // one byte of one connection does not come
	Double    = "double"   // nine bytes of one connection come twice
	Cross     = "cross"    // the first two connections that come so far swap their bytes, once
	Stall     = "stall"    // each connection stops
	Pause     = "pause"    // each connection stops for 5 ms
	Reset     = "reset"    // each connection is reset
	Exit      = "exit"     // the process ends with status 7
	Delay     = "delay"    // every piece takes 5 ms longer
	Noise     = "noise"    // in one of a hundred pieces an byte is changed
	Leak      = "leak"     // each connection leaves 1 KiB of memory behind
	Reflect   = "reflect"  // each connection gets back what it sends
	Throttle  = "throttle" // each connection is slow from there on
	Replay    = "replay"   // each connection gets what came before the fault, again and again
	aftermath = 64         // bytes behind the fault that must be there: enough to tell what it is
	chunk     = 64 << 10   // bytes copied at once
)

const (
	pause     = 5 * time.Millisecond  // of Pause and Delay
	throttled = 50 * time.Millisecond // for each piece, of Throttle
)

// Kinds are all of them.
var Kinds = []string{Nothing, Corrupt, Lose, Double, Cross, Stall, Pause, Reset, Exit, Delay, Noise, Leak, Reflect, Replay, Throttle}

// A Relay copies connections to an address and back, and spoils one way.
type Relay struct {
	Kind  string
	After int                // bytes of a connection, that way, before the fault
	Back  bool               // spoil what comes from the address, not what goes there
	To    string             // address
	Note  func(offset int64) // of each byte that Noise changes, in its connection; nil: nobody wants to know
	Burn  float64            // use this part more CPU time than is needed, 0.1 is 10 %; at any Kind

	once  sync.Once
	cross chan []byte
	burn  *burner // nil: not

	mu     sync.Mutex
	pieces int      // that were copied; guarded by mu
	leaked [][]byte // guarded by mu
}

// Serve relays the connections of l until ctx is done, which ends them all.
// Each has two goroutines; a connection that stalls keeps them until then.
func (r *Relay) Serve(ctx context.Context, l net.Listener) error {
	if !slices.Contains(Kinds, r.Kind) {
		return fmt.Errorf("fault %q: must be one of %v", r.Kind, Kinds)
	}
	r.cross = make(chan []byte)
	if r.Burn > 0 {
		r.burn = &burner{part: r.Burn}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		wg.Go(func() { r.relay(ctx, c) })
	}
}

// relay joins a connection with a new one to the address, until either ends.
func (r *Relay) relay(ctx context.Context, a net.Conn) {
	defer a.Close()
	b, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.To)
	if err != nil {
		return
	}
	defer b.Close()
	end := func() { _, _ = a.Close(), b.Close() }
	defer context.AfterFunc(ctx, end)()
	if r.Kind == Leak {
		r.mu.Lock()
		r.leaked = append(r.leaked, bytes.Repeat([]byte{1}, 1<<10))
		r.mu.Unlock()
	}
	near, far := a, b // the way from near to far is spoiled
	if r.Back {
		near, far = b, a
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(near, far)
		end()
	})
	if err := r.spoil(ctx, far, near); errors.Is(err, syscall.ECONNRESET) { // a reset is passed on
		_ = far.(*net.TCPConn).SetLinger(0)
	}
	end()
	wg.Wait()
}

// spoil copies one way, until it ends, and does at its place what is wrong.
func (r *Relay) spoil(ctx context.Context, dst, src net.Conn) error {
	buf, done := make([]byte, chunk+aftermath), 0
	var past []byte // of Replay
	for {
		n, err := src.Read(buf[:chunk])
		at := r.After - done
		if here := at >= 0 && at < n; here && n < at+aftermath {
			more, _ := io.ReadAtLeast(src, buf[n:], at+aftermath-n)
			n += more
		}
		out := buf[:n]
		r.each(out, int64(done))
		if r.Kind == Replay {
			past = append(past, out...)
		}
		if at >= 0 && at < n {
			if out = r.fault(ctx, dst, src, out, at, past); out == nil {
				return nil
			}
		}
		done += n
		if r.burn != nil {
			if err := r.burn.burn(); err != nil {
				return err
			}
		}
		if _, werr := dst.Write(out); err != nil || werr != nil {
			return errors.Join(err, werr)
		}
	}
}

// each does what is wrong with every piece, which begins at an offset.
func (r *Relay) each(b []byte, offset int64) {
	switch {
	case len(b) == 0:
	case r.Kind == Throttle && offset > int64(r.After):
		time.Sleep(throttled)
	case r.Kind == Delay:
		time.Sleep(pause)
	case r.Kind == Noise:
		r.mu.Lock()
		r.pieces++
		here := r.pieces%100 == 0
		r.mu.Unlock()
		if here {
			b[len(b)/2] ^= 0x20
			if r.Note != nil {
				r.Note(offset + int64(len(b)/2))
			}
		}
	}
}

// fault does it to the bytes of b from at on, and returns what is sent instead; nil ends the connection.
func (r *Relay) fault(ctx context.Context, dst, src net.Conn, b []byte, at int, past []byte) []byte {
	out := b
	switch r.Kind {
	case Corrupt:
		r.once.Do(func() { out[at] ^= 0x20 })
	case Lose:
		r.once.Do(func() { out = slices.Delete(b, at, at+1) })
	case Double:
		r.once.Do(func() { out = slices.Concat(b[:at+9], b[at:]) })
	case Cross:
		mine, theirs := slices.Clone(b[at:]), []byte(nil)
		select {
		case r.cross <- mine:
			theirs = <-r.cross
		case theirs = <-r.cross:
			r.cross <- mine
		case <-ctx.Done():
			return nil
		}
		out = append(b[:at:at], theirs...)
	case Stall:
		<-ctx.Done()
		return nil
	case Pause:
		time.Sleep(pause)
	case Reset:
		for _, c := range []net.Conn{dst, src} {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		return nil
	case Exit:
		os.Exit(7)
	case Reflect:
		_, _ = dst.Write(b[:at])
		if _, err := src.Write(b[at:]); err == nil {
			_, _ = io.Copy(src, src)
		}
		return nil
	case Replay:
		_, err := dst.Write(b[:at])
		for err == nil {
			_, err = dst.Write(past[:r.After])
		}
		return nil
	}
	return out
}
