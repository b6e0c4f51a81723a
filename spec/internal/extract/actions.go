package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// checkUse refuses an event without a row in the state tables of its role, and an action that no cell has.
func (t *text) checkUse(events []spec.Event, actions []spec.Action, states map[string]spec.StateTable) error {
	for i, e := range events {
		for _, role := range rolesOf(e.Role) {
			if !hasRow(e, role, states) {
				tab, i := t.wordAt("events", i)
				return tab.errorAt(i, "the table %s-states has no row %q; add it, or correct the role", role, e.Name)
			}
		}
	}
	for i, a := range actions {
		if !isUsed(a, states) {
			tab, i := t.wordAt("actions", i)
			return tab.errorAt(i, "no cell of the state tables says %q; delete the row", tab.rows[i][0])
		}
	}
	return nil
}

// wordTables are the tables of words, of Core, of the Extended profile and of its option auth, as one list.
func wordTables(kind string) []string { return []string{kind, "ext-" + kind, "auth-" + kind} }

// wordAt is the table, and the row in it, of a word in the list of all tables.
func (t *text) wordAt(kind string, i int) (table, int) {
	for _, name := range wordTables(kind) {
		if i < len(t.tables[name].rows) {
			return t.tables[name], i
		}
		i -= len(t.tables[name].rows)
	}
	panic("extract: internal error: no such word")
}

// hasRow reports whether some table of the role has a row for the event.
func hasRow(e spec.Event, role string, tables map[string]spec.StateTable) bool {
	for _, table := range tables {
		if (table.Role == role || table.Role == "both") && slices.ContainsFunc(table.Events, func(r spec.StateRow) bool { return r.Event == e.Name }) {
			return true
		}
	}
	return false
}

// isUsed reports whether some cell of the state tables has an action, in its state if it is for one alone.
func isUsed(a spec.Action, tables map[string]spec.StateTable) bool {
	for _, table := range tables {
		for _, row := range table.Events {
			for _, c := range row.Cells {
				if slices.Contains(c.Do, a.Name) && (a.State == "" || a.State == c.State) {
					return true
				}
			}
		}
	}
	return false
}

// rolesOf are the roles that a column role names.
func rolesOf(role string) []string {
	if role == "both" {
		return []string{"server", "client"}
	}
	return []string{role}
}

// localEvents is what a local socket does.
var localEvents = []string{"connects", "sends", "ends its stream", "resets", "accepts", "refuses", "takes all"}

// anyFrames are the events of several frames: those of Core, and those of the Extended profile with all that nobody knows.
var anyFrames = map[string]string{"any of Core": "core", "any extended or unknown": "extended"}

// events reads the tables of sections 7.3, 26 and 30.3.
func (t *text) events(frames []spec.Frame, limits []spec.Limit) ([]spec.Event, error) {
	var all []spec.Event
	for _, name := range wordTables("events") {
		tab, err := t.table(name, "event", "role", "cause", "by", "meaning")
		if err != nil {
			return nil, err
		}
		if all, err = addEvents(all, tab, frames, limits); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addEvents appends the events of a table.
func addEvents(all []spec.Event, tab table, frames []spec.Frame, limits []spec.Limit) ([]spec.Event, error) {
	for i, row := range tab.rows {
		e := spec.Event{Name: row[0], Role: row[1], Cause: row[2], Meaning: row[4]}
		if slices.ContainsFunc(all, func(o spec.Event) bool { return o.Name == e.Name }) {
			return nil, tab.errorAt(i, "second row %q", e.Name)
		}
		if !slices.Contains([]string{"server", "client", "both"}, e.Role) {
			return nil, tab.errorAt(i, "role %q; want server, client or both", e.Role)
		}
		switch e.Cause {
		case "frame":
			if e.Any = anyFrames[row[3]]; e.Any != "" {
				break
			}
			sent, err := readSent(row[3], frames, nil)
			if err != nil {
				return nil, tab.errorAt(i, "%w", err)
			}
			e.Frame, e.Status = sent.Frame, sent.Status
		case "local socket":
			e.Local = row[3]
			if !slices.Contains(localEvents, e.Local) {
				return nil, tab.errorAt(i, "a local socket that %q; want one of %q", e.Local, localEvents)
			}
		case "timer":
			e.Timer = row[3]
			if !slices.ContainsFunc(limits, func(l spec.Limit) bool { return l.Name == e.Timer && l.Unit == "s" }) {
				return nil, tab.errorAt(i, "no time is named %q in the table limits", e.Timer)
			}
		case "tunnel":
			if row[3] != "ends" {
				return nil, tab.errorAt(i, "a tunnel that %q; want ends", row[3])
			}
		case "connection":
			if !slices.Contains([]string{"halves ended", "own accord", "credit due"}, row[3]) {
				return nil, tab.errorAt(i, "a connection of which %q; want halves ended, own accord or credit due", row[3])
			}
		default:
			return nil, tab.errorAt(i, "cause %q; want frame, local socket, timer, tunnel or connection", e.Cause)
		}
		all = append(all, e)
	}
	return all, nil
}

// readSent reads "Close", "ConnectResponse failure" or "RESET timed-out".
func readSent(s string, frames []spec.Frame, codes []spec.Code) (spec.Sent, error) {
	name, status, qualified := strings.Cut(s, " ")
	i := slices.IndexFunc(frames, func(f spec.Frame) bool { return f.Name == name })
	if i < 0 {
		return spec.Sent{}, fmt.Errorf("no frame is named %q in the table frames", name)
	}
	has := func(field string) bool {
		return slices.ContainsFunc(frames[i].Forms[0].Fields, func(f spec.Field) bool { return f.Name == field })
	}
	if qualified && has("code") {
		if !slices.ContainsFunc(codes, func(c spec.Code) bool { return c.Name == status }) {
			return spec.Sent{}, fmt.Errorf("code %q of %s is not in the table codes", status, name)
		}
		return spec.Sent{Frame: name, Code: status}, nil
	}
	if qualified {
		if status != "success" && status != "failure" {
			return spec.Sent{}, fmt.Errorf("status %q of %s; want success or failure", status, name)
		}
		if !has("status") {
			return spec.Sent{}, fmt.Errorf("%s has no status", name)
		}
	}
	return spec.Sent{Frame: name, Status: status}, nil
}

var actionRE = regexp.MustCompile(`^([^()]+?)(?: \(([a-z]+)\))?$`)

// actions reads the tables of sections 7.4, 26 and 30.3.
func (t *text) actions(frames []spec.Frame, codes []spec.Code, scopes []spec.Scope) ([]spec.Action, error) {
	var all []spec.Action
	for _, name := range wordTables("actions") {
		tab, err := t.table(name, "action", "sends", "local socket", "queue", "meaning")
		if err != nil {
			return nil, err
		}
		if all, err = addActions(all, tab, frames, codes, scopes); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addActions appends the actions of a table.
func addActions(all []spec.Action, tab table, frames []spec.Frame, codes []spec.Code, scopes []spec.Scope) ([]spec.Action, error) {
	for i, row := range tab.rows {
		m := actionRE.FindStringSubmatch(row[0])
		if m == nil {
			return nil, tab.errorAt(i, "action %q; want its name, and for one state alone that state in brackets", row[0])
		}
		a := spec.Action{Name: m[1], State: m[2], Local: effect(row[2]), Queue: effect(row[3]), Meaning: row[4]}
		if slices.ContainsFunc(all, func(o spec.Action) bool { return o.Name == a.Name && o.State == a.State }) {
			return nil, tab.errorAt(i, "second row %q", row[0])
		}
		if slices.ContainsFunc(scopes, func(s spec.Scope) bool { return s.Name == a.Name }) {
			a.Scope = a.Name
		}
		if row[1] != "nothing" {
			for s := range strings.SplitSeq(row[1], " or ") {
				sent, err := readSent(s, frames, codes)
				if err != nil {
					return nil, tab.errorAt(i, "%s: %w", a.Name, err)
				}
				a.Sends = append(a.Sends, sent)
			}
		}
		if !slices.Contains([]string{"", "dial", "cancel", "deliver", "hold", "discard", "shut down", "reset", "close", "end"}, a.Local) {
			return nil, tab.errorAt(i, "%s: local socket %q; want nothing, dial, cancel, deliver, hold, discard, shut down, reset, close or end", a.Name, a.Local)
		}
		if !slices.Contains([]string{"", "add", "drop"}, a.Queue) {
			return nil, tab.errorAt(i, "%s: queue %q; want nothing, add or drop", a.Name, a.Queue)
		}
		all = append(all, a)
	}
	return all, nil
}

// effect is the text of a cell, "" for nothing.
func effect(s string) string {
	if s == "nothing" {
		return ""
	}
	return s
}
