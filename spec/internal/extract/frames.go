package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// directions are the words of the type registry for who sends a frame.
var directions = map[string]string{"server": "server to client", "client": "client to server", "both": "both ways"}

// frames reads the tables of sections 6, 24, 30 and 32: one row for each form of each frame of the type registry.
func (t *text) frames(types []spec.Type, limits []spec.Limit) ([]spec.Frame, error) {
	i := slices.IndexFunc(limits, func(l spec.Limit) bool { return l.Name == "max-payload" })
	if i < 0 {
		return nil, t.tables["limits"].errorf("no row max-payload, which bounds every payload")
	}
	limit, uses := int(limits[i].Default), typesInUse(types)
	var all []spec.Frame
	for _, name := range []string{"frames", "ext-frames", "auth-frames", "bind-frames"} {
		tab, err := t.table(name, "type", "name", "form", "sent by", "scope", "profile", "payload", "size")
		if err != nil {
			return nil, err
		}
		frames, err := readFrames(tab, uses, limit)
		if err != nil {
			return nil, err
		}
		all = append(all, frames...)
	}
	slices.SortFunc(all, func(a, b spec.Frame) int { return int(a.Type) - int(b.Type) })
	for typ, use := range uses {
		if !slices.ContainsFunc(all, func(f spec.Frame) bool { return f.Type == typ }) {
			return nil, t.tables["types"].errorf("no row for type 0x%02X, %s, in a table of frames; it is in use here", typ, use.Name)
		}
	}
	return all, nil
}

// readFrames reads the frames of a table.
func readFrames(tab table, uses map[uint8]spec.Type, limit int) (all []spec.Frame, err error) {
	for i, row := range tab.rows {
		f := spec.Frame{Name: row[1], From: row[3], Scope: row[4], Profile: row[5]}
		if f.Type, err = octet(row[0]); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		if err := checkFrame(f, uses); err != nil {
			return nil, tab.errorAt(i, "%w", err)
		}
		form, err := readForm(row[2], row[6], row[7], limit)
		if err != nil {
			return nil, tab.errorAt(i, "%s: %w", f.Name, err)
		}
		if f.Scope == "connection" && (len(form.Fields) == 0 || form.Fields[0].Name != "id" || form.Fields[0].Kind != "u32") {
			return nil, tab.errorAt(i, "%s: a frame of scope connection begins with id u32", f.Name)
		}
		if all, err = addForm(all, f, form); err != nil {
			return nil, tab.errorAt(i, "%s: %w", f.Name, err)
		}
	}
	return all, nil
}

// addForm appends a form to the frame of the rows before it, or begins the next frame.
func addForm(all []spec.Frame, f spec.Frame, form spec.Form) ([]spec.Frame, error) {
	if n := len(all); n == 0 || f.Type > all[n-1].Type {
		f.Forms = []spec.Form{form}
		return append(all, f), nil
	}
	last := &all[len(all)-1]
	if f.Type != last.Type || f.Name != last.Name || f.From != last.From || f.Scope != last.Scope || f.Profile != last.Profile {
		return nil, fmt.Errorf("the row before is of type 0x%02X, %s; want the rows in the order of their types, those of one type alike but for form, payload and size", last.Type, last.Name)
	}
	for _, other := range last.Forms {
		if form.Name == "" || other.Name == "" || form.Name == other.Name {
			return nil, fmt.Errorf("several forms, each needs a name of its own in the column form")
		}
		if form.Min <= other.Max && other.Min <= form.Max {
			return nil, fmt.Errorf("forms %s and %s allow the same size; a receiver cannot tell them apart", other.Name, form.Name)
		}
	}
	last.Forms = append(last.Forms, form)
	return all, nil
}

// typesInUse are the types of the registry that a side may send: those whose use is "Profile, direction".
func typesInUse(types []spec.Type) map[uint8]spec.Type {
	uses := map[uint8]spec.Type{}
	for _, typ := range types {
		_, direction, _ := strings.Cut(typ.Use, ", ")
		if typ.From == typ.To && slices.Contains(slices.Collect(maps.Values(directions)), direction) {
			uses[typ.From] = typ
		}
	}
	return uses
}

// checkFrame compares a row with the type registry.
func checkFrame(f spec.Frame, uses map[uint8]spec.Type) error {
	direction, ok := directions[f.From]
	if !ok {
		return fmt.Errorf("%s: sent by %q; want server, client or both", f.Name, f.From)
	}
	if f.Scope != "connection" && f.Scope != "tunnel" {
		return fmt.Errorf("%s: scope %q; want connection or tunnel", f.Name, f.Scope)
	}
	use, ok := uses[f.Type]
	if !ok || use.Name != f.Name {
		return fmt.Errorf("type 0x%02X, %s, is not in use in the table types of section 5; add it there or correct the row", f.Type, f.Name)
	}
	if want := f.Profile + ", " + direction; !strings.EqualFold(use.Use, want) {
		return fmt.Errorf("%s is %q here; the table types of section 5 says %q", f.Name, want, use.Use)
	}
	return nil
}

var (
	numberRE  = regexp.MustCompile(`^([a-z][a-z-]*) (u8|u16|u32|u64)$`)
	countedRE = regexp.MustCompile(`^([a-z][a-z-]*) ([a-z][a-z-]*|[1-9]\d*) octets$`)
	restRE    = regexp.MustCompile(`^(octets|text|TLVs)$`)
	sizeRE    = regexp.MustCompile(`^(\d+) to (\d+)$`)

	widths = map[string]int{"u8": 1, "u16": 2, "u32": 4, "u64": 8}
)

// readForm reads the columns form, payload and size, and holds the size to the fields.
func readForm(name, payload, size string, limit int) (form spec.Form, err error) {
	if name != "—" {
		form.Name = name
	}
	if payload != "nothing" {
		for s := range strings.SplitSeq(payload, ", ") {
			field, err := readField(s, form.Fields)
			if err != nil {
				return form, err
			}
			form.Fields = append(form.Fields, field)
		}
	}
	counts, rest := "", false
	for _, f := range form.Fields {
		form.Min += f.Size
		form.Max += f.Size
		switch {
		case f.Count != "":
			counts += " + " + f.Count
			form.Max += maxCount(f.Count, form.Fields)
		case f.Size == 0:
			rest = true
		}
	}
	want := strconv.Itoa(form.Min) + counts
	switch m := sizeRE.FindStringSubmatch(size); {
	case rest && size == want+" or more":
		form.Max = limit
	case rest && m != nil && m[1] == want:
		if form.Max, err = strconv.Atoi(m[2]); err != nil || form.Max <= form.Min {
			return form, fmt.Errorf("size %q ends where it begins", size)
		}
	case rest:
		return form, fmt.Errorf("size %q; the fields make it %q, or %q with an upper bound", size, want+" or more", want+" to N")
	case size != want:
		return form, fmt.Errorf("size %q; the fields make it %q", size, want)
	}
	if form.Max > limit {
		return form, fmt.Errorf("up to %d octets; section 17 allows a payload %d", form.Max, limit)
	}
	return form, nil
}

// readField reads one field of a payload, before are those that precede it.
func readField(s string, before []spec.Field) (f spec.Field, err error) {
	if n := len(before); n > 0 && before[n-1].Size == 0 && before[n-1].Count == "" {
		return f, fmt.Errorf("field %q follows %s, which takes all that is left", s, before[n-1].Name)
	}
	if m := numberRE.FindStringSubmatch(s); m != nil {
		f = spec.Field{Name: m[1], Kind: m[2], Size: widths[m[2]]}
	} else if m := countedRE.FindStringSubmatch(s); m != nil {
		f = spec.Field{Name: m[1], Kind: "octets"}
		if f.Size, err = strconv.Atoi(m[2]); err != nil {
			f.Size, f.Count = 0, m[2]
			if maxCount(f.Count, before) == 0 {
				return f, fmt.Errorf("field %q: no u8 or u16 before it is named %s", s, f.Count)
			}
		}
	} else if restRE.MatchString(s) {
		f = spec.Field{Name: strings.ToLower(s), Kind: strings.ToLower(s)}
	} else {
		return f, fmt.Errorf("field %q; want a name with u8, u16, u32, u64, N octets or the name of a count and octets; or octets, text or TLVs alone", s)
	}
	if slices.ContainsFunc(before, func(o spec.Field) bool { return o.Name == f.Name }) {
		return f, fmt.Errorf("second field %s", f.Name)
	}
	return f, nil
}

// maxCount is how many octets the count of a name can announce; 0: there is none.
func maxCount(name string, fields []spec.Field) int {
	i := slices.IndexFunc(fields, func(f spec.Field) bool { return f.Name == name })
	if i < 0 {
		return 0
	}
	return map[string]int{"u8": 1<<8 - 1, "u16": 1<<16 - 1}[fields[i].Kind]
}
