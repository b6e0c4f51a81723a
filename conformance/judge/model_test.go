package judge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A model is a server and a client that do what the state tables of section 7
// say, with events at random, and the judge between them. Frames
// lie as long as chance will in each of the four stretches of the way, so
// that they cross in every manner that the text allows.
type model struct {
	t      *testing.T
	rnd    *rand.Rand
	b      *bench
	tables [2]spec.StateTable
	states [2]map[uint32]string
	sent   [2][]wire.Frame // on the way to the judge, by sender
	passed [2][]wire.Frame // on the way from it
	did    map[string]int

	said []string
	wild bool // the side that is not judged sends what it likes
	over bool // a tunnel error
}

// fewIDs are few, so that they are used again and again.
const fewIDs = 4

// unlike are events that a model without time and without the end of a tunnel leaves out.
var unlike = []string{"close-wait", "tunnel lost"}

// local are the events of a table that no frame causes.
func local(t spec.StateTable) (events []string) {
	for _, row := range t.Events {
		name, _, _ := strings.Cut(row.Event, " ")
		if !strings.HasPrefix(name, "Connect") && name != "Data" && name != "Close" && !slices.Contains(unlike, row.Event) {
			events = append(events, row.Event)
		}
	}
	return events
}

// happen lets an event happen to an ID, if it can.
func (m *model) happen(side Side, event string, id uint32) {
	state := m.states[side][id]
	if state == "" {
		state = "idle"
	}
	cell, ok := m.tables[side].Cell(event, state)
	if !ok {
		m.t.Fatalf("no cell for %q in %q", event, state)
	}
	if cell.To == "" {
		return
	}
	if cell.Does() == "tunnel error" && m.wild {
		m.over = true
		return
	}
	m.did[event+" in "+state]++
	if m.states[side][id] = cell.To; cell.To == "lingering" { // the ID is idle, and that is all that others see
		m.states[side][id] = "idle"
	}
	send := func(f wire.Frame) { m.sent[side] = append(m.sent[side], f) }
	does := cell.Does()
	switch {
	case does == "tunnel error":
		m.t.Fatalf("%s in %s: a tunnel error among conforming peers", event, state)
	case strings.Contains(does, "send ConnectRequest"):
		send(wire.RequestTo(id, "localhost", 22))
	case strings.Contains(does, "send success"):
		send(wire.Response(id, wire.Success))
	case strings.Contains(does, "send failure"):
		send(wire.Response(id, wire.StatusGeneral))
	case does == "connection error" && state == "dialing" && m.rnd.IntN(2) == 0:
		send(wire.Response(id, wire.StatusGeneral))
	case strings.Contains(does, "send Data"), strings.Contains(does, "send held octets"):
		send(wire.Data(id, []byte("octets")))
	case does == "connection error", strings.Contains(does, "send Close"), strings.Contains(does, "send one more Close"):
		send(wire.Close(id))
	}
}

// receive is what a frame causes.
func (m *model) receive(side Side, f wire.Frame) {
	switch {
	case !f.Sound():
		m.over = true
	case f.Type == wire.TypeKeepAlive:
		if side == Server { // its answer may overtake what is in line
			at := len(m.sent[Server])
			if m.rnd.IntN(2) == 0 {
				at = 0
			}
			m.sent[Server] = slices.Insert(m.sent[Server], at, wire.KeepAlive())
		}
	case f.Type == wire.TypeConnectResponse && f.Status() == wire.Success:
		m.happen(side, "ConnectResponse success", f.ID())
	case f.Type == wire.TypeConnectResponse:
		m.happen(side, "ConnectResponse failure", f.ID())
	case f.Type == wire.TypeConnectRequest && side == Client && m.rnd.IntN(8) == 0:
		m.happen(side, "ConnectRequest that cannot be dialled", f.ID())
	default:
		m.happen(side, f.Type.String(), f.ID())
	}
}

// step lets one thing happen somewhere, of local events only to these sides.
func (m *model) step(lively ...Side) {
	side := Side(m.rnd.IntN(2))
	m.b.now = m.b.now.Add(time.Millisecond)
	if len(m.sent[Server]) == 0 && m.rnd.IntN(20) == 0 { // a time in which nothing moves: its line is empty
		m.b.now = m.b.now.Add(emptied)
	}
	switch m.rnd.IntN(5) {
	case 0, 1: // a frame passes the judge
		if len(m.sent[side]) > 0 {
			f := m.sent[side][0]
			m.sent[side] = m.sent[side][1:]
			b := f.Bytes()
			cut := m.rnd.IntN(len(b) + 1)
			for _, part := range [][]byte{b[:cut], b[cut:]} {
				if len(part) > 0 {
					m.b.sends(side, part)
				}
			}
			m.passed[side] = append(m.passed[side], f)
		}
	case 2, 3: // a frame arrives
		if len(m.passed[side]) > 0 {
			f := m.passed[side][0]
			m.passed[side] = m.passed[side][1:]
			m.receive(side.Peer(), f)
		}
	case 4:
		if !slices.Contains(lively, side) {
			return
		}
		if side == Client && m.rnd.IntN(10) == 0 {
			m.sent[Client] = append(m.sent[Client], wire.KeepAlive())
			return
		}
		events := local(m.tables[side])
		m.happen(side, events[m.rnd.IntN(len(events))], uint32(m.rnd.IntN(fewIDs)))
	}
}

func TestConformingPeersAreNeverCharged(t *testing.T) {
	did := map[string]int{}
	for seed := range uint64(40) {
		m := &model{
			t: t, rnd: rand.New(rand.NewPCG(seed, 0)), b: newBench(), did: did,
			tables: [2]spec.StateTable{Server: spec.States("server"), Client: spec.States("client")},
			states: [2]map[uint32]string{{}, {}},
		}
		for range 5000 {
			m.step(Server, Client)
			// The model sends KeepAlives at random and knows no close-wait: what has its time is not the point here.
			if i := slices.IndexFunc(m.b.found, func(v Violation) bool { return v.Frame != "" && v.Req != "CLOSE-009" }); i >= 0 {
				t.Fatalf("seed %d: %+v", seed, m.b.found[i])
			}
		}
	}
	for _, rare := range []string{
		"ConnectResponse success in abandoned", "ConnectResponse failure in abandoned", "Close in abandoned",
		"Close in closing", "Data in closing", "Close in idle", "Close in dialing", "visitor accepted in idle",
	} {
		if did[rare] == 0 {
			t.Errorf("%s never happened", rare)
		}
	}
}

// Whatever its peer sends, a side that does what the tables say is not charged.
func TestAConformingSideIsNeverCharged(t *testing.T) {
	for seed := range uint64(400) {
		for _, subject := range []Side{Server, Client} {
			m := &model{
				t: t, rnd: rand.New(rand.NewPCG(seed, 1)), b: newBench(), did: map[string]int{}, wild: true,
				tables: [2]spec.StateTable{Server: spec.States("server"), Client: spec.States("client")},
				states: [2]map[uint32]string{{}, {}},
			}
			m.b.t = New(Config{Saw: m.saw, Judged: []Side{subject}, Found: func(v Violation) { m.b.found = append(m.b.found, v) }}, m.b.now)
			for range 300 {
				if m.over {
					break
				}
				if m.rnd.IntN(4) == 0 {
					m.sent[subject.Peer()] = append(m.sent[subject.Peer()], m.anything(subject.Peer()))
				}
				m.passed[subject] = nil // the other side does not listen
				m.step(subject)
			}
			if i := slices.IndexFunc(m.b.found, func(v Violation) bool { return v.Frame != "" && v.Req != "CLOSE-009" }); i >= 0 {
				t.Fatalf("seed %d, the %s is judged: %+v\n%s", seed, subject, m.b.found[i], strings.Join(m.said, "\n"))
			}
		}
	}
}

// saw keeps what passed, for a failure.
func (m *model) saw(side Side, _ uint64, f *wire.Frame, _ time.Time) {
	m.said = append(m.said, fmt.Sprintf("%s %s", side, f))
}

// anything is a frame that may be wrong at its place, now and then also for its side.
func (m *model) anything(side Side) wire.Frame {
	id := uint32(m.rnd.IntN(fewIDs))
	switch n := m.rnd.IntN(200); {
	case n == 0:
		return wire.Raw(wire.TypeClose, 1)
	case n == 1 || n < 50 && side == Server:
		return wire.RequestTo(id, "localhost", 22)
	case n == 2 || n < 50 && side == Client:
		return wire.Response(id, byte(m.rnd.IntN(2)))
	case n < 120:
		return wire.Data(id, []byte("octets"))
	case n < 190:
		return wire.Close(id)
	}
	return wire.KeepAlive()
}
