package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session/memsocket"
	"github.com/adit-tunnel/adit/spec/wire"
)

// stallConfig makes queues of 8 octets; sockets in memory take 4.
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
		r.wantOctets(other, "ab")
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
		r.wantOctets(slow, "1234")
		r.wantLocal(slow, reset)
		r.wantOctets(other, "ab")
		if got := r.s.Stats().Paused; got != 5*time.Second {
			t.Errorf("Stats().Paused = %v; want 5s", got)
		}
	})
}

func TestThePauseEndsWithItsConnection(t *testing.T) {
	for _, end := range []func(*memsocket.Socket){(*memsocket.Socket).Abort, func(s *memsocket.Socket) { s.CloseWrite() }} {
		inMemoryBothRoles(t, stallConfig, func(r *rig) {
			r.limit = 4
			slow, other := r.opened(1), r.open2()
			r.send(data(1, "1234567890123"), data(2, "ab"))
			r.wantLocal(other, still)
			end(slow.(*memsocket.Socket))
			r.want("it is over", closeFrame(1))
			r.wantOctets(other, "ab")
			if got := r.s.Stats().Paused; got != 0 {
				t.Errorf("Stats().Paused = %v; want no time", got)
			}
		})
	}
}

func TestAConnectionThatTakesSomethingIsNotEndedForIt(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow := r.opened(1)
		r.send(data(1, "1234567890123"))
		r.sleep(4 * time.Second)
		r.wantOctets(slow, "1234")
		r.sleep(time.Minute)
		r.barrier("it took octets within 5 s")
	})
}

func TestPausesOver10SecondsIn15EndTheFullest(t *testing.T) {
	inMemoryBothRoles(t, stallConfig, func(r *rig) {
		r.limit = 4
		slow, other := r.opened(1), r.open2()
		sent := data(1, string(pattern(100)))
		r.send(sent, data(2, "ab"))
		started := time.Now()
		for range 20 {
			// It takes four octets whenever four seconds have passed: never stalled for 5 s.
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
		r.wantOctets(other, "ab")
		// That paid for those pauses: a short one right after costs nobody a connection.
		r.send(data(2, "1234567890123"))
		r.sleep(2 * time.Second)
		r.wantOctets(other, "1234567890123")
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

func TestAPeerThatAsksAndNeverReads(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		ask := data(99, "")
		for range (maxOwed + 2<<20) / len(ask) {
			if _, err := r.tunnel.Write(ask); err != nil {
				break
			}
		}
		r.wantEnd("more than 256 KiB owed", "FLOW-006")
	})
}

func TestBothWaysSaturated(t *testing.T) {
	// Both sessions write as hard as they can over a tunnel of 1000 octets; nobody's reader may block.
	synctest.Test(t, func(t *testing.T) { saturate(t, 1000) })
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

func TestQueuedOctetsStayWithinTheBound(t *testing.T) {
	inMemoryBothRoles(t, Config{MaxQueue: 100 << 10}, func(r *rig) {
		r.limit = 1000
		local := r.opened(1)
		go r.tunnel.Write(data(1, string(pattern(500<<10))))
		synctest.Wait()
		r.s.mu.Lock()
		queued, held := r.s.fullest().queue.size, 0
		for b := r.s.fullest().queue.head; b != nil; b = b.next {
			held += len(b.b)
		}
		r.s.mu.Unlock()
		if queued != 100<<10 || held > 200<<10 {
			t.Errorf("%d octets queued in buffers of %d; want 102400 in no more than twice that", queued, held)
		}
		r.wantOctets(local, string(pattern(500<<10)))
	})
}
