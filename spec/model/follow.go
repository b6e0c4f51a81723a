package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A follower is the subject of a dialogue.
type follower struct {
	*subject
	v      spec.Vector
	sock   map[string]*link // by the names of local sockets
	silent bool             // the peer says nothing more
}

// Follow lets a side of these tables be the subject of a dialogue. It returns the states in which its connections are then, idle ones
// left out; an error says which step the side does not do. What no table says, like the content of a HELLO, is as the dialogue has it.
func (t Tables) Follow(role string, v spec.Vector) (map[uint32]string, error) {
	f := follower{subject: newSubject(t, role, v.Profile == "ext"), v: v, sock: map[string]*link{}}
	for i, s := range v.Steps {
		if err := f.step(i, s); err != nil {
			return nil, fmt.Errorf("%s: step %d: %w", v.ID, i+1, err)
		}
	}
	states := map[uint32]string{}
	for id, l := range f.links {
		states[id] = l.state
	}
	return states, nil
}

// mine reports whether a step is about this role; frames always are.
func (f *follower) mine(s spec.Step) bool {
	switch who, _, _ := strings.Cut(s.Event+s.Expect, " "); who {
	case "visitor":
		return f.role == "server"
	case "service", "client":
		return f.role == "client"
	}
	return true
}

// next are the steps behind one that are about this role.
func (f *follower) next(i int) []spec.Step {
	return slices.DeleteFunc(slices.Clone(f.v.Steps[i+1:]), func(s spec.Step) bool { return !f.mine(s) })
}

func (f *follower) step(i int, s spec.Step) error {
	switch {
	case !f.mine(s):
		return nil
	case s.From == f.role:
		return f.sends(s)
	case s.From != "":
		f.gets(i, s)
		return nil
	case s.Event != "":
		f.event(i, s)
		return nil
	}
	return f.sees(s)
}

// requests reports whether a step is a frame that opens a connection.
func requests(s spec.Step) bool {
	return s.From == "server" && s.Frame != nil && (s.Frame.Type == "OPEN" || s.Frame.Type == "ConnectRequest")
}

// gets is a frame of the peer.
func (f *follower) gets(i int, s spec.Step) {
	switch d := s.Frame; {
	case f.fault(i):
		f.die()
	case d != nil && requests(s):
		conn, served := f.leads(i, s)
		f.receive(*d, served)
		if l := f.links[*d.ID]; served && l != nil && l.dialled {
			f.sock[conn] = l
		}
	case d != nil:
		f.receive(*d, true)
	case f.v.Error != nil && f.v.Error.Dies == "connection": // a request that decodes to nothing is refused
		id := binary.BigEndian.Uint32(s.Octets.Bytes()[6:])
		f.receive(spec.Decoded{Type: "ConnectRequest", ID: &id}, false)
	}
}

// fault reports whether a frame breaks a rule that is no table's: it is the last one before the tunnel is closed, or it does not decode.
func (f *follower) fault(i int) bool {
	e := f.v.Error
	if e == nil || e.Layer == "state" || e.Dies != "tunnel" {
		return false
	}
	rest := f.next(i)
	closed := slices.IndexFunc(rest, func(s spec.Step) bool { return s.Expect == "tunnel is closed" })
	return closed >= 0 && !slices.ContainsFunc(rest[:closed], func(s spec.Step) bool { return s.From != "" && s.From != f.role })
}

// leads says which local socket a request leads to, and whether it does: the steps up to the next request know.
func (f *follower) leads(i int, s spec.Step) (conn string, served bool) {
	for _, n := range f.next(i) {
		if requests(n) {
			break
		}
		if strings.HasPrefix(n.Event+n.Expect, "service ") && (s.Conn == "" || s.Conn == n.Conn) {
			return n.Conn, true
		}
	}
	return "", false
}

// event is what the world does.
func (f *follower) event(i int, s spec.Step) {
	l := f.sock[s.Conn]
	_, what, _ := strings.Cut(s.Event, " ")
	switch s.Event {
	case "visitor connects":
		l = &link{over: true} // ended at once
		if rest := f.next(i); !f.ended && len(rest) > 0 && requests(rest[0]) {
			l = f.accept(*rest[0].Frame.ID)
		}
		f.sock[s.Conn] = l
		return
	case "time passes":
		f.timer(s.Within)
		return
	case "tunnel ends", "tunnel ends its stream":
		f.die()
		return
	case "tunnel begins":
		f.begin(f.v.Profile == "ext")
		return
	case "peer falls silent":
		f.silent = true
		return
	}
	if l == nil {
		return
	}
	switch what {
	case "accepts":
		f.subject.event(l, "dial succeeded")
	case "refuses":
		f.subject.event(l, "dial failed")
	case "sends":
		l.octets = append(l.octets, s.Octets.Bytes()...)
		f.pump(l)
	case "ends its stream":
		l.ends = true
		f.pump(l)
	case "resets":
		f.reset(l)
	}
}

// sends is an expectation of a frame.
func (f *follower) sends(s spec.Step) error {
	switch s.Frame.Type {
	case "GOAWAY":
		return nil // section 28, which has no table
	case "KeepAlive":
		if f.role == "client" {
			return nil // whenever it likes
		}
	case "Data":
		return f.data(*s.Frame.ID, s.Frame.Octets.Bytes())
	}
	if len(f.sent) > 0 && slices.ContainsFunc(append([]spec.Decoded{*s.Frame}, s.Or...), f.sent[0].is) {
		f.sent = f.sent[1:]
		return nil
	}
	if s.Optional {
		return nil
	}
	return fmt.Errorf("%s is expected, and the %s has sent %v", s.Frame.Type, f.role, f.sent)
}

// is reports whether what was sent can be a frame.
func (s sending) is(d spec.Decoded) bool {
	return slices.ContainsFunc(s.any, func(a spec.Sent) bool {
		return a.Frame == d.Type && (d.ID == nil || *d.ID == s.id) && (a.Status == "" || (a.Status == "success") == (*d.Status == 0))
	})
}

func (s sending) String() string { return fmt.Sprintf("%s of %d", s.any[0].Frame, s.id) }

// data takes octets from the Data that was sent, however it was cut.
func (f *follower) data(id uint32, want []byte) error {
	for len(want) > 0 {
		if len(f.sent) == 0 || f.sent[0].any[0].Frame != "Data" || f.sent[0].id != id {
			return fmt.Errorf("%q is expected as Data, and the %s has sent %v", want, f.role, f.sent)
		}
		n := min(len(want), len(f.sent[0].octets))
		if !bytes.Equal(f.sent[0].octets[:n], want[:n]) {
			return fmt.Errorf("%q is expected as Data, and the %s has sent %q", want, f.role, f.sent[0].octets)
		}
		want = want[n:]
		if f.sent[0].octets = f.sent[0].octets[n:]; len(f.sent[0].octets) == 0 {
			f.sent = f.sent[1:]
		}
	}
	return nil
}

// sees is an expectation of something else.
func (f *follower) sees(s spec.Step) error {
	switch s.Expect {
	case "client dials again":
		return nil // section 14, which has no table
	case "tunnel is closed":
		if f.silent {
			f.die() // section 13, which has none either
		}
		if !f.ended {
			return errors.New("the tunnel is still there")
		}
		return nil
	}
	l := f.sock[s.Conn]
	if l == nil {
		return fmt.Errorf("%s: there is no such socket", s.Expect)
	}
	ok := false
	switch _, what, _ := strings.Cut(s.Expect, " "); what {
	case "is dialled":
		ok = l.dialled
	case "reads":
		l.delivered, ok = bytes.CutPrefix(l.delivered, s.Octets.Bytes())
	case "reads end of stream":
		ok = l.eof && len(l.delivered) == 0
	case "is reset":
		ok = l.reset
	case "is ended":
		ok = l.over
	}
	if !ok {
		return fmt.Errorf("%s: it is not", s.Expect)
	}
	return nil
}
