package replay

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// A verb is what a step can do. Every step may have says and may besides.
type verb struct {
	on         string // what On names: tunnel, socket, either; "new tunnel", "new socket": the step gives the name
	need, have []string
	how        []string    // what How may be
	role       engine.Role // of the subject; "": either
}

// timed are the fields of steps that wait.
var timed = []string{"within", "not_before"}

// Verbs are the steps by their Do.
var verbs = map[string]verb{
	"tunnel":   {on: "new tunnel", have: timed},                                                                                 // opened; of a client: accepted
	"mute":     {on: "tunnel"},                                                                                                  // no KeepAlives of the suite's own accord
	"send":     {on: "tunnel", need: []string{"octets"}, have: []string{"frames", "piece", "pause"}},                            // octets, in writes of piece octets
	"expect":   {on: "tunnel", need: []string{"frame"}, have: append([]string{"id", "frames"}, timed...)},                       // a frame comes, others about its ID do not
	"next":     {on: "tunnel", need: []string{"frame"}, have: append([]string{"id", "frames"}, timed...)},                       // it is the very next frame
	"none":     {on: "tunnel", need: []string{"frame"}, have: append([]string{"id"}, timed...)},                                 // it does not come before a barrier
	"data":     {on: "tunnel", need: []string{"id"}, have: append([]string{"octets"}, timed...)},                                // Data whose octets, joined, are these
	"barrier":  {on: "tunnel", have: timed},                                                                                     // the subject has taken all that was sent (section 11)
	"closed":   {on: "tunnel", have: timed},                                                                                     // the subject ends the tunnel
	"request":  {on: "tunnel", need: []string{"socket"}, have: append([]string{"id", "frames"}, timed...), role: engine.Server}, // a visitor, and its ConnectRequest
	"visitor":  {on: "new socket", role: engine.Server},                                                                         // connects
	"service":  {need: []string{"how"}, how: []string{"accepts", "refuses", "hangs", "drains"}, role: engine.Client},            // what dials meet from now on
	"accept":   {on: "new socket", have: timed, role: engine.Client},                                                            // the service is dialled
	"write":    {on: "socket", have: []string{"octets"}},
	"octets":   {on: "socket", have: append([]string{"octets"}, timed...)},                               // exactly these come next
	"received": {on: "socket", need: []string{"count"}, have: timed},                                     // so many in all
	"end":      {on: "socket", need: []string{"how"}, have: timed, how: []string{"fin", "reset", "any"}}, // the subject ends the stream
	"sink":     {on: "socket"},                                                                           // what comes is forgotten
	"finish":   {on: "either"},                                                                           // shut down the write side
	"close":    {on: "either"},                                                                           //
	"abort":    {on: "either"},                                                                           // reset
	"hold":     {on: "either"},                                                                           // read nothing
	"release":  {on: "either"},                                                                           // read again
	"taken":    {on: "either", have: timed},                                                              // all that was sent found room
	"narrow":   {},                                                                                       // local sockets take little from now on
	"pause":    {need: []string{"pause"}},                                                                //
	"until":    {need: []string{"sees"}, have: timed},                                                    // wait for a sight
	"see":      {need: []string{"sees"}, have: timed},                                                    // a symptom: the sight stays
	"alive":    {have: timed},                                                                            // a fresh tunnel answers
}

// sights are what a step may look at; true with the name of a tunnel or socket.
var sights = map[string]bool{"end": true, "frame": true, "received": true, "unsent": true, "keepalives": true, "taken": false}

// names are what the steps so far have named: tunnels, sockets and IDs.
type names map[string]string

// Check says what is wrong with a file, and in which field.
func (f *File) Check() error {
	switch {
	case f.Replay != Version:
		return fmt.Errorf("replay: version %d; this adit-conform reads version %d", f.Replay, Version)
	case f.Role != engine.Server && f.Role != engine.Client:
		return fmt.Errorf("role: %q; must be server or client", f.Role)
	case f.Requirement.ID == "":
		return fmt.Errorf("requirement.id: missing")
	case !slices.Contains(engine.Cuts[:], f.Cut):
		return fmt.Errorf("cut: %q; must be one of %q", f.Cut, engine.Cuts[1:])
	}
	known := names{}
	for i, s := range f.Steps {
		if err := known.step(f.Role, s); err != nil {
			return fmt.Errorf("steps[%d].%w", i, err)
		}
		if s.Do == "see" {
			return fmt.Errorf("steps[%d].do: see can be the symptom alone; until is the step", i)
		}
	}
	y := f.Symptom
	if y == nil {
		return fmt.Errorf("symptom: missing")
	}
	set := 0
	for _, is := range []bool{y.Step != nil, y.Rule != "", y.Dies, y.RSS != 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("symptom: must have exactly one of step, rule, dies and rss_above")
	case y.RSS < 0:
		return fmt.Errorf("symptom.rss_above: must be more than 0")
	case y.Step != nil:
		if err := known.step(f.Role, *y.Step); err != nil {
			return fmt.Errorf("symptom.step.%w", err)
		}
	}
	return nil
}

// step checks a step and enters the names that it gives.
func (k names) step(role engine.Role, s engine.Step) error {
	v, ok := verbs[s.Do]
	switch {
	case !ok:
		return fmt.Errorf("do: %q is no step", s.Do)
	case v.role != "" && v.role != role:
		return fmt.Errorf("do: %s is for a %s as subject", s.Do, v.role)
	}
	if err := v.fields(s); err != nil {
		return err
	}
	if kind, gives := strings.CutPrefix(v.on, "new "); gives {
		if s.On == "" || k[s.On] != "" {
			return fmt.Errorf("on: %q; %s needs a name of its own", s.On, s.Do)
		}
		k[s.On] = kind
	} else if have := k[s.On]; v.on != "" && have != v.on && (v.on != "either" || have != "tunnel" && have != "socket") {
		return fmt.Errorf("on: %q is no %s that a step before has named", s.On, strings.Replace(v.on, "either", "tunnel or socket", 1))
	}
	switch {
	case s.Do == "request":
		if k[s.Socket] != "" {
			return fmt.Errorf("socket: %q has its name already", s.Socket)
		}
		k[s.Socket] = "socket"
		if s.ID != "" {
			k[s.ID] = "id"
		}
	case v.how != nil && !slices.Contains(v.how, s.How):
		return fmt.Errorf("how: %q; must be one of %q", s.How, v.how)
	case s.Frame != "":
		if err := k.frame(s.Frame, s.ID); err != nil {
			return err
		}
	case s.ID != "":
		if err := k.id(s.ID); err != nil {
			return err
		}
	}
	if _, err := s.Octets.Bytes(func(name string) (uint32, bool) { return 0, k[name] == "id" }, 0); err != nil {
		return fmt.Errorf("octets: %w", err)
	}
	for i, see := range s.Sees {
		if err := k.sight(see); err != nil {
			return fmt.Errorf("sees[%d].%w", i, err)
		}
	}
	if s.Piece < 0 || s.Count < 0 {
		return fmt.Errorf("piece, count: must not be negative")
	}
	return nil
}

// fields refuses fields that the verb does not have, and misses those that it needs.
func (v verb) fields(s engine.Step) error {
	val := reflect.ValueOf(s)
	for i := range val.NumField() {
		name, _, _ := strings.Cut(val.Type().Field(i).Tag.Get("json"), ",")
		switch empty := val.Field(i).IsZero(); {
		case name == "do", name == "says", name == "may", name == "on" && v.on != "":
		case empty && slices.Contains(v.need, name):
			return fmt.Errorf("%s: %s needs it", name, s.Do)
		case !empty && !slices.Contains(v.need, name) && !slices.Contains(v.have, name):
			return fmt.Errorf("%s: %s has no such field", name, s.Do)
		}
	}
	return nil
}

func (k names) frame(frame, id string) error {
	about, ok := engine.Frames[frame]
	switch {
	case !ok:
		return fmt.Errorf("frame: %q is no frame that can be waited for", frame)
	case about != (id != ""):
		return fmt.Errorf("id: %q; %s", id, map[bool]string{true: "must say which connection", false: "is not wanted for frame " + frame}[about])
	case about:
		return k.id(id)
	}
	return nil
}

func (k names) id(id string) error {
	if _, err := strconv.ParseUint(id, 10, 32); err != nil && k[id] != "id" {
		return fmt.Errorf("id: %q is neither a number nor the name of an ID that a request has given", id)
	}
	return nil
}

func (k names) sight(see engine.Sight) error {
	who, ok := sights[see.What]
	switch have := k[see.Who]; {
	case !ok:
		return fmt.Errorf("what: %q cannot be seen", see.What)
	case who && have != "tunnel" && (have != "socket" || see.What == "frame" || see.What == "keepalives"),
		see.What == "received" && have != "socket":
		return fmt.Errorf("who: %q is nothing that a step before has named, or has no %s", see.Who, see.What)
	case see.What == "frame":
		return k.frame(see.Frame, see.ID)
	}
	return nil
}

// wait is how long a step may take by itself, for people and for nc.
func wait(s engine.Step) time.Duration { return time.Duration(max(s.Within, s.Pause, s.Early)) }
