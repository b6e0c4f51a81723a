package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

const dissector = "../../wireshark/adit.lua"

func TestTheDissectorIsCurrent(t *testing.T) {
	have, err := os.ReadFile(dissector)
	if err != nil {
		t.Fatal(err)
	}
	want, err := replace(have)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is stale (%v); run go generate ./spec", dissector, err)
	}
}

// Nothing outside of the markers is touched, and a file that lacks one is refused.
func TestReplace(t *testing.T) {
	got, err := replace([]byte("first\n" + begin + "\nold\n" + end + "\nlast\n"))
	if want := "first\n" + begin + "\n" + tables() + end + "\nlast\n"; err != nil || string(got) != want {
		t.Errorf("replace = %s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{"", begin + "\n", end + "\n", end + "\n" + begin + "\n"} {
		if got, err := replace([]byte(bad)); err == nil {
			t.Errorf("replace(%q) = %q; want an error", bad, got)
		}
	}
}

func TestTables(t *testing.T) {
	for _, line := range []string{
		`local MAX_PAYLOAD = 1048576`,
		`  [0x01] = { name = "ConnectRequest", from = "server", ext = false, forms = {`,
		`    { min = 6, max = 6, { "id", 4 }, { "port", 2 } },`,
		`    { min = 7, max = 262, { "id", 4 }, { "port", 2 }, { "n", 1, counts = true }, { "host", "n" } },`,
		`    { min = 4, max = 1048576, { "id", 4 }, { "octets" } },`,
		`    { min = 0, max = 0 },`,
		`  [0x03] = "timed-out",`,
		`  [0x19] = { name = "AUTH", from = "both", ext = true, option = "auth", forms = {`,
		`    { min = 32, max = 32, { "proof", 32 } },`,
		`  [0x1B] = { name = "BOUND", from = "server", ext = true, option = "bind", forms = {`,
		`    { min = 6, max = 4096, { "bind", 4 }, { "code", 2 }, { "tlvs" } },`,
		`  [0x15] = "DATAGRAM",`,
	} {
		if !strings.Contains(tables(), line+"\n") {
			t.Errorf("no line %s in\n%s", line, tables())
		}
	}
}
