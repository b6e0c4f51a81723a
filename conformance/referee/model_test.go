package referee

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A model is a server and a client that do what the state tables of section 7
// say, with events at random, and the referee between them. Frames
// lie as long as chance will in each of the four stretches of the way, so
// that they cross in every manner that the text allows.
type model struct {
	t      *testing.T
	rnd    *rand.Rand
	b      *bench
	tables [2]spec.StateTable
	states [2]map[uint32]string
	sent   [2][]engine.Frame // on the way to the referee, by sender
	passed [2][]engine.Frame // on the way from it
	did    map[string]int
}

// ids are few, so that they are used again and again.
const ids = 4

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
	m.did[event+" in "+state]++
	m.states[side][id] = cell.To
	send := func(f engine.Frame) { m.sent[side] = append(m.sent[side], f) }
	does := cell.Does
	switch {
	case does == "tunnel error":
		m.t.Fatalf("%s in %s: a tunnel error among conforming peers", event, state)
	case strings.Contains(does, "send ConnectRequest"):
		send(engine.RequestTo(id, "localhost", 22))
	case strings.Contains(does, "send success"):
		send(engine.Response(id, engine.Success))
	case strings.Contains(does, "send failure"):
		send(engine.Response(id, engine.StatusGeneral))
	case does == "connection error" && state == "dialing" && m.rnd.IntN(2) == 0:
		send(engine.Response(id, engine.StatusGeneral))
	case strings.Contains(does, "send Data"), strings.Contains(does, "send held octets"):
		send(engine.Data(id, []byte("octets")))
	case does == "connection error", strings.Contains(does, "send Close"), strings.Contains(does, "send one more Close"):
		send(engine.Close(id))
	}
}

// receive is what a frame causes.
func (m *model) receive(side Side, f engine.Frame) {
	switch {
	case f.Type == engine.TypeKeepAlive:
		if side == Server {
			m.sent[Server] = append(m.sent[Server], engine.KeepAlive())
		}
	case f.Type == engine.TypeConnectResponse && f.Status() == engine.Success:
		m.happen(side, "ConnectResponse success", f.ID())
	case f.Type == engine.TypeConnectResponse:
		m.happen(side, "ConnectResponse failure", f.ID())
	case f.Type == engine.TypeConnectRequest && m.rnd.IntN(8) == 0:
		m.happen(side, "ConnectRequest that cannot be dialled", f.ID())
	default:
		m.happen(side, f.Type.String(), f.ID())
	}
}

// step lets one thing happen somewhere.
func (m *model) step() {
	side := Side(m.rnd.IntN(2))
	switch m.rnd.IntN(5) {
	case 0, 1: // a frame passes the referee
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
			m.receive(side.peer(), f)
		}
	case 4:
		if side == Client && m.rnd.IntN(10) == 0 {
			m.sent[Client] = append(m.sent[Client], engine.KeepAlive())
			return
		}
		events := local(m.tables[side])
		m.happen(side, events[m.rnd.IntN(len(events))], uint32(m.rnd.IntN(ids)))
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
			m.step()
			if got := m.b.ref.report().Violations; len(got) > 0 {
				t.Fatalf("seed %d: %s", seed, got[0])
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
