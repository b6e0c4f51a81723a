package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// table returns a table with the columns that it is known to have.
func (t *text) table(name string, columns ...string) (table, error) {
	tab, ok := t.tables[name]
	if !ok {
		return tab, fmt.Errorf("no table %s; mark it with <!-- table: %s -->", name, name)
	}
	if len(columns) > 0 && !slices.Equal(tab.header, columns) {
		return tab, tab.errorf("columns are %q, want %q", tab.header, columns)
	}
	return tab, nil
}

func (tab table) errorf(format string, args ...any) error {
	return fmt.Errorf("PROTOCOL.md:%d: table %s: "+format, append([]any{tab.line, tab.name}, args...)...)
}

// errorAt is errorf for a row, with its line.
func (tab table) errorAt(row int, format string, args ...any) error {
	tab.line = tab.at(row)
	return tab.errorf(format, args...)
}

// at is the line of a row: it follows marker, header and |---|.
func (tab table) at(row int) int { return tab.line + 3 + row }

func (t *text) catalogue() []spec.Requirement {
	rs := make([]spec.Requirement, len(t.requirements))
	for i, r := range t.requirements {
		rs[i] = r.Requirement
	}
	return rs
}

// A stateTable is what is expected of one: its marker is its name and "-states".
type stateTable struct {
	name, profile, role string
	connection          bool // it is about whole connections
}

var stateTables = []stateTable{
	{"server", "core", "server", true},
	{"client", "core", "client", true},
	{"handshake-server", "ext", "server", false},
	{"handshake-client", "ext", "client", false},
	{"auth-server", "auth", "server", false},
	{"auth-client", "auth", "client", false},
	{"ext-server", "ext", "server", true},
	{"ext-client", "ext", "client", true},
	{"ext-out", "ext", "both", false},
	{"ext-in", "ext", "both", false},
}

// has reports whether the event may be in the table.
func (k stateTable) has(e spec.Event) bool {
	return e.Role == "both" || e.Role == k.role
}

// frames reports whether the table needs a row for a frame: one about a connection, that its profile has.
func (k stateTable) frames(f spec.Frame) bool {
	return k.connection && f.Scope == "connection" && (k.profile == "ext" || f.Profile == "core")
}

// states reads the state tables. Their rows and cells are made of the words of the tables of events and actions, and
// every frame about a connection has a row, so that none meets a state that is not thought of.
func (t *text) states(frames []spec.Frame, events []spec.Event, actions []spec.Action) (map[string]spec.StateTable, error) {
	all := map[string]spec.StateTable{}
	for _, kind := range stateTables {
		tab, err := t.table(kind.name + "-states")
		if err != nil {
			return nil, err
		}
		st := spec.StateTable{Profile: kind.profile, Role: kind.role, States: tab.header[1:]}
		caused := map[string]bool{}
		for i, row := range tab.rows {
			if slices.ContainsFunc(st.Events, func(r spec.StateRow) bool { return r.Event == row[0] }) {
				return nil, tab.errorAt(i, "second row %q", row[0])
			}
			e := slices.IndexFunc(events, func(e spec.Event) bool { return e.Name == row[0] && kind.has(e) })
			if e < 0 {
				return nil, tab.errorAt(i, "no event of a %s is named %q; correct the row, or add one to the table of events", kind.role, row[0])
			}
			caused[events[e].Frame] = true
			cells := make([]spec.Cell, len(st.States))
			for j, state := range st.States {
				if cells[j], err = readCell(state, row[1+j], st.States, actions); err != nil {
					return nil, tab.errorAt(i, "row %q, state %s: %w", row[0], state, err)
				}
			}
			st.Events = append(st.Events, spec.StateRow{Event: row[0], Cells: cells})
		}
		for _, f := range frames {
			if kind.frames(f) && !caused[f.Name] {
				return nil, tab.errorf("no row for the frame %s", f.Name)
			}
		}
		all[kind.name] = st
	}
	return all, nil
}

// readCell reads "do, do → to", "do", "→ to" or "cannot occur".
func readCell(state, s string, states []string, actions []spec.Action) (spec.Cell, error) {
	c := spec.Cell{State: state, To: state}
	if s == "cannot occur" {
		c.To = ""
		return c, nil
	}
	does, to, moves := strings.Cut(s, "→")
	if moves {
		c.To = strings.TrimSpace(to)
	}
	if !slices.Contains(states, c.To) {
		return c, fmt.Errorf("no state is named %q", c.To)
	}
	if does = strings.TrimSpace(does); does == "" {
		return c, nil
	}
	c.Do = strings.Split(does, ", ")
	for _, do := range c.Do {
		if !slices.ContainsFunc(actions, func(a spec.Action) bool { return a.Name == do && (a.State == "" || a.State == state) }) {
			return c, fmt.Errorf("no action is named %q; correct the cell, or add one to the table actions", do)
		}
	}
	return c, nil
}

var quantityRE = regexp.MustCompile(`^(\d+|\d{1,3}(?:,\d{3})+) (s|octets|KiB|MiB|GiB|connections|tunnels|bindings)$`)

// quantity reads "10 s", "1 MiB" or "16,384 connections" as a number of seconds, octets, connections, tunnels or bindings.
func quantity(s string) (n int64, unit string, err error) {
	m := quantityRE.FindStringSubmatch(s)
	if m == nil {
		return 0, "", fmt.Errorf("%q is not a number with s, octets, KiB, MiB, GiB, connections, tunnels or bindings", s)
	}
	n, err = strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 32)
	switch m[2] {
	case "GiB":
		return n << 30, "octets", err
	case "KiB":
		return n << 10, "octets", err
	case "MiB":
		return n << 20, "octets", err
	}
	return n, m[2], err
}

func (t *text) limits() ([]spec.Limit, error) {
	tab, err := t.table("limits", "name", "value", "allowed", "who", "what expires or is bounded")
	if err != nil {
		return nil, err
	}
	var all []spec.Limit
	for i, row := range tab.rows {
		l := spec.Limit{Name: row[0], Who: row[3], What: row[4], Requirements: mentionRE.FindAllString(row[4], -1)}
		if slices.ContainsFunc(all, func(o spec.Limit) bool { return o.Name == l.Name }) {
			return nil, tab.errorAt(i, "second row %s", l.Name)
		}
		if l.Default, l.Unit, err = quantity(row[1]); err != nil {
			return nil, tab.errorAt(i, "%s: value: %w", l.Name, err)
		}
		if err := bounds(&l, row[2]); err != nil {
			return nil, tab.errorAt(i, "%s: allowed: %w", l.Name, err)
		}
		if (l.Min > 0 && l.Default < l.Min) || (l.Max > 0 && l.Default > l.Max) {
			return nil, tab.errorAt(i, "%s: the value is outside of what is allowed", l.Name)
		}
		all = append(all, l)
	}
	return all, nil
}

// bounds reads exactly, at most, at most X, at least, at least X, X to Y, recommended, any and expected.
func bounds(l *spec.Limit, s string) error {
	bound := func(dst *int64, s string) error {
		n, unit, err := quantity(s)
		if err == nil && unit != l.Unit {
			err = fmt.Errorf("%q: want a number of %s", s, l.Unit)
		}
		*dst = n
		return err
	}
	if low, high, ok := strings.Cut(s, " to "); ok {
		l.Allowed = "range"
		if err := bound(&l.Min, low); err != nil {
			return err
		}
		return bound(&l.Max, high)
	}
	if most, ok := strings.CutPrefix(s, "at most "); ok {
		l.Allowed = "at most"
		return bound(&l.Max, most)
	}
	if least, ok := strings.CutPrefix(s, "at least "); ok {
		l.Allowed = "at least"
		return bound(&l.Min, least)
	}
	l.Allowed = s
	switch s {
	case "exactly":
		l.Min, l.Max = l.Default, l.Default
	case "at most":
		l.Max = l.Default
	case "at least":
		l.Min = l.Default
	case "recommended", "any", "expected":
	default:
		return fmt.Errorf("%q is none of exactly, at most, at most X, at least, at least X, X to Y, recommended, any, expected", s)
	}
	return nil
}

func octet(s string) (uint8, error) {
	n, err := strconv.ParseUint(s, 0, 8)
	return uint8(n), err
}

func (t *text) types() ([]spec.Type, error) {
	tab, err := t.table("types", "types", "name", "use")
	if err != nil {
		return nil, err
	}
	var all []spec.Type
	next := 0
	for i, row := range tab.rows {
		from, to, ranged := strings.Cut(row[0], "–")
		if !ranged {
			to = from
		}
		typ := spec.Type{Name: row[1], Use: row[2]}
		if typ.From, err = octet(from); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		if typ.To, err = octet(to); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		if int(typ.From) != next || typ.To < typ.From {
			return nil, tab.errorAt(i, "row %s: want one that starts at 0x%02X", row[0], next)
		}
		next = int(typ.To) + 1
		all = append(all, typ)
	}
	if next != 256 {
		return nil, tab.errorf("ends at 0x%02X, want 0xFF", next-1)
	}
	return all, nil
}

func (t *text) statuses() ([]spec.Status, error) {
	tab, err := t.table("statuses", "status", "name", "meaning")
	if err != nil {
		return nil, err
	}
	all := make([]spec.Status, len(tab.rows))
	for i, row := range tab.rows {
		all[i] = spec.Status{Name: row[1], Meaning: row[2]}
		if all[i].Code, err = octet(row[0]); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
	}
	return all, nil
}

func (t *text) scopes() ([]spec.Scope, error) {
	tab, err := t.table("errors", "scope", "what the side does", "what goes on")
	if err != nil {
		return nil, err
	}
	all := make([]spec.Scope, len(tab.rows))
	for i, row := range tab.rows {
		all[i] = spec.Scope{Name: row[0], Does: row[1], GoesOn: row[2]}
	}
	return all, nil
}

func code(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 0, 16)
	return uint16(n), err
}

// setAside is said of a number that has no use yet.
const setAside = "set aside"

// usedIn reads a list of frames, each perhaps with the side that sends it, like "client's HELLO".
func usedIn(s string, frames []spec.Frame) ([]spec.Use, error) {
	if s == setAside {
		return nil, nil
	}
	var all []spec.Use
	for place := range strings.SplitSeq(s, ", ") {
		u := spec.Use{Frame: place}
		if from, frame, ok := strings.Cut(place, "'s "); ok {
			u = spec.Use{Frame: frame, From: from}
		}
		i := slices.IndexFunc(frames, func(f spec.Frame) bool { return f.Name == u.Frame })
		if i < 0 {
			return nil, fmt.Errorf("used in %q; no frame is named %q", place, u.Frame)
		}
		if f := frames[i]; u.From == "" {
			u.From = f.From
		} else if !slices.Contains([]string{"server", "client"}, u.From) || f.From != "both" {
			return nil, fmt.Errorf("used in %q; %s is sent by %s", place, f.Name, f.From)
		}
		all = append(all, u)
	}
	return all, nil
}

// codes reads the table of section 29.
func (t *text) codes(frames []spec.Frame) ([]spec.Code, error) {
	tab, err := t.table("codes", "code", "name", "used in", "meaning")
	if err != nil {
		return nil, err
	}
	var all []spec.Code
	for i, row := range tab.rows {
		c := spec.Code{Name: row[1], Meaning: row[3]}
		if c.Code, err = code(row[0]); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		if c.In, err = usedIn(row[2], frames); err != nil {
			return nil, tab.errorAt(i, "%s: %w", c.Name, err)
		}
		if n := len(all); n > 0 && c.Code <= all[n-1].Code || slices.ContainsFunc(all, func(o spec.Code) bool { return o.Name == c.Name }) {
			return nil, tab.errorAt(i, "%s: want rows in the order of their codes, each with a name of its own", c.Name)
		}
		all = append(all, c)
	}
	return all, nil
}

// tags reads the table of section 24.
func (t *text) tags(frames []spec.Frame) ([]spec.Tag, error) {
	tab, err := t.table("tags", "tag", "name", "size", "used in", "value")
	if err != nil {
		return nil, err
	}
	var all []spec.Tag
	for i, row := range tab.rows {
		g := spec.Tag{Name: row[1], Value: row[4]}
		if g.Tag, err = code(row[0]); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		if g.In, err = usedIn(row[3], frames); err != nil {
			return nil, tab.errorAt(i, "%s: %w", g.Name, err)
		}
		if row[2] != "any" {
			for s := range strings.SplitSeq(row[2], " or ") {
				n, err := strconv.Atoi(s)
				if err != nil {
					return nil, tab.errorAt(i, "%s: size %q; want any, or numbers with or between them", g.Name, row[2])
				}
				g.Sizes = append(g.Sizes, n)
			}
		}
		if n := len(all); n > 0 && g.Tag <= all[n-1].Tag || slices.ContainsFunc(all, func(o spec.Tag) bool { return o.Name == g.Name }) {
			return nil, tab.errorAt(i, "%s: want rows in the order of their tags, each with a name of its own", g.Name)
		}
		all = append(all, g)
	}
	return all, nil
}
