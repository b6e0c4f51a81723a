package cases

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A cell is one cell of the state tables of sections 7, 23, 26 and 30, for one role. Its case is a dialogue (celltalk.go), but for section 30 (authcells.go):
// bring a connection into the state, let the event happen, and see the actions and
// the state that the table promises.
type cell struct {
	table
	role  Role
	event string
	spec.Cell
}

// A table is a state table: its name, and what its states are states of.
type table struct{ name, of string }

// tables are all of them.
var tables = []table{
	{"server", ""},
	{"client", ""},
	{"handshake-server", " of the handshake"},
	{"handshake-client", " of the handshake"},
	{"ext-server", " of an extended connection"},
	{"ext-client", " of an extended connection"},
	{"ext-out", " of the out half"},
	{"ext-in", " of the in half"},
	{"auth-server", " of a handshake with auth"},
	{"auth-client", " of a handshake with auth"},
}

// profile is that of a table: each has its own words for what happens and what is shown.
func (b table) profile() string { return spec.States(b.name).Profile }

// roles are those that a table binds.
func (b table) roles() []Role {
	if role := Role(spec.States(b.name).Role); role != Both {
		return []Role{role}
	}
	return []Role{Server, Client}
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
		variant, with, run := "cell-", With(0), c.run
		switch {
		case c.extended():
			variant += "ext-"
		case c.shaken():
			variant, with, run = variant+"auth-", WithKey, c.shake
		}
		out = append(out, Case{
			ID: c.requirement(), Variant: variant + c.State + "-" + slug(c.event), Role: c.role, Needs: needs, With: with, Wait: wait,
			Title: fmt.Sprintf("in state %s%s, %s: %s", c.State, c.of, c.event, c.promise()),
			Also:  c.also(), Races: c.races(), OnExtended: c.extended(),
			Bare: c.greets(), Run: run,
		})
	})
	return out
}

// eachCell walks the tables, what cannot occur left out.
func eachCell(do func(cell)) {
	for _, b := range tables {
		for _, role := range b.roles() {
			for _, row := range spec.States(b.name).Events {
				for _, c := range row.Cells {
					if c.To != "" {
						do(cell{b, role, row.Event, c})
					}
				}
			}
		}
	}
}

// extended reports whether the cell is one of the Extended profile.
func (c cell) extended() bool { return c.profile() == "ext" }

// generated reports whether the cell has a case of its own here.
func (c cell) generated() bool {
	_, shown := c.excuse()
	if c.shaken() {
		return !shown && c.playable()
	}
	_, reached := states[c.profile()][c.State]
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

// A cellRow says something of each cell of an event, by role and state, role, state, or "" for every other.
type cellRow map[string]string

// of is what the row says of a cell, and by which of its keys.
func (r cellRow) of(c cell) (says, key string, ok bool) {
	for _, key := range []string{string(c.role) + " " + c.State, string(c.role), c.State, ""} {
		if says, ok := r[key]; ok {
			return says, key, true
		}
	}
	return "", "", false
}

// byEvent is the requirement of a cell: by profile, then by event.
var byEvent = map[string]map[string]cellRow{
	"core": {
		"visitor accepted":                       {"": "OPEN-001"},
		"ConnectRequest":                         {"server": "OPEN-010", "idle": "OPEN-005", "": "ID-004"},
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
	},
	"ext": {
		"GOAWAY":                            {"": "HELLO-007"},
		"another extended or unknown frame": {"": "HELLO-007"},
		"OPEN":                              {"server": "XOPEN-016", "": "XID-002"},
		"OPEN that cannot be served":        {"": "XID-002"},
		"OPENED":                            {"": "XOPEN-016"},
		"RESET":                             {"": "RESET-002"},
		"Close":                             {"": "XID-005"},
		"ConnectResponse":                   {"client": "OPEN-011", "": "XID-005"},
		"ConnectRequest":                    {"server": "OPEN-010", "": "HELLO-008"},
		"visitor octets":                    {"": "DATA-007"},
		"tunnel lost":                       {"": "LOSS-001"},
		"WINDOW above the limit":            {"": "WIN-003"},
		"WINDOW at or below the limit":      {"": "WIN-003"},
	},
	"auth": {
		"HELLO with auth":                   {"server new": "AUTH-003", "client offered": "AUTH-004", "server": "HELLO-003", "client": "HELLO-004"},
		"HELLO without auth":                {"server new": "AUTH-019", "client offered": "AUTH-019", "server": "HELLO-003", "client": "HELLO-004"},
		"AUTH that is right":                {"server greeted": "AUTH-005", "client greeted": "AUTH-004", "": "AUTH-025"},
		"AUTH that is wrong":                {"server greeted": "AUTH-005", "client greeted": "AUTH-004", "": "AUTH-025"},
		"AUTH without octets":               {"proving": "AUTH-001", "": "AUTH-025"},
		"GOAWAY":                            {"": "AUTH-007"},
		"another extended or unknown frame": {"": "AUTH-007"},
		"KeepAlive":                         {"": "AUTH-007"},
		"a Core frame":                      {"": "AUTH-007"},
	},
}

// requirement is what a failure of the cell is charged to. A retired ID is CLOSE-009's business.
func (c cell) requirement() string {
	if c.State == "retired" && c.Does() != "tunnel error" && c.event != "tunnel lost" {
		return "CLOSE-009"
	}
	id, _, _ := byEvent[c.profile()][c.event].of(c)
	return id
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

// Why cells of the Extended profile have no generated case, where several have the same reason.
const (
	inHalf    = "the table of the half has it"
	elsewhere = "the tables of a connection have it, and the cases of the other sections"
)

// excuses says why a cell has no generated case: by profile, then by event. An ID of a requirement, or a name of a case without its
// role, says that there is a written one for it.
var excuses = map[string]map[string]cellRow{
	"core": {
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
	},
	"ext": {
		"HELLO": {
			"new": "HELLO-002", "server core": "HELLO-003/keepalive", "server up": "HELLO-003/second",
			"offered": "HELLO-007/skipped", "client core": "HELLO-004/late", "client up": "HELLO-004/second",
		},
		"GOAWAY":                            {"server core": "HELLO-007/skipped", "server up": "AWAY-002", "client up": "AWAY-004"},
		"KeepAlive":                         {"offered": "HELLO-010", "core": "HELLO-010", "up": "HELLO-011"},
		"another extended or unknown frame": {"new": "HELLO-003/unknown-type", "server core": "HELLO-007/skipped", "offered": "HELLO-007/skipped", "up": elsewhere},
		"a Core frame":                      {"new": "HELLO-003/keepalive", "server core": "HELLO-007/silent", "offered": "HELLO-009/beside", "client core": "HELLO-010", "up": elsewhere},
		"visitor to be served":              {"new": "HELLO-009/beside", "core": "HELLO-007/silent", "up": "HELLO-008"},

		"visitor accepted":           {"": "every connection of a server begins with it: XOPEN-001"},
		"OPEN":                       {"server idle": "XOPEN-016/open", "client idle": "XOPEN-004/host", "client open": "XID-002/equal", "client gone": "XID-002/gone"},
		"OPEN that cannot be served": {"idle": "XOPEN-005/content"},
		"OPENED":                     {"server idle": "XID-003/opened", "opening": "every connection of a server opens with it: XOPEN-001", "client open": "XOPEN-016/opened", "server gone": "XID-004"},
		"Data":                       {"idle": "XID-003/data", "opening": "XOPEN-006/data", "dialing": "XOPEN-007/kept", "open": inHalf, "gone": "XID-004"},
		"FIN":                        {"idle": "XID-003/fin", "opening": "XOPEN-006/fin", "dialing": "XOPEN-007", "open": inHalf, "gone": "XID-004", "flowing": "FIN-002", "ended": "FIN-003/twice"},
		"WINDOW":                     {"idle": "XID-003/fresh", "opening": "WIN-003/early", "dialing": "WIN-003/dialogue-window-dialing", "open": inHalf, "gone": "XID-004"},
		"RESET":                      {"idle": "XID-003/reset", "dialing": "XOPEN-010", "open": "RESET-002", "gone": "XID-004"},
		"Close":                      {"idle": "XID-003/data", "open": "XID-005/close", "gone": "XID-004"},
		"ConnectResponse":            {"server idle": "XID-003/opened", "server open": "XID-005/response", "server gone": "XID-004"},
		"ConnectRequest":             {"client idle": "HELLO-008/request"},
		"dial succeeded":             {"dialing": "XOPEN-004/host", "gone": "XOPEN-010"},
		"dial failed":                {"dialing": "XOPEN-004/refused", "gone": "a dial that was given up has no result to see"},
		"dial-timeout":               {"dialing": "XOPEN-015", "gone": "a dial that was given up has no time any more"},
		"visitor octets":             {"open": inHalf},
		"visitor end of stream":      {"opening": "XOPEN-009/end-of-stream", "open": inHalf},
		"visitor reset":              {"opening": "XOPEN-009/reset", "open": "RESET-001", "gone": "FIN-004/reset"},
		"service octets":             {"open": inHalf},
		"service end of stream":      {"open": inHalf},
		"service reset":              {"open": "RESET-001", "gone": "FIN-004/reset"},
		"credit due":                 {"open": inHalf, "flowing": "WIN-005"},
		"both halves ended":          {"": "FIN-004/crossing"},
		"connect-timeout":            {"": "XOPEN-008"},
		"own accord":                 {"": "nothing but memory makes a side do it: WIN-008"},
		"linger":                     {"": "a side has any time from 30 s up, and the usual one is longer than a run"},
		"tunnel lost":                {"idle": "nothing is there to see", "dialing": "a dial that is cancelled cannot be told from one that hangs", "gone": "FIN-004/tunnel-ends"},

		"local octets, credit left":    {"": "WIN-001/steps"},
		"local octets, no credit":      {"": "WIN-001/window-0"},
		"local end of stream":          {"": "FIN-001"},
		"WINDOW above the limit":       {"flowing": "WIN-003"},
		"WINDOW at or below the limit": {"flowing": "WIN-003"},
		"Data within the limit":        {"flowing": "WIN-005", "ended": "FIN-003/data"},
		"Data beyond the limit":        {"flowing": "WIN-002/stalled", "ended": "its credit is not looked at: FIN-003/data"},
		"Data without octets":          {"": "FIN-003/empty"},
	},
	"auth": {
		"GOAWAY":                            {"up": "AWAY-010"},
		"another extended or unknown frame": {"up": elsewhere},
		"KeepAlive":                         {"up": elsewhere},
		"a Core frame":                      {"up": elsewhere},
		"visitor to be served":              {"up": "AUTH-001/unproven"},
		"handshake over": {
			"new": "AUTH-009/silent", "offered": "AUTH-009/silent", "greeted": "AUTH-009/greeted", "proving": "AUTH-009/proving", "up": "AUTH-009/up",
		},
	},
}

// excuse is the reason for no generated case, or what names the written case that shows the cell.
func (c cell) excuse() (string, bool) {
	why, _, ok := excuses[c.profile()][c.event].of(c)
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
