package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
)

// One of the kept records is of two repetitions, which is too few to say anything.
func TestCompare(t *testing.T) {
	kept := filepath.Join("..", "..", "report", "testdata")
	compare := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "compare"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, stdout, stderr := compare(kept, kept)
	if code != run.ExitInconclusive || !strings.Contains(stdout, "pair: pingpong 2 × 1 KiB") || strings.Contains(stdout, "outage: ") || !strings.Contains(stdout, "2 repetitions are too few") || stderr != "" {
		t.Errorf("compare = %d, %s%s; want %d and a table", code, stdout, stderr, run.ExitInconclusive)
	}
	outage := filepath.Join(kept, "outage", record.File)
	code, stdout, stderr = compare(outage, outage, "--json", "--metric", "goodput")
	var cs []record.Comparison
	if err := json.Unmarshal([]byte(stdout), &cs); err != nil || code != run.ExitInconclusive || len(cs) != 3 {
		t.Fatalf("compare --json = %d, %v, %d comparisons, %s; want %d and one for each group", code, err, len(cs), stderr, run.ExitInconclusive)
	}
	for _, c := range cs {
		if c.Metric != "goodput" || c.Verdict != record.Inconclusive || c.Reason == "" || c.OldMedian != c.NewMedian {
			t.Errorf("%s of %s with itself: %s, %v and %v; want it inconclusive", c.Metric, c.Cell, c.Verdict, c.OldMedian, c.NewMedian)
		}
	}
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, record.File), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`metric "speed" must be one of goodput, `: {kept, kept, "--metric", "speed"},
		"--effect 0: must be more than 0":         {kept, kept, "--effect", "0"},
		"holds no record.json":                    {kept, t.TempDir()},
		`version ""`:                              {empty, kept},
		"have no scenario in common":              {filepath.Join(kept, "pair"), filepath.Join(kept, "outage")},
	} {
		if code, _, stderr := compare(args...); code != run.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("compare %v = %d, %s; want %d and %q", args, code, stderr, run.ExitUsage, want)
		}
	}
}
