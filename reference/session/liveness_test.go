package session

import (
	"errors"
	"testing"
	"time"
)

func TestClientSendsKeepAliveWhateverElseItSends(t *testing.T) {
	inMemory(t, Config{Role: Client}, func(r *rig) {
		service := r.opened(1)
		for range 3 {
			r.sleep(14 * time.Second)
			service.Write([]byte("x"))
			r.want("bytes in between", data(1, "x"))
			r.sleep(time.Second - time.Nanosecond)
			r.wantIdle("not before 15 s")
			r.sleep(time.Nanosecond)
			r.want("a KeepAlive every 15 s", keepAlive())
			r.send(keepAlive())
			r.wantIdle("the answer is not answered")
		}
	})
}

func TestServerAnswersEachKeepAlive(t *testing.T) {
	inMemory(t, Config{Role: Server}, func(r *rig) {
		r.sleep(40 * time.Second)
		r.send(keepAlive(), keepAlive())
		r.want("one for one", keepAlive())
		r.want("one for one", keepAlive())
		r.wantIdle("and none otherwise")
		if got := r.s.Stats().LastKeepAlive; !got.Equal(time.Now()) {
			t.Errorf("Stats().LastKeepAlive = %v; want %v", got, time.Now())
		}
	})
}

func TestASilentPeerIsDeadAfter45Seconds(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		local := r.opened(1)
		r.sleep(20 * time.Second)
		r.send([]byte{1, 0x99}) // any byte counts
		r.sleep(45*time.Second - time.Nanosecond)
		if r.s.Active() != 1 {
			t.Fatal("the tunnel was closed too early")
		}
		r.sleep(time.Nanosecond)
		r.wantLocal(local, reset)
		if err := <-r.ended; !errors.Is(err, ErrDeadPeer) {
			t.Fatalf("Run = %v; want ErrDeadPeer", err)
		}
		r.ended <- nil
	})
}

func TestAPauseDoesNotCountAsSilenceOfThePeer(t *testing.T) {
	inMemoryBothRoles(t, Config{MaxQueue: 8, DeadPeer: 4 * time.Second, KeepAliveInterval: time.Hour}, func(r *rig) {
		r.limit = 4
		r.opened(1)
		r.opened(2)
		r.send(data(1, "1234567890123456"))
		r.sleep(5 * time.Second) // the pause is longer than DeadPeer
		r.want("the pause ended the connection", closeFrame(1))
		r.sleep(4*time.Second - time.Nanosecond)
		r.send(keepAlive())
		r.sleep(4*time.Second - time.Nanosecond)
		r.send(data(1, "x"))
		r.sleep(time.Second)
		select {
		case err := <-r.ended:
			r.ended <- err
			t.Fatalf("Run = %v; want the tunnel to live", err)
		default:
		}
	})
}

func TestAFrameWithoutProgressEndsTheTunnel(t *testing.T) {
	cfg := Config{DeadPeer: time.Hour, KeepAliveInterval: time.Hour}
	inMemoryBothRoles(t, cfg, func(r *rig) {
		r.send([]byte{1, 3, 0, 1})
		r.sleep(30 * time.Second)
		r.send([]byte{0, 0, 0})
		r.sleep(30*time.Second - time.Nanosecond)
		r.wantIdle("60 s are allowed")
		r.sleep(coarse)
		r.wantEnd("a frame neither complete nor making progress", "FRAME-011")
	})
	inMemoryBothRoles(t, cfg, func(r *rig) {
		local := r.opened(1)
		f := data(1, string(pattern(200<<10)))
		for i := 0; i < len(f); i += 2 << 10 {
			r.send(f[i:min(i+2<<10, len(f))])
			r.sleep(time.Second)
			r.readSome(local)
		}
		r.barrier("slow, but faster than 1 KiB a second")
	})
}

func TestTimeWhileTheProcessWasSuspendedIsNotSilence(t *testing.T) {
	inMemoryBothRoles(t, Config{KeepAliveInterval: time.Hour}, func(r *rig) {
		r.sleep(10 * time.Second)
		// As if the timer of 45 s had fired 20 s late.
		r.s.mu.Lock()
		r.s.wakeAt -= 20 * time.Second
		r.s.mu.Unlock()
		r.sleep(45 * time.Second)
		r.barrier("20 s of it were no silence")
	})
}
