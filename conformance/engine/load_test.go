package engine

import (
	"fmt"
	"net"
	"strings"
	"syscall"
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
		r.contact.taken = "another client is attached"
		t.Inconclusive("%s", r.contact.taken)
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

// processors is what a machine of which so much per cent is idle says, each time that it is asked.
func processors(idle uint64) func() (uint64, uint64, bool) {
	n := uint64(0)
	return func() (uint64, uint64, bool) {
		n++
		return n * idle, n * 100, true
	}
}

// What is not there in time on a saturated machine says nothing about the subject.
func TestALateStartIsChargedOnAnIdleMachineAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		bug    string
		idle   uint64
		want   Verdict
		starts int32
		gone   bool // Run returns an UnreachableError
	}{
		"a case, saturated":    {"is late in a case", 4, Inconclusive, 1 + attempts*starts, false},
		"a case, idle":         {"is late in a case", 6, NotTestable, 2, false},
		"the first, saturated": {"is late", 4, NotRun, starts, true},
		"the first, idle":      {"is late", 6, NotRun, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &peerSubject{role: Server, owned: true, bug: tt.bug}
			r := &Runner{Subject: s, Role: Server, Fresh: true}
			r.mon.readIt = processors(tt.idle)
			got, err := runCases(t, r, []Case{{ID: "X-001", Role: Server, Req: Requirement{Level: "SHOULD"}, Run: func(*T) {}}})
			res := got["X-001"]
			if res.Verdict != tt.want || s.starts.Load() != tt.starts || (err != nil) != tt.gone {
				t.Errorf("verdict %s (%s) after %d starts, %v; want %s after %d", res.Verdict, res.Reason, s.starts.Load(), err, tt.want, tt.starts)
			}
			if says := strings.Contains(fmt.Sprint(res.Reason, err), "machine without idle processors"); says != (tt.idle == 4) {
				t.Errorf("the reason is %q, the error %v", res.Reason, err)
			}
		})
	}
}

// A client that has just been started and does not connect is not charged either.
func TestALateFirstTunnelIsInconclusive(t *testing.T) {
	for idle, want := range map[uint64]Verdict{4: Inconclusive, 6: Fail} {
		et, _ := inbox()
		et.Case.Role = Client
		et.ctx, et.opened, et.running = t.Context(), nil, &runningPeer{p: &peer{s: &peerSubject{owned: true}, exited: make(chan struct{})}}
		et.run.mon = monitor{readIt: processors(idle), spent: []spending{{time.Now(), 0, 0}}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		et.tunnels = l
		got := Fail
		func() {
			defer func() {
				if over, ok := recover().(caseOver); ok && over.verdict != "" {
					got = over.verdict
				}
			}()
			et.Accept(Within(1))
		}()
		_ = l.Close()
		if got != want {
			t.Errorf("%d %% idle: %s; want %s", idle, got, want)
		}
	}
}

// What is not there in time is waited for longer on a saturated machine, and there alone; what is wrong with it is not.
func TestAFirstContactIsWaitedForPatiently(t *testing.T) {
	for name, tt := range map[string]struct {
		idle  uint64
		comes int // at which try
		err   error
		tries int
	}{
		"saturated, never":     {4, 99, tooLate{syscall.ECONNREFUSED}, busyTries},
		"saturated, the third": {4, 3, tooLate{syscall.ECONNREFUSED}, 3},
		"saturated, broken":    {4, 99, syscall.ECONNREFUSED, 1},
		"idle":                 {6, 99, tooLate{syscall.ECONNREFUSED}, 1},
	} {
		m := monitor{readIt: processors(tt.idle), spent: []spending{{time.Now(), 0, 0}}}
		tries := 0
		waited, err := m.patiently(time.Now(), time.Second, func() error {
			if tries++; tries >= tt.comes {
				return nil
			}
			return tt.err
		})
		if tries != tt.tries || waited != time.Duration(tt.tries)*time.Second || (err == nil) != (tt.comes == tt.tries) {
			t.Errorf("%s: %d tries, %s, %v; want %d", name, tries, waited, err, tt.tries)
		}
	}
}

// A SHOULD that was missed on a busy machine is tried again: what is missed each time was missed,
// unless the suite's own timers were late each time.
func TestAMissedSHOULDDoesNotFlipWithTheLoad(t *testing.T) {
	for name, tt := range map[string]struct {
		misses   int
		idle     uint64
		late     time.Duration
		want     Verdict
		attempts int
	}{
		"once, saturated":           {1, 4, 0, Pass, 2},
		"each time, saturated":      {attempts, 4, 0, PassNonstrict, attempts},
		"each time, timers late":    {attempts, 50, starvedBy, Inconclusive, attempts},
		"once, on an idle machine":  {1, 50, 0, PassNonstrict, 1},
		"never, on a saturated one": {0, 4, 0, Pass, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}
			r.mon.readIt = processors(tt.idle)
			runs := 0
			got, err := runCases(t, r, []Case{{ID: "X-002", Role: Server, Run: func(t *T) {
				if runs++; runs <= tt.misses {
					t.late = tt.late
					t.Charge("SHOULD-001", "it comes at once")
				}
			}}})
			if res := got["X-002"]; err != nil || res.Verdict != tt.want || res.Attempts != tt.attempts {
				t.Errorf("%s (%s) after %d attempts, %v; want %s after %d", res.Verdict, res.Reason, res.Attempts, err, tt.want, tt.attempts)
			}
		})
	}
}
