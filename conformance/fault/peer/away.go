package peer

import (
	"io"
	"time"
)

// Times of a tunnel's end.
const (
	bye          = time.Second      // reading after the last GOAWAY
	endWithin    = 5 * time.Second  // ERR-001, AWAY-010, AWAY-015
	unwantedWait = 30 * time.Second // before a client dials a server again that did not want its HELLO
)

// away is how far the end of an extended tunnel is. Once parting or silent, nothing more is queued.
type away struct {
	said, heard bool // GOAWAY drain, by this side and by the other
	waits       bool // a server's: nothing is open, and the client has not closed yet
	next        bool // a client's: the next tunnel is under way (AWAY-013)
	over        bool // everything on it ends, for whatever reason
	parting     bool // the last frame, a GOAWAY, is in line
	silent      bool // the peer's last GOAWAY has come
	done        bool // and was done
}

// live counts the connections that are alive on the wire, with those whose last frame has not been sent. mu is held.
func (t *tunnel) live() int {
	n := len(t.xconns) + t.leaving
	for _, c := range t.conns {
		if c.state != retired {
			n++
		}
	}
	return n
}

// heard is the peer's GOAWAY. mu is held.
func (t *tunnel) heard(no code) error {
	switch {
	case no != codeDrain && t.bug("AWAY-010"):
		return nil
	case no != codeDrain && t.role == Server && no == codeDone:
		t.away.done = true
		fallthrough
	case no != codeDrain: // the peer ends the tunnel right behind it (AWAY-010)
		t.away.silent = true
		t.dropLine()
		time.AfterFunc(endWithin, func() { _ = t.sock.Close() })
		return nil
	case t.away.heard: // AWAY-007
		if t.bug("AWAY-007") {
			return broken("AWAY-007", "GOAWAY twice")
		}
		return nil
	case t.role == Server: // AWAY-002: owed, unless it has been said
		t.goAway(true)
	case !t.away.said: // AWAY-005: whoever drains this tunnel has the next one taken
		t.away.next = !t.bug("AWAY-013")
		close(t.drained)
	}
	t.away.heard = true
	if t.bug("AWAY-004") {
		for _, c := range t.xconns {
			c.reset(codeDrain)
		}
	}
	t.finished()
	return nil
}

// goAway says GOAWAY drain, once. mu is held.
func (t *tunnel) goAway(owed bool) {
	if t.away.said {
		return
	}
	if t.bug("AWAY-002") && owed {
		return
	}
	t.queue(outgoing{b: frame{typeGoAway, coded(nil, codeDrain, "")}.bytes(), owed: owed})
	t.away.said = true // AWAY-001: no OPEN behind it
	if t.bug("AWAY-001") && t.role == Server {
		t.highest++
		t.send(withID(typeOpen, uint32(t.highest), 0, tagPort, 0, 2, 0, 9))
	}
}

// finished ends a tunnel that drains when nothing is open: the client by GOAWAY done (AWAY-014), the server 5 s later
// if the client has not (AWAY-015). mu is held.
func (t *tunnel) finished() {
	if t.phase != up || t.lost || t.away.over || t.live() > 0 {
		return
	}
	switch {
	case t.role == Client && t.away.heard && !t.away.next:
		t.part(codeDone, "")
	case t.role == Server && t.away.said && !t.away.waits && !t.bug("AWAY-015"):
		t.away.waits = true
		time.AfterFunc(endWithin, t.waited)
	}
}

func (t *tunnel) waited() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part(codeDone, "")
}

// followed tells the tunnel before that this one is up, or lost. mu is held.
func (t *tunnel) followed() {
	t.before.follow()
	t.before = nil
}

// follow tells a drained tunnel that no next one is under way any more.
func (t *tunnel) follow() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away.next = false
	t.finished()
}

// part ends the tunnel by a GOAWAY behind everything that is in line. mu is held.
func (t *tunnel) part(no code, text string) {
	if t.lost {
		return
	}
	_ = t.sock.SetWriteDeadline(time.Now().Add(endWithin - bye - time.Second))
	t.queue(outgoing{b: frame{typeGoAway, coded(nil, no, text)}.bytes(), last: true})
	t.away.parting = true
}

// hush is what comes behind the last GOAWAY: this side's end of the stream, and reading, for a while. Closing with
// octets unread would destroy the GOAWAY (AWAY-009).
func (t *tunnel) hush() {
	_ = t.sock.CloseWrite()
	time.AfterFunc(bye, func() { _ = t.sock.Close() })
}

// partAll ends the tunnel with all that is open on it. mu is held.
func (t *tunnel) partAll() {
	no := codeDone
	if t.live() > 0 {
		no = codeGeneral
	}
	t.away.over = true
	t.endAll(false)
	t.part(no, "")
}

// breakOff is a tunnel error: its connections end at once (ERR-001), and a peer that said HELLO hears why.
func (t *tunnel) breakOff(e *tunnelError) {
	t.mu.Lock()
	tell := t.agreed && !t.lost
	if tell {
		t.away.over = true
		t.endAll(true)
		t.dropLine()
		t.part(e.code, e.req)
	}
	t.mu.Unlock()
	if tell {
		_, _ = io.Copy(io.Discard, t.in)
	}
}

// dropLine drops what waits to be sent. mu is held.
func (t *tunnel) dropLine() {
	line := t.out
	t.out = nil
	t.sent(line)
}

// leave ends the tunnel because the process ends: after a drain of that length at most, if the peer knows one.
func (t *tunnel) leave(drain time.Duration) {
	t.mu.Lock()
	drains := drain > 0 && t.phase == up
	if drains {
		t.goAway(false)
		t.finished()
	}
	t.mu.Unlock()
	if !drains {
		t.hangUp()
		return
	}
	time.AfterFunc(drain, t.hangUp)
}
