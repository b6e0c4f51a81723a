package judge

import (
	"fmt"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// Bounds of memory, for each tunnel. Beyond the first the tunnel's IDs are no
// longer judged, beyond the second only those that were forgotten.
const (
	maxLives = 1 << 17 // IDs in use
	maxDone  = 1 << 12 // IDs that are free again, kept for frames that still cross
)

// ids are the lives of a tunnel's connection IDs.
type ids struct {
	lives   map[uint32]*life
	owed    map[uint32]*life // those for which somebody owes something
	done    []*life          // over or strange, oldest at next once it is full
	next    int
	forgot  [2]uint32 // lowest and highest ID that was forgotten
	forgets bool      // there are such IDs
	full    bool      // too many IDs: only frames by themselves are judged
}

func newIDs() ids { return ids{lives: map[uint32]*life{}, owed: map[uint32]*life{}} }

// byID judges a sound frame by the life of its ID.
func (t *Tunnel) byID(v *view, rules []*rule) {
	id := v.ID()
	v.l = t.lives[id]
	if v.l == nil && v.Type != wire.TypeConnectRequest && t.forgets && id >= t.forgot[0] && id <= t.forgot[1] {
		return
	}
	if v.l == nil || !v.l.blind {
		if t.judge(v, rules) {
			return
		}
	}
	if v.Type == wire.TypeConnectRequest {
		t.request(v)
		return
	}
	if v.l == nil {
		v.l = &life{id: id, strange: true}
		if t.add(v.l); t.full {
			return
		}
		t.forget(v.l)
	}
	l, was := v.l, v.l.over()
	if v.side == Client && (l.strange || was) {
		l.stray, l.strayed = true, t.asked
	}
	l.take(v.Frame, v.side, v.now, t.asked)
	if v.Type == wire.TypeData {
		t.feed(l, v.side.Peer())
		if l.strange {
			t.dirs[v.side].strange = l
		}
	}
	if l.over() && !was && !l.strange {
		t.forget(l)
	}
	t.owe(l)
}

// request begins the life of an ID.
func (t *Tunnel) request(v *view) {
	l := &life{id: v.ID(), requested: v.now, refuse: refuse(v.Frame)}
	if old := v.l; old != nil {
		// Late answers to the Data of its past cannot be told from what comes now, nor can what
		// the client said out of place, unless the server has read it and only then made its request.
		l.blind = old.blind || old.free[Server] || old.free[Client] || !old.strange && !old.over() || old.stray && !t.settled(old.strayed)
	}
	t.add(l)
	t.owe(l)
}

// add enters a life, unless there are too many.
func (t *Tunnel) add(l *life) {
	if len(t.lives) >= maxLives {
		t.full = true
		clear(t.lives)
		clear(t.owed)
		t.lose(fmt.Sprintf("more than %d IDs in use at a time", maxLives))
		return
	}
	t.lives[l.id] = l
}

// owe keeps l among those for which somebody owes something, or not.
func (s *ids) owe(l *life) {
	switch {
	case s.full:
	case l.pending():
		s.owed[l.id] = l
	case s.owed[l.id] != nil:
		delete(s.owed, l.id)
	}
}

// forget puts l among those that are kept for a while only.
func (s *ids) forget(l *life) {
	if len(s.done) < maxDone {
		s.done = append(s.done, l)
		return
	}
	old := s.done[s.next]
	s.done[s.next] = l
	s.next = (s.next + 1) % maxDone
	if s.lives[old.id] != old {
		return // the ID has begun another life
	}
	delete(s.lives, old.id)
	delete(s.owed, old.id)
	if !s.forgets {
		s.forgets, s.forgot = true, [2]uint32{old.id, old.id}
	}
	s.forgot = [2]uint32{min(s.forgot[0], old.id), max(s.forgot[1], old.id)}
}
