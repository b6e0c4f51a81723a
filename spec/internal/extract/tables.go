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

func (t *text) catalogue() (any, error) {
	rs := make([]spec.Requirement, len(t.requirements))
	for i, r := range t.requirements {
		rs[i] = r.Requirement
	}
	return rs, nil
}

func (t *text) states() (any, error) {
	all := map[string]spec.StateTable{}
	for _, role := range []string{"server", "client"} {
		tab, err := t.table(role + "-states")
		if err != nil {
			return nil, err
		}
		st := spec.StateTable{States: tab.header[1:]}
		for _, row := range tab.rows {
			if slices.ContainsFunc(st.Events, func(r spec.StateRow) bool { return r.Event == row[0] }) {
				return nil, tab.errorf("second row %q", row[0])
			}
			cells := make([]spec.Cell, len(st.States))
			for i, state := range st.States {
				if cells[i], err = cell(state, row[1+i], st.States); err != nil {
					return nil, tab.errorf("row %q: %w", row[0], err)
				}
			}
			st.Events = append(st.Events, spec.StateRow{Event: row[0], Cells: cells})
		}
		all[role] = st
	}
	return all, nil
}

// cell reads "does → to", "does", "→ to" or "cannot occur".
func cell(state, s string, states []string) (spec.Cell, error) {
	if s == "cannot occur" {
		return spec.Cell{State: state, Does: s}, nil
	}
	does, to, moves := strings.Cut(s, "→")
	c := spec.Cell{State: state, Does: strings.TrimSpace(does), To: strings.TrimSpace(to)}
	if !moves {
		c.To = state
	}
	if !slices.Contains(states, c.To) {
		return c, fmt.Errorf("state %s: no state is named %q", state, c.To)
	}
	return c, nil
}

var quantityRE = regexp.MustCompile(`^(\d+) (s|KiB|MiB)$`)

// quantity reads "10 s" or "1 MiB" as a number of seconds or octets.
func quantity(s string) (n int64, unit string, err error) {
	m := quantityRE.FindStringSubmatch(s)
	if m == nil {
		return 0, "", fmt.Errorf("%q is no number with s, KiB or MiB", s)
	}
	n, err = strconv.ParseInt(m[1], 10, 32)
	switch m[2] {
	case "KiB":
		return n << 10, "octets", err
	case "MiB":
		return n << 20, "octets", err
	}
	return n, "s", err
}

func (t *text) limits() (any, error) {
	tab, err := t.table("limits", "name", "value", "allowed", "who", "what expires or is bounded")
	if err != nil {
		return nil, err
	}
	var all []spec.Limit
	for _, row := range tab.rows {
		l := spec.Limit{Name: row[0], Who: row[3], What: row[4], Requirements: mentionRE.FindAllString(row[4], -1)}
		if slices.ContainsFunc(all, func(o spec.Limit) bool { return o.Name == l.Name }) {
			return nil, tab.errorf("second row %s", l.Name)
		}
		if l.Default, l.Unit, err = quantity(row[1]); err != nil {
			return nil, tab.errorf("%s: value: %w", l.Name, err)
		}
		if err := bounds(&l, row[2]); err != nil {
			return nil, tab.errorf("%s: allowed: %w", l.Name, err)
		}
		if (l.Min > 0 && l.Default < l.Min) || (l.Max > 0 && l.Default > l.Max) {
			return nil, tab.errorf("%s: the value is outside of what is allowed", l.Name)
		}
		all = append(all, l)
	}
	return all, nil
}

// bounds reads exactly, at most, at most X, X to Y, recommended and expected.
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
	l.Allowed = s
	switch s {
	case "exactly":
		l.Min, l.Max = l.Default, l.Default
	case "at most":
		l.Max = l.Default
	case "recommended", "expected":
	default:
		return fmt.Errorf("%q is none of exactly, at most, at most X, X to Y, recommended, expected", s)
	}
	return nil
}

func octet(s string) (uint8, error) {
	n, err := strconv.ParseUint(s, 0, 8)
	return uint8(n), err
}

func (t *text) types() (any, error) {
	tab, err := t.table("types", "types", "name", "use")
	if err != nil {
		return nil, err
	}
	var all []spec.Type
	next := 0
	for _, row := range tab.rows {
		from, to, ranged := strings.Cut(row[0], "–")
		if !ranged {
			to = from
		}
		typ := spec.Type{Name: row[1], Use: row[2]}
		if typ.From, err = octet(from); err != nil {
			return nil, tab.errorf("%w", err)
		}
		if typ.To, err = octet(to); err != nil {
			return nil, tab.errorf("%w", err)
		}
		if int(typ.From) != next || typ.To < typ.From {
			return nil, tab.errorf("row %s: want one that starts at 0x%02X", row[0], next)
		}
		next = int(typ.To) + 1
		all = append(all, typ)
	}
	if next != 256 {
		return nil, tab.errorf("ends at 0x%02X, want 0xFF", next-1)
	}
	return all, nil
}

func (t *text) statuses() (any, error) {
	tab, err := t.table("statuses", "status", "name", "meaning")
	if err != nil {
		return nil, err
	}
	all := make([]spec.Status, len(tab.rows))
	for i, row := range tab.rows {
		all[i] = spec.Status{Name: row[1], Meaning: row[2]}
		if all[i].Code, err = octet(row[0]); err != nil {
			return nil, tab.errorf("%w", err)
		}
	}
	return all, nil
}

func (t *text) scopes() (any, error) {
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
