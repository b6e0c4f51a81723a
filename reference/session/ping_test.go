package session

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

// asked reads a PING, and returns its mark.
func (r *rig) asked(sentence string) wire.Mark {
	r.t.Helper()
	f, err := r.next()
	if err != nil || wire.Type(f[1]) != wire.TypePing {
		r.t.Fatalf("%s: %x, %v; want PING", sentence, f, err)
	}
	return wire.Mark(f[wire.HeaderLen:])
}

// measured lets next return PINGs from now on, and answers that of the handshake.
func (r *rig) measured() {
	r.t.Helper()
	r.pings = true
	r.send(wire.AppendPong(nil, r.asked("the tunnel is up")))
	synctest.Wait()
}

// The round trip is measured when the tunnel is up, and then once a second while Data flows.
func TestTheRoundTripIsMeasured(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			r.pings = true
			mark := r.asked("the tunnel is up")
			r.sleep(70 * time.Millisecond)
			r.send(wire.AppendPong(nil, wire.Mark([]byte("somebody"))))
			synctest.Wait()
			if st := r.s.Stats(); st.RTT != 0 {
				t.Errorf("a PONG that nothing asked for gives a round trip of %v (PING-002)", st.RTT)
			}
			r.send(wire.AppendPong(nil, mark))
			synctest.Wait()
			if st := r.s.Stats(); st.RTT != 70*time.Millisecond {
				t.Errorf("RTT = %v; want 70 ms", st.RTT)
			}
			local := r.extOpened()
			local.Write([]byte("x"))
			r.want("not again within a second", data(1, "x"))
			r.wantIdle("nothing else")
			r.sleep(time.Minute)
			r.wantIdle("no Data, no PING")
			local.Write([]byte("y"))
			mark = r.asked("again later, before the Data")
			r.want("which it does not wait for", data(1, "y"))
			r.sleep(time.Second)
			r.send(data(1, "x"))
			r.wantIdle("one PING at a time")
			r.send(wire.AppendPong(nil, mark), data(1, "x"))
			r.asked("behind Data that came")
		})
	}
}

// The bound falls below what is on its way behind the last PING: without another nothing would say that it has come.
func TestSomebodyAsksWhenTheBoundFalls(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		r.measured()
		visitor := r.extOpened()
		r.s.mu.Lock()
		p := &r.s.ping
		p.next, p.asked = 1, r.s.now()
		p.rates.add(r.s.now(), 1)
		p.sent = leastUnderWay
		r.s.mu.Unlock()
		visitor.Write([]byte("x"))
		ask, err := r.next()
		if err != nil || wire.Type(ask[1]) != wire.TypePing {
			t.Fatalf("nothing more may be on its way: %x, %v; want PING", ask, err)
		}
		r.wantIdle("and no Data")
		r.send(wire.AppendPong(nil, wire.Mark(ask[wire.HeaderLen:])))
		r.want("all has come", data(1, "x"))
	})
}

func TestRecent(t *testing.T) {
	const s = time.Second
	for _, least := range []bool{true, false} {
		r := recent{part: 2 * s, least: least}
		for _, c := range []struct {
			at              time.Duration
			value           float64
			least, greatest float64
		}{{1 * s, 5, 5, 5}, {3 * s, 9, 5, 9}, {3 * s, 7, 5, 9}, {4 * s, 8, 7, 9}, {6 * s, 3, 3, 8}, {1000 * s, 6, 6, 6}} {
			r.add(c.at, c.value)
			want := c.greatest
			if least {
				want = c.least
			}
			if got := r.best(c.at); got != want {
				t.Errorf("least: %v: at %v the best is %v; want %v", least, c.at, got, want)
			}
		}
		if got := r.best(2000 * s); got != 0 {
			t.Errorf("least: %v: the best of nothing is %v; want 0", least, got)
		}
	}
}

func TestPath(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name string
		path path
		at   instant
		trip time.Duration
		alone, quiet,
		accepted bool
	}{
		{"the first", path{}, s, 9 * ms, false, false, true},
		{"a shorter one", path{trip: 10 * ms}, s, 9 * ms, false, false, true},
		{"a longer one soon after", path{trip: 10 * ms, found: s}, 11*s - 1, 20 * ms, true, true, false},
		{"a longer one when there was none as short for long", path{trip: 10 * ms, found: s}, 11 * s, 20 * ms, true, true, true},
		{"the same behind Data", path{trip: 10 * ms, found: s}, 11 * s, 20 * ms, false, true, false},
		{"the same beside the peer's Data", path{trip: 10 * ms, found: s}, 11 * s, 20 * ms, true, false, false},
		{"beside that, when the path has to be longer", path{trip: 10 * ms, found: s, longer: true}, s, 20 * ms, true, false, true},
		{"a longer one soon after, when it was looked at", path{trip: 10 * ms, found: s, asked: true}, s, 20 * ms, true, true, true},
		{"beside the peer's Data, when it was looked at", path{trip: 10 * ms, found: s, asked: true}, s, 20 * ms, true, false, false},
		{"behind Data, when the path has to be longer", path{trip: 10 * ms, found: s, longer: true}, s, 20 * ms, false, true, false},
	} {
		p, want := c.path, c.path.trip
		if c.accepted {
			want = c.trip
		}
		p.add(c.at, c.trip, c.alone, c.quiet)
		if p.trip != want || c.accepted && p.found != c.at || p.longer != (c.path.longer && !c.alone) || p.asked != (c.path.asked && !c.alone) {
			t.Errorf("%s: %v becomes %+v; want %v", c.name, c.path, p, want)
		}
	}
	p := path{trip: 80 * ms}
	if p.add(s, 91*ms, false, false); p.found != 0 {
		t.Error("91 ms confirm 80 ms")
	}
	if p.add(s, 90*ms, false, false); p.found != s {
		t.Error("90 ms do not confirm 80 ms")
	}
}

// On a short path all Data has arrived before there is more, and the rate is measured all the same; time in which nothing is
// on its way does not count, nor does Data that nobody waited to send.
func TestTheRateOfAShortPath(t *testing.T) {
	p := newPinger()
	now := instant(time.Hour)
	turn := func(limited bool) { // 32 KiB, there in 100 µs
		if p.sent == p.arrived {
			p.meter.begin(now, p.arrived)
		}
		p.sent += 32 << 10
		p.meter.limited = p.meter.limited || limited
		now += instant(100 * time.Microsecond)
		p.arrived = p.sent
		p.measure(now, 100*time.Microsecond)
		now += instant(100 * time.Microsecond) // until there is more
	}
	want := func(what string, rate float64) {
		t.Helper()
		if got := p.rates.best(now); got < 0.99*rate || got > 1.01*rate {
			t.Errorf("%s: %.0f bytes a second; want %.0f", what, got, rate)
		}
	}
	for range 499 {
		turn(true)
	}
	want("49.9 ms", 0)
	turn(false)
	want("50 ms", 32<<10/100e-6)
	for range 10_000 { // 2 s, after which it would be forgotten
		turn(false)
	}
	want("nobody waits", 0)
	for range 400 {
		turn(true)
	}
	now += instant(time.Second)
	p.meter.limited = true // a sender waits for something else
	p.measure(now, time.Millisecond)
	want("a PONG behind nothing", 0)
	p.meter.begin(now, p.arrived)
	p.sent += 32 << 10
	now += instant(leastSample)
	p.arrived = p.sent
	p.measure(now, time.Millisecond)
	want("nobody waited since", 0)
	for range 400 {
		turn(true)
	}
	want("two times 40 ms, and a pause", 0)
}
