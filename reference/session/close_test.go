package session

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

func TestQueuedBytesAreWrittenAfterTheIDIsFree(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("closing", "")
		r.send(closeFrame(1))
		r.wantState(1, "lingering")
		r.wantBytes(local, "12345678")
		r.wantLocal(local, eof)
		r.wantState(1, "idle")
	})
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("closing", "")
		r.send(closeFrame(1))
		r.sleep(30*time.Second - time.Nanosecond)
		if r.s.Active() != 1 {
			t.Fatal("the local socket was given up before 30 s")
		}
		r.sleep(coarse)
		r.wantBytes(local, "1234")
		r.wantLocal(local, reset)
	})
}

func TestALocalPeerIsReadFor5SecondsAfterTheEnd(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.opened(1)
		r.send(data(1, "bye"), closeFrame(1))
		r.want("own Close", closeFrame(1))
		r.sleep(5*time.Second - time.Nanosecond)
		if _, err := local.Write(pattern(100 << 10)); err != nil {
			t.Fatalf("Write = %v; want the bytes read and discarded", err)
		}
		r.wantBytes(local, "bye")
		r.wantLocal(local, eof)
		r.sleep(coarse)
		if _, err := local.Write([]byte("x")); err == nil {
			t.Fatal("the local socket is still open after 5 s")
		}
		r.wantIdle("nothing of it was sent")
	})
}

// A local peer that sends on for ever is not read for ever, and its socket is kept all the same (CLOSE-005).
func TestALocalPeerThatSendsOnIsReadFor1MiB(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.opened(1)
		r.send(data(1, "bye"), closeFrame(1))
		r.want("own Close", closeFrame(1))
		written := make(chan int, 1)
		go func() {
			n, _ := local.Write(pattern(8 << 20))
			written <- n
		}()
		r.sleep(5*time.Second - time.Nanosecond)
		select {
		case n := <-written:
			t.Fatalf("%d bytes were taken in 5 s; want about 1 MiB, and the socket open", n)
		default:
		}
		r.wantBytes(local, "bye")
		r.wantLocal(local, eof)
		r.sleep(coarse)
		if n := <-written; n < maxDiscard || n > maxDiscard+r.limit+large {
			t.Errorf("%d bytes were taken; want 1 MiB, and what a read and a socket hold", n)
		}
		r.wantState(1, "idle")
	})
}

// A local peer that reads on is not cut while it does; own Close does not wait for it (CLOSE-004, CLOSE-006).
func TestALocalPeerThatReadsOnAfterCloseGetsEverything(t *testing.T) {
	cfg := tableConfig
	cfg.MaxQueue = 1 << 10
	for _, from := range []string{"closing", "draining"} {
		inMemoryBothRoles(t, cfg, func(r *rig) {
			r.limit = 1
			local := r.opened(1)
			r.send(data(1, string(pattern(10))))
			synctest.Wait()
			began := time.Now()
			if from == "closing" {
				local.CloseWrite()
				r.want("the local stream has ended", closeFrame(1))
			}
			r.send(closeFrame(1))
			for i, b := range pattern(10) {
				r.sleep(29 * time.Second)
				r.wantSome(local, string(b))
				if from == "draining" && i == 1 {
					r.want("own Close after 30 s", closeFrame(1))
				}
			}
			if got := time.Since(began); got != 290*time.Second {
				t.Fatalf("it took %v; want 290 s", got)
			}
			r.wantLocal(local, eof)
			r.wantIdle("one Close")
		})
	}
}

func TestALocalPeerThatReadsOnIsServedFor300Seconds(t *testing.T) {
	inMemoryBothRoles(t, Config{DeadPeer: time.Hour, KeepAliveInterval: time.Hour}, func(r *rig) {
		r.limit = 1
		local := r.opened(1)
		r.send(data(1, string(pattern(100))))
		synctest.Wait()
		local.CloseWrite()
		r.want("the local stream has ended", closeFrame(1))
		r.send(closeFrame(1))
		for _, b := range pattern(14) {
			r.sleep(20 * time.Second)
			r.wantSome(local, string(b))
		}
		r.sleep(20*time.Second - time.Nanosecond)
		r.wantState(1, "lingering")
		r.sleep(coarse)
		r.wantState(1, "idle")
		r.wantSome(local, string(pattern(15)[14:]))
		r.wantLocal(local, reset)
	})
}

func TestTheEndOfALocalPeerFreesItsSocketAtOnce(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.opened(1)
		r.send(closeFrame(1))
		r.want("own Close", closeFrame(1))
		r.wantLocal(local, eof)
		local.CloseWrite()
		synctest.Wait()
		if got := r.s.Active(); got != 0 {
			t.Fatalf("Active() = %d; want 0", got)
		}
	})
}

func TestTunnelLossClosesCompleteTransfersAndResetsOthers(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		complete, cut := r.opened(1), r.opened(2)
		r.send(data(1, "all of it"), closeFrame(1))
		r.want("own Close", closeFrame(1))
		r.tunnel.Close()
		r.wantBytes(complete, "all of it")
		r.wantLocal(complete, eof)
		r.wantLocal(cut, reset)
		r.sleep(4 * time.Second)
		if _, err := complete.Write([]byte("x")); err != nil {
			t.Errorf("Write = %v; want the socket open for 5 s, tunnel or not", err)
		}
		r.sleep(time.Second + coarse)
		if _, err := complete.Write([]byte("x")); err == nil {
			t.Error("the socket is open after 5 s")
		}
		<-r.ended // Run returns when nothing lingers any more
		r.ended <- nil
	})
}

// The deadlines of what lingers hold without the tunnel, and without anything else that goes on.
func TestDeadlinesOutliveTheTunnel(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("draining", "")
		r.sleep(20 * time.Second)
		r.wantSome(local, "12")
		r.sleep(10*time.Second + coarse)
		r.want("own Close", closeFrame(1))
		r.tunnel.Close()
		r.wantBytes(local, "345678")
		r.wantLocal(local, eof)
		began := time.Now()
		<-r.ended
		r.ended <- nil
		if d := time.Since(began); d < 5*time.Second || d > 5*time.Second+coarse {
			t.Errorf("the socket was kept for %v; want 5 s", d)
		}
	})
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.opened(1)
		r.send(closeFrame(1))
		r.want("own Close", closeFrame(1))
		go local.Write(pattern(8 << 20)) // more than is read
		synctest.Wait()
		r.tunnel.Close()
		began := time.Now()
		<-r.ended
		r.ended <- nil
		if d := time.Since(began); d < 5*time.Second || d > 5*time.Second+coarse {
			t.Errorf("Run returned after %v; want 5 s", d)
		}
	})
}

// Close waits for what lingers, tunnel or not.
func TestCloseWaitsForWhatLingers(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("lingering", "")
		closed := make(chan error, 1)
		go func() { closed <- r.s.Close(r.t.Context()) }()
		synctest.Wait()
		r.tunnel.Close()
		r.sleep(20 * time.Second)
		select {
		case err := <-closed:
			t.Fatalf("Close = %v before everything is written", err)
		default:
		}
		r.wantBytes(local, "12345678")
		r.wantLocal(local, eof)
		if err := <-closed; err != nil {
			t.Errorf("Close = %v; want nil", err)
		}
	})
}

// What lingers is written after the loss of the tunnel, which the caller sees at once; the end of Run's context cuts it.
func TestALingeringConnectionOutlivesTheTunnel(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("lingering", "")
		r.tunnel.Close()
		<-r.s.Lost()
		if err := r.s.Err(); !errors.Is(err, io.EOF) {
			t.Errorf("Err = %v; want io.EOF", err)
		}
		r.sleep(29 * time.Second)
		if got := r.s.Active(); got != 1 {
			t.Fatalf("Active() = %d; want the one that lingers", got)
		}
		r.wantBytes(local, "12345678")
		r.wantLocal(local, eof)
		<-r.ended
		r.ended <- nil
	})
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("lingering", "")
		r.tunnel.Close()
		<-r.s.Lost()
		began := time.Now()
		r.s.abort(nil)
		<-r.ended
		r.ended <- nil
		if d := time.Since(began); d > 0 {
			t.Errorf("abort took %v; want no wait", d)
		}
		r.wantBytes(local, "1234")
		r.wantLocal(local, reset)
	})
}

func TestASecondCloseIsNeverSent(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.opened(1)
		local.Write([]byte("x"))
		local.CloseWrite()
		r.want("Data", data(1, "x"))
		r.want("then Close", closeFrame(1))
		r.send(data(1, "crossed"), data(1, ""), closeFrame(1), closeFrame(1))
		r.wantIdle("neither crossing Data nor Close is answered")
		r.send(data(1, "after"))
		r.want("only Data for an idle ID is", closeFrame(1))
	})
}

func TestAFreedIDCanBeUsedAgain(t *testing.T) {
	inMemory(t, Config{Role: Client}, func(r *rig) {
		for range 3 {
			local := r.opened(1)
			r.send(data(1, "x"), closeFrame(1))
			r.want("own Close", closeFrame(1))
			r.wantBytes(local, "x")
		}
		r.send(request(2, 0, "h"), request(2, 0, "h"))
		r.want("a failure frees the ID", response(2, wire.StatusGeneral))
		r.want("a failure frees the ID", response(2, wire.StatusGeneral))
	})
}

func TestCloseWaitsForConnections(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		local := r.opened(1)
		closed := make(chan error, 1)
		go func() { closed <- r.s.Close(r.t.Context()) }()
		synctest.Wait()
		if r.s.cfg.Role == Server {
			near, _ := r.pipe(1)
			if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrClosing) {
				t.Fatalf("Open = %v; want ErrClosing", err)
			}
		} else {
			r.send(request(2, 80, "h"))
			r.want("new requests fail", response(2, wire.StatusGeneral))
		}
		r.send(data(1, "still served"))
		r.wantBytes(local, "still served")
		local.Write([]byte("bye"))
		local.Close()
		r.want("what was open is finished", data(1, "bye"))
		r.want("what was open is finished", closeFrame(1))
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close = %v before the peer's last word", err)
		default:
		}
		r.send(closeFrame(1))
		if err := <-closed; err != nil {
			t.Fatalf("Close = %v; want nil", err)
		}
		if err := <-r.ended; err != nil {
			t.Fatalf("Run = %v; want nil", err)
		}
		r.ended <- nil
	})
}

func TestCloseCutsWhenItsContextEnds(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		local := r.opened(1)
		ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
		defer cancel()
		if err := r.s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Close = %v; want context.DeadlineExceeded", err)
		}
		r.wantLocal(local, reset)
		if err := r.s.Close(ctx); err != nil {
			t.Fatalf("second Close = %v; want nil", err)
		}
	})
}
