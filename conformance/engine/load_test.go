package engine

import (
	"strings"
	"testing"
	"time"
)

// On a machine that runs the suite's own timers late, a failure is tried
// again, and at last says nothing.
func TestStarvedMachineIsInconclusive(t *testing.T) {
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}
	runs := 0
	starved := Case{ID: "X-001", Role: Server, Run: func(t *T) {
		runs++
		r.mon.mu.Lock()
		r.mon.late = append(r.mon.late, lateness{time.Now(), time.Second})
		r.mon.mu.Unlock()
		t.Fail("", "an answer comes in time")
	}}
	got, err := runCases(t, r, []Case{starved})
	if err != nil {
		t.Fatal(err)
	}
	res := got["X-001"]
	if res.Verdict != Inconclusive || runs != attempts || res.Attempts != attempts || !strings.Contains(res.Reason, "late") {
		t.Errorf("verdict %s (%s) after %d runs; want inconclusive after %d", res.Verdict, res.Reason, runs, attempts)
	}
}

// What fails on a starved machine and passes when tried again is a pass.
func TestStarvedMachineGetsAnotherTry(t *testing.T) {
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}
	runs := 0
	once := Case{ID: "X-001", Role: Server, Run: func(t *T) {
		if runs++; runs == 1 {
			r.mon.mu.Lock()
			r.mon.late = append(r.mon.late, lateness{time.Now(), time.Second})
			r.mon.mu.Unlock()
			t.Fail("", "an answer comes in time")
		}
	}}
	got, err := runCases(t, r, []Case{once})
	if err != nil {
		t.Fatal(err)
	}
	if res := got["X-001"]; res.Verdict != Pass || res.Attempts != 2 {
		t.Errorf("verdict %s after %d attempts; want pass after 2", res.Verdict, res.Attempts)
	}
}

// So is what could not be told at first.
func TestWhatCannotBeToldGetsAnotherTry(t *testing.T) {
	runs := 0
	once := Case{ID: "X-001", Role: Server, Run: func(t *T) {
		if runs++; runs == 1 {
			t.Inconclusive("a port could not be kept free")
		}
	}}
	never := Case{ID: "X-002", Role: Server, Run: func(t *T) { t.Inconclusive("somebody else is here") }}
	got, err := runCases(t, &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}, []Case{once, never})
	if err != nil {
		t.Fatal(err)
	}
	if res := got["X-001"]; res.Verdict != Pass || res.Attempts != 2 {
		t.Errorf("verdict %s after %d attempts; want pass after 2", res.Verdict, res.Attempts)
	}
	if res := got["X-002"]; res.Verdict != Inconclusive || res.Attempts != attempts || res.Reason != "somebody else is here" {
		t.Errorf("verdict %s, %q, after %d attempts; want inconclusive after %d", res.Verdict, res.Reason, res.Attempts, attempts)
	}
}

// Another client of a server that runs elsewhere is still there the next time.
func TestWhatStaysSoIsNotTriedAgain(t *testing.T) {
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}
	taken := Case{ID: "X-001", Role: Server, Run: func(t *T) {
		r.taken = "another client is attached"
		t.Inconclusive("%s", r.taken)
	}}
	got, err := runCases(t, r, []Case{taken})
	if err != nil {
		t.Fatal(err)
	}
	if res := got["X-001"]; res.Verdict != Inconclusive || res.Attempts != 1 {
		t.Errorf("verdict %s after %d attempts; want inconclusive after 1", res.Verdict, res.Attempts)
	}
}

func TestMonitorWorst(t *testing.T) {
	now := time.Now()
	m := &monitor{late: []lateness{{now.Add(-time.Minute), 5 * time.Second}, {now.Add(-time.Second), time.Second}, {now, 2 * time.Second}}}
	for since, want := range map[time.Duration]time.Duration{2 * time.Minute: 5 * time.Second, 2 * time.Second: 2 * time.Second, 0: 0} {
		if got := m.worst(now.Add(-since)); got != want {
			t.Errorf("worst(%s ago) = %s; want %s", since, got, want)
		}
	}
}
