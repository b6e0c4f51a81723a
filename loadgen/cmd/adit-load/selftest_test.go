package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
)

// selftest is the scenario of TestComparisonsTellChangesFromNoise: two subjects side by side.
// Many short blocks rather than few long ones, so that what else the machine
// does meets both alike; pairs differ by 5 to 20 % then, and the centre of 80 of
// them is known to 1 or 2 %. A load that goes as fast as it can costs the same
// for each message from block to block; at a rate each wakes the subject up for
// itself, or a few together, as it happens, which differs by a third.
const selftest = `paths: [tunnel]
load: {mode: pingpong, connections: 32, size: 1KiB}
warmup: 20ms
measure: 100ms
repeat: 80
timeout: 5s
`

// perMessage is what is compared: on a machine that is shared it repeats better than any speed.
var perMessage = analyse.CompareOptions{Metrics: []string{"cpu.message"}}

// What a comparison finds, and what it does not. adit-load is told nothing of
// what differs between the two subjects.
func TestComparisonsTellChangesFromNoise(t *testing.T) {
	bin := os.Getenv("ADIT_SELFTEST")
	if bin == "" {
		t.Skip("takes ten minutes or more: make bench-selftest")
	}
	if testing.Short() {
		t.Skip("takes ten minutes or more")
	}
	t.Run("the same subject under two names is the same in 20 of 20 runs", func(t *testing.T) {
		if n := found(t, bin, 20, 0, record.Same); n < 20 {
			t.Errorf("%d of 20", n)
		}
	})
	t.Run("a tenth more CPU time per message is found in 9 of 10 runs", func(t *testing.T) {
		if n := found(t, bin, 10, 0.1, record.Worse); n < 9 {
			t.Errorf("%d of 10", n)
		}
	})
	t.Run("a change below the noise floor is inconclusive", func(t *testing.T) {
		r := measured(t, bin, 0.1)
		r.Floor = []record.Floor{{Metric: "cpu.message", N: 12, Change: 0.3}} // as on a machine with so much noise
		c := analyse.CompareSubjects(r, perMessage)[0]
		t.Log(line(&c))
		if c.Verdict != record.Inconclusive {
			t.Errorf("%s; want %s", c.Verdict, record.Inconclusive)
		}
	})
}

// found counts the runs with a verdict.
func found(t *testing.T, bin string, runs int, burn float64, verdict string) (n int) {
	for i := range runs {
		c := analyse.CompareSubjects(measured(t, bin, burn), perMessage)[0]
		if c.Verdict == verdict {
			n++
		}
		t.Logf("run %d of %d: %s", i+1, runs, line(&c))
	}
	return n
}

// line is a comparison in short.
func line(c *record.Comparison) string {
	low, high, _ := c.Change.Interval()
	return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f), p %.4f, floor %.1f %%: %s %s", 100*c.Change.Median, 100*low, 100*high, c.Holm, 100*c.Effect, c.Verdict, c.Reason)
}

// measured is the record of one run: subject a, and b which uses a part more CPU time than it.
func measured(t *testing.T, bin string, burn float64) *record.Record {
	t.Helper()
	b := newBench(t, "", "")
	b.write("x.yaml", "# Does b cost more than a?\nscenario: x\n"+selftest)
	args := []string{"run", b.path("x.yaml"), "--out", b.path("out")}
	for name, burn := range map[string]float64{"a": 0, "b": burn} {
		b.write(name+".yaml", fmt.Sprintf("name: %s\nserver: {command: %q, ready: {tcp: \"{visitor}\"}}\n", name,
			fmt.Sprintf("%s faulty --notes %s --burn %g --listen {visitor} --to {target}", os.Args[0], b.path("notes"), burn)))
	}
	cmd, stdout, stderr := b.command(filepath.Join(bin, "adit-load"), append(args, "--subject", b.path("a.yaml"), "--subject", b.path("b.yaml"))...)
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != run.ExitRegression { // b is worse: what there is to find
		t.Fatalf("adit-load: %v\n%s%s", err, stdout, stderr)
	}
	return b.record()
}
