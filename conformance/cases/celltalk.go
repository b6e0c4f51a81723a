package cases

import (
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// cellID is the ID of a cell's connection in its dialogue.
const cellID = 1

var early, late = []byte("first octets"), []byte("further octets")

// A talk is the dialogue of a cell while it is written down.
type talk struct {
	cell
	steps []spec.Step
}

// reach are the steps that bring a connection into the cell's state, or the tunnel.
func (c cell) reach() []spec.Step {
	k := &talk{cell: c}
	if c.up() {
		k.greet()
	}
	states[c.profile()][c.State].reach(k)
	return k.steps
}

// greets reports whether the cell is about the HELLOs themselves: the dialogue does not begin with them.
func (c cell) greets() bool { return strings.HasPrefix(c.name, "handshake-") }

// up reports whether both HELLOs have passed when the event happens.
func (c cell) up() bool { return c.extended() && !c.greets() }

// happens are the event, what the subject does, and the proof of the state that it goes to.
func (c cell) happens() []spec.Step {
	k := &talk{cell: c, steps: c.fires()}
	if c.event == "tunnel lost" {
		if c.State == "draining" {
			k.local("reads again")
		}
		k.sees("is ended")
		return k.steps
	}
	quiet, proven := true, false
	for _, a := range c.Actions() {
		do := actions[a.Name]
		do.steps(k)
		quiet, proven = quiet && !do.sends, proven || do.proves
	}
	if quiet {
		k.barrier()
	}
	if !proven {
		states[c.profile()][c.To].prove(k)
	}
	for i, s := range k.steps {
		if s.From == string(c.role) && s.Note == "" {
			k.steps[i].Note = "it shows state " + c.To
		}
	}
	return k.steps
}

// fires are the steps that let the event happen; nil where the suite cannot.
func (c cell) fires() []spec.Step {
	e, _ := spec.EventOf(c.event)
	k := &talk{cell: c}
	switch {
	case c.event == "ConnectRequest that cannot be dialled":
		k.send(RequestTo(cellID, "127.0.0.1", 0))
	case e.Frame == "ConnectRequest":
		k.send(RequestTo(cellID, "127.0.0.1", 22))
	case e.Frame == "ConnectResponse" && e.Status == "failure":
		k.send(Response(cellID, StatusRefused))
	case e.Frame == "ConnectResponse":
		k.send(Response(cellID, Success))
	case e.Frame == "Data":
		k.send(Data(cellID, early))
	case e.Frame == "Close":
		k.send(Close(cellID))
	case c.event == "OPEN that cannot be served":
		k.send(openTo(0))
	case e.Frame == "OPEN":
		k.send(openTo(22))
	case e.Frame == "OPENED":
		k.send(wire.Opened(cellID))
	case e.Frame == "RESET":
		k.send(wire.Reset(cellID, wire.CodeRefused, ""))
	case c.event == "WINDOW above the limit":
		k.send(wire.Window(cellID, 2*cellWindow))
	case e.Frame == "WINDOW":
		k.send(wire.Window(cellID, cellWindow))
	case e.Frame == "GOAWAY":
		k.send(wire.GoAway(wire.CodeGeneral, ""))
	case e.Any == "extended":
		k.send(wire.Ping(mark))
	case e.Cause == "tunnel":
		k.tunnel("tunnel ends")
	case e.Local == "sends":
		k.local("sends", early)
	case e.Local == "ends its stream" && c.event != "visitor end of stream, no octet before":
		k.local("sends", early)
		k.local("ends its stream")
	case e.Local == "ends its stream", e.Local == "resets":
		k.local(e.Local)
	}
	return k.steps
}

// states are the states that the suite can bring about, by profile: how, and how to show that a connection, or the tunnel, is in one.
var states = map[string]map[string]struct{ reach, prove func(*talk) }{
	"core": {
		"idle":      {func(*talk) {}, (*talk).proveIdle},
		"requested": {(*talk).request, func(k *talk) { k.send(Response(cellID, Success)); k.works() }},
		"dialing":   {func(k *talk) { k.request(); k.local("does not answer") }, nil},
		"abandoned": {
			func(k *talk) { k.request(); k.local("resets"); k.answers("OPEN-023", "answer", Close(cellID)) },
			func(k *talk) { k.send(Response(cellID, StatusGeneral)); k.barrier(); k.proveIdle() },
		},
		"open":    {(*talk).open, (*talk).works},
		"closing": {(*talk).closing, func(k *talk) { k.send(Close(cellID)); k.barrier(); k.proveIdle() }},
		"draining": {(*talk).draining, func(k *talk) {
			k.local("reads again")
			k.answers("CLOSE-004", "close-total", Close(cellID))
			k.proveIdle()
		}},
		"lingering": {func(k *talk) {
			k.open()
			k.send(Close(cellID))
			k.see("CLOSE-003", "local-effect", "reads end of stream")
			k.answers("CLOSE-004", "close-total", Close(cellID))
		}, (*talk).proveIdle},
		"retired": {
			func(k *talk) {
				k.closing()
				k.see("CLOSE-005", "close-drain", "is ended")
				// The timer acts within answer after its time.
				k.steps = append(k.steps, spec.Step{Event: "time passes", Within: "close-wait"}, spec.Step{Event: "time passes", Within: "answer"})
				k.barrier()
			},
			func(k *talk) { k.send(Data(cellID, late)); k.barrier() },
		},
	},
	"ext": {
		"new":     {func(*talk) {}, nil},
		"offered": {(*talk).offered, nil},
		"core": {
			func(k *talk) { k.offered(); k.send(KeepAlive()); k.passes("HELLO-010") },
			func(k *talk) {
				k.send(k.hello())
				k.closed(map[Role]string{Server: "HELLO-003", Client: "HELLO-004"}[k.role])
			},
		},
		"idle":    {func(*talk) {}, nil},
		"opening": {(*talk).request, nil},
		"dialing": {func(k *talk) { k.request(); k.local("does not answer") }, nil},
		"open":    {(*talk).open, (*talk).works},
		"gone": {
			func(k *talk) {
				k.open()
				k.send(wire.Reset(cellID, wire.CodeReset, ""))
				k.see("RESET-002", "local-effect", "is ended")
			},
			func(k *talk) { k.send(wire.Window(cellID, 2*cellWindow)); k.send(wire.Fin(cellID)); k.barrier() },
		},
		"ended": { // the out half: the other goes on
			func(k *talk) {
				k.open()
				k.local("ends its stream")
				k.answers("FIN-001", "local-effect", wire.Fin(cellID))
			},
			func(k *talk) { k.send(Data(cellID, late)); k.sees("reads", late) },
		},
	},
}

// actions are what the cells promise, by the words of sections 7.4 and 26: the steps
// that see it; whether they wait for a frame, as else nothing may come; and whether they show the next state, too.
var actions = map[string]struct {
	steps         func(*talk)
	sends, proves bool
}{
	"ignore":                         {steps: func(*talk) {}},
	"drop":                           {steps: func(*talk) {}},
	"drop queued":                    {steps: func(*talk) {}},
	"discard":                        {steps: func(*talk) {}},
	"skip":                           {steps: func(*talk) {}},
	"cancel the dial":                {steps: func(*talk) {}},
	"deliver":                        {steps: func(k *talk) { k.sees("reads", early) }},
	"end visitor":                    {steps: func(k *talk) { k.sees("is ended") }},
	"reset visitor":                  {steps: func(k *talk) { k.sees("is reset") }},
	"end the tunnel":                 {steps: (*talk).leaves, sends: true, proves: true},
	"as the out half":                {steps: (*talk).early, sends: true, proves: true},
	"send failure":                   {steps: (*talk).failure, sends: true},
	"send Close":                     {steps: func(k *talk) { k.expect(Close(cellID)) }, sends: true},
	"send one more Close":            {steps: func(k *talk) { k.expect(Close(cellID)) }, sends: true},
	"send Data":                      {steps: func(k *talk) { k.expect(Data(cellID, early)) }, sends: true},
	"send held octets":               {steps: (*talk).works, sends: true},
	"connection error":               {steps: (*talk).connectionError, sends: true},
	"tunnel error":                   {steps: (*talk).tunnelError, sends: true, proves: true},
	"hold":                           {steps: (*talk).hold, sends: true, proves: true},
	"stop sending Data":              {steps: (*talk).drained, sends: true, proves: true},
	"send Close after the last Data": {steps: func(k *talk) { k.expect(Data(cellID, early)); k.expect(Close(cellID)) }, sends: true},
	"dial": {steps: func(k *talk) {
		k.sees("is dialled")
		k.local("accepts")
		k.expect(Response(cellID, Success))
		k.works()
	}, sends: true, proves: true},
}

// connectionError is one Close, of a dialing client a failure or a Close; a peer's Data reaches nobody.
func (k *talk) connectionError() {
	if k.State == "dialing" {
		k.expect(Response(cellID, StatusGeneral), "status")
		k.last().Or = []spec.Decoded{*decode(Close(cellID))}
		return
	}
	k.expect(Close(cellID))
	if k.event == "Data" {
		k.sees("is ended")
	} else { // the local socket failed: at once is CLOSE-010, a SHOULD
		k.last().Within = "close-total"
	}
}

// failure is a failure response; one that no Close asks for has the time of a dial.
func (k *talk) failure() {
	k.expect(Response(cellID, StatusGeneral), "status")
	if e, _ := spec.EventOf(k.event); e.Frame != "Close" {
		k.last().Within = "dial-timeout"
	}
}

// tunnelError is the end of the tunnel, and of the local socket that it had.
func (k *talk) tunnelError() {
	k.closed(k.requirement())
	switch k.State {
	case "requested", "opening", "open", "closing":
		k.see("ERR-001", "local-effect", "is ended")
	}
}

// closed is the end of the tunnel.
func (k *talk) closed(req string) {
	k.steps = append(k.steps, k.seen(req, "answer", "tunnel is closed"))
}

// leaves is the end of the tunnel behind a GOAWAY, for which a side has 5 s, and answer after them (AWAY-010).
func (k *talk) leaves() {
	k.steps = append(k.steps, spec.Step{Event: "time passes", Within: "answer"})
	k.closed(k.requirement())
}

// early is what a visitor says before OPENED: it comes before or behind that, as the server likes (XOPEN-014).
func (k *talk) early() {
	k.steps = append(k.steps, spec.Step{Event: "time passes", Within: Time(Settle)}) // or the server may read it behind OPENED
	k.send(wire.Opened(cellID))
	k.expect(Data(cellID, early))
	k.works()
}

// hold keeps what the local socket says until the success.
func (k *talk) hold() {
	k.barrier()
	k.send(Response(cellID, Success))
	k.expect(Data(cellID, early))
	if e, _ := spec.EventOf(k.cell.event); e.Local == "ends its stream" {
		k.expect(Close(cellID))
		return
	}
	k.works()
}

// drained is a draining connection with nothing queued, which is over at once.
func (k *talk) drained() {
	k.see("CLOSE-003", "local-effect", "reads end of stream")
	k.answers(k.requirement(), "close-total", Close(cellID))
	k.proveIdle()
}

// proveIdle shows that the ID is idle: Data for it is answered with Close, and with nothing else.
func (k *talk) proveIdle() {
	k.send(Data(cellID, late))
	k.answers("DATA-004", "answer", Close(cellID))
	k.barrier()
}

// cellWindow is what the suite's HELLO lets the subject send on each connection of a cell.
const cellWindow = 1 << 20

// mark is what the PINGs of a cell carry.
var mark = wire.Mark([]byte("the cell"))

// hello is the suite's HELLO.
func (k *talk) hello() Frame {
	return wire.Hello(wire.Text(wire.TagAgent, "adit-conform"), wire.U32(wire.TagWindow, cellWindow), TLV{Tag: 0x5A5A, Value: []byte{1, 2, 3}})
}

// greet are both HELLOs.
func (k *talk) greet() {
	if k.role == Client {
		k.offered()
		k.send(k.hello())
		return
	}
	k.send(k.hello())
	k.answers("HELLO-002", "answer", wire.Hello(), "tlvs")
}

// offered is the HELLO with which a client begins; a server waits for it.
func (k *talk) offered() {
	if k.role == Client {
		k.answers("HELLO-001", "answer", wire.Hello(), "tlvs")
	}
}

// openTo is an OPEN for a port of the suite's service; 0 is none.
func openTo(port uint16) Frame {
	return wire.Open(cellID, wire.U16(wire.TagPort, port), wire.Text(wire.TagHost, "127.0.0.1"))
}

// request is a connection that was requested and not answered.
func (k *talk) request() {
	f := RequestTo(cellID, "127.0.0.1", 22)
	if k.up() {
		f = openTo(22)
	}
	switch {
	case k.role == Client:
		k.send(f)
	case k.up():
		k.local("connects")
		k.answers("XOPEN-001", "local-effect", f, "id", "tlvs")
	default:
		k.local("connects")
		k.answers("OPEN-001", "local-effect", f, "id", "form", "host")
	}
}

// open is an open connection, which works.
func (k *talk) open() {
	k.request()
	switch {
	case k.role == Client && k.up():
		k.local("accepts")
		k.answers("XOPEN-003", "local-effect", wire.Opened(cellID), "tlvs")
	case k.role == Client:
		k.local("accepts")
		k.answers("OPEN-005", "local-effect", Response(cellID, Success))
	case k.up():
		k.send(wire.Opened(cellID))
		k.passes("PING-001")
	default:
		k.send(Response(cellID, Success))
	}
	k.works()
}

// works carries octets both ways.
func (k *talk) works() {
	k.send(Data(cellID, []byte("ping")))
	k.see(k.requirement(), "local-effect", "reads", []byte("ping"))
	k.local("sends", []byte("pong"))
	k.answers(k.requirement(), "local-effect", Data(cellID, []byte("pong")))
}

func (k *talk) closing() {
	k.open()
	k.local("ends its stream")
	k.answers("CLOSE-002", "answer", Close(cellID))
}

// draining is a connection with more queued than a narrow socket takes, whatever the size of the subject's queue.
func (k *talk) draining() {
	k.steps = append(k.steps, spec.Step{Event: "local sockets take little"})
	k.open()
	k.local("discards what it reads")
	k.local("stops reading")
	chunk := make([]byte, FairPayload-4)
	spec.Fill(chunk, 1)
	for range 5 {
		k.send(Data(cellID, chunk))
	}
	k.local("makes room")
	k.send(Close(cellID))
	k.barrier()
	k.last().Others = true
}

// last is the step that was written last.
func (k *talk) last() *spec.Step { return &k.steps[len(k.steps)-1] }

func decode(f Frame) *spec.Decoded { return dialogue.Decode(f) }

// send is a frame of the suite.
func (k *talk) send(f Frame) { k.steps = append(k.steps, dialogue.Sends(k.role, f)) }

// tunnel is something that the world does to the tunnel.
func (k *talk) tunnel(event string) { k.steps = append(k.steps, spec.Step{Event: event}) }

// local is something that the local peer does.
func (k *talk) local(verb string, octets ...[]byte) {
	k.steps = append(k.steps, spec.Step{Event: k.peer() + verb, Octets: dialogue.Notate(slices.Concat(octets...))})
}

// peer is the local peer, with a space.
func (k *talk) peer() string {
	if k.role == Client {
		return "service "
	}
	return "visitor "
}

// seen is something that the world sees.
func (k *talk) seen(req, within, what string, octets ...[]byte) spec.Step {
	return spec.Step{Expect: what, Octets: dialogue.Notate(slices.Concat(octets...)), Within: within, Requirements: []string{req}}
}

// see is something that the local peer sees; sees is that for the cell's own requirement.
func (k *talk) see(req, within, what string, octets ...[]byte) {
	k.steps = append(k.steps, k.seen(req, within, k.peer()+what, octets...))
}

func (k *talk) sees(what string, octets ...[]byte) {
	k.see(k.requirement(), "local-effect", what, octets...)
	k.last().Note = k.cell.event + " in state " + k.State + ": " + k.promise()
}

// answers is a frame of the subject; expect is that for the cell's own requirement.
func (k *talk) answers(req, within string, f Frame, free ...string) {
	k.steps = append(k.steps, spec.Step{
		From: string(k.role), Octets: dialogue.Notate(f.Bytes()), Frame: decode(f), Free: free, Within: within, Requirements: []string{req},
	})
}

func (k *talk) expect(f Frame, free ...string) {
	k.answers(k.requirement(), "answer", f, free...)
	k.last().Note = k.cell.event + " in state " + k.State + ": " + k.promise()
}

// barrier shows that the subject sent nothing else, and goes on.
func (k *talk) barrier() { k.passes(k.requirement()) }

// passes is barrier for a requirement.
func (k *talk) passes(req string) {
	defer func() {
		if s := k.last(); s.Note == "" {
			s.Note = "the barrier: nothing else comes before it"
		}
	}()
	switch {
	case k.up():
		k.send(wire.Ping(mark))
		k.answers(req, "answer", wire.Pong(mark))
	case k.greets() && k.role == Server: // a KeepAlive would make the tunnel Core's: a visitor asks, when all before was handled
		k.steps = append(k.steps, spec.Step{Event: "time passes", Within: Time(Settle)})
		k.request()
		k.last().Requirements = []string{req}
	default:
		steps := dialogue.Barrier(k.role)
		steps[1].Others, steps[1].Optional, steps[1].Requirements = false, false, []string{req}
		k.steps = append(k.steps, steps...)
	}
}
