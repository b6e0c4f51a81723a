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

// What make soak-churn sets.
var (
	churnFor   = flag.Duration("churn", time.Minute, "the time that TestChurn has for its part of a day; 15m is all of it")
	mostKills  = flag.Int("kills", 20, "how often TestKilledAtRandom kills an end of the tunnel")
	seedOfRun  = flag.Uint64("seed", 1, "of the moments and kinds that TestChurn and TestKilledAtRandom choose")
	resultsDir = flag.String("results", "", "folder for what they have measured; empty: it is only logged")
)

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
