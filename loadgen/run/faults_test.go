package run

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// ailing measures a subject with a fault, from its beginning on unless it says where.
func ailing(t *testing.T, fault, text string) *record.Record {
	t.Helper()
	f := parseSubject(t, fmt.Sprintf(`{name: faulty, server: {command: "SELF faulty --after -1 --fault %s --listen {visitor} --to {target}", ready: {tcp: "{visitor}"}}}`, fault))
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

// A subject that answers by itself is found in every mode: at once, after an honest
// beginning, or with the target's own bytes from a cache, which only the count tells.
func TestASubjectThatAnswersByItselfIsFound(t *testing.T) {
	const (
		at    = "--after 32"      // the preface
		later = "--after 5152"    // and five packets
		round = "--after 1048583" // after so many bytes a payload begins again
	)
	for _, tt := range []struct{ fault, mode, text string }{
		{"reflect " + at, "pingpong", "stream 1, down, offset 0: forged: the bytes that were sent came back, and no answer (seen by the generator)"},
		{"reflect " + later, "pingpong", "stream 1, down, offset 5120: forged: the bytes that were sent came back, and no answer (seen by the generator)"},
		{"reflect " + at, "churn", "stream 1, down, offset 0: forged: the bytes that were sent came back, and no answer (seen by the generator)"},
		{"reflect " + at, "idle", "stream 1, down, offset 0: forged: the bytes that were sent came back, and no answer (seen by the generator)"},
		{"replay --back " + round, "download", "bytes that the other end did not send (seen by the generator)"},
		{"replay --back " + round, "both", "bytes that the other end did not send (seen by the generator)"},
	} {
		t.Run(tt.mode+" "+tt.fault, func(t *testing.T) {
			rec := ailing(t, tt.fault, "load: {mode: "+tt.mode+", connections: 1, size: 1KiB}\npaths: [direct, tunnel]\nmeasure: 300ms\ntimeout: 10s\ndrain: 300ms")
			codes := map[string]bool{}
			for _, f := range rec.Findings {
				codes[f.Code] = true
				if f.Path != scenario.Tunnel {
					t.Errorf("%v, which is right: %s", f.Route, f.Detail)
				}
			}
			if !codes[record.Forged] || outcome(rec) != ExitIntegrity || !strings.Contains(report.Console(rec, false), tt.text) {
				t.Errorf("found %v, exit code %d; want %s\n%s", codes, outcome(rec), tt.text, report.Console(rec, false))
			}
		})
	}
}

// A subject that is fast until it is watched no more is no number, whichever way.
func TestAThrottleIsFound(t *testing.T) {
	for mode, flags := range map[string]string{"download": "--back", "upload": ""} {
		t.Run(mode, func(t *testing.T) {
			text := "load: {mode: " + mode + ", connections: 1, size: 64KiB}\npaths: [tunnel]\nmeasure: 3s\ntimeout: 20s\ndrain: 100ms"
			rec := ailing(t, "throttle --after 30000000 "+flags, text)
			i := slices.IndexFunc(rec.Validity.Reasons, func(v record.Reason) bool { return v.Code == record.NotStationary })
			if i < 0 || rec.Validity.Reasons[i].Path != scenario.Tunnel || rec.Validity.Reasons[i].Repetition != 1 {
				t.Fatalf("%+v, %+v; want %s", rec.Validity, rec.Blocks[0].Groups[0].Series, record.NotStationary)
			}
		})
	}
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
