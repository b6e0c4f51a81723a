package session

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// sizes reads Data frames from the session until total bytes have come, and returns the largest payload.
func (r *rig) largest(total int) int {
	r.t.Helper()
	most := 0
	for total > 0 {
		f, err := r.next()
		if err != nil {
			r.t.Fatalf("%d bytes before the last: %v", total, err)
		}
		_, bytes, err := wire.ParseData(f[wire.HeaderLen:])
		if err != nil || wire.Type(f[1]) != wire.TypeData {
			r.t.Fatalf("frame %.20x; want Data", f)
		}
		total -= len(bytes)
		most = max(most, len(bytes))
	}
	return most
}

func TestDataFramesGrowAloneAndStayFairBesideOthers(t *testing.T) {
	const much = 4 << 20
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = much
		one, two := r.opened(1), r.opened(2)
		one.Write(pattern(much))
		if got := r.largest(much); got <= fair || got > large {
			t.Errorf("largest payload of one connection alone = %d; want more than 64 and at most 256 KiB", got)
		}
		// Both wait for a tunnel that is full; what was read before that may be larger.
		two.Write(pattern(much))
		synctest.Wait()
		one.Write(pattern(much))
		r.largest(much)
		if got := r.largest(much / 2); got > fair {
			t.Errorf("largest payload beside another connection = %d; want at most 64 KiB", got)
		}
	})
}

// What is urgent waits for the rest of a frame, and for what was urgent before it, and for nothing else.
func TestUrgentFramesOvertakeThoseInFlight(t *testing.T) {
	var line, urgent outbox
	vecs := func(o *outbox, frames ...string) {
		for _, f := range frames {
			o.vecs = append(o.vecs, piece{bytes: []byte(f)})
			o.size += len(f)
			o.owed++
		}
	}
	left := func() string {
		var all [][]byte
		for _, v := range line.vecs[line.first:] {
			all = append(all, v.bytes)
		}
		return string(bytes.Join(all, []byte(" ")))
	}
	for _, step := range []struct {
		name  string
		wrote int
		comes []string
		want  string
	}{
		{"no byte was written", 0, []string{"u1"}, "u1 aaaa bbbb cccc"},
		{"between two frames", 2, []string{"u2"}, "u2 aaaa bbbb cccc"},
		{"behind what was urgent before", 0, []string{"u3", "u4"}, "u2 u3 u4 aaaa bbbb cccc"},
		{"within one that was urgent", 1, []string{"u5"}, "2 u3 u4 u5 aaaa bbbb cccc"},
		{"within a frame", 1 + 3*2 + 1, []string{"u6"}, "aaa u6 bbbb cccc"},
		{"again", 0, []string{"u7"}, "aaa u6 u7 bbbb cccc"},
		{"before the last", 3 + 2*2 + 4, []string{"u8"}, "u8 cccc"},
		{"within the last", 2 + 1, []string{"u9"}, "ccc u9"},
	} {
		if line.vecs == nil {
			vecs(&line, "aaaa", "bbbb", "cccc")
		}
		line.written(step.wrote)
		vecs(&urgent, step.comes...)
		size, owed := line.size+urgent.size, line.owed+urgent.owed
		line.interject(&urgent)
		if got := left(); got != step.want || line.size != size || line.owed != owed || urgent.size != 0 || len(urgent.vecs) != 0 {
			t.Errorf("%s: %q of %d bytes, %d owed; want %q, %d, %d", step.name, got, line.size, line.owed, step.want, size, owed)
		}
	}
}

// The frames in flight that nothing may overtake are those with HELLO.
func TestUrgentFramesDoNotOvertakeHELLO(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.locked(func(s *Session) {
			s.phase = up
			s.queued.copy([]byte("hello"))
			s.launchLocked()
			s.urgent.copy([]byte("urgent"))
			if s.interjectLocked(); s.urgent.size == 0 {
				t.Error("a frame overtakes HELLO")
			}
			s.inFlight.reset()
			s.launchLocked()
			s.urgent.copy([]byte("urgent"))
			if s.interjectLocked(); s.urgent.size != 0 {
				t.Error("an urgent frame does not overtake those behind HELLO")
			}
			s.inFlight.reset()
			s.phase = core
		})
	})
}

// FRAME-010 is about the others.
func TestAConnectionsOwnFramesDoNotMakeItsNextOnesSmall(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.opened(1)
		r.opened(2)
		r.locked(func(s *Session) {
			one, two := s.ids.conns[1], s.ids.conns[2]
			s.countLocked(one, 1)
			if got, beside := s.fairLocked(one, large), s.fairLocked(two, large); got != large || beside != fair {
				t.Errorf("with a frame in line a connection may send %d bytes more, and another %d; want %d, %d", got, beside, large, fair)
			}
			s.countLocked(two, 1)
			if got := s.fairLocked(one, large); got != fair {
				t.Errorf("with frames of both in line it may send %d; want %d", got, fair)
			}
			s.countLocked(one, -1)
			s.countLocked(two, -1)
		})
	})
}

func TestAFullTunnelDoesNotDelayTheHandlingOfClose(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = 8 << 20
		one := r.opened(1)
		one.Write(pattern(8 << 20)) // more than the tunnel and the queue take
		synctest.Wait()
		r.send(closeFrame(1)) // the reader is not blocked by the writer
		r.wantState(1, "lingering")
		for {
			f, err := r.next()
			if err != nil {
				t.Fatalf("no Close came: %v", err)
			}
			if wire.Type(f[1]) == wire.TypeClose {
				break
			}
		}
		r.wantIdle("no Data after Close")
	})
}

func TestWaitingSendersGoOnWhenOthersEnd(t *testing.T) {
	const much = 2 << 20
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = much
		var locals []far
		for id := range uint32(6) {
			locals = append(locals, r.opened(id+1))
		}
		for _, l := range locals {
			l.Write(pattern(much))
		}
		synctest.Wait() // the tunnel and the queue are full, all wait
		for i := 0; i < 4; i += 2 {
			locals[i].(sock.Stream).Reset()
			r.send(closeFrame(uint32(i + 2)))
		}
		got := map[uint32]int{}
		for got[5] < much || got[6] < much {
			f, err := r.next()
			if err != nil {
				t.Fatalf("bytes of the last two so far: %v; then %v", got, err)
			}
			if id, bytes, err := wire.ParseData(f[wire.HeaderLen:]); err == nil {
				got[id] += len(bytes)
			}
		}
	})
}

func TestOutboxKeepsOrderAndReturnsBuffers(t *testing.T) {
	s := New(nil, Config{})
	c := &conn{s: s, id: 1}
	o := &s.queued
	var want []byte
	for i, n := range []int{10, 0, copyLimit, 5, 3 * small, 3 * small, 1} {
		b := sendPool.Get(n)
		b.Add(pattern(n))
		want = append(want, data(1, string(pattern(n)))...)
		s.queueDataLocked(c, b)
		if i%2 == 0 {
			o.control(keepAlive(), true)
			want = append(want, keepAlive()...)
		}
	}
	if o.size != len(want) || o.owed != 4*len(keepAlive()) {
		t.Fatalf("size, owed = %d, %d; want %d, %d", o.size, o.owed, len(want), 4*len(keepAlive()))
	}
	var got []byte
	for left := true; left; {
		v := o.vecs[o.first]
		n := min(v.len(), 1000)
		got = append(got, v.bytes[:n]...)
		left = o.written(n)
	}
	if string(got) != string(want) {
		t.Fatal("bytes differ from those queued")
	}
	if s.busy != 1 || c.out.frames != 7 {
		t.Fatalf("busy, frames = %d, %d; want 1, 7", s.busy, c.out.frames)
	}
	o.reset()
	if o.size != 0 || len(o.bufs)+len(o.vecs)+len(o.conns) != 0 {
		t.Fatalf("after reset: %+v", o)
	}
}

func TestABufferIsSplitInTwo(t *testing.T) {
	b := sendPool.Get(8)
	b.Add([]byte("abcdefgh"))
	if first, rest := split(b, 8); first != b || rest != nil {
		t.Errorf("split of all 8 = %q, %v; want the buffer, nil", first.Bytes(), rest)
	}
	first, rest := split(b, 3)
	if string(first.Bytes()) != "abc" || string(rest.Bytes()) != "defgh" {
		t.Errorf("split at 3 = %q, %q; want abc, defgh", first.Bytes(), rest.Bytes())
	}
}

func TestBytesReadBeforeOthersCameAreSentInFairFrames(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.opened(1)
		r.opened(2)
		r.locked(func(s *Session) { s.countLocked(s.ids.conns[2], 1) }) // connection 2 has bytes waiting
		b := sendPool.Get(large)
		b.Add(pattern(150 << 10))
		one := r.s.ids.conns[1]
		for b != nil {
			b = r.s.send(one, b)
		}
		for _, want := range []int{64 << 10, 64 << 10, 22 << 10} {
			if f, err := r.next(); err != nil || len(f) != want+headRoom {
				t.Errorf("frame of %d bytes, %v; want a payload of %d", len(f), err, want)
			}
		}
		r.locked(func(s *Session) { s.countLocked(s.ids.conns[2], -1) })
	})
}
