package dialogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// maxData is how many octets of Data one step waits for at most.
const maxData = wire.MaxPayload - 8

// Record is a failed case as a dialogue: what the suite did and what it waited
// for, in their order, up to what failed. An error says why that cannot be repeated.
func Record(res engine.Result) (spec.Vector, error) {
	i := slices.IndexFunc(res.Findings, func(f engine.Finding) bool { return f.Level == "MUST" })
	if i < 0 || len(res.Record) == 0 {
		return spec.Vector{}, errors.New("nothing was recorded")
	}
	if res.Case.With != 0 {
		return spec.Vector{}, errors.New("it is about proofs, which hold for one tunnel: they cannot be sent again")
	}
	f, events := res.Findings[i], res.Record
	found := spec.Found{
		Case: res.Case.Name(), Level: f.Level, Cut: string(res.Cut), Dies: res.Died,
		Sentence: f.Sentence, Expected: f.Expected, Got: f.Got,
	}
	switch {
	case res.Died:
		found.Got = strings.TrimLeft(found.Got+"; the subject died", "; ")
	case f.Oracle:
		found.Rule = true
		events = slices.DeleteFunc(slices.Clone(events), func(e engine.Event) bool { return e.At > f.At })
	case !f.Shown:
		return spec.Vector{}, errors.New("the case judged it by rules of its own")
	default:
		events = events[:f.Events]
	}
	w := recorder{role: res.Case.Role, takes: map[uint16]string{}, conns: map[string]string{}}
	for _, e := range events {
		w.event(e)
	}
	if found.Dies || found.Rule {
		w.steps = append(w.steps, Barrier(w.role)...)
	}
	v := spec.Vector{
		ID: "dialogue_" + strings.ToLower(strings.NewReplacer("/", "_", "-", "_").Replace(res.Case.Name())), Kind: "dialogue",
		Title: res.Case.Title, Requirements: []string{f.Req}, Profile: profile(res.Case), Role: string(res.Case.Role), Steps: w.steps, Found: &found,
	}
	return v, Check(v)
}

// profile is that of a case's dialogue.
func profile(c engine.Case) string {
	if c.Extended() {
		return "ext"
	}
	return "core"
}

// idle is an ID that no dialogue opens.
const idle = 0x7FFFFFFF

// Barrier are the steps by which a subject shows that it goes on: it may also not do so.
func Barrier(role engine.Role) []spec.Step {
	send, answer := wire.KeepAlive(), wire.KeepAlive()
	if role == engine.Client {
		send, answer = wire.Data(idle, nil), wire.Close(idle)
	}
	return []spec.Step{
		Sends(role, send),
		{From: string(role), Octets: Notate(answer.Bytes()), Frame: new(wire.Decode(answer)), Within: "answer", Others: true, Optional: true},
	}
}

// Sends is a frame of the peer of a subject.
func Sends(subject engine.Role, f wire.Frame) spec.Step {
	return spec.Step{From: string(peerOf(subject)), Octets: Notate(f.Bytes()), Frame: Decode(f)}
}

// A recorder makes the steps of a dialogue from the events of a case.
type recorder struct {
	role     engine.Role
	steps    []spec.Step
	last     *byte             // payload of the last frame sent, to tell one that is sent again
	conns    map[string]string // of a local socket: what the dialogue calls it
	requests []request         // that no dial has followed yet
	named    int               // requests that have a name for their socket
	takes    map[uint16]string // how the service at a port takes dials
	host     string            // where services are
}

// A request of the suite leads to a dial, which leads to a local socket.
type request struct {
	conn string
	port uint16
}

func (w *recorder) event(e engine.Event) {
	kind, number, _ := strings.Cut(e.Who, " ")
	s := spec.Step{Tunnel: e.Tunnel}
	switch kind {
	case "visitor":
		s.Conn = number
	case "service":
		s.Conn = w.socket(number)
	}
	switch e.Kind {
	case engine.Sent, engine.SentRaw:
		w.sent(e, s)
	case engine.Awaited:
		w.awaited(e, s, kind, number)
	case engine.Connected:
		w.connected(e, s, kind)
	case engine.Wrote:
		s.Event, s.Octets = kind+" sends", Notate(e.Payload)
		w.add(s)
	case engine.Finished, engine.Aborted:
		s.Event = kind + " " + map[bool]string{true: "ends its stream", false: "closes"}[e.Text != ""]
		if e.Kind == engine.Aborted {
			s.Event = kind + " resets"
		}
		switch s.Event {
		case "tunnel closes", "tunnel resets":
			s.Event = "tunnel ends"
		}
		w.add(s)
	case engine.Held, engine.Released:
		s.Event = map[bool]string{true: kind + " stops reading", false: kind + " reads again"}[e.Kind == engine.Held]
		if kind == "tunnel" {
			s.Event = map[bool]string{true: "tunnel is not read", false: "tunnel is read again"}[e.Kind == engine.Held]
		}
		w.add(s)
	case engine.Note:
		w.noted(e, s, kind)
	}
}

func (w *recorder) add(s spec.Step) {
	w.steps, w.last = append(w.steps, s), nil
}

// sent enters octets of the suite; those of one write are one step.
func (w *recorder) sent(e engine.Event, s spec.Step) {
	f := e.Frame
	octets := e.Payload
	if e.Kind == engine.Sent {
		if e.Step != nil && e.Step.Piece == 0 { // of the suite's own accord
			return
		}
		f.Payload = e.Payload
		octets = f.Bytes()
	}
	if e.Step != nil {
		s.Piece, s.Pause, s.Times = e.Step.Piece, e.Step.Pause, e.Step.Times
	}
	n := len(w.steps) - 1
	if e.Joined && n >= 0 {
		w.steps[n].Octets = spec.Octets(string(w.steps[n].Octets) + " " + string(Notate(octets)))
		w.steps[n].Frame, w.last = nil, nil
		return
	}
	if len(e.Payload) > 0 && w.last == &e.Payload[0] {
		w.steps[n].Times = max(w.steps[n].Times, 1) + 1
		return
	}
	s.From = string(peerOf(w.role))
	if e.Kind == engine.Sent && f.Sized() {
		if (f.Type == wire.TypeConnectRequest || f.Type == wire.TypeOpen) && w.role == engine.Client {
			f = w.request(&s, f)
			octets = f.Bytes()
		}
		s.Frame = Decode(f)
	}
	s.Octets = Notate(octets)
	w.add(s)
	if len(e.Payload) > 0 {
		w.last = &e.Payload[0]
	}
	if n := len(w.requests); s.Conn != "" && w.takes[w.requests[n-1].port] != accepts {
		w.add(spec.Step{Event: w.takes[w.requests[n-1].port], Conn: s.Conn})
	}
}

// request is a ConnectRequest or an OPEN as a dialogue has it, where it leads to a service of the case.
func (w *recorder) request(s *spec.Step, f wire.Frame) wire.Frame {
	port := uint16(f.TagNumber(wire.TagPort, uint64(f.Port())))
	if w.takes[port] == "" {
		return f
	}
	w.named++
	s.Conn = fmt.Sprint(w.named)
	w.requests = append(w.requests, request{s.Conn, port})
	if f.Type == wire.TypeOpen {
		return f.With(func(v wire.TLV) wire.TLV {
			switch {
			case v.Tag == wire.TagPort && len(v.Value) == 2:
				return wire.U16(v.Tag, 22)
			case v.Tag == wire.TagHost && string(v.Value) == w.host:
				return wire.Text(v.Tag, loopback)
			}
			return v
		})
	}
	host, addressed := f.Host()
	switch {
	case !addressed:
		return wire.Request(f.ID(), 22)
	case host == w.host:
		host = loopback
	}
	return wire.RequestTo(f.ID(), host, 22)
}

// socket is what the dialogue calls the socket of a service: it belongs to the oldest request that can have led there.
func (w *recorder) socket(number string) string {
	if number == "" {
		return ""
	}
	if w.conns[number] == "" {
		w.conns[number] = "X" + number
		for i, r := range w.requests {
			if w.takes[r.port] == accepts {
				w.conns[number], w.requests = r.conn, slices.Delete(w.requests, i, i+1)
				break
			}
		}
	}
	return w.conns[number]
}

// Decode is a frame as a step describes it; nil for one that JSON cannot hold.
func Decode(f wire.Frame) *spec.Decoded {
	d := wire.Decode(f)
	if d.Host != nil && (!utf8.ValidString(*d.Host) || strings.ContainsFunc(*d.Host, func(c rune) bool { return c > 0x7F })) {
		return nil
	}
	if d.Octets != nil {
		d.Octets = new(Notate(d.Octets.Bytes()))
	}
	return &d
}

// awaited enters what the case waited for.
func (w *recorder) awaited(e engine.Event, s spec.Step, kind, number string) {
	is := *e.Step
	is.Conn, is.Tunnel = s.Conn, 0
	if kind == "tunnel" {
		_, _ = fmt.Sscan(number, &is.Tunnel)
	}
	switch {
	case is.Event != "": // time passes
		if is.Within != "" {
			w.add(spec.Step{Event: is.Event, Within: is.Within})
		}
		return
	case is.From != "":
		w.frames(is, e.Payload)
		return
	case kind == "client" && !slices.ContainsFunc(w.steps, func(s spec.Step) bool { return s.From != "" || s.Event != "" }):
		return // the first tunnel
	case kind == "tunnel":
		is.Expect = "tunnel " + is.Expect
	case is.Expect == "takes everything":
		is.Expect = kind + "'s octets are taken"
	default:
		is.Expect, is.Octets = kind+" "+is.Expect, Notate(e.Payload)
	}
	w.add(is)
}

// frames enters a frame that was awaited; octets are those of Data, however many frames they came in.
func (w *recorder) frames(s spec.Step, octets []byte) {
	s.Or, s.Without = slices.Clone(s.Or), slices.Clone(s.Without)
	whole(s.Frame)
	for i := range s.Or {
		whole(&s.Or[i])
	}
	if n := len(w.steps) - 1; len(s.Without) > 0 && n >= 0 && w.steps[n].From == s.From {
		w.steps = w.steps[:n] // the same barrier, and what must not have come before it
	}
	for {
		part := octets[:min(len(octets), maxData)]
		octets = octets[len(part):]
		if len(part) > 0 {
			s.Free, s.Frame = nil, new(*s.Frame)
			s.Frame.Octets = new(Notate(part))
		}
		f, err := wire.Encode(*s.Frame)
		if err != nil {
			panic("dialogue: internal error: " + err.Error())
		}
		s.Octets = Notate(f.Bytes())
		w.add(s)
		if len(octets) == 0 {
			return
		}
	}
}

// whole gives a description the fields that its type has; which value they have is then free.
func whole(d *spec.Decoded) {
	shape, _ := spec.FrameNamed(d.Type)
	if d.ID == nil && shape.Scope == "connection" {
		d.ID = new(uint32(0))
	}
	empty := spec.Octets("")
	switch d.Type {
	case wire.TypeReset.String(), wire.TypeGoAway.String():
		if d.Code == nil {
			d.Code = new(uint16(wire.CodeGeneral))
		}
		d.Text = &empty
	case wire.TypeHello.String(), wire.TypeOpen.String(), wire.TypeOpened.String():
		if d.TLVs == nil {
			d.TLVs = []spec.DecodedTLV{}
		}
	case wire.TypeWindow.String():
		if d.Limit == nil {
			d.Limit = new(uint64(0))
		}
	case wire.TypePong.String():
		if d.Mark == nil {
			d.Mark = new(Notate(make([]byte, 8)))
		}
	case wire.TypeConnectRequest.String():
		if d.Port == nil {
			d.Port, d.Form = new(uint16(22)), "short"
		}
	case wire.TypeData.String():
		if d.Octets == nil {
			d.Octets = new(spec.Octets(""))
		}
	}
}

// connected enters a socket that is there now.
func (w *recorder) connected(e engine.Event, s spec.Step, kind string) {
	switch kind {
	case "tunnel":
		if e.Tunnel > 1 {
			w.add(spec.Step{Event: "tunnel begins"})
		}
	case "visitor":
		if w.conns[e.Who] != "" { // it comes again: the server had not noticed the tunnel
			w.steps = slices.DeleteFunc(w.steps, func(old spec.Step) bool { return old.Conn == s.Conn })
		}
		w.conns[e.Who] = s.Conn
		s.Event = "visitor connects"
		w.add(s)
	case "service":
		s.Event = accepts
		w.add(s)
	}
}

// noted enters what the suite did that has no kind of its own.
func (w *recorder) noted(e engine.Event, s spec.Step, kind string) {
	if e.Step == nil {
		return
	}
	s.Event = e.Step.Event
	switch {
	case e.Step.Frame != nil: // how a service takes dials
		w.host, w.takes[*e.Step.Frame.Port] = *e.Step.Frame.Host, s.Event
		return
	case kind == "visitor" || kind == "service":
		s.Event = kind + " " + s.Event
	}
	w.add(s)
}
