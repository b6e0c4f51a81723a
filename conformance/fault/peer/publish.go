package peer

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file is the option bind (section 32) of a client: what it asks for, on each tunnel and again.

const bindAgain = 45 * time.Second // BIND-012

// A publication is what a client asks for, and where it leads.
type publication struct {
	service string
	port    int // that it was told to ask for; 0: any
	given   int // that it had last; 0: none
	host    string
	target  int
}

// A publisher is what a client was told to publish. Its mu is taken under a tunnel's.
type publisher struct {
	mu  sync.Mutex // guards what the publications were given
	all []*publication
}

// newPublisher reads PORT=HOST:PORT; nil: nothing is published.
func newPublisher(texts []string) (*publisher, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	p := &publisher{}
	for _, text := range texts {
		public, target, _ := strings.Cut(text, "=")
		host, port, err := net.SplitHostPort(target)
		n, bad := strconv.ParseUint(public, 10, 16)
		to, worse := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || worse != nil {
			return nil, fmt.Errorf("--publish %q: must be PORT=HOST:PORT, like 10022=127.0.0.1:22", text)
		}
		p.all = append(p.all, &publication{service: fmt.Sprintf("p%d-to-%d", n, to), port: int(n), host: host, target: int(to)})
	}
	return p, nil
}

// service is where a service is; a client without publications has none.
func (p *publisher) service(name string) *publication {
	if p == nil {
		return nil
	}
	for _, x := range p.all {
		if x.service == name {
			return x
		}
	}
	return nil
}

// A bindState is how far a BIND of a client is.
type bindState int

const (
	waits bindState = iota
	isBound
	ended
)

// An asked is a BIND of a client.
type asked struct {
	*publication
	state  bindState
	number int // that it asked for
}

// raised is a client's tunnel that is up: everything is asked for (BIND-009), or the server left that cannot give it (BIND-019).
// mu is held.
func (t *tunnel) raised() {
	switch {
	case t.published == nil || t.role != Client:
	case !t.hasBind && !t.bug("BIND-019"):
		t.unwanted = true
		t.part(codeUnsupported, "nothing can be published here")
	case t.hasBind:
		for _, x := range t.published.all {
			t.askFor(x)
		}
	}
}

// askFor sends a BIND. mu is held.
func (t *tunnel) askFor(x *publication) {
	if t.lost || t.away.said || t.away.heard {
		return
	}
	t.published.mu.Lock()
	number := x.given
	t.published.mu.Unlock()
	if number == 0 || t.bug("BIND-009") {
		number = x.port
	}
	t.bindUsed++
	if t.bug("BIND-001") {
		t.bindUsed = 0
	}
	id := uint32(t.bindUsed)
	t.asking[id] = &asked{publication: x, number: number}
	var l list
	l.add(tagService, []byte(x.service)...)
	l.add(tagPort, byte(number>>8), byte(number))
	t.season(&l)
	t.send(frame{typeBind, l.bytes(binary.BigEndian.AppendUint32(nil, id)...)})
}

// later asks again after a while (BIND-012). mu is held.
func (t *tunnel) later(x *publication, after time.Duration) {
	if t.bug("BIND-012") {
		after = time.Second
	}
	time.AfterFunc(after, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.askFor(x)
	})
}

// answered is a frame of the option from a server. mu is held.
func (t *tunnel) answered(f frame) error {
	if f.typ == typeBind {
		if t.bug("BIND-018") {
			return nil
		}
		return broken("BIND-018", "a BIND from a server")
	}
	if !f.sized() {
		return broken("FRAME-008", "type 0x%02x with %d octets", f.typ, len(f.payload))
	}
	no := code(binary.BigEndian.Uint16(f.rest()))
	a := t.asking[f.id()]
	if f.typ == typeUnbind {
		return t.unboundBy(f.id(), a, no)
	}
	k, refused, err := t.readTLVs(f.rest()[2:], inBound)
	switch {
	case err != nil:
		return err
	case a == nil && t.bug("BIND-011"), a != nil && a.state != waits && t.bug("BIND-011-twice"):
		return nil
	case a == nil || a.state != waits:
		return broken("BIND-011", "a BOUND for bind ID %d, which waits for none", f.id())
	case refused != 0 && !t.bug("BIND-011-critical"):
		return &tunnelError{"BIND-011", "a critical tag in BOUND", codeUnsupported}
	}
	t.published.mu.Lock()
	defer t.published.mu.Unlock()
	a.state = ended
	switch {
	case no == codeOK:
		a.state = isBound
		if v := k[tagPort]; v != nil {
			a.given = int(binary.BigEndian.Uint16(v))
		}
	case no == codeInUse && a.port == 0 && a.number != 0: // BIND-009
		a.given = 0
		t.later(a.publication, 0)
	case no == codeInUse || no == codeTooMany:
		t.later(a.publication, bindAgain)
	}
	return nil
}

// unboundBy is the server's UNBIND. mu is held.
func (t *tunnel) unboundBy(id uint32, a *asked, no code) error {
	switch {
	case a == nil && t.bug("BIND-011-unbind"), a != nil && a.state == waits && t.bug("BIND-011-early"):
		return nil
	case a == nil || a.state == waits:
		return broken("BIND-011", "an UNBIND for bind ID %d, which waits for none", id)
	case a.state == ended && t.bug("BIND-011-ended"):
		return broken("BIND-011", "a second UNBIND")
	case a.state == ended:
		return nil
	}
	a.state = ended
	switch {
	case t.bug("BIND-015"):
		t.send(frame{typeUnbind, coded(binary.BigEndian.AppendUint32(nil, id), codeOK, "")})
	case t.bug("BIND-015-again"):
		t.later(a.publication, time.Second/2)
	case no != codeReplaced && no != codeDenied:
		t.later(a.publication, bindAgain)
	}
	return nil
}

// given reports whether a BIND was answered with ok. mu is held.
func (t *tunnel) given() bool {
	for _, a := range t.asking {
		if a.state == isBound {
			return true
		}
	}
	return false
}
