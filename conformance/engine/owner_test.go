package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Instances with the same addresses would meet each other: one runs at a time, whatever it waits for.
func TestOneInstanceAtATimeWhereAddressesAreFixed(t *testing.T) {
	var cases []Case
	for i := range 6 {
		c := Case{ID: fmt.Sprintf("X-%03d", i), Role: Server, Run: func(t *T) { t.Open().Works("it serves") }}
		if i%2 == 0 {
			c.Wait = longWait
		}
		cases = append(cases, c)
	}
	for fixed, fits := range map[bool]func(most int32) bool{
		true:  func(n int32) bool { return n == 1 },
		false: func(n int32) bool { return n > 1 },
	} {
		s := &peerSubject{role: Server, owned: true, fixed: fixed}
		got, err := runCases(t, &Runner{Subject: s, Role: Server, AllCuts: true}, cases)
		if err != nil || len(got) != len(cases) || !fits(s.most.Load()) {
			t.Errorf("fixed %v: %d instances at a time, %d results, %v", fixed, s.most.Load(), len(got), err)
		}
		for id, res := range got {
			if res.Verdict != Pass {
				t.Errorf("fixed %v: %s = %s %s\n%s", fixed, id, res.Verdict, res.Reason, explain(res))
			}
		}
	}
}

// A run ends where another program answers, whatever it said so far.
func TestAStrangerEndsTheRun(t *testing.T) {
	for _, from := range []int32{1, 2, 3} { // the first look is before the first case
		var looks atomic.Int32
		s := &peerSubject{role: Server, owned: true, owner: func() error {
			if looks.Add(1) >= from {
				return fmt.Errorf("%w: at its address", ErrStranger)
			}
			return nil
		}}
		r := &Runner{Subject: s, Role: Server, Jobs: 1}
		got, err := runCases(t, r, ofRole(Server, "FRAME-007", "DATA-001", "CLOSE-001"))
		if _, ok := errors.AsType[*UnreachableError](err); !ok || !errors.Is(err, ErrStranger) || len(got) != 3 {
			t.Errorf("from look %d: Run = %v, %d results; want the stranger", from, err, len(got))
		}
		passed := 0
		for id, res := range got {
			switch {
			case res.Verdict == Pass:
				passed++
			case res.Verdict != NotRun || len(res.Findings) > 0 || from > 1 && !strings.Contains(res.Reason, "another program"):
				t.Errorf("from look %d: %s = %s %s", from, id, res.Verdict, res.Reason)
			}
		}
		if passed != int(max(from-2, 0)) {
			t.Errorf("from look %d: %d passed; want those before", from, passed)
		}
	}
}

// So it does where one has taken the address while the subject was ended.
func TestAStrangerInPlaceOfAnInstanceEndsTheRun(t *testing.T) {
	s := &peerSubject{role: Server, owned: true, bug: "flips a bit", refuses: func(n int32) error {
		if n > 1 {
			return fmt.Errorf("%w: at its address", ErrStranger)
		}
		return nil
	}}
	got, err := runCases(t, &Runner{Subject: s, Role: Server, Jobs: 1}, ofRole(Server, "DATA-001", "FRAME-006"))
	if !errors.Is(err, ErrStranger) || s.starts.Load() != 2 {
		t.Errorf("Run = %v after %d starts; want the stranger at the second", err, s.starts.Load())
	}
	verdicts := map[Verdict]int{}
	for _, res := range got {
		verdicts[res.Verdict]++
	}
	if verdicts[Fail] != 1 || verdicts[NotRun] != 1 {
		t.Errorf("%v; want the first failed, and the other not run", verdicts)
	}
}

// What cannot be told is said, and no failure; what was seen once counts.
func TestOwner(t *testing.T) {
	for want, err := range map[string]error{"": nil, "no such system: unsupported operation": fmt.Errorf("no such system: %w", errors.ErrUnsupported)} {
		r := &Runner{Subject: &peerSubject{role: Server, owned: true, owner: func() error { return err }}, Role: Server}
		got, runErr := runCases(t, r, ofRole(Server, "CLOSE-007"))
		if own, why := r.Owner(); own != (want == "") || why != want || runErr != nil || got["CLOSE-007"].Verdict != Pass {
			t.Errorf("Owner = %v, %q, %v; want %q, and a pass", own, why, runErr, want)
		}
	}
}

// What one case did to a server that runs elsewhere is no other case's affair.
func TestACaseThatFailedFailsNoOther(t *testing.T) {
	fails := Case{ID: "FRAME-007", Role: Server, Run: func(t *T) {
		c := t.Open()
		c.Tun.Send(Raw(0x06, 1, 2, 3))
		c.Works("the connection goes on after an unknown type")
	}}
	works := func(id string) Case {
		return Case{ID: id, Role: Server, Run: func(t *T) { t.Open().Works("it works") }}
	}
	for _, tt := range []struct {
		bug   string
		owned bool
		want  string // of each, in the order in which they are run
	}{
		{"sulks at an unknown type", false, "pass fail pass pass"},
		{"sulks for ever at an unknown type", false, "pass fail not-run not-run"},
		{"sulks for ever at an unknown type", true, "pass fail pass pass"},
	} {
		s := &peerSubject{role: Server, owned: tt.owned, bug: tt.bug}
		var order, said []string
		r := &Runner{Subject: s, Role: Server, Jobs: 1, patience: 100 * time.Millisecond, Lookup: catalogue}
		if tt.want != "pass fail not-run not-run" {
			r.patience = time.Minute
		}
		queue := make(chan task, 4)
		for _, c := range []Case{works("X-001"), fails, works("X-002"), works("X-003")} {
			queue <- task{c, AsWritten}
		}
		close(queue)
		results := &collector{r: r, got: map[string]map[Cut]Result{}, done: func(res Result) {
			order = append(order, string(res.Verdict))
			said = append(said, explain(res))
			if res.Verdict == NotRun && res.Reason != "the subject did not recover from FRAME-007/server" {
				t.Errorf("%s: not run: %s", tt.bug, res.Reason)
			}
		}}
		(&lane{r: r}).work(t.Context(), queue, results)
		if got := strings.Join(order, " "); got != tt.want {
			t.Errorf("%s, owned %v: %s; want %s\n%s", tt.bug, tt.owned, got, tt.want, strings.Join(said, "\n"))
		}
	}
}

// Who dies between two cases is charged in the one before; the next has an instance of its own.
func TestADeathBetweenTwoCasesIsCharged(t *testing.T) {
	s := &peerSubject{role: Server, owned: true}
	r := &Runner{Subject: s, Role: Server, Jobs: 1, Lookup: catalogue}
	l := &lane{r: r}
	queue := make(chan task, 1)
	var got []Result
	results := &collector{r: r, got: map[string]map[Cut]Result{}, done: func(res Result) { got = append(got, res) }}
	res := l.runCase(t.Context(), task{ofRole(Server, "CLOSE-001")[0], AsWritten})
	if res.Verdict != Pass {
		t.Fatal(explain(res))
	}
	l.last = &ended{task{res.Case, AsWritten}, res}
	l.alive.End(true)
	queue <- task{ofRole(Server, "DATA-001")[0], AsWritten}
	close(queue)
	l.work(t.Context(), queue, results)
	if len(got) != 2 || got[0].Verdict != Fail || !got[0].Died || got[0].Findings[0].Got != "its process ended after the case: exit status 2" || got[1].Verdict != Pass {
		t.Errorf("%+v; want a failure, and a pass", got)
	}
}
