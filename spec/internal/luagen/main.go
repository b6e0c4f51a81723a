// Command luagen writes the tables of the Wireshark dissector: the part of
// adit.lua between two markers is made from the frames, types, statuses, codes, tags
// and limits of package spec.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// What the generated part begins and ends with, each on a line of its own.
const (
	begin = "-- Generated from the JSON files of this folder's parent: go generate ./spec"
	end   = "-- End of the generated part"
)

func main() {
	file := flag.String("file", "wireshark/adit.lua", "the dissector")
	flag.Parse()
	if err := run(*file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, err := replace(b)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, after, 0o644)
}

// replace returns the dissector with its tables made anew.
func replace(lua []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(lua, []byte(begin+"\n"))
	_, after, closed := bytes.Cut(rest, []byte(end+"\n"))
	if !ok || !closed {
		return nil, errors.New("want the lines " + begin + " and " + end)
	}
	return slices.Concat(before, []byte(begin+"\n"), []byte(tables()), []byte(end+"\n"), after), nil
}

// tables are the frames by their types, what the other types are, and the names of numbers.
func tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "local MAX_PAYLOAD = %d\n", spec.LimitOf("max-payload").Default)
	fmt.Fprint(&b, "local frames = {\n")
	for _, f := range slices.Concat(slices.Collect(spec.Frames()), slices.Collect(spec.ExtFrames()), slices.Collect(spec.AuthFrames()), slices.Collect(spec.BindFrames())) {
		option := ""
		if f.Profile == "auth" || f.Profile == "bind" {
			option = fmt.Sprintf("option = %q, ", f.Profile)
		}
		fmt.Fprintf(&b, "  [0x%02X] = { name = %q, from = %q, ext = %v, %sforms = {\n", f.Type, f.Name, f.From, f.Profile != "core", option)
		for _, m := range f.Forms {
			fmt.Fprintf(&b, "    { min = %d, max = %d%s },\n", m.Min, m.Max, fields(m))
		}
		fmt.Fprint(&b, "  } },\n")
	}
	fmt.Fprint(&b, "}\nlocal options = {\n")
	for t := range spec.Types() {
		if strings.HasPrefix(t.Use, "set aside for the option") {
			fmt.Fprintf(&b, "  [0x%02X] = %q,\n", t.From, t.Name)
		}
	}
	fmt.Fprint(&b, "}\nlocal statuses = {\n")
	for s := range spec.Statuses() {
		fmt.Fprintf(&b, "  [0x%02X] = %q,\n", s.Code, s.Name)
	}
	fmt.Fprint(&b, "}\nlocal codes = {\n")
	for c := range spec.Codes() {
		fmt.Fprintf(&b, "  [0x%04X] = %q,\n", c.Code, c.Name)
	}
	fmt.Fprint(&b, "}\nlocal tags = {\n")
	for t := range spec.Tags() {
		fmt.Fprintf(&b, "  [0x%04X] = %q,\n", t.Tag, t.Name)
	}
	fmt.Fprint(&b, "}\n")
	return b.String()
}

// fields are those of a form: each its name and its size, or the name of its count, or nothing when it takes the rest.
func fields(m spec.Form) string {
	var b strings.Builder
	for _, f := range m.Fields {
		fmt.Fprintf(&b, ", { %q", f.Name)
		switch {
		case f.Size > 0:
			fmt.Fprintf(&b, ", %d", f.Size)
		case f.Count != "":
			fmt.Fprintf(&b, ", %q", f.Count)
		}
		if _, counts := m.Counted(f.Name); counts {
			b.WriteString(", counts = true")
		}
		b.WriteString(" }")
	}
	return b.String()
}
