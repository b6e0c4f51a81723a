package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// locked runs f under the session's lock.
func (r *rig) locked(f func(s *Session)) {
	r.s.mu.Lock()
	defer r.s.unlock()
	f(r.s)
}

// mem is the session's end of the tunnel, in memory.
func (r *rig) mem() *sock.Mem { return r.near.(*sock.Mem) }

func TestExcessPausesEndTheFullestConnectionNotAnother(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow, _ := r.opened(1), r.open2()
		r.send(data(2, "abcdef")) // two bytes of it are queued, eight of connection 1
		r.send(data(1, string(pattern(100))))
		for range 20 {
			r.sleep(4 * time.Second)
			if r.state(1) != "open" || r.state(2) != "open" {
				break
			}
			r.readSome(slow)
		}
		r.wantState(2, "open")
		r.want("the fullest connection goes", closeFrame(1))
	})
}

func TestTheSocketOfALateDialIsReset(t *testing.T) {
	inMemory(t, Config{Role: Client}, func(r *rig) {
		near, end := r.pipe(64)
		r.s.cfg.Dial = func(ctx context.Context, _ Target) (sock.Socket, error) { <-ctx.Done(); return near, nil }
		r.send(request(1, 22, "127.0.0.1"))
		r.wantState(1, "dialing")
		r.send(closeFrame(1))
		r.want("failure", response(1, wire.StatusGeneral))
		r.wantLocal(end, reset)
	})
}

func TestABrokenWriteLeavesNothingQueued(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.limit = 4
		near, visitor := r.visitFrom(home)
		r.want("request", request(1, 22, "127.0.0.1"))
		r.send(response(1, wire.StatusSuccess), data(1, "123456789")) // five bytes wait in writeQueue
		r.wantState(1, "open")
		synctest.Wait()
		near.FailWrite(syscall.EPIPE)
		synctest.Wait()
		visitor.CloseWrite()
		r.want("Close", closeFrame(1))
		r.wantBytes(visitor, "1234")
		r.wantLocal(visitor, eof)
	})
}

func TestCloseWaitsForFramesInFlight(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1, DeadPeer: 100 * time.Hour}, func(r *rig) {
		local := r.opened(1)
		go local.Write(pattern(4 << 20))
		synctest.Wait() // the tunnel is full
		r.send(closeFrame(1))
		r.sleep(6 * time.Second)
		rest := 0
		r.locked(func(s *Session) {
			for _, v := range s.inFlight.vecs[s.inFlight.first:] {
				rest += v.len()
			}
		})
		for b := make([]byte, rest); rest > 0; {
			n, err := r.tunnel.Read(b[:rest])
			if rest -= n; err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		r.locked(func(s *Session) {
			if !s.writing || s.queued.size != 0 || len(s.live)+len(s.ids.conns) != 0 {
				t.Fatal("want frames in flight, and nothing else left")
			}
		})
		go r.s.Close(context.Background())
		synctest.Wait()
		r.locked(func(s *Session) {
			if s.ended {
				t.Error("closed with frames in flight")
			}
		})
	})
}

func TestATunnelThatTakesLittleAtATimeGetsWholeFrames(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		sent := string(pattern(12 << 10)) // more than is copied next to other frames
		visitor := r.visit(home)
		visitor.Write([]byte(sent))
		visitor.CloseWrite()
		r.want("request", request(1, 22, "127.0.0.1"))
		r.mem().WriteAtMost(100)
		r.send(response(1, wire.StatusSuccess))
		r.want("what was held, first", data(1, sent))
		r.want("then the end", closeFrame(1))
	})
}

func TestOwedBytesInFlightCount(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.mem().SetLimit(0) // the peer reads nothing
		ask := data(99, "")
		asks := 256 << 10 / len(closeFrame(99))
		r.send(repeat(ask, 10000)) // 100,000 bytes are in flight
		synctest.Wait()
		r.send(repeat(ask, asks-10000))
		synctest.Wait()
		r.locked(func(s *Session) {
			if got, want := s.queued.owed+s.inFlight.owed, asks*len(closeFrame(99)); got != want || s.ended {
				t.Fatalf("%d bytes are owed, ended: %v; want %d, and the tunnel open", got, s.ended, want)
			}
		})
		r.send(ask)
		r.wantEnd("more than 256 KiB owed", "FLOW-006")
	})
}

// repeat returns n copies of a frame.
func repeat(frame []byte, n int) []byte {
	var all []byte
	for range n {
		all = append(all, frame...)
	}
	return all
}

func TestTheTunnelEndsWhenMoreThan65536IDsAreRetired(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1, DeadPeer: time.Hour}, func(r *rig) {
		r.locked(func(s *Session) {
			for id := range uint32(65535) {
				s.ids.retired[1000+id] = struct{}{}
			}
		})
		for id := range uint32(2) {
			visitor := r.visit(home)
			r.want("request", request(id+1, 22, "127.0.0.1"))
			visitor.CloseWrite()
			r.want("the visitor is gone", closeFrame(id+1))
			if id == 0 {
				r.sleep(61 * time.Second)
				r.wantState(1, "retired")
				r.barrier("65,536 are allowed")
			}
		}
		r.sleep(61 * time.Second)
		r.wantEnd("one more", "CLOSE-011")
	})
}

func TestASenderThatWaitsForRoomLeavesWithItsConnection(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = 4 << 20
		var locals []far
		for id := range uint32(4) {
			locals = append(locals, r.opened(id+1))
		}
		for _, l := range locals {
			l.Write(pattern(2 << 20))
		}
		synctest.Wait()
		waiting := 0
		r.locked(func(s *Session) { waiting = s.waiting })
		if waiting == 0 {
			t.Fatal("no sender waits; want the tunnel full")
		}
		for id := range uint32(4) {
			r.send(closeFrame(id + 1))
		}
		synctest.Wait()
		r.locked(func(s *Session) { waiting = s.waiting })
		if waiting != 0 {
			t.Errorf("%d senders wait for a tunnel that nobody reads; want none, their connections are over", waiting)
		}
	})
}

func TestAKeepAliveIsAnsweredWhileFramesAreWritten(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.limit = 4 << 20
		r.opened(1).Write(pattern(3 << 20))
		synctest.Wait() // the tunnel is full, a writer waits
		r.send(keepAlive())
		for {
			f, err := r.next()
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if wire.Type(f[1]) == wire.TypeKeepAlive {
				break
			}
		}
	})
}

func TestQueuedBytesOfADrainingConnectionAreAllWritten(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = 1000
		local := r.opened(1)
		sent := string(pattern(300 << 10)) // several buffers of the queue
		go r.tunnel.Write(append(data(1, sent), closeFrame(1)...))
		r.wantBytes(local, sent)
		r.want("own Close, once all is written", closeFrame(1))
		r.wantLocal(local, eof)
	})
}

func TestEveryVisitorIsCountedAndToldOfOnce(t *testing.T) {
	for name, end := range map[string]struct {
		act  func(r *rig, visitor far)
		want error
	}{
		"closed by both":  {func(r *rig, v far) { v.CloseWrite(); r.send(closeFrame(1)) }, nil},
		"reset":           {func(_ *rig, v far) { v.(sock.Stream).Reset() }, syscall.ECONNRESET},
		"the tunnel lost": {func(r *rig, _ far) { r.tunnel.Close() }, ErrEnded},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
				near, visitor := r.pipe(64)
				var counts sock.Counts
				var told []error
				if err := r.s.Open(Visitor{Socket: near, Target: home, Counts: &counts, Over: func(err error) { told = append(told, err) }}); err != nil {
					t.Fatal(err)
				}
				r.want("request", request(1, 22, "127.0.0.1"))
				r.send(response(1, wire.StatusSuccess), data(1, "hello"))
				r.wantBytes(visitor, "hello")
				visitor.Write([]byte("bye"))
				r.want("Data", data(1, "bye"))
				end.act(r, visitor)
				synctest.Wait()
				if in, out := counts.ToService.Load(), counts.ToVisitor.Load(); in != 3 || out != 5 {
					t.Errorf("%d bytes in, %d out; want 3, 5", in, out)
				}
				if len(told) != 1 || !errors.Is(told[0], end.want) {
					t.Errorf("told %v; want %v, once", told, end.want)
				}
			})
		})
	}
}

// Whoever loses bytes says how many, of what and why: the server to whoever gave it the visitor, the client in its log.
func TestLostBytesAreToldOf(t *testing.T) {
	sent := string(pattern(100))
	for name, c := range map[string]struct {
		act  func(r *rig, near *sock.Mem, local far)
		lost int
		why  error
	}{
		"the tunnel lost":            {func(r *rig, _ *sock.Mem, _ far) { r.tunnel.Close() }, 96, ErrEnded},
		"a local socket that resets": {func(_ *rig, _ *sock.Mem, l far) { l.(sock.Stream).Reset() }, 96, syscall.ECONNRESET},
		"more bytes after a write that failed": {func(r *rig, near *sock.Mem, l far) {
			near.FailWrite(syscall.EPIPE)
			synctest.Wait()
			r.send(data(1, "ten bytes."))
			synctest.Wait()
			l.CloseWrite()
			r.send(closeFrame(1))
		}, 106, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
				near, visitor := sock.Pipe(4)
				var told error
				if err := r.s.Open(Visitor{Socket: near, Target: home, Over: func(err error) { told = err }}); err != nil {
					t.Fatal(err)
				}
				r.want("request", request(1, 22, "127.0.0.1"))
				r.send(response(1, wire.StatusSuccess), data(1, sent))
				r.wantState(1, "open")
				c.act(r, near, visitor.Stream())
				synctest.Wait()
				if want := fmt.Sprintf("%d bytes", c.lost); told == nil || !strings.Contains(told.Error(), want) || !errors.Is(told, c.why) {
					t.Errorf("told %v; want %s, %v", told, want, c.why)
				}
			})
			inMemory(t, Config{Role: Client}, func(r *rig) {
				var log strings.Builder
				r.s.log = slog.New(slog.NewTextHandler(&log, nil))
				r.limit = 4
				r.send(request(1, 22, "127.0.0.1"))
				call := r.dialled()
				call.result <- nil
				r.want("success", response(1, wire.StatusSuccess))
				r.send(data(1, sent))
				synctest.Wait()
				c.act(r, call.socket.(*sock.Mem), call.far)
				synctest.Wait()
				if want := fmt.Sprintf(`msg="bytes lost" id=1 target=127.0.0.1:22 bytes=%d error="`, c.lost); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), c.why.Error()) {
					t.Errorf("the log is %s; want %s…%v", log.String(), want, c.why)
				}
			})
		})
	}
}

func TestCloseReturnsAtOnceWhenThereIsNothingToFinish(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		begin := time.Now()
		if err := r.s.Close(context.Background()); err != nil || time.Since(begin) > 0 {
			t.Errorf("Close = %v after %v; want nil at once", err, time.Since(begin))
		}
	})
}

// What lingers does not outlive a Close that has waited long enough, or the end of Run's context.
func TestWhatLingersIsCutWithItsSession(t *testing.T) {
	inMemoryBothRoles(t, Config{DeadPeer: time.Hour}, func(r *rig) {
		r.limit = 4
		local := r.opened(1)
		r.send(data(1, string(pattern(100))), closeFrame(1))
		r.sleep(20 * time.Second)
		r.readSome(local) // it goes on taking bytes
		r.sleep(11 * time.Second)
		r.wantState(1, "lingering")
		over, cancel := context.WithCancelCause(context.Background())
		cancel(ErrDrainTimeout)
		if err := r.s.Close(over); !errors.Is(err, ErrDrainTimeout) {
			t.Errorf("Close = %v; want the cause of its context", err)
		}
		r.readSome(local)
		r.wantLocal(local, reset)
	})
}

// The last frame is queued before its connection is forgotten: it leaves before the tunnel is closed.
func TestCloseWaitsForTheLastQueuedFrame(t *testing.T) {
	inMemoryBothRoles(t, Config{DeadPeer: time.Hour, KeepAliveInterval: time.Hour}, func(r *rig) {
		r.limit = 4
		local := r.opened(1)
		r.send(data(1, string(pattern(100))), closeFrame(1))
		r.wantState(1, "draining")
		r.mem().SetLimit(0)
		closed := make(chan error, 1)
		go func() { closed <- r.s.Close(context.Background()) }()
		synctest.Wait()
		local.(sock.Stream).Reset() // the last word for the last connection
		synctest.Wait()
		r.locked(func(s *Session) {
			if s.ended {
				t.Error("closed before its last frame was written")
			}
		})
		r.mem().SetLimit(1 << 20)
		r.want("the last word", closeFrame(1))
		if err := <-closed; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// A sender that comes when there is room again does not overtake those that wait.
func TestSendersThatWaitAreNotOvertaken(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		local := r.opened(1)
		r.locked(func(s *Session) { s.waiting++ }) // another that has not been woken yet
		local.Write([]byte("x"))
		synctest.Wait()
		r.locked(func(s *Session) {
			if s.waiting != 2 {
				t.Errorf("%d senders wait; want two, though there is room", s.waiting)
			}
			s.waiting--
			s.room.Signal()
		})
		r.want("its turn", data(1, "x"))
	})
}

// FLOW-003: what a pause takes counts while others are there, and no longer.
func TestAPauseStopsToCountWhenTheOthersAreGone(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1, MaxQueue: 8, DeadPeer: time.Hour, PauseSign: time.Hour, ConnectTimeout: time.Hour}, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		other := r.visit(home)
		r.want("a second connection", request(2, 22, "127.0.0.1"))
		r.send(response(2, wire.StatusSuccess), data(1, string(pattern(1000))))
		r.sleep(time.Second)
		other.CloseWrite()
		r.want("which ends", closeFrame(2))
		r.sleep(4500 * time.Millisecond) // alone
		r.visit(home)
		r.want("a third", request(3, 22, "127.0.0.1"))
		for range 4 {
			r.sleep(2 * time.Second)
			r.readSome(slow)
		}
		r.wantState(1, "open") // 9 s of 10 have passed
		r.sleep(time.Second)
		r.want("10 s of pauses in which it was not alone", closeFrame(1))
	})
}

// The context of a dial holds a timer.
func TestTheContextOfADialEndsWithIt(t *testing.T) {
	inMemory(t, Config{Role: Client}, func(r *rig) {
		near, _ := r.pipe(64)
		var dialled context.Context
		r.s.cfg.Dial = func(ctx context.Context, _ Target) (sock.Socket, error) { dialled = ctx; return near, nil }
		r.send(request(1, 22, "127.0.0.1"))
		r.want("success", response(1, wire.StatusSuccess))
		synctest.Wait()
		if dialled.Err() == nil {
			t.Error("the context of the dial goes on")
		}
	})
}

// CLOSE-009: a connection whose peer never says its last word is over, what is queued for its local socket too.
func TestARetiredConnectionIsOver(t *testing.T) {
	inMemoryBothRoles(t, Config{DeadPeer: time.Hour, KeepAliveInterval: time.Hour}, func(r *rig) {
		r.limit = 4
		local := r.opened(1)
		r.send(data(1, string(pattern(200))))
		synctest.Wait()
		local.CloseWrite()
		r.want("Close", closeFrame(1))
		for range 5 {
			r.sleep(11 * time.Second)
			r.readSome(local)
		}
		r.sleep(6 * time.Second)
		r.wantState(1, "retired")
		r.readSome(local)
		r.wantLocal(local, reset)
	})
}
