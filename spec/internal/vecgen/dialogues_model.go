package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/model"
)

// An unseen is a broken table that no dialogue of a role shows.
type unseen struct {
	model.Change
	role, why string
}

// What the dialogues leave out of the model's runs, and why.
const (
	accord  = "a subject ends a connection of its own accord when it likes"
	granted = "a subject's window is its own choice, so nobody knows when its WINDOW is due"
	ofCore  = "the suite has a case for each cell of section 7 (conformance/cases)"
	nothing = "nothing that a dialogue can do shows it"
)

// beyond are the events that a dialogue has no word for.
var beyond = map[string]string{"own accord": accord, "credit due": granted}

// modelDialogues makes a dialogue of each broken table of the Extended profile that those so far do not show: a subject with its fault
// would follow them all. What is made for one table may show others.
func modelDialogues(so []spec.Vector) (made []spec.Vector, left []unseen, err error) {
	broken, err := model.Broken()
	if err != nil {
		return nil, nil, err
	}
	for _, c := range broken {
		tables, err := model.Changed(c)
		if err != nil {
			return nil, nil, err
		}
		for _, role := range []string{"server", "client"} {
			table := spec.States(c.Table)
			if table.Role != role && table.Role != "both" || shown(tables, role, so) || shown(tables, role, made) {
				continue
			}
			v, why := spec.Vector{}, ofCore
			if table.Profile == "ext" {
				if v, why, err = dialogueOf(c, tables, role); err != nil {
					return nil, nil, err
				}
			}
			if why != "" {
				left = append(left, unseen{c, role, why})
				continue
			}
			made = append(made, v)
		}
	}
	return made, left, nil
}

// shown reports whether a side of those tables fails one of the dialogues of its role; what the option bind adds to them no table has.
func shown(t model.Tables, role string, all []spec.Vector) bool {
	return slices.ContainsFunc(all, func(v spec.Vector) bool {
		if v.Kind != "dialogue" || v.Profile == "bind" || v.Role != role && v.Role != "both" {
			return false
		}
		_, err := t.Follow(role, v)
		return err != nil
	})
}

// dialogueOf is the shortest run that refutes a broken table, as a role sees it; where nothing of the fault shows so far, it goes on with
// the fewest frames that show it. Without a vector it says why there is none.
func dialogueOf(c model.Change, broken model.Tables, role string) (spec.Vector, string, error) {
	run, err := model.Refute(c)
	if err != nil || run == nil {
		return spec.Vector{}, nothing, err
	}
	if why, ok := beyond[c.Event]; ok {
		return spec.Vector{}, why, nil
	}
	t, why := begin(role, run.Window), ""
	for _, e := range run.Run {
		if e.Side == "" || e.Side == role {
			if why = t.tell(e); why != "" {
				break
			}
		}
	}
	for _, probe := range probes {
		v, ok := t.with(probe)
		if !ok {
			continue
		}
		if _, err := broken.Follow(role, v); err != nil {
			v.ID = "dialogue_ext_" + role + "_model_" + slug(c.Event) + "_" + slug(c.State)
			v.Title = promise(c) + "; where a " + role + " " + fault(c) + ", " + run.Why
			v.Notes = "The shortest run of the model that refutes a table with this fault, as a " + role + " sees it."
			if len(probe) > 0 {
				v.Notes += " What shows it is " + strings.Join(probe, ", then ") + "."
			}
			return aboutExt(v), "", nil
		}
	}
	return spec.Vector{}, cmp.Or(why, nothing), nil
}

// promise is what the printed table says in the place of a change.
func promise(c model.Change) string {
	cell, _ := spec.States(c.Table).Cell(c.Event, c.State)
	what := []string{fmt.Sprintf("%q in %s", c.Event, c.State)}
	if len(cell.Do) > 0 {
		what = append(what, cell.Does())
	}
	if cell.To != c.State {
		what = append(what, cell.To)
	}
	return strings.Join(what, " → ")
}

// fault is what a side with a changed cell does instead.
func fault(c model.Change) string {
	if c.To == c.State {
		return "stays " + c.State
	}
	return "sends nothing"
}

// slug is an event or a state in the name of a vector.
func slug(s string) string {
	return strings.NewReplacer(" ", "_", "-", "_", ",", "").Replace(strings.ToLower(s))
}

// probes are frames that tell what became of a connection, the fewest first. Close tells whether it is alive (XID-005); what ends the
// other half, or opens the connection, leads there.
var probes = func() [][]string {
	all := [][]string{nil}
	for i := 0; len(all[i]) < 3; i++ {
		for _, frame := range []string{"Close", "FIN", "OPENED"} {
			all = append(all, append(slices.Clone(all[i]), frame))
		}
	}
	return all
}()

// A telling is a run as one role sees it, told so far.
type telling struct {
	side
	role      string
	steps     []spec.Step
	later     []spec.Step // what may be seen from now on (a server need not wait for OPENED: XOPEN-014), and must be when the connection is open
	sent, got int         // units, by the local socket and from the peer
	ends, fin bool        // the local socket's stream has ended; the peer's FIN has come
	up        []spec.Step // how a tunnel comes up
}

var printed = model.Printed()

// begin is a tunnel that is up, whose peer's HELLO states a window.
func begin(role string, window int) *telling {
	t := &telling{side: ofServer, role: role, up: upOfServer(windowTLV(window))}
	if role == "client" {
		t.side, t.up = ofClient, upOfClient(windowTLV(window))
	}
	t.steps = slices.Clone(t.up)
	return t
}

// vector is the dialogue so far.
func (t *telling) vector() spec.Vector {
	v := dialogue(t.role, "", "", "", t.steps)
	v.Profile = "ext"
	return v
}

// with is the dialogue with some more frames of the peer and a barrier behind all; ok is false where a subject of the printed tables does not do that.
func (t telling) with(frames []string) (v spec.Vector, ok bool) {
	t.steps, t.later = slices.Clone(t.steps), slices.Clone(t.later)
	for _, f := range frames {
		if why := t.tell(model.Event{Side: t.role, What: f, Frame: true}); why != "" {
			return v, false
		}
	}
	if last := t.steps[len(t.steps)-1]; last.Frame == nil || last.Frame.Type != "PONG" {
		v := t.vector()
		t.add(t.barrier(v.Requirements[0]))
	}
	v = t.vector()
	_, err := printed.Follow(t.role, v)
	return v, len(t.later) == 0 && err == nil
}

func (t *telling) add(parts ...[]spec.Step) { t.steps = append(t.steps, seq(parts...)...) }

// tell adds an event of the run. Where no dialogue can have it, it says why.
func (t *telling) tell(e model.Event) string {
	states, err := printed.Follow(t.role, t.vector())
	state, ok := states[1]
	if !ok {
		state = "idle"
	}
	now := e.What + " in " + state
	switch {
	case err != nil:
		return err.Error()
	case e.What == model.Taken || e.What == "credit due":
		return "" // the local sockets of a dialogue take everything, and it passes over the subject's WINDOW
	case e.What == "tunnel lost":
		t.lose(state)
		return ""
	case e.Frame:
		return t.frame(e, now)
	}
	return t.event(now)
}

// unit is one octet, each another.
func unit(n *int) spec.Octets {
	*n++
	return u8('a' + *n - 1)
}

// frame tells of one of the peer.
func (t *telling) frame(e model.Event, now string) string {
	s := t.side
	t.fin = t.fin || e.What == "FIN"
	switch now {
	case "OPEN in idle":
		t.add(asked(1))
	case "OPEN that cannot be served in idle":
		t.add(fromServer(open(1)), fromClient(reset(1, "general", ""), free("code", "text"), within("local-effect"), req("XOPEN-005")))
	case "OPENED in opening":
		t.add(s.peer(opened(1)), t.later)
		if len(t.later) == 0 {
			t.add(s.barrier())
		}
		t.later = nil
	case "Data in dialing":
		o := unit(&t.got)
		t.add(s.peer(data(1, o)))
		t.later = append(t.later, expect("service reads", octets(o), within("local-effect"), req("XOPEN-007"))...)
	case "FIN in dialing":
		t.add(s.peer(fin(1)))
		t.later = append(t.later, expect("service reads end of stream", within("local-effect"), req("XOPEN-007"))...)
	case "Data in open":
		t.add(s.gets(1, unit(&t.got)))
	case "FIN in open":
		t.add(s.ended(1))
	case "WINDOW in opening", "WINDOW in dialing", "WINDOW in open":
		t.add(s.peer(window(1, uint64(e.Limit))), s.barrier("WIN-003"))
	case "RESET in opening":
		t.add(s.resets(1, "refused"))
	case "RESET in dialing":
		t.add(event("service does not answer"), s.peer(reset(1, "cancelled", "")), s.barrier("XOPEN-010"))
		t.later = nil
	case "RESET in open":
		t.add(s.resets(1, "reset"))
	case "Close in idle":
		t.add(s.peer(closing(1)), s.barrier("XID-003"))
	case "Close in gone":
		ids := []string{"XID-004"}
		if t.ends && t.fin {
			ids = []string{"FIN-004", "XID-004"}
		}
		t.add(s.peer(closing(1)), s.barrier(ids...))
	case "FIN in gone":
		t.add(s.peer(fin(1)), s.barrier("XID-004"))
	default:
		return "no peer sends " + now
	}
	return ""
}

// event tells of one of the local socket, of a dial or a timer.
func (t *telling) event(now string) string {
	s := t.side
	ends := strings.Contains(now, "end of stream")
	if t.ends && ends {
		return "a stream ends once"
	}
	t.ends = t.ends || ends
	switch now {
	case "visitor accepted in idle":
		t.add(opening(1))
	case "visitor octets in opening":
		o := unit(&t.sent)
		t.add(event("visitor sends", octets(o)))
		t.later = append(t.later, s.self(data(1, o), within("local-effect"), req("OPEN-020"))...)
	case "visitor octets in open", "service octets in open":
		t.add(s.sends(1, unit(&t.sent)))
	case "visitor end of stream in opening":
		t.add(event("visitor ends its stream"))
		t.later = append(t.later, s.self(fin(1), within("local-effect"), req("FIN-001"))...)
	case "visitor end of stream in open", "service end of stream in open":
		t.add(s.ends(1))
	case "visitor reset in opening":
		t.add(event("visitor resets"), s.self(reset(1, "cancelled", ""), free("text"), within("local-effect"), req("XOPEN-009")))
	case "visitor reset in open", "service reset in open":
		t.add(s.failed(1))
	case "connect-timeout in opening":
		t.add(event("time passes", within("connect-timeout")),
			expect("visitor is ended", within("connect-timeout"), req("XOPEN-008")),
			s.self(reset(1, "timed-out", ""), free("text"), within("connect-timeout"), req("XOPEN-008")))
	case "dial succeeded in dialing":
		t.add(dialled(1), t.later)
		t.later = nil
	case "dial failed in dialing":
		t.add(event("service refuses"), s.self(reset(1, "refused", ""), free("code", "text"), within("dial-timeout"), req("XOPEN-003", "XOPEN-015")))
		t.later = nil
	case "dial-timeout in dialing":
		t.add(event("service does not answer"), event("time passes", within("dial-timeout")),
			s.self(reset(1, "timed-out", ""), free("code", "text"), within("connect-timeout"), req("OPEN-012")))
		t.later = nil
	default:
		return "a dialogue has no word for " + now
	}
	return ""
}

// lose tells of the end of the tunnel, and of the next one.
func (t *telling) lose(state string) {
	if state == "dialing" {
		t.add(event("service does not answer"))
	}
	t.add(event("tunnel ends"))
	if state == "opening" || state == "open" {
		t.add(expect(t.local+" is ended", within("local-effect"), req("TUN-002", "LOSS-001")))
	}
	if t.role == "client" {
		t.add(expect("client dials again", within("redial-delay"), req("LOSS-003")))
	}
	t.add(event("tunnel begins"), t.up)
	t.later = nil
}

// twice says which two dialogues of a role have the same steps, whatever they are called and cite.
func twice(all []spec.Vector) error {
	seen := map[string]string{}
	for _, v := range all {
		if v.Kind != "dialogue" {
			continue
		}
		bare := slices.Clone(v.Steps)
		for i := range bare {
			bare[i].Requirements, bare[i].Note = nil, ""
		}
		steps, err := json.Marshal(bare)
		if err != nil {
			return err
		}
		key := v.Role + string(steps)
		if other, ok := seen[key]; ok {
			return fmt.Errorf("%s has the steps of %s", v.ID, other)
		}
		seen[key] = v.ID
	}
	return nil
}
