package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// ailing measures a subject with a fault beside the direct path.
func ailing(t *testing.T, fault, text string) *record.Record {
	t.Helper()
	f := parseSubject(t, fmt.Sprintf(`{name: faulty, server: {command: "SELF faulty --fault %s --after -1 --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, fault))
	rec, err := (&Runner{Subjects: []*subject.File{f}, Self: self(), Profile: scenario.Smoke}).Run(t.Context(), parseScenario(t, text))
	if err != nil {
		t.Fatalf("%s: Run: %v", fault, err)
	}
	return rec
}

// twice checks that a fault is found, and not found where it is not.
func twice(t *testing.T, fault, text string, found func(*record.Record) string) {
	t.Helper()
	if what := found(ailing(t, fault, text)); what == "" {
		t.Errorf("%s: not found", fault)
	}
	for range faulty.Clean() {
		rec := ailing(t, faulty.Nothing, text)
		if what := found(rec); what != "" || rec.Failed() > 0 || rec.Faulty() {
			t.Errorf("%s is found where nothing is wrong: %s, %d failed packets", fault, what, rec.Failed())
		}
	}
}

// Five milliseconds on the way show in the difference to direct in the same repetition.
func TestADelayIsFound(t *testing.T) {
	twice(t, faulty.Delay, "load: {mode: pingpong, connections: 1, size: 1KiB}\npaths: [direct, tunnel]\nmeasure: 300ms\nrepeat: 3", func(rec *record.Record) string {
		least := map[string]int64{}
		for _, b := range rec.Blocks {
			if d := b.Groups[0].Service; d != nil && (least[b.Path] == 0 || d.Min < least[b.Path]) {
				least[b.Path] = d.Min
			}
		}
		if more := time.Duration(least[scenario.Tunnel] - least[scenario.Direct]); more >= 4*time.Millisecond {
			return more.String()
		}
		return ""
	})
}

// A generator that gets no processor is late on its own account, and a search says so.
func TestASlowGeneratorIsFound(t *testing.T) {
	text := "load: {mode: pingpong, connections: 2, size: 64B}\npaths: [direct]\nmeasure: 500ms\nsearch: {of: rate, from: 100/s, to: 200/s, keep: response.p99 < 5s, precision: 50%}"
	s := parseScenario(t, text)
	slow := strings.Replace(self(), "helper", "slow-helper", 1)
	rec, err := (&Runner{Self: slow}).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if f := rec.Searches[0]; f.Limit != record.LimitedByGenerator || !f.Probes[0].Late || f.Probes[0].Reason == "" {
		t.Errorf("a slow generator: %s, %+v, woken %+v", f.Limit, f.Probes, rec.Blocks[0].Groups[0].Wake)
	}
}
