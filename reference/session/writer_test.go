package session

import (
	"testing"
	"testing/synctest"

	"github.com/adit-tunnel/adit/reference/session/memsocket"
	"github.com/adit-tunnel/adit/spec/wire"
)

// sizes reads Data frames from the session until total octets have come, and returns the largest payload.
func (r *rig) largest(total int) int {
	r.t.Helper()
	most := 0
	for total > 0 {
		f, err := r.next()
		if err != nil {
			r.t.Fatalf("%d octets before the last: %v", total, err)
		}
		_, octets, err := wire.ParseData(f[wire.HeaderLen:])
		if err != nil || wire.Type(f[1]) != wire.TypeData {
			r.t.Fatalf("frame %.20x; want Data", f)
		}
		total -= len(octets)
		most = max(most, len(octets))
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

func TestACloseIsNotHeldUpByAFullTunnel(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = 8 << 20
		one := r.opened(1)
		one.Write(pattern(8 << 20)) // more than the tunnel and the queue take
		synctest.Wait()
		r.send(closeFrame(1)) // the reader is not blocked by the writer
		r.wantState(1, "idle")
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

func TestSendersWaitTheirTurnEvenWhenOthersEnd(t *testing.T) {
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
			locals[i].(*memsocket.Socket).Abort()
			r.send(closeFrame(uint32(i + 2)))
		}
		got := map[uint32]int{}
		for got[5] < much || got[6] < much {
			f, err := r.next()
			if err != nil {
				t.Fatalf("octets of the last two so far: %v; then %v", got, err)
			}
			if id, octets, err := wire.ParseData(f[wire.HeaderLen:]); err == nil {
				got[id] += len(octets)
			}
		}
	})
}

func TestOutboxKeepsOrderAndReturnsBuffers(t *testing.T) {
	s := New(nil, Config{})
	c := &conn{s: s, id: 1}
	var o outbox
	var want []byte
	for i, n := range []int{10, 0, copyLimit, 5, 3 * small, 1, 1} {
		b := borrow(n)
		b.add(pattern(n))
		want = append(want, data(1, string(pattern(n)))...)
		if kept := o.data(c, b); kept != nil {
			kept.release()
		}
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
		n := min(len(v), 1000)
		got = append(got, v[:n]...)
		left = o.written(n)
	}
	if string(got) != string(want) {
		t.Fatal("octets differ from those queued")
	}
	if s.busy != 1 || c.frames != 7 {
		t.Fatalf("busy, frames = %d, %d; want 1, 7", s.busy, c.frames)
	}
	o.reset()
	if o.size != 0 || len(o.bufs)+len(o.vecs)+len(o.conns) != 0 {
		t.Fatalf("after reset: %+v", o)
	}
}
