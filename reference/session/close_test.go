package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

func TestQueuedOctetsAreWrittenAfterTheIDIsFree(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("closing")
		r.send(closeFrame(1))
		r.wantState(1, "idle")
		r.wantOctets(local, "12345678")
		r.wantLocal(local, eof)
	})
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		local := r.enter("closing")
		r.send(closeFrame(1))
		r.sleep(30*time.Second - time.Nanosecond)
		if r.s.Active() != 1 {
			t.Fatal("the local socket was given up before 30 s")
		}
		r.sleep(coarse)
		r.wantOctets(local, "1234")
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
			t.Fatalf("Write = %v; want the octets read and discarded", err)
		}
		r.wantOctets(local, "bye")
		r.wantLocal(local, eof)
		r.sleep(coarse)
		if _, err := local.Write([]byte("x")); err == nil {
			t.Fatal("the local socket is still open after 5 s")
		}
		r.wantIdle("nothing of it was sent")
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

func TestTunnelLossSparesWhatIsComplete(t *testing.T) {
	inMemoryBothRoles(t, tableConfig, func(r *rig) {
		complete, cut := r.opened(1), r.opened(2)
		r.send(data(1, "all of it"), closeFrame(1))
		r.want("own Close", closeFrame(1))
		r.tunnel.Close()
		r.wantOctets(complete, "all of it")
		r.wantLocal(complete, eof)
		r.wantLocal(cut, reset)
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
			r.wantOctets(local, "x")
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
			if err := r.s.Open(near, home); !errors.Is(err, ErrDraining) {
				t.Fatalf("Open = %v; want ErrDraining", err)
			}
		} else {
			r.send(request(2, 80, "h"))
			r.want("new requests fail", response(2, wire.StatusGeneral))
		}
		r.send(data(1, "still served"))
		r.wantOctets(local, "still served")
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
