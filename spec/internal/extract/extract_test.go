package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
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

// readTables is what is wrong with the tables of a text; the rules of form are not looked at.
func readTables(t *testing.T, md string) error {
	t.Helper()
	text, err := parse(md)
	if err != nil {
		t.Fatal(err)
	}
	_, err = text.read()
	return err
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

// The hex traces of Appendix A and the frames of their vectors are the same octets.
func TestTracesAreTheVectors(t *testing.T) {
	checkTrace(t, "whole-session", "dialogue_whole_session")
	checkTrace(t, "ext-session", "dialogue_ext_whole_session")
}

func checkTrace(t *testing.T, table, vector string) {
	t.Helper()
	v, ok := spec.VectorOf(vector)
	if !ok {
		t.Fatalf("no vector %s", vector)
	}
	checkSteps(t, table, v.Steps)
}

// checkSteps compares a trace of the text with what the sides of a dialogue send.
func checkSteps(t *testing.T, table string, steps []spec.Step) {
	t.Helper()
	text, err := parse(protocol(t))
	if err != nil {
		t.Fatal(err)
	}
	trace, err := text.table(table, "#", "from", "octets", "meaning")
	if err != nil {
		t.Fatal(err)
	}
	from := map[string]string{"S": "server", "C": "client"}
	rows := trace.rows
	for i, s := range steps {
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

// The example of section 30 is the vector of its proofs.
func TestTheAuthTraceIsTheVector(t *testing.T) {
	v, ok := spec.VectorOf("proof_binding_0")
	if !ok || v.Proofs == nil {
		t.Fatal("no vector proof_binding_0")
	}
	p := v.Proofs
	checkSteps(t, "auth-session", []spec.Step{
		{From: "client", Octets: p.ClientHello},
		{From: "server", Octets: p.ServerHello},
		{From: "server", Octets: "01 19 00000020 " + p.Server},
		{From: "client", Octets: "01 19 00000020 " + p.Client},
		{From: "server", Octets: "01 19 00000000"},
	})
	var groups []string
	for group := range slices.Chunk([]byte(p.T), 8) {
		groups = append(groups, string(group))
	}
	key, ok := spec.VectorOf("key_home")
	if !ok || key.Line == nil || *key.Key != p.Key {
		t.Fatal("no vector key_home of the same key")
	}
	for _, want := range []string{"T is " + strings.Join(groups, " ") + ".", "The key is `" + *key.Line + "`"} {
		if !strings.Contains(protocol(t), want) {
			t.Errorf("the example of section 30 does not say %q", want)
		}
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
		Text: "A side MUST do this, over two lines.", Why: "because of that.", Since: "1.1",
	}
	if r != want {
		t.Errorf("parse = %+v; want %+v", r, want)
	}
}

func TestRefusesBadForm(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"an unknown level", "(MUST, both", "(WILL, both", "not a requirement of the form"},
		{"a malformed ID", "FRAME-001**", "FRAME-1**", "not a requirement of the form"},
		{"no reason", "*Why: because\n  of that.*", "", "not a requirement of the form"},
		{"another level in the text", "A side MUST", "A side SHOULD", "want exactly one, MUST"},
		{"no key word", "A side MUST do", "A side does", "want exactly one, MUST"},
		{"two key words", "over two lines", "and MAY do that", "want exactly one, MUST"},
		{"a key word in the reason", "because", "it MUST", "reason of FRAME-001 has the key word MUST"},
		{"a key word in prose", "## 4 Frames", "## 4 Frames\n\nIt MAY.", "key word MAY outside"},
		{"a vague word", "do this", "do this in a timely manner", "vague word"},
		{"an undefined ID", "because", "DATA-001 says so", "DATA-001 is not a requirement"},
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
		{"an unknown state", "→ requested |", "→ asked |", `state idle: no state is named "asked"`},
		{"a value without unit", "| connect-timeout | 10 s |", "| connect-timeout | 10 |", "connect-timeout: value"},
		{"a bound of another unit", "| 5 s to 30 s |", "| 5 s to 30 KiB |", "connect-timeout: allowed"},
		{"a value beyond its bound", "| connect-timeout | 10 s |", "| connect-timeout | 31 s |", "outside of what is allowed"},
		{"a gap in the types", "| 0x06–0x0F |", "| 0x07–0x0F |", "want one that starts at 0x06"},
		{"connections that are no connections", "| 16,384 connections | any |", "| 16384.0 connections | any |", "max-connections: value"},
		{"a lower bound of another unit", "| 300 s | at least 30 s |", "| 300 s | at least 30 KiB |", "linger: allowed"},
		{"codes out of order", "| 0x0002 | refused | RESET |", "| 0x0000 | refused | RESET |", "refused: want rows in the order of their codes"},
		{"two codes of a name", "| 0x0002 | refused | RESET |", "| 0x0002 | general | RESET |", "general: want rows in the order"},
		{"a code used in no frame", "| 0x0002 | refused | RESET |", "| 0x0002 | refused | RESETS |", `no frame is named "RESETS"`},
		{"a code that is no number", "| 0x0002 | refused |", "| 0x10002 | refused |", "0x10002"},
		{"a tag used by nobody", "| 0x0003 | instance | 16 | client's HELLO |", "| 0x0003 | instance | 16 | visitor's HELLO |", "HELLO is sent by both"},
		{"a tag of a sender that a frame does not have", "| 0x0024 | origin | 6 or 18 | OPEN |", "| 0x0024 | origin | 6 or 18 | client's OPEN |", "OPEN is sent by server"},
		{"a tag with a size that is none", "| 0x0024 | origin | 6 or 18 |", "| 0x0024 | origin | 6 to 18 |", `origin: size "6 to 18"`},
		{"two tags of a number", "| 0x0024 | origin |", "| 0x0023 | origin |", "origin: want rows in the order of their tags"},
		{"another column", "| status | name |", "| code | name |", "columns are"},
	} {
		bad := strings.Replace(md, c.from, c.to, 1)
		if bad == md {
			t.Fatalf("%s: nothing replaced", c.name)
		}
		if err := readTables(t, bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: read = %v; want %q", c.name, err, c.want)
		}
	}
}
