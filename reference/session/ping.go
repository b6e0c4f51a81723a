package session

import (
	"encoding/binary"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

// pinger measures the round trip of an extended tunnel and its rate, and bounds how much Data is on its way to the peer
// (WIN-010): a PING goes in line with the Data, and its PONG says that all before it has come.
type pinger struct {
	next    uint64 // mark of the next PING
	marks   []ping // PINGs without PONG, in order
	path    path
	trips   recent  // round trips, whatever they waited for
	asked   instant // when the last PING was queued
	sent    uint64  // bytes of Data frames that were queued
	marked  uint64  // of them, those before the last PING
	arrived uint64  // of them, those before the last PING whose PONG came

	cut     int      // how long a Data frame might be at last
	meter   meter    // of what has arrived
	unsent  int      // what the system was told by limitUnsentLocked
	heard   int64    // what had come from the peer at its last PING
	between [2]int64 // and of that between the last two, and the two before
	rates   recent   // in bytes a second
}

// A meter adds up the time in which Data is on its way, and the Data that arrives in it. While none is no time passes: that
// of a short path, whose Data has arrived before there is more, must add up to a sample too.
type meter struct {
	runs  bool          // Data is on its way
	since instant       // when that began, or ended, or the last sample was taken
	from  uint64        // arrived then
	took  time.Duration // of earlier times, in each of which somebody waited
	data  uint64        // arrived in them

	limited bool // a sender has waited meanwhile, or the tunnel has taken less than all
}

// begin is told that Data is on its way again.
func (m *meter) begin(now instant, arrived uint64) {
	if now-m.since >= leastSample {
		m.took, m.data = 0, 0 // that long ago another rate held
	}
	m.runs, m.since, m.from, m.limited = true, now, arrived, false
}

// sample is what has arrived, in what time, and whether somebody had to wait, if that is time enough; a new one begins.
func (m *meter) sample(now instant, arrived uint64, enough time.Duration) (data uint64, took time.Duration, limited bool) {
	data, took, limited = m.data+arrived-m.from, m.took+now-m.since, m.limited || m.took > 0
	if !m.runs || took < enough {
		return 0, 0, false
	}
	*m = meter{runs: true, since: now, from: arrived}
	return data, took, limited
}

// end is told that all Data has arrived.
func (m *meter) end(now instant, arrived uint64) {
	if !m.runs { // already
		return
	}
	if m.limited {
		m.took, m.data = m.took+now-m.since, m.data+arrived-m.from
	}
	m.runs, m.since, m.from = false, now, arrived
}

func newPinger() pinger {
	return pinger{cut: large, trips: recent{part: 2 * time.Second, least: true}, rates: recent{part: time.Second}}
}

// ping is one that was sent.
type ping struct {
	mark  uint64
	at    instant
	sent  uint64
	alone bool  // next to no Data was on its way
	in    int64 // bytes that had come from the peer
}

// path is the round trip of the path itself: the smallest, until it is looked at again. A full line shows none but longer
// ones, of which none says how much longer the path has become: for a look no Data is sent until all has come. A peer that
// sends as much as it can has a queue too, in which the PONG waits. It sees the look, by a PING without Data before it, and
// looks as well: before long a PING finds nothing on the path.
type path struct {
	trip    time.Duration // 0: none is known
	found   instant       // when it was measured, or another like it
	looked  instant       // when it was last looked at
	looking bool          // no Data is sent
	joined  bool          // the peer looks
	rounds  int           // PINGs that were sent when all of it had come
	asked   bool          // its answer has not come
	longer  bool          // it cannot be as short any more
}

// look begins a look at the path.
func (p *path) look(now instant, longer, joined bool) {
	p.looking, p.asked, p.rounds, p.looked, p.longer, p.joined = true, true, 0, now, longer, joined
}

const (
	// mostUnderWay is how much Data may be on its way while the rate is not known.
	mostUnderWay = 1 << 20
	// leastUnderWay is how much may in any case.
	leastUnderWay = 32 << 10
	// leastWorth is how long a time of the rate may be on its way, however short the round trip is: the programs at both
	// ends take time too, and a bound below that would lower the rate, and the rate the bound.
	leastWorth = 6 * time.Millisecond
	// Every so often, for as long as probe or two round trips, it is twice as much: a rate that was too low shows.
	probe      = 20 * time.Millisecond
	probeEvery = 8
	// mostUnsentBySystem and leastUnsentBySystem bound what the system is told by limitUnsentLocked.
	mostUnsentBySystem  = 512 << 10
	leastUnsentBySystem = 16 << 10
	// leastFrame is what a Data frame may carry in any case.
	leastFrame = 4 << 10
	// lookEvery is how long a round trip of the path holds that no other confirms.
	lookEvery = 10 * time.Second
	// strange is how many times the time that Data on its way is worth a round trip may take on the path as it is known.
	// The rate may be half of what it was.
	strange = 4
	// mostRounds is how many round trips a look lasts beside a peer that does not look.
	mostRounds = 4
	// leastSample is how long the rate is measured over at least: PONGs may come in heaps.
	leastSample = 50 * time.Millisecond
)

// askLocked queues a PING, behind the Data that is in line.
func (s *Session) askLocked(now instant) {
	p := &s.ping
	var m wire.Mark
	binary.BigEndian.PutUint64(m[:], p.next)
	p.marks = append(p.marks, ping{mark: p.next, at: now, sent: p.sent, alone: p.sent-p.arrived <= leastFrame, in: s.stats.PayloadIn})
	p.next++
	p.asked, p.marked = now, p.sent
	s.queueLocked(wire.AppendPing(s.frame[:0], m), false)
}

func (s *Session) onPingLocked(_ wire.Header, payload []byte) error {
	m, err := wire.ParseMark(payload)
	if err != nil {
		return err
	}
	s.queueFirstLocked(wire.AppendPong(s.frame[:0], m), true) // PING-001
	s.lookTooLocked()
	return nil
}

// lookTooLocked looks at the path while the peer does, which has sent much, and behind its PING before this one nothing.
func (s *Session) lookTooLocked() {
	p, now := &s.ping, s.now()
	data := s.stats.PayloadIn - p.heard
	if data == 0 && max(p.between[0], p.between[1]) >= leastUnderWay/4 && !p.path.looking && p.sent-p.arrived > leastFrame && now-p.path.looked >= time.Second {
		p.path.look(now, false, true)
		s.markLocked(now)
	}
	p.heard, p.between = s.stats.PayloadIn, [2]int64{data, p.between[0]}
}

func (s *Session) onPongLocked(_ wire.Header, payload []byte) error {
	m, err := wire.ParseMark(payload)
	if err != nil {
		return err
	}
	p, mark := &s.ping, binary.BigEndian.Uint64(m[:])
	if len(p.marks) == 0 || p.marks[0].mark != mark {
		return nil // PING-002
	}
	now, asked := s.now(), p.marks[0]
	trip := max(now-asked.at, 1)
	p.marks = p.marks[:copy(p.marks, p.marks[1:])]
	p.arrived = asked.sent
	p.trips.add(now, float64(trip))
	quiet := s.stats.PayloadIn-asked.in <= p.beside(now)
	p.path.add(now, trip, asked.alone && (quiet || !p.path.looking || p.path.rounds == mostRounds), quiet)
	s.lookLocked(now, trip, quiet)
	p.measure(now, trip)
	s.limitUnsentLocked(now)
	s.markLocked(now)
	s.signalRoomLocked()
	return nil
}

// add takes a round trip that was measured: alone, with nothing of this side's before it; quiet, with nothing of the peer's.
func (p *path) add(now instant, trip time.Duration, alone, quiet bool) {
	if p.trip == 0 || trip < p.trip || alone && (p.longer || quiet && (p.asked || now-p.found >= lookEvery)) {
		p.trip = trip
	}
	if trip <= p.trip+p.trip/8 {
		p.found = now
	}
	if alone {
		p.longer, p.asked = false, false
	}
}

// lookLocked begins a look when one is due and Data is held up, and measures when all of it has come. The last round trip was
// that long, and quiet if it did not have to wait for the peer's Data.
func (s *Session) lookLocked(now instant, last time.Duration, quiet bool) {
	p := &s.ping
	explained := max(strange*p.worth(), 2*p.least(now))
	if !quiet {
		explained *= 2
	}
	strangely := last > explained && now-p.path.looked >= max(time.Second, 10*last)
	if !p.path.looking && p.meter.limited && (strangely || now-max(p.path.found, p.path.looked) >= lookEvery) {
		p.path.look(now, strangely, false)
	}
	switch {
	case !p.path.looking || p.sent != p.arrived:
	case p.path.rounds == 0 && quiet && !p.path.joined: // Data behind the PING does not lengthen its way
		p.path.looking = false
		s.askLocked(now)
	case p.path.rounds > 0 && quiet, p.path.rounds == mostRounds:
		p.path.looking = false
	default:
		p.path.rounds++
		s.askLocked(now)
	}
}

// measure measures the rate, when there was time enough to: a round trip as it is now, since PONGs that wait behind the peer's
// Data come in heaps. What the local peers did not have to send says nothing.
func (p *pinger) measure(now instant, trip time.Duration) {
	if data, took, limited := p.meter.sample(now, p.arrived, max(leastSample, trip)); took > 0 {
		if rate := float64(data) / took.Seconds(); limited || rate > p.rates.best(now) && p.rates.best(now) > 0 {
			p.rates.add(now, rate)
		}
	}
	if p.sent == p.arrived {
		p.meter.end(now, p.arrived)
	}
}

// A limiter is a tunnel whose system can be told how much it may take that it cannot send yet.
type limiter interface{ LimitUnsent(n int) }

// limitUnsentLocked has the system take no more than 2 ms of the rate that it cannot send yet: what is urgent goes before
// what is still here.
func (s *Session) limitUnsentLocked(now instant) {
	if _, ok := s.tunnel.(limiter); !ok {
		return
	}
	most := mostUnsentBySystem
	if rate := s.ping.rates.best(now); rate > 0 {
		most = max(leastUnsentBySystem, min(most, int(rate*0.002)))
	}
	if was := s.ping.unsent; was == 0 || most >= 2*was || 2*most <= was {
		s.ping.unsent = most
		s.effects = append(s.effects, effect{do: tellOnly, over: func(error) { s.tunnel.(limiter).LimitUnsent(most) }})
	}
}

// worth is how long a time of the rate may be on its way.
func (p *pinger) worth() time.Duration { return max(2*p.path.trip+time.Millisecond, leastWorth) }

// least is how long Data takes that may be on its way in any case.
func (p *pinger) least(now instant) time.Duration {
	if rate := p.rates.best(now); rate > 0 {
		return time.Duration(leastUnderWay / rate * float64(time.Second))
	}
	return 0
}

// beside is how much may come from the peer within a round trip that did not have to wait for it.
func (p *pinger) beside(now instant) int64 { return max(leastFrame, int64(p.rates.best(now)*0.001)) }

// bound is how much Data may be on its way: as much as arrives in two round trips.
func (p *pinger) bound(now instant) uint64 {
	rate := p.rates.best(now)
	if rate == 0 {
		return mostUnderWay
	}
	worth := p.worth()
	if int64(now/max(probe, 2*p.path.trip))%probeEvery == 0 {
		worth *= 2
	}
	return max(uint64(rate*worth.Seconds()), leastUnderWay)
}

// frame is how long a Data frame may be: others that come do not wait longer for its end than for a part of what is on
// its way.
func (p *pinger) frame(now instant) int {
	p.cut = max(leastFrame, int(p.bound(now)/4))
	return p.cut
}

// full reports whether no more Data may be on its way.
func (p *pinger) full(now instant) bool { return p.path.looking || p.sent-p.arrived >= p.bound(now) }

// sentDataLocked counts a Data frame that was queued.
func (s *Session) sentDataLocked(n int) {
	now := s.now()
	p := &s.ping
	if p.sent == p.arrived { // nothing was on its way: the rate is measured from here
		p.meter.begin(now, p.arrived)
	}
	p.sent += uint64(n)
	s.markLocked(now)
}

// markLocked queues a PING when one is due: four within the bound, and one at the bound, or behind all Data, in any case.
func (s *Session) markLocked(now instant) {
	p := &s.ping
	if p.sent == p.marked {
		return
	}
	if bound := p.bound(now); p.path.looking || p.sent-p.marked >= bound/4 || p.sent-p.arrived >= bound && len(p.marks) == 0 {
		s.askLocked(now)
	}
}

// measureLocked asks for the round trip: when the handshake has ended, and then while Data flows, once a second.
func (s *Session) measureLocked() {
	if s.phase != up || len(s.ping.marks) > 0 {
		return
	}
	if now := s.now(); s.ping.next == 0 || now-s.ping.asked >= time.Second {
		s.askLocked(now)
	}
}

// recent keeps the best of the values of late: of the last two parts, the present one included.
type recent struct {
	part  time.Duration // how long one is
	least bool          // the smallest is the best, else the largest
	last  int64         // number of the present part
	bests [2]float64    // of each; 0: there is none
}

func (r *recent) add(now instant, value float64) {
	r.advance(now)
	b := &r.bests[r.last%2]
	*b = r.better(*b, value)
}

// best is the best value; 0: there is none.
func (r *recent) best(now instant) float64 {
	r.advance(now)
	return r.better(r.bests[0], r.bests[1])
}

func (r *recent) better(a, b float64) float64 {
	if r.least && a > 0 && b > 0 {
		return min(a, b)
	}
	return max(a, b)
}

func (r *recent) advance(now instant) {
	for n := int64(now / r.part); r.last < n; r.last = max(r.last+1, n-2) {
		r.bests[(r.last+1)%2] = 0
	}
}
