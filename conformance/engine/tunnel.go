package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A Tunnel is the suite's end of a tunnel. Left alone it is a well-behaved
// peer as far as liveness goes: it answers the KeepAlives of a client, and
// sends one to a server every 15 s. Everything else is up to the case.
//
// Two goroutines read and write it, a third keeps it alive; all end when it is closed.
type Tunnel struct {
	*link
	n int // 1, 2, … within the case

	// The recorder's mu guards the following.
	inbox  []arrival
	asked  int   // KeepAlives sent
	heard  int   // KeepAlives received
	mute   bool  // no KeepAlives of our own accord
	broken error // the subject sent what is no frame
}

type arrival struct {
	f  Frame
	at time.Duration
}

// Send sends frames, all of them in one write.
func (n *Tunnel) Send(frames ...Frame) {
	n.sends(frames...)
	n.send(frames...)
}

// send is Send without a place in the script.
func (n *Tunnel) send(frames ...Frame) {
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
	for _, f := range frames {
		if f.Type == TypeKeepAlive && len(f.Payload) == 0 {
			n.asked++
		}
		n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: f})
	}
	n.push(piece{b: b})
}

// SendRaw sends octets that need be no frame.
func (n *Tunnel) SendRaw(b []byte) { n.SendPieces(b, 0, 0) }

// SendPieces sends octets in writes of size octets (0: one write) with a
// pause between two writes. Octets that form whole frames are recorded as frames.
func (n *Tunnel) SendPieces(b []byte, size int, pause time.Duration) {
	n.sendsRaw(b, size, pause)
	if size <= 0 {
		size = max(len(b), 1)
	}
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.recordRaw(b)
	chosen := size < len(b)
	for rest := b; len(rest) > 0; {
		k := min(size, len(rest))
		n.push(piece{b: rest[:k:k], pause: pause, asIs: chosen})
		rest = rest[k:]
	}
}

// recordRaw records octets as the frames that they form; what forms none is recorded as octets.
func (n *Tunnel) recordRaw(b []byte) {
	r := &sliceReader{b}
	for len(r.b) > 0 {
		rest := r.b
		f, _, err := readFrame(r)
		if err != nil {
			n.t.rec.add(Event{Who: n.who, Kind: SentRaw, Tunnel: n.n, Size: len(rest), Text: clip(rest)})
			return
		}
		if f.Type == TypeKeepAlive && len(f.Payload) == 0 {
			n.asked++
		}
		n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: f})
	}
}

type sliceReader struct{ b []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// Mute stops the KeepAlives that the tunnel sends of its own accord.
func (n *Tunnel) Mute() {
	n.t.did(Step{Do: "mute", On: n.who})
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

// Close closes the tunnel at once, in order if nothing is left to read.
func (n *Tunnel) Close() {
	n.t.did(Step{Do: "close", On: n.who})
	n.shut(Finished)
}

// readLoop takes frames until the stream ends; after octets that are no frame
// it only waits for that end. T.adopt starts it; closing the socket ends it.
func (n *Tunnel) readLoop() {
	br := bufio.NewReaderSize(n.link, 64<<10)
	for {
		f, head, err := readFrame(br)
		switch {
		case err == nil:
			n.take(f)
			continue
		case errors.Is(err, errVersion), errors.Is(err, errLength):
			n.breakdown(head, err)
			_, err = io.Copy(io.Discard, br)
			if err == nil {
				err = io.EOF
			}
		case len(head) > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			n.breakdown(head, errors.New("the stream ended inside a frame"))
		}
		n.ended(err)
		return
	}
}

func (n *Tunnel) take(f Frame) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.t.rec.add(Event{Who: n.who, Kind: Received, Tunnel: n.n, Frame: f, Bad: f.Malformed()})
	n.inbox = append(n.inbox, arrival{f, n.t.rec.events[len(n.t.rec.events)-1].At})
	if f.Type != TypeKeepAlive {
		return
	}
	n.heard++
	if n.t.Case.Role == Client && !n.mute && !n.closed { // ALIVE-002: exactly one answer
		n.t.rec.add(Event{Who: n.who, Kind: Sent, Tunnel: n.n, Frame: KeepAlive()})
		n.push(piece{b: KeepAlive().Bytes()})
		n.start()
	}
}

func (n *Tunnel) breakdown(head []byte, err error) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	n.broken = err
	n.t.rec.add(Event{Who: n.who, Kind: Broken, Tunnel: n.n, Size: len(head), Text: clip(head), Bad: err})
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
		quiet := n.mute || n.closed || n.end != EndNone
		n.t.rec.mu.Unlock()
		if !quiet {
			n.send(KeepAlive())
			n.start()
		}
	}
}

// adopt takes a connected socket as the case's next tunnel.
func (t *T) adopt(conn *net.TCPConn, how string) *Tunnel {
	k := len(t.opened) + 1
	n := &Tunnel{n: k, link: newLink(t, fmt.Sprintf("tunnel %d", k), conn)}
	t.rec.mu.Lock()
	n.cut, n.lag = t.cut, t.lags[0]
	t.rec.add(Event{Who: n.who, Kind: Connected, Tunnel: n.n, Text: fmt.Sprintf("%s, suite at %s, subject at %s", how, n.Local(), n.Remote())})
	t.rec.mu.Unlock()
	t.opened = append(t.opened, n)
	t.wg.Go(n.readLoop)
	if t.Case.Role != Client {
		t.wg.Go(n.keepAlive)
	}
	return n
}
