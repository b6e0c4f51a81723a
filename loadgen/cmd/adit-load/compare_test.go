package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// The published records are of three repetitions, which is too few to say anything.
func TestCompare(t *testing.T) {
	published := filepath.Join("..", "..", "..", "results")
	run := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "compare"}, args...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, stdout, stderr := run(published, published)
	if code != exitInconclusive || !strings.Contains(stdout, "speed: pingpong 1 × 1 KiB") || !strings.Contains(stdout, "too few") || stderr != "" {
		t.Errorf("compare = %d, %s%s; want %d and a table", code, stdout, stderr, exitInconclusive)
	}
	speed := filepath.Join(published, "speed", record.File)
	code, stdout, stderr = run(speed, speed, "--json", "--metric", "goodput")
	var cs []record.Comparison
	if err := json.Unmarshal([]byte(stdout), &cs); err != nil || code != exitInconclusive || len(cs) != 4 {
		t.Fatalf("compare --json = %d, %v, %d comparisons, %s; want %d and one for each cell", code, err, len(cs), stderr, exitInconclusive)
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
		`"speed" is no metric; it must be one of goodput, `: {published, published, "--metric", "speed"},
		"--effect 0: must be more than 0":                   {published, published, "--effect", "0"},
		"holds no record.json":                              {published, t.TempDir()},
		`version ""`:                                        {empty, published},
		"have no scenario in common":                        {filepath.Join(published, "speed"), filepath.Join(published, "bandwidth")},
	} {
		if code, _, stderr := run(args...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("compare %v = %d, %s; want %d and %q", args, code, stderr, exitUsage, want)
		}
	}
}
