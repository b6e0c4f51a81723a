package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// sound are cases that a conforming peer passes in either role.
var sound = Expand([]Case{
	{ID: "FRAME-007", Role: Both, Run: func(t *T) {
		c := t.Open()
		c.Tun.Send(Raw(0x06, 1, 2, 3), Raw(0xFF))
		c.Works("the connection goes on after unknown types")
	}},
	{ID: "FRAME-002", Role: Both, Run: func(t *T) {
		n := t.Tunnel()
		n.ExpectOpen("the tunnel works before")
		n.SendRaw([]byte("GET / HTTP/1.1\r\n\r\n"))
		n.ExpectClosed("a foreign greeting closes the tunnel")
	}},
	{ID: "FRAME-006", Role: Both, Run: func(t *T) {
		c := t.Open()
		octets := t.Octets(50)
		c.Tun.SendPieces(Data(c.ID, octets).Bytes(), 1, 0)
		c.Local.ExpectOctets("a frame in single octets arrives", octets)
	}},
	{ID: "DATA-001", Role: Both, Run: func(t *T) {
		c := t.Open()
		octets := t.Octets(300_000)
		c.Send(octets)
		c.Local.ExpectOctets("octets arrive", octets)
		c.Local.Write(octets)
		c.ExpectData("octets come back", octets)
	}},
	{ID: "CLOSE-001", Role: Both, Run: func(t *T) {
		c := t.Open()
		c.Works("the connection works")
		c.End()
		c.Tun.ExpectNone("no second Close", AnythingFor(c.ID))
	}},
	vacuous,
	{ID: "CLOSE-007", Role: Both, Run: func(t *T) {
		n := t.Tunnel()
		id := n.UnusedID()
		n.Send(Close(id))
		n.ExpectNone("no answer", AnythingFor(id))
	}},
	{ID: "LOSS-002", Role: Both, Run: func(t *T) {
		c := t.Open()
		c.Works("the connection works")
		c.Tun.Abort()
		c.Local.ExpectReset("the local socket is reset")
	}},
	{ID: "OPEN-014", Role: Server, Run: func(t *T) {
		c := t.Requested()
		c.Respond(StatusRefused)
		c.Local.ExpectEnd("the visitor is ended")
		c.Tun.ExpectNone("no Close", AnythingFor(c.ID))
	}},
	{ID: "OPEN-006", Role: Client, Run: func(t *T) {
		n, svc := t.Tunnel(), t.Refusing()
		id := n.NextID()
		n.Send(RequestTo(id, svc.Host, svc.Port))
		n.Expect("a refused dial is a failure", FailureFor(id))
	}},
	{ID: "OPEN-012", Role: Client, Needs: NeedTarpit, Run: func(t *T) {
		c := t.Requested()
		c.Tun.Barrier()
		c.Tun.Expect("a hanging dial ends in a failure", FailureFor(c.ID), Between(0, time.Second, DialTimeout))
	}},
	{ID: "LOSS-003", Role: Client, Run: func(t *T) {
		t.Tunnel().Abort()
		t.Accept()
		t.Open().Works("the new tunnel works")
	}},
})

// vacuous is a case that looks as if it passed against a subject that ends everything.
var vacuous = Case{ID: "FRAME-004", Role: Server, Run: func(t *T) {
	n := t.Tunnel()
	n.SendRaw(Header(Version, TypeData, MaxPayload+1))
	n.ExpectClosed("a length above the limit closes the tunnel")
}}

func ofRole(role Role, ids ...string) []Case {
	var out []Case
	for _, c := range sound {
		if c.Role == role && (len(ids) == 0 || slices.Contains(ids, c.ID)) {
			out = append(out, c)
		}
	}
	return out
}

// runCases runs cases against a peer with a bug, and returns the results by ID.
func runCases(t *testing.T, r *Runner, cases []Case) (map[string]Result, error) {
	t.Helper()
	r.Lookup = catalogue
	got := map[string]Result{}
	err := r.Run(t.Context(), cases, func(res Result) { got[res.Case.ID] = res })
	return got, err
}

func TestSoundPeersPass(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		for _, owned := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, owned %v", role, owned), func(t *testing.T) {
				if role == Client && !owned {
					t.Skip("a test of its own: TestListen")
				}
				got, err := runCases(t, &Runner{Subject: &peerSubject{role: role, owned: owned}, Role: role}, ofRole(role))
				if err != nil {
					t.Fatal(err)
				}
				for id, res := range got {
					if res.Verdict != Pass {
						t.Errorf("%s = %s %s; want pass\n%s", id, res.Verdict, res.Reason, explain(res))
					}
				}
				if want := len(ofRole(role)); len(got) != want {
					t.Errorf("%d results; want %d", len(got), want)
				}
			})
		}
	}
}

func TestFaultsAreCharged(t *testing.T) {
	tests := []struct {
		bug  string
		role Role
		run  string // ID of the case
		want string // ID charged
	}{
		{"flips a bit", Server, "DATA-001", "DATA-001"},
		{"flips a bit", Client, "DATA-001", "DATA-001"},
		{"closes twice", Server, "LOSS-002", ""},
		{"closes twice", Server, "CLOSE-001", "CLOSE-001"},
		{"closes twice", Client, "CLOSE-001", "CLOSE-001"},
		{"answers twice", Server, "CLOSE-007", "ALIVE-002"}, // by an oracle
		{"dies at a stray close", Server, "CLOSE-007", "CLOSE-007"},
		{"exits at an unknown type", Server, "FRAME-007", "FRAME-007"},
		{"exits at an unknown type", Client, "FRAME-007", "FRAME-007"},
		{"closes everything", Server, "FRAME-002", "FRAME-002"}, // closing is not passing
		{"closes everything", Server, "FRAME-004", "FRAME-004"},
		{"silent", Server, "FRAME-004", "FRAME-004"},
		{"silent", Server, "CLOSE-007", "CLOSE-007"}, // no barrier, no proof of absence
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s against %s", tt.bug, tt.role, tt.run), func(t *testing.T) {
			t.Parallel()
			got, err := runCases(t, &Runner{Subject: &peerSubject{role: tt.role, bug: tt.bug, owned: true}, Role: tt.role}, ofRole(tt.role, tt.run))
			if err != nil {
				t.Fatal(err)
			}
			res := got[tt.run]
			if tt.want == "" {
				if res.Verdict != Pass {
					t.Fatalf("verdict = %s; want pass\n%s", res.Verdict, explain(res))
				}
				return
			}
			charged := slices.ContainsFunc(res.Findings, func(f Finding) bool { return f.Req == tt.want })
			if res.Verdict != Fail || !charged {
				t.Errorf("verdict = %s, findings %+v; want fail charged to %s\n%s", res.Verdict, res.Findings, tt.want, explain(res))
			}
			if len(res.Log) == 0 || len(res.Trace) == 0 || len(res.Ports) == 0 {
				t.Errorf("a failure without log (%d), trace (%d) or ports (%d)", len(res.Log), len(res.Trace), len(res.Ports))
			}
		})
	}
}

// What fails as written cannot fail better with its octets cut.
func TestAFailureIsNotCut(t *testing.T) {
	for bug, want := range map[string]int{"": len(Cuts), "flips a bit": 1} {
		ran := 0
		r := &Runner{Subject: &peerSubject{role: Server, bug: bug, owned: true}, Role: Server, Jobs: 1, AllCuts: true, Begin: func(Case) { ran++ }}
		got, err := runCases(t, r, ofRole(Server, "DATA-001"))
		if err != nil {
			t.Fatal(err)
		}
		if res := got["DATA-001"]; ran != want || res.Verdict.Failed() != (bug != "") || len(res.Notes) > 0 {
			t.Errorf("%q: run %d times, %s %v; want %d times", bug, ran, res.Verdict, res.Notes, want)
		}
	}
}

// What comes before any frame of the suite is not cut.
func TestAHandshakeIsNotCut(t *testing.T) {
	ran := 0
	r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server, Jobs: 1, AllCuts: true, Begin: func(Case) { ran++ }}
	cases := ofRole(Server, "DATA-001")
	cases[0].Uncut = true
	got, err := runCases(t, r, cases)
	if res := got["DATA-001"]; err != nil || ran != 1 || res.Verdict != Pass {
		t.Errorf("run %d times, %s %v; want it once", ran, res.Verdict, err)
	}
}

// A case for an option that the subject file does not have is not applicable, and the subject is told the option that it has.
func TestOptions(t *testing.T) {
	s := &peerSubject{role: Server, owned: true}
	r := &Runner{Subject: s, Role: Server, Jobs: 1, Options: []string{"tls_client_cert"}}
	cases := ofRole(Server, "FRAME-007", "DATA-001")
	cases[0].With, cases[1].With = WithTLS|WithPin, WithTLS|WithKey|WithKeyAlone
	got, err := runCases(t, r, cases)
	if err != nil {
		t.Fatal(err)
	}
	for id, option := range map[string]string{"FRAME-007": "tls_pin", "DATA-001": "tls_key alone"} {
		if res := got[id]; res.Verdict != NotApplicable || !strings.HasSuffix(res.Reason, "option "+option) {
			t.Errorf("%s: %s, %q; want it not applicable for want of %s", id, res.Verdict, res.Reason, option)
		}
	}
	for with, want := range map[With]string{0: "", WithKey: "key", WithTLS | WithClientCert: "tls_client_cert", WithTLS | WithKey: "tls_key", WithTLS | WithKey | WithKeyAlone: "tls_key"} {
		how := r.setup(Case{ID: "X-001", With: with}, Endpoints{Tunnel: "127.0.0.1:9"})
		if encrypted := with&WithTLS != 0; how.Option != want || (how.Pin != "") != encrypted || (how.Files["cert.key"] != "") != encrypted || (len(how.Keys) > 0) != (with&WithKey != 0) {
			t.Errorf("%b: it is started as %+v", with, how)
		}
	}
}

// A subject that always asks for a key is started with one from the beginning; what is about one that does not is not applicable to it.
func TestASubjectThatAlwaysAsksForAKey(t *testing.T) {
	s := &peerSubject{role: Server, owned: true}
	r := &Runner{Subject: s, Role: Server, Jobs: 1, With: WithKey, Options: []string{"key"}}
	cases := ofRole(Server, "FRAME-007", "DATA-001")
	cases[0].Bare = true
	cases[1].Run = func(t *T) { t.NotApplicable("asks: %v", t.Asks()) }
	for i, c := range cases {
		if cases[i] = c.Asking(); cases[i].Profile() != c.Profile() {
			t.Errorf("%s is one of %s; want %s", c.Name(), cases[i].Profile(), c.Profile())
		}
	}
	got, err := runCases(t, r, cases)
	if res := got["FRAME-007"]; err != nil || res.Verdict != NotApplicable || !strings.Contains(res.Reason, "always asks") {
		t.Errorf("FRAME-007: %s, %q, %v", res.Verdict, res.Reason, err)
	}
	if res := got["DATA-001"]; res.Reason != "asks: true" {
		t.Errorf("DATA-001: %s, %q", res.Verdict, res.Reason)
	}
	if starts, keyed := s.starts.Load(), s.keyed.Load(); starts != 1 || keyed != 1 {
		t.Errorf("started %d times, %d with keys; want once, with them", starts, keyed)
	}
}

// The run goes on after a subject died, with a new one.
func TestRunGoesOnAfterADeath(t *testing.T) {
	for _, bug := range []string{"exits at an unknown type", "exits slowly at an unknown type"} {
		r := &Runner{Subject: &peerSubject{role: Server, bug: bug, owned: true}, Role: Server, Jobs: 1}
		got, err := runCases(t, r, ofRole(Server))
		if err != nil {
			t.Fatal(err)
		}
		for id, res := range got {
			want := Pass
			if id == "FRAME-007" {
				want = Fail
			}
			if res.Verdict != want || res.Died != (want == Fail) {
				t.Errorf("%s: %s = %s, died %v; want %s\n%s", bug, id, res.Verdict, res.Died, want, explain(res))
			}
		}
	}
}

// A client that somebody else starts finds the same listener for every case.
func TestListen(t *testing.T) {
	l, err := listen("")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	outside := &peerSubject{role: Client, owned: true}
	p, err := outside.Start(t.Context(), Setup{At: Endpoints{Tunnel: addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	got, err := runCases(t, &Runner{Subject: elsewhere{}, Role: Client, Listen: addr}, ofRole(Client))
	if err != nil {
		t.Fatal(err)
	}
	for id, res := range got {
		if res.Verdict != Pass {
			t.Errorf("%s = %s %s; want pass\n%s", id, res.Verdict, res.Reason, explain(res))
		}
	}
}

// elsewhere is a client that somebody else runs.
type elsewhere struct{}

func (elsewhere) Describe() string                 { return "a client elsewhere" }
func (elsewhere) Owned() bool                      { return false }
func (elsewhere) Fixed() bool                      { return false }
func (elsewhere) Endpoints() Endpoints             { return Endpoints{} }
func (elsewhere) Status() string                   { return "" }
func (elsewhere) LogSince(time.Time, int) []string { return nil }
func (elsewhere) End(bool)                         {}
func (elsewhere) Stop()                            {}

func (elsewhere) Owner(context.Context, ...net.Conn) error { return errors.ErrUnsupported }

func (elsewhere) Again(context.Context) error { return errors.ErrUnsupported }

func (elsewhere) Exited() <-chan struct{} { return nil }
func (e elsewhere) Start(context.Context, Setup) (Running, error) {
	return e, nil
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name string
		c    Case
		want Verdict
	}{
		{"nothing wrong", Case{ID: "X-001", Run: func(*T) {}}, Pass},
		{"a SHOULD missed", Case{ID: "SHOULD-001", Run: func(t *T) { t.Fail("", "it should") }}, PassNonstrict},
		{"a MUST broken beside", Case{ID: "SHOULD-001", Run: func(t *T) { t.Charge("X-001", "it must") }}, Fail},
		{"not applicable", Case{ID: "X-001", Run: func(t *T) { t.NotApplicable("not declared") }}, NotApplicable},
		{"a fault before not applicable", Case{ID: "X-001", Run: func(t *T) { t.Charge("", "bad"); t.NotApplicable("so what") }}, Fail},
		{"not testable", Case{ID: "X-001", Run: func(t *T) { t.NotTestable("missing") }}, NotTestable},
		{"inconclusive", Case{ID: "X-001", Run: func(t *T) { t.Inconclusive("who knows") }}, Inconclusive},
		{"a bug of the suite", Case{ID: "X-001", Run: func(t *T) { t.Tunnel().inbox[1].at = 0 }}, SuiteError},
		{"an unknown ID charged", Case{ID: "X-001", Run: func(t *T) { t.Charge("NONE-000", "bad") }}, SuiteError},
		{"a subject restarted", Case{ID: "X-001", Needs: NeedRestart, Run: func(t *T) {
			t.Restart()
			t.Open().Works("the subject serves again")
			t.Stop()
			t.Start()
		}}, Pass},
		{"a need not met", Case{ID: "X-001", Needs: NeedVisitorTarget, Run: func(*T) {}}, NotApplicable},
		{"a long timer", Case{ID: "X-001", Wait: 61 * time.Second, Run: func(*T) {}}, NotRun},
		{"a case that never ends", Case{ID: "X-001", Run: func(t *T) { t.Until("never", func() bool { return false }, Within(time.Hour)) }}, Fail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Role = Server
			r := &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server, Timeout: 2 * time.Second}
			got, err := runCases(t, r, []Case{tt.c})
			if err != nil {
				t.Fatal(err)
			}
			if v := got[tt.c.ID].Verdict; v != tt.want {
				t.Errorf("verdict = %s (%s); want %s", v, got[tt.c.ID].Reason, tt.want)
			}
		})
	}
}

func TestDeclinedScenarios(t *testing.T) {
	for _, tt := range []struct {
		level string
		role  Role
		want  Verdict
	}{
		{"SHOULD", Client, NotApplicable},
		{"SHOULD", Server, NotApplicable}, // even when a server runs that could serve the case
		{"MAY", Client, NotApplicable},
		{"MUST", Client, NotTestable},
	} {
		t.Run(tt.level+" of a "+string(tt.role), func(t *testing.T) {
			t.Parallel()
			c := Case{ID: "X-001", Role: tt.role, Req: Requirement{ID: "X-001", Level: tt.level}, Run: func(t *T) { t.Open().Works("it is run") }}
			for declines, want := range map[string]Verdict{c.Name(): tt.want, "X-002/" + string(tt.role): Pass} {
				r := &Runner{Subject: &peerSubject{role: tt.role, owned: true, declines: declines}, Role: tt.role}
				got, err := runCases(t, r, []Case{c})
				if err != nil {
					t.Fatal(err)
				}
				if res := got[c.ID]; res.Verdict != want || want != Pass && !strings.Contains(res.Reason, ErrDeclined.Error()) {
					t.Errorf("declines %s: %s is %s (%s); want %s", declines, c.Name(), res.Verdict, res.Reason, want)
				}
			}
		})
	}
}

func TestFreshInstances(t *testing.T) {
	for fresh, want := range map[bool]int{false: 1, true: 4} { // the first start finds out that it is there
		s := &peerSubject{role: Server, owned: true}
		cases := ofRole(Server, "FRAME-007", "FRAME-002", "CLOSE-007")
		if _, err := runCases(t, &Runner{Subject: s, Role: Server, Jobs: 1, Fresh: fresh}, cases); err != nil {
			t.Fatal(err)
		}
		if got := s.starts.Load(); int(got) != want {
			t.Errorf("fresh %v: %d starts for %d cases; want %d", fresh, got, len(cases), want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	got, err := runCases(t, &Runner{Subject: &peerSubject{role: Server, bug: "never starts", owned: true}, Role: Server}, ofRole(Server))
	if _, ok := errors.AsType[*UnreachableError](err); !ok {
		t.Fatalf("Run = %v; want an UnreachableError", err)
	}
	for id, res := range got {
		if res.Verdict != NotRun {
			t.Errorf("%s = %s; want not-run", id, res.Verdict)
		}
	}
}

func explain(res Result) string {
	var b strings.Builder
	for _, f := range res.Findings {
		fmt.Fprintf(&b, "%s: %s; expected %s; got %s\n", f.Req, f.Sentence, f.Expected, f.Got)
	}
	for _, e := range res.Trace {
		fmt.Fprintf(&b, "  %s\n", e)
	}
	return b.String()
}

// An interrupt while the subject starts, or while a case waits, is no failure.
func TestInterruptIsNotRun(t *testing.T) {
	for name, c := range map[string]struct {
		bug string
		do  func(*T)
	}{
		"while it starts": {"starts for ever", func(*T) {}},
		"while it waits":  {"", func(t *T) { t.Until("never", func() bool { return false }, Within(time.Hour)) }},
		"for a timer":     {"", func(t *T) { t.Meanwhile(time.Hour, func() bool { return false }); t.Fail("", "too early") }},
		"for its dial":    {"", func(t *T) { <-t.Context().Done(); t.Fail("", "it ended") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			begun := func(Case) { time.AfterFunc(50*time.Millisecond, interrupt) }
			if c.bug != "" {
				begun(Case{})
			}
			r := &Runner{Subject: &peerSubject{role: Server, bug: c.bug, owned: true}, Role: Server, Lookup: catalogue, Begin: begun}
			var got []Result
			err := r.Run(ctx, []Case{{ID: "X-001", Role: Server, Run: c.do}}, func(res Result) { got = append(got, res) })
			if err != nil || len(got) != 1 || got[0].Verdict != NotRun || len(got[0].Findings) > 0 {
				t.Errorf("%+v, %v; want not run", got, err)
			}
		})
	}
}

// A server whose port was taken meanwhile is started once more.
func TestStartsOnceMore(t *testing.T) {
	subject := &peerSubject{role: Server, owned: true, bug: "starts at the second time"}
	got, err := runCases(t, &Runner{Subject: subject, Role: Server}, ofRole(Server, "CLOSE-007"))
	if err != nil || got["CLOSE-007"].Verdict != Pass {
		t.Errorf("%+v, %v; want a pass", got, err)
	}
}

// A flood of 94 MiB takes the memory of one frame: a run has a dozen of them under way.
func TestAFloodIsInMemoryOnce(t *testing.T) {
	places, queued := map[*byte]bool{}, 0
	flood := Case{ID: "DATA-001", Role: Server, Run: func(t *T) {
		c := t.Open()
		c.Local.Sink()
		c.Pour(t.Octets(FairPayload), 1500)
		t.rec.mu.Lock()
		for _, p := range c.Tun.queue {
			if len(p.b) > FairPayload { // the answer to the request may wait with them
				places[&p.b[0]] = true
			}
		}
		queued = len(c.Tun.queue)
		t.rec.mu.Unlock()
		c.Tun.ExpectSent("the subject takes all of it")
	}}
	got, err := runCases(t, &Runner{Subject: &peerSubject{role: Server, owned: true}, Role: Server}, []Case{flood})
	if err != nil || got["DATA-001"].Verdict != Pass || len(places) != 1 {
		t.Errorf("%d frames queued, of them %d different, %v, %s; want the same one, and a pass", queued, len(places), err, explain(got["DATA-001"]))
	}
}

// An instance serves the cases that need what it was started with, and no others; one that a case changes serves that case alone.
func TestAnInstanceIsStartedForWhatItsCasesNeed(t *testing.T) {
	for seed := range uint64(8) { // each an order of the cases
		startedFor(t, seed)
	}
}

func startedFor(t *testing.T, seed uint64) {
	var cases []Case
	met := map[string][]Case{} // by instance; one case at a time writes it
	for i := range 9 {
		c := Case{ID: fmt.Sprintf("X-%03d", i), Role: Server}
		c.Run = func(t *T) {
			if clients, other, spare := t.Keys(); t.Key() != clients || clients.ID == other.ID || other.ID == spare.ID || clients.Secret == spare.Secret {
				t.Charge("", "the keys are %v, %v, %v", clients, other, spare)
			}
			met[t.At.Tunnel] = append(met[t.At.Tunnel], t.Case)
			t.NotApplicable("that is all")
		}
		switch i % 3 {
		case 1:
			c.With = WithKey
		case 2:
			c.With, c.Needs = WithKey, NeedOwn
		}
		cases = append(cases, c)
	}
	s := &peerSubject{role: Server, owned: true}
	got, err := runCases(t, &Runner{Subject: s, Role: Server, Jobs: 1, Seed: seed, Options: []string{"key"}}, cases)
	if err != nil || len(got) != len(cases) {
		t.Fatalf("%d results, %v", len(got), err)
	}
	for id, res := range got {
		if res.Verdict != NotApplicable {
			t.Errorf("%s = %s %s\n%s", id, res.Verdict, res.Reason, explain(res))
		}
	}
	for at, all := range met {
		if len(all) > 1 && slices.ContainsFunc(all, func(c Case) bool { return c.Needs&NeedOwn != 0 || c.With != all[0].With }) {
			t.Errorf("the instance at %s met %d cases; want one alone, or those that need the same", at, len(all))
		}
	}
	// Three cases with an instance of their own, and the others share one for each gap between those at most.
	if open, keyed := s.starts.Load()-s.keyed.Load(), s.keyed.Load(); open != 1 || keyed < 4 || keyed > 6 || s.most.Load() > 1 {
		t.Errorf("%d instances were started open and %d with keys, %d at a time; want 1, 4 to 6, and 1", open, keyed, s.most.Load())
	}
}
