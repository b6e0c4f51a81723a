// Command extract makes the JSON tables of package spec from PROTOCOL.md. It
// refuses a text that breaks the rules of its own form.
//
//	main.go     flags and files
//	text.go     the text as lines: sections, requirements, tables, prose
//	tables.go   each table as data
//	frames.go   the table of frames: the grammar of payloads
//	actions.go  the words of the state tables: events and actions
//	terms.go    the words that the text defines
//	lint.go     the rules of form
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	in := flag.String("in", "PROTOCOL.md", "the text")
	out := flag.String("out", ".", "folder of the JSON files")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	b, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	files, err := extract(string(b))
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// extract returns the content of each JSON file by its name.
func extract(md string) (map[string][]byte, error) {
	t, err := parse(md)
	if err != nil {
		return nil, err
	}
	if faults := t.lint(); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	tables, err := t.read()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, v := range tables {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			return nil, err
		}
		files[name] = buf.Bytes()
	}
	return files, nil
}

// read returns each table by the name of its file. A table is held to those that it speaks of.
func (t *text) read() (map[string]any, error) {
	types, err := t.types()
	if err != nil {
		return nil, err
	}
	statuses, err := t.statuses()
	if err != nil {
		return nil, err
	}
	scopes, err := t.scopes()
	if err != nil {
		return nil, err
	}
	limits, err := t.limits()
	if err != nil {
		return nil, err
	}
	frames, err := t.frames(types, limits)
	if err != nil {
		return nil, err
	}
	codes, err := t.codes(frames)
	if err != nil {
		return nil, err
	}
	tags, err := t.tags(frames)
	if err != nil {
		return nil, err
	}
	events, err := t.events(frames, limits)
	if err != nil {
		return nil, err
	}
	actions, err := t.actions(frames, codes, scopes)
	if err != nil {
		return nil, err
	}
	states, err := t.states(frames, events, actions)
	if err != nil {
		return nil, err
	}
	if err := t.checkUse(events, actions, states); err != nil {
		return nil, err
	}
	terms, err := t.terms()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"requirements.json": t.catalogue(),
		"sections.json":     t.sections,
		"terms.json":        terms,
		"types.json":        types,
		"statuses.json":     statuses,
		"errors.json":       scopes,
		"codes.json":        codes,
		"tags.json":         tags,
		"limits.json":       limits,
		"frames.json":       frames,
		"events.json":       events,
		"actions.json":      actions,
		"states.json":       states,
	}, nil
}
