package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// What the cases of sections 23 to 28 share.

// breaks expects the tunnel error that what was sent last is. A GOAWAY with a fitting code is a SHOULD.
func breaks(t *T, n *Tunnel, sentence string, opts ...Option) {
	n.ExpectClosed(sentence, opts...)
	if _, ok := n.Peek(AGoAway(wire.CodeProtocol, wire.CodeFlowControl, wire.CodeGeneral, wire.CodeUnsupported, wire.CodeDenied)); !ok {
		t.Charge("AWAY-009", "a GOAWAY says why before the tunnel is closed")
	}
}

// turnedDown sends an OPEN of the suite's own making and expects RESET with one of these codes, the tunnel as it was. Which code
// it is is a SHOULD.
func turnedDown(t *T, n *Tunnel, sentence string, open Frame, codes ...wire.Code) {
	n.Send(open)
	refusedWith(t, n, sentence, open, codes...)
}

// refusedWith expects RESET with one of these codes for an OPEN that was sent, the tunnel as it was.
func refusedWith(t *T, n *Tunnel, sentence string, open Frame, codes ...wire.Code) {
	f := n.Expect(sentence, ResetFor(open.ID()), Within(DialEnds))
	t.Check(len(codes) == 0 || slices.Contains(codes, f.Code()), "XOPEN-015", "the code names the reason: %s", f)
	n.Quiet("nothing more for that ID", open.ID())
}

// room is how many octets the suite may send on a connection that the subject has just opened, n at most.
func room(n *Tunnel, most int) int { return int(min(n.Window(), uint64(most))) }

// foul is what a conforming peer never sends on an extended connection, and the twin that differs least.
type foul struct {
	id, variant, title string
	role               Role
	twin               func(*Conn) // on a connection that works; nil: none but that
	send               func(*Conn)
}

// fouls makes a case of each: the twin goes on to an echo, the foul ends the tunnel and its visitors.
func fouls(all ...foul) (out []Case) {
	for _, f := range all {
		out = append(out, Case{ID: f.id, Variant: f.variant, Role: f.role, Title: f.title, Run: func(t *T) {
			n := t.Extended()
			if f.twin != nil {
				twin := t.Working()
				f.twin(twin)
				n.ExpectOpen("what differs least from the error is none")
			}
			c := t.Working()
			f.send(c)
			breaks(t, n, "it is a tunnel error")
			c.Local.ExpectEnd("and ends what the tunnel carries", For("LOSS-001"))
		}})
	}
	return out
}

// raw sends frames as they are.
func raw(frames ...func(c *Conn) Frame) func(*Conn) {
	return func(c *Conn) {
		for _, f := range frames {
			c.Tun.Send(f(c))
		}
	}
}
