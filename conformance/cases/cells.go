package cases

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A cell is one cell of section 7's tables. Its case is a dialogue (celltalk.go):
// bring a connection into the state, let the event happen, and see the actions and
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
	_, reached := states[c.State]
	return !shown && reached && c.fires() != nil
}

func (c cell) promise() string {
	switch {
	case c.Does() == "":
		return "it becomes " + c.To
	case c.To == c.State:
		return c.Does()
	}
	return c.Does() + ", it becomes " + c.To
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
	"visitor octets":                         {"requested": "OPEN-020", "open": "DATA-007", "closing": "DATA-008", "draining": "CLOSE-008", "lingering": "DATA-008"},
	"service octets":                         {"open": "DATA-007", "closing": "DATA-008", "draining": "CLOSE-008", "lingering": "DATA-008"},
	"visitor end of stream, no octet before": {"requested": "OPEN-023", "open": "CLOSE-002", "": "CLOSE-003"},
	"visitor end of stream after octets":     {"requested": "OPEN-021", "open": "CLOSE-002", "": "CLOSE-003"},
	"service end of stream":                  {"open": "CLOSE-002", "": "CLOSE-003"},
	"visitor reset":                          {"requested": "OPEN-023", "draining": "CLOSE-004", "lingering": "CLOSE-001", "": "CLOSE-002"},
	"service reset":                          {"draining": "CLOSE-004", "lingering": "CLOSE-001", "": "CLOSE-002"},
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
	if c.State == "retired" && c.Does() != "tunnel error" && c.event != "tunnel lost" {
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
	case c.State == "dialing" && c.Does() == "connection error":
		return "a failure and a Close are both right, and two parts of a client may race for it"
	case c.State == "draining" && (c.Does() == "tunnel error" || c.event == "tunnel lost"):
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
	"close-total":               {"draining": "CLOSE-004"},
	"close-stall":               {"draining": "CLOSE-006", "": "a local peer that ended its stream and reads nothing; CLOSE-006 shows it for draining, and the state is the same from outside"},
	"close-drain":               {"": "CLOSE-005"},
	"stall-limit":               {"open": "FLOW-002"},
	"close-wait":                {"": "CLOSE-009"},
	"queued octets all written": {"closing": "CLOSE-005", "draining": "CLOSE-003", "lingering": "CLOSE-012"},
	"visitor end of stream, no octet before": {
		"closing": "a visitor's stream ends once, and that made the connection closing",
	},
	"visitor end of stream after octets": {
		"closing": "a visitor's stream ends once, and that made the connection closing",
	},
	"service end of stream": {"closing": "a service's stream ends once, and that made the connection closing"},
	"visitor octets":        {"closing": "a visitor that ended its stream sends nothing more"},
	"service octets":        {"closing": "a service that ended its stream sends nothing more"},
	"tunnel lost":           {"idle": "nothing is there to see", "dialing": "a dial that is cancelled cannot be told from one that hangs", "abandoned": "LOSS-005", "lingering": "CLOSE-012", "retired": "LOSS-005"},
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

// run is the cell's case: its dialogue, in two parts.
func (c cell) run(t *T) {
	p := dialogue.NewPlayer(t, c.reach())
	for p.Next() {
	}
	if _, over := t.Tunnel().Peek(CloseFor(p.ID(cellID))); over && c.State == "draining" {
		t.NotApplicable("the local socket took everything: the connection is not draining")
	}
	p.Do(c.happens())
}
