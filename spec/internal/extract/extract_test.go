package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
)

func protocol(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTablesAreCurrent(t *testing.T) {
	files, err := extract(protocol(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from PROTOCOL.md (%v); run go generate ./spec", name, err)
		}
	}
}

// The hex trace of Appendix A and the frames of its vector are the same octets.
func TestTraceIsTheVector(t *testing.T) {
	text, err := parse(protocol(t))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := text.table("whole-session", "#", "from", "octets", "meaning")
	if err != nil {
		t.Fatal(err)
	}
	v, ok := spec.VectorOf("dialogue_whole_session")
	if !ok {
		t.Fatal("no vector dialogue_whole_session")
	}
	from := map[string]string{"S": "server", "C": "client"}
	rows := trace.rows
	for i, s := range v.Steps {
		if s.From == "" {
			continue
		}
		if len(rows) == 0 {
			t.Fatalf("step %d is not in the trace", i)
		}
		row := rows[0]
		rows = rows[1:]
		octets, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(row[2], "`"), " ", ""))
		if err != nil || !bytes.Equal(octets, s.Octets.Bytes()) || from[row[1]] != s.From {
			t.Errorf("row %s is %s %x (%v); step %d is %s %x", row[0], row[1], octets, err, i, s.From, s.Octets.Bytes())
		}
	}
	if len(rows) > 0 {
		t.Errorf("row %s of the trace and later are not in the vector", rows[0][0])
	}
}

const sound = `## 4 Frames

- **FRAME-001** (MUST, both, core) A side MUST do this,
  over two lines. *Why: because
  of that.*
`

func TestRequirementOverLines(t *testing.T) {
	got, err := parse(sound)
	if err != nil || len(got.requirements) != 1 || len(got.lint()) > 0 {
		t.Fatalf("parse: %v, %+v, %v", err, got.requirements, got.lint())
	}
	r := got.requirements[0].Requirement
	r.SHA256 = ""
	want := spec.Requirement{
		ID: "FRAME-001", Level: "MUST", Role: "both", Profile: "core", Section: "4",
		Text: "A side MUST do this, over two lines.", Why: "because of that.", Since: "1.0-draft",
	}
	if r != want {
		t.Errorf("parse = %+v; want %+v", r, want)
	}
}

func TestRefusesBadForm(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"a level that is none", "(MUST, both", "(WILL, both", "no requirement of the form"},
		{"an ID that is none", "FRAME-001**", "FRAME-1**", "no requirement of the form"},
		{"no reason", "*Why: because\n  of that.*", "", "no requirement of the form"},
		{"another level in the text", "A side MUST", "A side SHOULD", "want exactly one, MUST"},
		{"no key word", "A side MUST do", "A side does", "want exactly one, MUST"},
		{"two key words", "over two lines", "and MAY do that", "want exactly one, MUST"},
		{"a key word in the reason", "because", "it MUST", "reason of FRAME-001 has the key word MUST"},
		{"a key word in prose", "## 4 Frames", "## 4 Frames\n\nIt MAY.", "key word MAY outside"},
		{"a vague word", "do this", "do this in a timely manner", "vague word"},
		{"an ID that nobody defines", "because", "DATA-001 says so", "DATA-001 is no requirement"},
		{"two of one ID", "of that.*\n", "of that.*\n- **FRAME-001** (MAY, both, core) A side MAY rest. *Why: rest.*\n", "second requirement FRAME-001"},
		{"an empty cell", "## 4", "<!-- table: limits -->\n| a | b |\n|---|---|\n| x | |\n\n## 4", "column 2 is empty"},
		{"a row too short", "## 4", "<!-- table: limits -->\n| a | b |\n|---|---|\n| x |\n\n## 4", "1 cells, want 2"},
		{"a marker without table", "## 4", "<!-- table: limits -->\n\n## 4", "no table limits"},
	} {
		md := strings.Replace(sound, c.from, c.to, 1)
		if md == sound {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		_, err := extract(md)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: extract = %v; want %q", c.name, err, c.want)
		}
	}
}

func TestRefusesBadTables(t *testing.T) {
	md := protocol(t)
	for _, c := range []struct{ name, from, to, want string }{
		{"a state that is none", "→ requested |", "→ asked |", `no state is named "asked"`},
		{"a value without unit", "| connect-timeout | 10 s |", "| connect-timeout | 10 |", "connect-timeout: value"},
		{"a bound of another unit", "| at most 30 s |", "| at most 30 KiB |", "connect-timeout: allowed"},
		{"a value beyond its bound", "| connect-timeout | 10 s |", "| connect-timeout | 31 s |", "outside of what is allowed"},
		{"a gap in the types", "| 0x06–0x0F |", "| 0x07–0x0F |", "want one that starts at 0x06"},
		{"another column", "| status | name |", "| code | name |", "columns are"},
	} {
		bad := strings.Replace(md, c.from, c.to, 1)
		if bad == md {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		if _, err := extract(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: extract = %v; want %q", c.name, err, c.want)
		}
	}
}
