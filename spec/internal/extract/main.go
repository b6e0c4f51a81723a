// Command extract makes the JSON tables of package spec from PROTOCOL.md. It
// refuses a text that breaks the rules of its own form.
//
//	main.go    flags and files
//	text.go    the text as lines: sections, requirements, tables, prose
//	tables.go  each table as data
//	terms.go   the words that the text defines
//	lint.go    the rules of form
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
	files := map[string][]byte{}
	for name, build := range map[string]func(*text) (any, error){
		"requirements.json": (*text).catalogue,
		"states.json":       (*text).states,
		"limits.json":       (*text).limits,
		"types.json":        (*text).types,
		"statuses.json":     (*text).statuses,
		"errors.json":       (*text).scopes,
		"sections.json":     (*text).parts,
		"terms.json":        (*text).terms,
	} {
		v, err := build(t)
		if err != nil {
			return nil, err
		}
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
