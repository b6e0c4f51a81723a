package sock

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// Sockets that share a rate move so many bytes a second in each direction, whatever the size of a call, and in the other
// direction as they like.
func TestSocketsKeepTheRateTheyShare(t *testing.T) {
	const bytes = 80_000 // a second
	pool := NewPool(0, 64<<10)
	for name, c := range map[string]struct {
		up, down *rate.Limiter
		slow     bool // it is the direction that is bounded
		move     func(s Socket, peer Stream)
	}{
		"reads": {NewRate(bytes), nil, true, read(pool)}, "reads beside a bound for writes": {nil, NewRate(bytes), false, read(pool)},
		"writes": {nil, NewRate(bytes), true, write}, "writes beside a bound for reads": {NewRate(bytes), nil, false, write},
		"writes that do not wait": {nil, NewRate(bytes), true, tryWrite},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				done := make(chan struct{})
				for range 2 {
					near, far := Pipe(1 << 20)
					go func() { c.move(Limit(near, c.up, c.down), far.Stream()); done <- struct{}{} }()
				}
				<-done
				<-done
				least, most := 19*time.Second, 21*time.Second // of twice the bytes
				if !c.slow {
					least, most = 0, time.Second
				}
				if took := time.Since(start); took < least || took > most {
					t.Errorf("two sockets move %d bytes each in %v; want %v to %v", moved, took, least, most)
				}
			})
		})
	}
}

// moved is what each socket moves, in bytes.
const moved = 800_000

func read(pool *Pool) func(Socket, Stream) {
	return func(s Socket, peer Stream) {
		go peer.Write(make([]byte, moved))
		for n := 0; n < moved; {
			b, err := s.Read(pool, 64<<10)
			if err != nil {
				panic(err)
			}
			n += b.Len()
			b.Release()
		}
	}
}

func write(s Socket, peer Stream) {
	go io.Copy(io.Discard, peer)
	for n := 0; n < moved; {
		got, err := s.WriteSome([][]byte{make([]byte, min(100_000, moved-n))})
		if err != nil {
			panic(err)
		}
		n += got
	}
	s.Reset()
}

func tryWrite(s Socket, peer Stream) {
	go io.Copy(io.Discard, peer)
	for n := 0; n < moved; time.Sleep(time.Millisecond) {
		got, err := s.TryWrite(make([]byte, min(100_000, moved-n)))
		if err != nil {
			panic(err)
		}
		n += got
	}
	s.Reset()
}

// Without a bound nothing stands between, and the end of a socket ends its wait.
func TestTheEndOfASocketEndsItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe(1 << 20)
		if Limit(near, nil, nil) != Socket(near) {
			t.Error("a socket without bounds is wrapped")
		}
		for _, end := range []func(Socket){func(s Socket) { s.Close() }, Socket.Reset} {
			near, far = Pipe(1 << 20)
			s := Limit(near, nil, rate.NewLimiter(1, 100))
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 2 {
					s.WriteSome([][]byte{make([]byte, 100)})
				}
			}()
			time.Sleep(time.Second)
			start := time.Now()
			end(s)
			<-done
			if time.Since(start) > 0 {
				t.Errorf("a write waits for %v after the end; want it to return", time.Since(start))
			}
		}
		far.Reset()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Pay(ctx, rate.NewLimiter(1, 1), 1000)
	})
}
