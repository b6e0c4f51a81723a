package cases

import (
	"fmt"
	"strings"
	"time"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A cell is one cell of section 7's tables. Its case is made of three parts:
// bring a connection into the state, let the event happen, and see the deed and
// the state that the table promises.
type cell struct {
	role  Role
	event string
	spec.Cell
}

// cells is one case for each cell of the tables that the suite can bring
// about and that no written case is about already.
func cells() []Case {
	var out []Case
	eachCell(func(c cell) {
		if !c.generated() {
			return
		}
		wait := time.Duration(0)
		if c.State == "retired" {
			wait = CloseWait + Answer
		}
		needs := Need(0)
		if c.State == "dialing" {
			needs = NeedTarpit
		}
		out = append(out, Case{
			ID: c.requirement(), Variant: "cell-" + c.State + "-" + slug(c.event), Role: c.role, Needs: needs, Wait: wait,
			Title: fmt.Sprintf("in state %s, %s: %s", c.State, c.event, c.promise()),
			Also:  c.also(), Races: c.races(),
			Run: c.run,
		})
	})
	return out
}

// eachCell walks the tables, what cannot occur left out.
func eachCell(do func(cell)) {
	for _, role := range []Role{Server, Client} {
		for _, row := range spec.States(string(role)).Events {
			for _, c := range row.Cells {
				if c.To != "" {
					do(cell{role, row.Event, c})
				}
			}
		}
	}
}

// generated reports whether the cell has a case of its own here.
func (c cell) generated() bool {
	_, shown := c.excuse()
	return !shown && c.fire() != nil && reach[c.State] != nil
}

func (c cell) promise() string {
	switch {
	case c.Does == "":
		return "it becomes " + c.To
	case c.To == c.State:
		return c.Does
	}
	return c.Does + ", it becomes " + c.To
}

func slug(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(s, ",", "")), " ", "-")
}

// A cellRow says, for an event, which requirement each state's cell belongs to.
type cellRow map[string]string

// byEvent is the requirement of a cell: by event, then by state, "" for every other state.
var byEvent = map[string]cellRow{
	"visitor accepted":                       {"": "OPEN-001"},
	"ConnectResponse success":                {"requested": "OPEN-020", "abandoned": "OPEN-025", "": "OPEN-016"},
	"ConnectResponse failure":                {"requested": "OPEN-014", "abandoned": "ID-001", "": "OPEN-016"},
	"ConnectResponse":                        {"": "OPEN-011"},
	"ConnectRequest that cannot be dialled":  {"idle": "OPEN-008", "": "ID-004"},
	"Data":                                   {"idle": "DATA-004", "requested": "OPEN-018", "dialing": "OPEN-019", "open": "DATA-001", "draining": "DATA-005", "": "DATA-006"},
	"Close":                                  {"requested": "OPEN-015", "dialing": "OPEN-024", "open": "CLOSE-004", "closing": "CLOSE-001", "draining": "CLOSE-001", "": "CLOSE-007"},
	"visitor octets":                         {"requested": "OPEN-020", "open": "DATA-007", "closing": "DATA-008", "draining": "CLOSE-008"},
	"service octets":                         {"open": "DATA-007", "closing": "DATA-008", "draining": "CLOSE-008"},
	"visitor end of stream, no octet before": {"requested": "OPEN-023", "open": "CLOSE-002", "": "CLOSE-003"},
	"visitor end of stream after octets":     {"requested": "OPEN-021", "open": "CLOSE-002", "": "CLOSE-003"},
	"service end of stream":                  {"open": "CLOSE-002", "": "CLOSE-003"},
	"visitor reset":                          {"requested": "OPEN-023", "draining": "CLOSE-004", "": "CLOSE-002"},
	"service reset":                          {"draining": "CLOSE-004", "": "CLOSE-002"},
	"tunnel lost":                            {"": "LOSS-001"},
}

// requirement is what a failure of the cell is charged to. A retired ID is CLOSE-009's business.
func (c cell) requirement() string {
	row := byEvent[c.event]
	if c.event == "ConnectRequest" {
		row = cellRow{"": "OPEN-010"}
		if c.role == Client {
			row = cellRow{"idle": "OPEN-005", "": "ID-004"}
		}
	}
	if c.State == "retired" && c.Does != "tunnel error" && c.event != "tunnel lost" {
		return "CLOSE-009"
	}
	if id, ok := row[c.State]; ok {
		return id
	}
	return row[""]
}

// also names what the same deed shows broken.
func (c cell) also() []string {
	if c.State == "draining" {
		return []string{"CLOSE-003", "CLOSE-004"}
	}
	return nil
}

// races is why what comes may differ from run to run.
func (c cell) races() string {
	switch {
	case c.State == "dialing" && c.Does == "connection error":
		return "a failure and a Close are both right, and two parts of a client may race for it"
	case c.State == "draining" && (c.Does == "tunnel error" || c.event == "tunnel lost"):
		return "how much was written when the tunnel is lost is a matter of time"
	}
	return ""
}

// excuses says why a cell has no generated case: by event, then by state, "" for every state.
var excuses = map[string]cellRow{
	"visitor accepted":          {"idle": "every case of a server begins with it"},
	"dial succeeded":            {"dialing": "OPEN-005"},
	"dial failed":               {"dialing": "OPEN-006"},
	"dial-timeout":              {"dialing": "OPEN-012"},
	"connect-timeout":           {"requested": "OPEN-022"},
	"close-total":               {"draining": "CLOSE-006", "closing": "a local peer that ended its stream and reads nothing; CLOSE-006 shows it for draining, and the state is the same from outside"},
	"stall-limit":               {"open": "FLOW-002", "": "the pause ended with Close handled; CLOSE-006 shows what follows"},
	"close-wait":                {"": "CLOSE-009"},
	"queued octets all written": {"open": "nothing happens: DATA-001", "closing": "CLOSE-005", "draining": "CLOSE-003"},
	"visitor end of stream, no octet before": {
		"closing": "a visitor's stream ends once, and that made the connection closing",
	},
	"visitor end of stream after octets": {
		"closing": "a visitor's stream ends once, and that made the connection closing",
	},
	"service end of stream": {"closing": "a service's stream ends once, and that made the connection closing"},
	"visitor octets":        {"closing": "a visitor that ended its stream sends nothing more"},
	"service octets":        {"closing": "a service that ended its stream sends nothing more"},
	"tunnel lost":           {"idle": "nothing is there to see", "dialing": "a dial that is cancelled cannot be told from one that hangs", "abandoned": "LOSS-005", "retired": "LOSS-005"},
}

// excuse is the reason for no generated case, or the requirement whose written case shows the cell.
func (c cell) excuse() (string, bool) {
	row := excuses[c.event]
	if why, ok := row[c.State]; ok {
		return why, true
	}
	why, ok := row[""]
	return why, ok
}

// reach brings a connection into each state.
var reach = map[string]func(*T) *Conn{
	"idle": func(t *T) *Conn {
		n := t.Tunnel()
		return &Conn{Tun: n, ID: n.UnusedID()}
	},
	"requested": func(t *T) *Conn { return t.Requested() },
	"dialing":   func(t *T) *Conn { return t.Requested() },
	"abandoned": func(t *T) *Conn {
		c := t.Requested()
		c.Local.Abort()
		c.ExpectClose("a visitor that resets gives up the request", For("OPEN-023"))
		return c
	},
	"open": func(t *T) *Conn {
		c := t.Open()
		c.Works("the connection is open")
		return c
	},
	"closing": func(t *T) *Conn {
		c := t.Open()
		c.Works("the connection is open")
		c.Local.Finish()
		c.ExpectClose("the end of the local stream becomes Close", For("CLOSE-002"))
		return c
	},
	"draining": func(t *T) *Conn {
		t.Narrow()
		c := t.Open()
		c.Works("the connection is open")
		c.Local.Sink()
		c.Local.Hold()
		for range 5 { // more than a narrow socket takes, less than the least queue that makes sense
			c.Send(t.Octets(FairPayload - 4))
		}
		c.Close()
		c.Tun.Barrier()
		if _, over := c.Tun.Peek(CloseFor(c.ID)); over {
			t.NotApplicable("the subject queues less than 320 KB, or its socket took them: the connection is not draining")
		}
		return c
	},
	"retired": func(t *T) *Conn {
		c := t.Open()
		c.Works("the connection is open")
		c.Local.Finish()
		c.ExpectClose("the end of the local stream becomes Close", For("CLOSE-002"))
		c.Local.ExpectEnd("and the local socket is closed", For("CLOSE-005"), Within(CloseDrain+Answer))
		t.Meanwhile(CloseWait+time.Second, func() bool { return c.Tun.Ended() != EndNone })
		c.Tun.ExpectOpen("the tunnel goes on")
		return c
	},
}

var early, late = []byte("first octets"), []byte("further octets")

// fire lets the event happen; nil where the suite cannot.
func (c cell) fire() func(*T, *Conn) {
	switch c.event {
	case "ConnectRequest":
		return func(t *T, x *Conn) { x.Tun.Send(c.request(t, x)) }
	case "ConnectRequest that cannot be dialled":
		return func(_ *T, x *Conn) { x.Tun.Send(RequestTo(x.ID, "127.0.0.1", 0)) }
	case "ConnectResponse", "ConnectResponse success":
		return func(_ *T, x *Conn) { x.Respond(Success) }
	case "ConnectResponse failure":
		return func(_ *T, x *Conn) { x.Respond(StatusRefused) }
	case "Data":
		return func(_ *T, x *Conn) { x.Send(early) }
	case "Close":
		return func(_ *T, x *Conn) { x.Close() }
	case "visitor octets", "service octets":
		return func(_ *T, x *Conn) { x.Local.Write(early) }
	case "visitor end of stream, no octet before":
		return func(_ *T, x *Conn) { x.Local.Finish() }
	case "visitor end of stream after octets", "service end of stream":
		return func(_ *T, x *Conn) { x.Local.Write(early); x.Local.Finish() }
	case "visitor reset", "service reset":
		return func(_ *T, x *Conn) { x.Local.Abort() }
	case "tunnel lost":
		return func(_ *T, x *Conn) { x.Tun.Abort() }
	}
	return nil
}

// request is a ConnectRequest for the connection's ID; for a client, of a service that is there.
func (c cell) request(t *T, x *Conn) Frame {
	if c.role == Client && c.State != "dialing" {
		svc := t.Service()
		return RequestTo(x.ID, svc.Host, svc.Port)
	}
	return RequestTo(x.ID, "127.0.0.1", 1)
}

// run is the cell's case.
func (c cell) run(t *T) {
	x := reach[c.State](t)
	c.fire()(t, x)
	c.see(t, x)
}

// see expects the deed of the cell, then the state that it leads to.
func (c cell) see(t *T, x *Conn) {
	if c.event == "tunnel lost" {
		x.Local.Release()
		t.Until("the local socket is closed when the tunnel is lost", func() bool { return x.Local.Ended() != EndNone })
		return
	}
	what := c.event + " in state " + c.State + ": " + c.promise()
	switch c.Does {
	case "tunnel error":
		x.Tun.ExpectClosed(what)
		if x.Local != nil && c.State != "draining" && c.State != "abandoned" {
			t.Until("a tunnel error ends the local socket", func() bool { return x.Local.Ended() != EndNone }, For("ERR-001"))
		}
		return
	case "", "ignore", "drop", "drop queued", "discard":
		x.Tun.ExpectNone(what, AnythingFor(x.ID))
	case "hold":
		x.Tun.ExpectNone(what, AnythingFor(x.ID))
		x.Respond(Success)
		x.ExpectData("what was held comes after the success", early)
		if strings.HasPrefix(c.event, "visitor end") {
			x.ExpectClose("then Close")
			return
		}
		x.Works("and the connection is open")
		return
	case "drop, send Close":
		x.ExpectClose(what)
	case "connection error":
		if c.State == "dialing" {
			x.Tun.Expect(what, FailureOrCloseFor(x.ID))
		} else {
			x.ExpectClose(what)
		}
		if c.event == "Data" && x.Local != nil {
			x.Local.ExpectEnd("the local socket is ended, no octet sent to it")
		}
	case "deliver":
		x.Local.ExpectOctets(what, early)
	case "send Data":
		x.ExpectData(what, early)
	case "stop sending Data": // with nothing queued draining is over at once
		x.Local.ExpectEOF("the end of the stream is passed on", For("CLOSE-003"))
		x.ExpectClose("and the subject sends its own Close", Within(CloseTotal))
		prove(t, x, "idle", c.role)
		return
	case "send held octets":
		x.Works(what)
	case "send one more Close":
		x.ExpectClose(what)
	case "end visitor":
		x.Local.ExpectEnd(what)
		x.Tun.ExpectNone(what, AnythingFor(x.ID))
	case "end visitor, send Close":
		x.ExpectClose(what)
		x.Local.ExpectEnd(what)
	case "send Close":
		x.ExpectClose(what)
	case "send Close after the last Data":
		x.ExpectData(what, early)
		x.ExpectClose(what)
	case "cancel the dial, send failure", "send failure":
		x.Tun.Expect(what, FailureFor(x.ID))
	case "dial":
		x.Local = t.Service().Accept(what)
		x.Tun.Expect(what, SuccessFor(x.ID))
		x.Works("and the connection is open")
		return
	default:
		panic("cases: internal error: the tables say " + c.Does + ", which no case can see")
	}
	prove(t, x, c.To, c.role)
}

// prove shows that the connection is in the state.
func prove(t *T, x *Conn, state string, role Role) {
	switch state {
	case "idle":
		x.Send(late)
		x.ExpectClose("the ID is idle: Data is answered with Close", For("DATA-004"))
		x.Tun.ExpectNone("and with nothing else", AnythingButCloseFor(x.ID))
	case "requested":
		x.Respond(Success)
		x.Works("the request is still pending: a success opens it")
	case "abandoned":
		x.Respond(StatusGeneral)
		x.Tun.ExpectNone("the last word gets no answer", AnythingFor(x.ID))
		prove(t, x, "idle", role)
	case "open":
		x.Works("the connection is open")
	case "closing":
		x.Close()
		x.Tun.ExpectNone("the peer's Close gets no answer", AnythingFor(x.ID))
		prove(t, x, "idle", role)
	case "draining":
		x.Local.Release()
		x.ExpectClose("when everything is written the subject sends its own Close", For("CLOSE-004"), Within(CloseTotal))
		prove(t, x, "idle", role)
	case "retired":
		x.Send(late)
		x.Tun.ExpectNone("Data for a retired ID is dropped", AnythingFor(x.ID))
	default:
		panic("cases: internal error: no proof of state " + state)
	}
}
