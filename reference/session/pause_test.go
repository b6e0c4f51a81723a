package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// stallConfig makes queues of 8 bytes; sockets in memory take 4.
var stallConfig = Config{MaxQueue: 8, DeadPeer: time.Hour, KeepAliveInterval: time.Hour}

// open2 opens a second connection.
func (r *rig) open2() far {
	r.t.Helper()
	return r.opened(2)
}

func TestOnlyAFullQueuePausesTheReader(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		r.opened(1)
		other := r.open2()
		r.send(data(1, "123456789012"), data(2, "ab"))
		r.wantBytes(other, "ab")
		r.sleep(time.Hour / 2)
		r.barrier("a queue that is full holds nobody up until more comes")
	})
}

func TestAConnectionThatTakesNothingIsEndedAfter5Seconds(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow, other := r.opened(1), r.open2()
		r.send(data(1, "1234567890123"), data(2, "ab"))
		other.Write([]byte("out"))
		r.want("what others send goes on", data(2, "out"))
		r.sleep(5*time.Second - time.Nanosecond)
		r.wantIdle("not before 5 s")
		r.wantLocal(other, still)
		r.sleep(time.Nanosecond)
		r.want("a connection error", closeFrame(1))
		r.wantBytes(slow, "1234")
		r.wantLocal(slow, reset)
		r.wantBytes(other, "ab")
		if got := r.s.Stats().Paused; got != 5*time.Second {
			t.Errorf("Stats().Paused = %v; want 5s", got)
		}
	})
}

func TestThePauseEndsWithItsConnection(t *testing.T) {
	for _, end := range []func(sock.Stream){sock.Stream.Reset, func(s sock.Stream) { s.CloseWrite() }} {
		inMemoryBothRoles(t, stallConfig, func(r *rig) {
			r.limit = 4
			slow, other := r.opened(1), r.open2()
			r.send(data(1, "1234567890123"), data(2, "ab"))
			r.wantLocal(other, still)
			end(slow.(sock.Stream))
			r.want("it is over", closeFrame(1))
			r.wantBytes(other, "ab")
			if got := r.s.Stats().Paused; got != 0 {
				t.Errorf("Stats().Paused = %v; want no time", got)
			}
		})
	}
}

// A connection that has the tunnel for itself stops nobody: it is not ended, and what it has stopped so far does not
// count when another comes (FLOW-002, FLOW-003).
func TestAConnectionThatIsAloneIsNeverEndedForBeingSlow(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		r.send(data(1, string(pattern(40))))
		r.sleep(time.Hour / 2)
		r.wantState(1, "open")
		r.wantBytes(slow, string(pattern(40)))
		if got := r.s.Stats().Paused; got != time.Hour/2 {
			t.Errorf("Stats().Paused = %v; want half an hour", got)
		}
	})
	inMemory(t, Config{Role: Server, FirstID: 1, MaxQueue: 8, DeadPeer: time.Hour, PauseSign: time.Hour}, func(r *rig) {
		r.limit = 4
		r.opened(1)
		r.send(data(1, string(pattern(40))))
		r.sleep(time.Minute)
		r.visit(home)
		r.want("a second connection", request(2, 22, "127.0.0.1"))
		r.sleep(5*time.Second - time.Nanosecond)
		r.wantState(1, "open")
		r.sleep(time.Nanosecond)
		r.want("5 s in which it was not alone", closeFrame(1))
	})
	// One that is closing wants nothing from the tunnel.
	inMemory(t, Config{Role: Server, FirstID: 1, MaxQueue: 8, DeadPeer: time.Hour, PauseSign: time.Hour}, func(r *rig) {
		r.limit = 4
		slow, ended := r.opened(1), r.open2()
		ended.CloseWrite()
		r.want("the second is closing", closeFrame(2))
		r.send(data(1, string(pattern(40))))
		r.sleep(30 * time.Second)
		r.wantBytes(slow, string(pattern(40)))
	})
	// The budget counts from the second connection on, too.
	inMemory(t, Config{Role: Server, FirstID: 1, MaxQueue: 8, DeadPeer: time.Hour, PauseSign: time.Hour, ConnectTimeout: time.Hour}, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		r.send(data(1, string(pattern(1000))))
		sip := func(n int) {
			for range n {
				r.sleep(2 * time.Second)
				r.readSome(slow)
			}
		}
		sip(10)
		r.visit(home)
		r.want("a second connection", request(2, 22, "127.0.0.1"))
		sip(4)
		r.wantState(1, "open")
		sip(2)
		r.want("10 s of pauses in which it was not alone", closeFrame(1))
	})
}

// FRAME-011: nor does the time in which this side did not read count against a frame that is not complete.
func TestAPauseIsNoLackOfProgressOfAFrame(t *testing.T) {
	inMemoryBothRoles(t, Config{MaxQueue: 8, DeadPeer: time.Hour, KeepAliveInterval: time.Hour, PauseSign: time.Hour}, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		f := data(1, string(pattern(40)))
		r.send(f[:12])
		synctest.Wait() // the frame has begun
		r.send(f[12:39])
		r.sleep(10 * time.Minute)
		r.wantBytes(slow, string(pattern(29)))
		r.sleep(59 * time.Second)
		r.send(f[39:])
		r.wantBytes(slow, string(pattern(40)[29:]))
	})
}

// FLOW-008: a client whose server waits for a visitor would take it for dead.
func TestAServerThatPausesShowsThatItLives(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1, MaxQueue: 8, DeadPeer: time.Hour}, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		r.sleep(7 * time.Second)
		slow.Write([]byte("x"))
		r.want("what the visitor sends", data(1, "x"))
		r.send(data(1, string(pattern(40))))
		r.sleep(15*time.Second - time.Nanosecond)
		if _, err := r.next(); !errors.Is(err, errNothing) {
			t.Fatalf("something came %v", err)
		}
		r.sleep(time.Nanosecond)
		r.want("Data with no bytes after 15 s", data(1, ""))
		r.sleep(15 * time.Second)
		r.want("and again", data(1, ""))
	})
	inMemory(t, Config{Role: Client, MaxQueue: 8, DeadPeer: time.Hour}, func(r *rig) {
		r.limit = 4
		r.opened(1)
		r.send(data(1, string(pattern(40))))
		r.sleep(15 * time.Second)
		r.want("a client has its KeepAlives", keepAlive())
		r.sleep(14 * time.Second)
		if _, err := r.next(); !errors.Is(err, errNothing) {
			t.Fatalf("more than a KeepAlive came: %v", err)
		}
	})
}

// FLOW-003 is about open connections: the end of another would not let the reader go on.
func TestOnlyAnOpenConnectionIsEndedForThePauses(t *testing.T) {
	cfg := stallConfig
	cfg.MaxQueue = 100
	inMemoryBothRoles(t, cfg, func(r *rig) {
		r.limit = 4
		full, slow := r.opened(1), r.open2()
		r.opened(3) // whom it stops
		r.send(data(1, string(pattern(104))))
		synctest.Wait()
		full.CloseWrite()
		r.want("its stream ended", closeFrame(1))
		r.send(data(2, string(pattern(300))))
		for range 4 {
			r.sleep(3 * time.Second)
			r.readSome(slow)
		}
		r.want("the open one goes, though the other has more queued", closeFrame(2))
		r.wantState(1, "closing")
	})
}

func TestASlowConnectionThatTakesBytesIsNotEnded(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		r.send(data(1, "1234567890123"))
		r.sleep(4 * time.Second)
		r.wantBytes(slow, "1234")
		r.sleep(time.Minute)
		r.barrier("it took bytes within 5 s")
	})
}

func TestPausesOver10SecondsIn15EndTheFullestConnection(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow, other := r.opened(1), r.open2()
		sent := data(1, string(pattern(100)))
		r.send(sent, data(2, "ab"))
		started := time.Now()
		for range 20 {
			// It takes four bytes whenever four seconds have passed: never stalled for 5 s.
			r.sleep(4 * time.Second)
			if r.state(1) != "open" {
				break
			}
			r.readSome(slow)
		}
		r.want("the fullest connection goes", closeFrame(1))
		if got := time.Since(started); got < 10*time.Second || got > 16*time.Second {
			t.Errorf("it was ended after %v; want 10 s of pauses in 15 s", got)
		}
		r.wantBytes(other, "ab")
		// That paid for those pauses: a short one right after costs nobody a connection.
		r.send(data(2, "1234567890123"))
		r.sleep(2 * time.Second)
		r.wantBytes(other, "1234567890123")
		r.wantState(2, "open")
	})
}

func TestAStoppedReaderStillWritesWhatIsOwed(t *testing.T) {
	inMemory(t, Config{Role: Server, MaxQueue: 8}, func(r *rig) {
		r.limit = 4
		r.visit(home)
		r.want("request", request(0, 22, "127.0.0.1"))
		r.send(append(append(response(0, wire.StatusSuccess), keepAlive()...), data(0, "1234567890123456")...))
		r.want("it leaves before the pause", keepAlive())
	})
}

func TestAPeerThatIsOwedTooMuchAndNeverReadsLosesTheTunnel(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		ask := data(99, "")
		for range (maxOwed + 2<<20) / len(ask) {
			if _, err := r.tunnel.Write(ask); err != nil {
				break
			}
		}
		r.wantEnd("more than 256 KiB owed", "FLOW-006")
	})
	// A failure that needs no dial is provoked as easily.
	inMemory(t, Config{Role: Client}, func(r *rig) {
		ask := request(99, 0, "h")
		for range (maxOwed + 2<<20) / len(ask) {
			if _, err := r.tunnel.Write(ask); err != nil {
				break
			}
		}
		r.wantEnd("more than 256 KiB of failures", "FLOW-006")
	})
	// So is the Close for a peer that forgot the first.
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.enter("abandoned", "")
		ask := response(1, wire.StatusSuccess)
		for range (maxOwed + 2<<20) / len(ask) {
			if _, err := r.tunnel.Write(ask); err != nil {
				break
			}
		}
		r.wantEnd("more than 256 KiB of Closes", "FLOW-006")
	})
}

func TestBothWaysSaturated(t *testing.T) {
	// Both sessions write as hard as they can over a tunnel of 1000 bytes; nobody's reader may block.
	for _, protocol := range []Protocol{CoreOnly, ExtendedOnly} {
		synctest.Test(t, func(t *testing.T) { saturate(t, protocol, 1000, 0) })
		// And over sockets of which each call takes a part, and the next one more.
		synctest.Test(t, func(t *testing.T) { saturate(t, protocol, 100<<10, 777) })
	}
}

func TestStallMeter(t *testing.T) {
	const s = time.Second
	cases := []struct {
		name      string
		from, to  []instant
		now, want instant
	}{
		{"nothing", nil, nil, 100 * s, 0},
		{"one pause", []instant{10 * s}, []instant{12 * s}, 20 * s, 2 * s},
		{"two pauses", []instant{10 * s, 13 * s}, []instant{12 * s, 14 * s}, 20 * s, 3 * s},
		{"out of the window", []instant{10 * s}, []instant{12 * s}, 30 * s, 0},
		{"half out of the window", []instant{10 * s}, []instant{14 * s}, 27 * s, 2 * s},
		{"longer than the window", []instant{0}, []instant{100 * s}, 100 * s, 15 * s},
	}
	for _, c := range cases {
		m := newStallMeter(15 * s)
		for i := range c.from {
			m.add(c.from[i], c.to[i])
		}
		if got := m.sum(c.now); got < c.want || got > c.want+m.part {
			t.Errorf("%s: sum(%v) = %v; want %v", c.name, c.now, got, c.want)
		}
	}
}

func TestQueuedBytesStayWithinTheBound(t *testing.T) {
	inMemoryBothRoles(t, Config{MaxQueue: 100 << 10}, func(r *rig) {
		r.limit = 1000
		local := r.opened(1)
		go r.tunnel.Write(data(1, string(pattern(500<<10))))
		synctest.Wait()
		r.s.mu.Lock()
		queued := r.s.fullestLocked().in.queue.Len()
		r.s.mu.Unlock()
		if queued != 100<<10 {
			t.Errorf("%d bytes queued; want 102400", queued)
		}
		r.wantBytes(local, string(pattern(500<<10)))
	})
}
