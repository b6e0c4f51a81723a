package e2e

import (
	"flag"
	"os"
	"testing"
	"time"
)

// soon is the deadline of what happens at once on an idle machine, and what a deadline of the protocol is
// extended by: generous, since a test machine is not idle.
const soon = 30 * time.Second

// TestMain lets more tests run at once than there are processors: the parallel ones wait for the clock.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16")
	os.Exit(m.Run())
}

// binaries returns the folder of the built programs, or "" for the plain relay that stands in for them.
func binaries(t *testing.T) string {
	t.Helper()
	switch dir := os.Getenv("ADIT_E2E"); dir {
	case "":
		t.Skip("not run: ADIT_E2E does not name the folder of the binaries (use make e2e)")
		return ""
	case "relay":
		return ""
	default:
		return dir
	}
}

// needBinaries is for tests of the programs themselves, where a relay cannot stand in.
func needBinaries(t *testing.T) string {
	t.Helper()
	dir := binaries(t)
	if dir == "" {
		t.Skip("not run: a plain relay cannot stand in for the programs under test")
	}
	return dir
}
