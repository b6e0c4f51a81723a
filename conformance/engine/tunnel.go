package engine

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A Tunnel is the suite's end of a tunnel. Left alone it is a well-behaved
// peer as far as liveness goes: it answers the KeepAlives of a client, and
// sends one to a server every 15 s. Everything else is up to the case.
//
// Two goroutines read and write it, a third keeps it alive; all end when it is closed.
type Tunnel struct {
	*link
	n      int           // 1, 2, … within the case
	bindID uint32        // the highest that the suite has used
	began  time.Duration // by the case's clock

	// The recorder's mu guards the following.
	inbox  []arrival
	asked  []bool // KeepAlives sent, in order: true for one that the case does not know of
	heard  int    // KeepAlives received
	mute   bool   // no KeepAlives of our own accord
	broken error  // the subject sent what is no frame

	came       int               // frames of the subject
	hello      *Frame            // the subject's HELLO
	greeted    bool              // the suite has said HELLO
	said       Frame             // which
	admitted   bool              // the server has said that the proofs are right
	hastened   bool              // a KeepAlive came right behind the client's HELLO
	owesAnswer bool              // to the KeepAlive behind the client's HELLO, once the suite has said HELLO
	limits     map[uint32]uint64 // what the subject's WINDOWs let the suite send, by ID
	moved      map[uint32]uint64 // octets of Data that came, by ID
	overbooks  bool              // OPENs beyond the client's max-connections are on purpose

	cb [3]wire.CB // by binding (section 30)
}

type arrival struct {
	f  Frame
	at time.Duration
}

// adopt takes a connected socket as the case's next tunnel.
// Secure is the TLS around it; nil: none.
func (t *T) adopt(conn *net.TCPConn, secure *tls.Conn, how string) *Tunnel {
	k := len(t.opened) + 1
	n := &Tunnel{n: k, link: newLink(t, fmt.Sprintf("tunnel %d", k), conn, secure), limits: map[uint32]uint64{}, moved: map[uint32]uint64{}}
	if secure != nil {
		state := secure.ConnectionState()
		how += fmt.Sprintf(" with %s, ALPN %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
		n.bind(state)
	}
	t.rec.mu.Lock()
	n.cut = t.cut
	n.began = t.rec.add(Event{Who: n.who, Kind: Connected, Tunnel: n.n, Text: fmt.Sprintf("%s, suite at %s, subject at %s", how, n.Local(), n.Remote())})
	t.rec.mu.Unlock()
	t.opened = append(t.opened, n)
	t.wg.Go(n.readLoop)
	if t.Case.Role != Client {
		t.wg.Go(n.keepAlive)
	}
	return n
}

// Send sends frames, all of them in one write.
func (n *Tunnel) Send(frames ...Frame) {
	var b []byte
	for _, f := range frames {
		b = append(b, f.Bytes()...)
	}
	n.sendAs(b, frames...)
}

// sendAs queues octets that are these frames, and records them.
func (n *Tunnel) sendAs(b []byte, frames ...Frame) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.record(frames, nil, nil)
	n.push(piece{b: b})
	n.sentHello(frames)
}

// record enters what goes out in one write: frames, and octets that form none.
// How says what else a dialogue has to know about it. The caller holds mu.
func (n *Tunnel) record(frames []Frame, rest []byte, how *spec.Step) {
	for i, f := range frames {
		n.seat(f)
		if f.Type == TypeKeepAlive && f.Size == 0 {
			n.asked = append(n.asked, false)
		}
		n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: f, Step: how, Joined: i > 0})
	}
	if len(rest) > 0 {
		n.t.rec.add(Event{Who: n.who, Kind: SentRaw, Tunnel: n.n, Size: len(rest), Text: wire.Clip(rest), Payload: rest, Step: how, Joined: len(frames) > 0})
	}
}

// ownKeepAlive sends a KeepAlive that the case does not know of. The caller holds mu.
func (n *Tunnel) ownKeepAlive() {
	n.asked = append(n.asked, true)
	n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: KeepAlive(), Step: &spec.Step{}})
	n.push(piece{b: KeepAlive().Bytes()})
	n.startWrite()
}

// SendRaw sends octets that need be no frame.
func (n *Tunnel) SendRaw(b []byte) { n.SendPieces(b, 0, 0) }

// SendPieces sends octets in writes of size octets (0: one write) with a
// pause between two writes. Octets that form whole frames are recorded as frames.
func (n *Tunnel) SendPieces(b []byte, size int, pause time.Duration) {
	var how *spec.Step
	if size > 0 && size < len(b) {
		how = &spec.Step{Piece: size, Pause: Time(pause)}
	}
	if size <= 0 {
		size = max(len(b), 1)
	}
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	frames, rest := wire.Split(b)
	n.record(frames, rest, how)
	chosen := size < len(b)
	for rest := b; len(rest) > 0; {
		k := min(size, len(rest))
		n.push(piece{b: rest[:k:k], pause: pause, asIs: chosen})
		rest = rest[k:]
	}
	n.sentHello(frames)
}

// Flood sends a frame so many times, some of them in each write. The record has it once, and the judge does not look at the tunnel any more.
func (n *Tunnel) Flood(f Frame, times int) {
	b := f.Bytes()
	each := max(FairPayload/len(b), 1)
	many := bytes.Repeat(b, each)
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.t.rec.add(Event{
		Who: n.who, Kind: SentRaw, Tunnel: n.n, Size: times * len(b), Text: fmt.Sprintf("%d times %s", times, f), Payload: b,
		Step: &spec.Step{Piece: len(many), Times: times},
	})
	for ; times > 0; times -= each {
		n.push(piece{b: many[:min(times, each)*len(b)], asIs: true})
	}
}

// Mute stops the KeepAlives and the PONGs that the tunnel sends of its own accord.
func (n *Tunnel) Mute() {
	n.t.rec.did(n.who, n.n, "peer falls silent", "the suite sends no KeepAlives of its own from here on")
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.mute = true
}

// NextID is a connection ID that the suite, as server, has not used on any tunnel of this case.
func (n *Tunnel) NextID() uint32 {
	n.t.nextID++
	return n.t.nextID
}

// UnusedID is an ID that nobody uses in this case.
func (n *Tunnel) UnusedID() uint32 {
	n.t.unusedID++
	return n.t.unusedID
}

// leave ends the suite's side in order.
func (n *Tunnel) leave() {
	n.t.rec.mu.Lock()
	gone, held := n.closed || n.end != EndNone, n.held
	n.t.rec.mu.Unlock()
	if held {
		n.Release()
	}
	if !gone {
		n.Finish()
	}
}

// Began is when the suite had the tunnel, by the case's clock.
func (n *Tunnel) Began() time.Duration { return n.began }

// Close closes the tunnel at once, in order if nothing is left to read.
func (n *Tunnel) Close() { n.shut(Finished) }

// readLoop takes frames until the stream ends; after octets that are no frame
// it only waits for that end. T.adopt starts it; closing the socket ends it.
func (n *Tunnel) readLoop() {
	br := bufio.NewReaderSize(n.link, 64<<10)
	for {
		f, part, err := wire.Read(br)
		switch {
		case err == nil:
			n.take(f)
			continue
		case errors.Is(err, wire.ErrVersion), errors.Is(err, wire.ErrLength):
			n.breakdown(f, f.Bytes(), err)
			_, err = io.Copy(io.Discard, br)
			if err == nil {
				err = io.EOF
			}
		case len(part) > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			n.breakdown(f, part, errors.New("the stream ended inside a frame"))
		}
		n.readEnded(err)
		return
	}
}

func (n *Tunnel) take(f Frame) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	at := n.t.rec.add(Event{Who: n.who, Kind: Received, Tunnel: n.n, Frame: f, Bad: f.Malformed()})
	if !n.takeHello(f) {
		return
	}
	n.takeExtension(f)
	answer := f.Type == TypeKeepAlive && n.t.Case.Role == Server && n.heard < len(n.asked) && n.asked[n.heard] // to one of the suite's own
	if !answer {
		n.inbox = append(n.inbox, arrival{f, at})
	}
	if f.Type != TypeKeepAlive {
		return
	}
	n.heard++
	if n.t.Case.Role == Client && !n.mute && !n.closed { // ALIVE-002: exactly one answer
		if n.owesAnswer = n.t.Asks() && !n.admitted; !n.owesAnswer { // AUTH-007
			n.ownKeepAlive()
		}
	}
}

// takeExtension does what a frame of the Extended profile asks for whatever the case is about. The caller holds mu.
func (n *Tunnel) takeExtension(f Frame) {
	switch {
	case f.Type == wire.TypeAuth && f.Size == 0 && n.t.Case.Role == Server:
		n.admitted = true
	case f.Type == TypeData && f.Sized():
		n.moved[f.ID()] += uint64(len(f.Octets()))
	case !n.up() || !f.Sized():
	case f.Type == TypeWindow:
		n.limits[f.ID()] = max(n.limits[f.ID()], f.Limit())
	case f.Type == TypePing && !n.mute && !n.closed: // PING-001
		pong := wire.Pong(f.Mark())
		n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: pong, Step: &spec.Step{}})
		n.push(piece{b: pong.Bytes()})
		n.startWrite()
	}
}

func (n *Tunnel) breakdown(f Frame, octets []byte, err error) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.broken = err
	n.t.rec.add(Event{Who: n.who, Kind: Broken, Tunnel: n.n, Frame: f, Size: len(octets), Text: wire.Clip(octets), Bad: err})
}

// keepAlive sends a KeepAlive every 15 s, as ALIVE-001 asks of a client.
// T.adopt starts it for a server subject; closing the socket ends it.
func (n *Tunnel) keepAlive() {
	every := time.NewTicker(KeepAliveInterval)
	defer every.Stop()
	for {
		select {
		case <-n.done:
			return
		case <-every.C:
		}
		n.t.rec.mu.Lock()
		if !n.mute && !n.closed && n.end == EndNone && (n.admitted || !n.t.Asks()) {
			n.ownKeepAlive()
		}
		n.t.rec.mu.Unlock()
	}
}
