package peer

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Role is what the peer is.
type Role string

// Roles.
const (
	Server Role = "server"
	Client Role = "client"
)

// Limits and timers of section 17, with this peer's choice where it has one.
const (
	queueMax       = 1 << 20
	owedMax        = 256 << 10
	outMax         = 256 << 10 // octets that wait to be sent before Data has to wait
	connectTimeout = 10 * time.Second
	dialTimeout    = 8 * time.Second
	closeDrain     = 5 * time.Second
	closeTotal     = 30 * time.Second
	closeStall     = 30 * time.Second
	closeMost      = 300 * time.Second
	closeWait      = 60 * time.Second
	stallLimit     = 5 * time.Second
	stallBudget    = 10 * time.Second
	stallWindow    = 15 * time.Second
	pauseSign      = 15 * time.Second
	keepAliveEvery = 15 * time.Second
	deadServer     = 45 * time.Second
	deadClient     = 60 * time.Second
)

// A tunnel is one tunnel, of either role.
type tunnel struct {
	role   Role
	mutant string
	choice string // of Odds
	sock   transport
	ear    *ear
	in     *bufio.Reader
	errs   func(*tunnel) // a server's; called on a tunnel error

	pieced atomic.Bool // a header did not come in one piece: what a mutant remembers
	past   *past       // what LOSS-005's mutant carries over

	wg      sync.WaitGroup
	copies  sync.WaitGroup // of local sockets: those that linger outlive the tunnel
	mu      sync.Mutex     // guards the following
	changed *sync.Cond     // tells any change of it
	conns   map[uint32]*conn
	locals  map[*conn]bool // connections whose local socket is not closed yet
	out     []outgoing
	outSize int // octets of out, and those being written
	owed    int // of them, what is owed directly
	lost    bool
	served  bool // a frame has come
	pauses  []pause

	noise byte // of chatter

	// Of the Extended profile; extended.go and away.go.
	extends  bool // it is spoken when the peer does
	phase    phase
	agreed   bool   // the peer understands GOAWAY
	window0  uint64 // this side's window, and what a WINDOW grants beyond what was taken
	grant    uint64
	credit0  uint64 // the peer's window
	maxConns int    // live connections that a client takes,
	peerMax  int    // and that this server's client does
	memory   int    // that received Data may use
	held     int    // what it uses
	highest  int64  // ID that a request or OPEN had; -1: none
	xconns   map[uint32]*xconn
	xlocals  map[*xconn]bool // connections whose dial or local socket is not done with
	leaving  int             // connections that are gone but for frames in line
	away     away
	before   *tunnel       // a client's: it drains, and waits for this one
	drained  chan struct{} // closed when the server drains a client's tunnel
	unwanted bool          // the server answered HELLO with denied or unsupported, or is none of this client's
	auth                   // auth.go

	// Of the option bind; bind.go and publish.go.
	server          *server    // a server's, which gives ports; nil: it does not
	published       *publisher // a client's; nil: nothing is published
	hasBind         bool       // both sides have the option
	bindUsed        int64      // the highest bind ID; -1: none
	asking          map[uint32]*asked
	instance, label string // of the peer's HELLO
	group           *group // server.mu guards it

	// What some mutants remember.
	peerClosed, used map[uint32]bool
	sentAt           time.Time
	asked            int
	backlog          []frame
}

// outgoing is octets that wait to be sent.
type outgoing struct {
	b      []byte
	owed   bool
	of     *xconn // whose frame it is
	window bool   // WINDOW: its octets are made when it leaves
	last   bool   // nothing comes behind it
}

// past is what a mutant remembers of lost tunnels.
type past struct {
	mu  sync.Mutex
	ids map[uint32]bool
}

func newTunnel(role Role, o Options, sock transport, silence time.Duration) *tunnel {
	t := &tunnel{
		role: role, mutant: o.Mutant, choice: o.Odd, sock: sock, ear: &ear{sock: sock, silence: silence},
		conns: map[uint32]*conn{}, locals: map[*conn]bool{}, past: &past{ids: map[uint32]bool{}},
		peerClosed: map[uint32]bool{}, used: map[uint32]bool{},
		bindUsed: -1, asking: map[uint32]*asked{},
		extends: o.Extended, highest: -1, xconns: map[uint32]*xconn{}, xlocals: map[*xconn]bool{}, drained: make(chan struct{}),
		window0: windowUsual, grant: creditUsual, maxConns: maxConnections, memory: cmp.Or(o.Memory, memoryUsual),
	}
	if t.bug("XOPEN-012") {
		t.maxConns = 4
	}
	switch t.choice {
	case "few":
		t.maxConns = 1
	case "none":
		t.window0 = 0
	case "tiny":
		t.window0, t.grant = 1, windowLeast
	case "wide":
		t.window0, t.grant = 1<<32-1, 1<<32-1
	case "terse":
		t.maxConns = 16384
	}
	t.in = bufio.NewReaderSize(t.ear, 64<<10)
	t.changed = sync.NewCond(&t.mu)
	return t
}

// bug reports whether the peer is the mutant of that name.
func (t *tunnel) bug(name string) bool { return t.mutant == name }

// run serves the tunnel until it is lost.
func (t *tunnel) run() {
	t.wg.Go(t.writer)
	if t.asks {
		t.wg.Go(t.watchHandshake)
	}
	if t.role == Client {
		t.mu.Lock()
		t.greet()
		t.mu.Unlock()
		t.wg.Go(t.keepAlive)
	}
	err := t.reader()
	te, isError := errors.AsType[*tunnelError](err)
	fmt.Fprintf(os.Stderr, "tunnel lost: %q\n", err.Error())
	if isError && t.errs != nil {
		t.errs(t)
	}
	if isError {
		t.breakOff(te)
	}
	t.mu.Lock()
	t.lose(isError)
	t.mu.Unlock()
	t.wg.Wait()
}

// hangUp ends everything because the process ends.
func (t *tunnel) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase == up && !t.lost {
		t.partAll()
	} else {
		t.lose(false)
	}
	for c := range t.locals {
		c.end(true)
	}
	for c := range t.xlocals {
		c.end(true)
	}
}

// reader handles frames in the order in which they come (ORDER-001).
func (t *tunnel) reader() error {
	for {
		if err := t.flushBacklog(); err != nil {
			return err
		}
		f, err := t.readFrame()
		if err != nil {
			if isEnd(err) && (t.bug("TUN-002") || t.bug("TLS-006") && cut(t.sock)) {
				t.linger()
			}
			return err
		}
		t.mu.Lock()
		if t.away.parting || t.away.silent { // nothing changes any more what is going to happen
			t.mu.Unlock()
			continue
		}
		t.served = true
		if t.bug("FLOW-005") {
			for t.outSize > outMax && !t.lost {
				t.changed.Wait()
			}
		}
		if t.bug("FLOW-005-owed") {
			for t.owed > owedMax/2 && !t.lost {
				t.changed.Wait()
			}
		}
		was := t.phase
		err = t.handle(f)
		lost, joins := t.lost, t.server != nil && was != up && t.phase == up
		t.mu.Unlock()
		if joins && err == nil {
			t.server.join(t)
		}
		if err != nil {
			return err
		}
		if lost {
			return errors.New("writing failed")
		}
	}
}

// linger is TUN-002's mutant: the end of the stream changes nothing, until writing fails.
func (t *tunnel) linger() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.lost {
		t.changed.Wait()
	}
}

// flushBacklog sends what ORDER-002's mutant has put aside, newest first,
// when there is nothing left to read at once.
func (t *tunnel) flushBacklog() error {
	if t.in.Buffered() > 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.backlog) - 1; i >= 0; i-- {
		if err := t.owe(t.backlog[i]); err != nil {
			return err
		}
	}
	t.backlog = nil
	return nil
}

// send queues a frame; it never waits. mu is held.
func (t *tunnel) send(f frame) { t.queue(outgoing{b: f.bytes()}) }

func (t *tunnel) queue(o outgoing) {
	if t.lost || t.away.parting || t.away.silent {
		return
	}
	t.out = append(t.out, o)
	t.outSize += len(o.b)
	if o.owed {
		t.owed += len(o.b)
	}
	if o.of != nil {
		o.of.inLine++
	}
	t.sentAt = time.Now()
	if !o.last {
		t.chatter()
	}
	t.changed.Broadcast()
}

// sent takes octets that were handed to the transport, or dropped, out of the counts. mu is held.
func (t *tunnel) sent(all []outgoing) {
	for _, o := range all {
		t.outSize -= len(o.b)
		if o.owed {
			t.owed -= len(o.b)
		}
		if o.of != nil {
			o.of.sentOne()
		}
	}
	t.changed.Broadcast()
}

// answer owes a frame directly; it leaves in the order of what caused it. mu is held.
func (t *tunnel) answer(f frame) error {
	switch {
	case t.bug("ORDER-002"):
		t.backlog = append(t.backlog, f)
		return nil
	case t.bug("ORDER-003") && t.busy():
		time.AfterFunc(7*time.Second, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			_ = t.owe(f)
		})
		return nil
	}
	return t.owe(f)
}

func (t *tunnel) owe(f frame) error {
	t.queue(outgoing{b: f.bytes(), owed: true})
	// FLOW-006: what is owed and cannot be sent is bounded.
	if t.owed > owedMax {
		return broken("FLOW-006", "%d octets owed to a peer that does not read", t.owed)
	}
	return nil
}

// busy reports whether a connection has carried a lot.
func (t *tunnel) busy() bool {
	for _, c := range t.conns {
		if c.carried > 500_000 {
			return true
		}
	}
	return false
}

// writer writes what is queued. run starts it; the loss of the tunnel ends it.
func (t *tunnel) writer() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		for len(t.out) == 0 && !t.lost {
			t.changed.Wait()
		}
		switch {
		case t.odd("coalesce"):
			t.idle(40 * time.Millisecond)
		case t.odd(Slow):
			t.idle(lateness)
		}
		if t.lost {
			return
		}
		batch := t.out
		t.out = nil
		var bufs net.Buffers
		for _, o := range batch {
			if o.window {
				o.b = o.of.window()
			}
			bufs = append(bufs, o.b) // none, for a WINDOW that nobody needs any more
		}
		t.mu.Unlock()
		err := t.transmit(bufs)
		t.mu.Lock()
		t.sent(batch)
		if err != nil { // TUN-002
			t.lose(false)
			return
		}
		if batch[len(batch)-1].last {
			t.hush()
		}
	}
}

// keepAlive sends a KeepAlive every 15 s (ALIVE-001). run starts it; the loss of the tunnel ends it.
func (t *tunnel) keepAlive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	every := keepAliveEvery
	if t.odd("keepalives") {
		every = 300 * time.Millisecond
	}
	if t.odd("unknown") && !t.extends {
		t.send(frame{0x10, []byte("hello")}) // the client's first frame (EXT-001)
	}
	due := time.Now().Add(every)
	for !t.lost {
		if t.guarded() { // AUTH-007
			t.changed.Wait()
			due = time.Now().Add(every)
			continue
		}
		if t.bug("ALIVE-001") && !t.sentAt.IsZero() {
			due = t.sentAt.Add(every)
		}
		if time.Now().Before(due) {
			t.waitUntil(due)
			continue
		}
		t.send(frame{typ: typeKeepAlive})
		t.asked++
		due = due.Add(every)
	}
}

// idle lets d pass, unless the tunnel is lost meanwhile. mu is held.
func (t *tunnel) idle(d time.Duration) {
	for until := time.Now().Add(d); !t.lost && time.Now().Before(until); {
		t.waitUntil(until)
	}
}

// waitUntil waits for a change, or until the deadline. mu is held.
func (t *tunnel) waitUntil(deadline time.Time) {
	timer := time.AfterFunc(time.Until(deadline), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.changed.Broadcast()
	})
	t.changed.Wait()
	timer.Stop()
}

// lose is the loss of the tunnel (LOSS-001): its transport is closed, and every local socket reset, at once, but
// those that linger. mu is held.
func (t *tunnel) lose(isError bool) {
	if t.lost {
		return
	}
	t.lost = true
	if t.odd("resets") {
		_ = t.sock.SetLinger(0)
	}
	_ = t.sock.Close()
	t.endAll(isError)
	t.followed()
	t.out = nil
	t.changed.Broadcast()
}

// endAll ends every connection of the tunnel, and resets the local sockets but those that linger (LOSS-001). mu is held.
func (t *tunnel) endAll(isError bool) {
	spare := 0
	switch {
	case t.bug("LOSS-001"):
		spare = len(t.locals) - 1 // all but one stay open
	case t.bug("ERR-001") && isError:
		spare = len(t.locals)
	}
	for id, c := range t.conns {
		t.past.add(id)
		c.stopTimers()
		if c.cancel != nil {
			c.cancel()
		}
	}
	for c := range t.locals {
		if c.state == idle && !t.bug("CLOSE-012-lost") {
			continue
		}
		if spare > 0 {
			spare--
			continue
		}
		c.end(!t.bug("LOSS-002"))
	}
	clear(t.conns)
	for _, c := range t.xconns {
		if !t.bug("LOSS-001-extended") {
			c.end(true)
		}
		c.forget()
	}
}

func (p *past) add(id uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[id] = true
}

func (p *past) has(id uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[id]
}
