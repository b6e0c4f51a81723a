package engine

import (
	"slices"
	"testing"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// met is a client subject's tunnel that has received frames, in a case of a profile.
func met(profile string, frames ...Frame) *Tunnel {
	t, n := inbox()
	t.Case.Role, t.Case.Req.Profile = Client, profile
	for _, f := range frames {
		n.take(f)
	}
	return n
}

// lined are the types of the frames that the suite has put in line.
func lined(n *Tunnel) (types []Type) {
	for _, p := range n.queue {
		frames, _ := wire.Split(p.b)
		for _, f := range frames {
			types = append(types, f.Type)
		}
	}
	return types
}

// received are the types of the frames that the case sees.
func received(n *Tunnel) (types []Type) {
	for _, a := range n.inbox {
		types = append(types, a.f.Type)
	}
	return types
}

func TestACoreCaseSeesNoGreeting(t *testing.T) {
	n := met("core", wire.Hello(), KeepAlive(), KeepAlive(), wire.Hello())
	if got := received(n); !slices.Equal(got, []Type{TypeKeepAlive, TypeHello}) {
		t.Errorf("the case sees %v; want the second KeepAlive and the second HELLO", got)
	}
	if got := lined(n); !slices.Equal(got, []Type{TypeKeepAlive, TypeKeepAlive}) {
		t.Errorf("the suite sent %v; want an answer to each KeepAlive", got)
	}
	if heard, _ := n.KeepAlives(); heard != 1 || n.Up() {
		t.Errorf("%d KeepAlives heard, up: %t; want 1, false", heard, n.Up())
	}
	n = met("core", KeepAlive(), wire.Hello())
	if got := received(n); !slices.Equal(got, []Type{TypeKeepAlive, TypeHello}) {
		t.Errorf("of a HELLO that is not first the case sees %v", got)
	}
}

func TestTheKeepAliveBehindHelloIsAnsweredBehindTheSuites(t *testing.T) {
	n := met("ext", wire.Hello(wire.U32(wire.TagWindow, 7)), KeepAlive())
	if got := received(n); !slices.Equal(got, []Type{TypeHello}) || len(lined(n)) != 0 || !n.Asked() {
		t.Errorf("the case sees %v, the suite sent %v; want HELLO, nothing", got, lined(n))
	}
	n.Greet(Greeting{Window: 1})
	if got := lined(n); !slices.Equal(got, []Type{TypeHello, TypeKeepAlive}) || !n.Up() || n.Window() != 7 {
		t.Errorf("the suite sent %v, up: %t, window %d; want HELLO, then the answer", got, n.Up(), n.Window())
	}
	n = met("ext", wire.Hello(), KeepAlive())
	n.Decline()
	if got := lined(n); !slices.Equal(got, []Type{TypeKeepAlive}) || n.Up() {
		t.Errorf("a suite that declines sent %v; want the answer alone", got)
	}
}

func TestPingsAreAnsweredOnATunnelThatIsUp(t *testing.T) {
	n := met("ext", wire.Hello(), wire.Ping(wire.Mark{1}))
	if got := lined(n); len(got) != 0 {
		t.Errorf("before HELLO the suite sent %v", got)
	}
	n.Greet(Greeting{})
	n.take(wire.Ping(wire.Mark{2}))
	if last := n.queue[len(n.queue)-1].b; !slices.Equal(last, wire.Pong(wire.Mark{2}).Bytes()) {
		t.Errorf("the suite sent % x last; want the PONG", last)
	}
}

func TestCreditIsTheHighestLimit(t *testing.T) {
	n := met("ext", wire.Hello(wire.U32(wire.TagWindow, 10)))
	n.Greet(Greeting{})
	c := &Conn{Tun: n, ID: 3, Request: wire.Open(3)}
	for _, x := range []struct{ state, want uint64 }{{5, 10}, {30, 30}, {20, 30}, {wire.NoLimit, wire.NoLimit}} {
		n.take(wire.Window(3, x.state))
		if got := c.Limit(); got != x.want {
			t.Errorf("after a WINDOW of %d the limit is %d; want %d", x.state, got, x.want)
		}
	}
	c.Send(make([]byte, 25))
	if got := c.Credit(); c.Spent != 25 || got != wire.NoLimit-25 {
		t.Errorf("%d octets sent, credit %d", c.Spent, got)
	}
}

func TestNoCreditIsChargedToTheReceiver(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(n *Tunnel)
		want string
	}{
		"it stays away":           {func(n *Tunnel) { n.t.slack = Moment - Answer }, "WIN-005"},
		"the tunnel has ended":    {func(n *Tunnel) { n.end = EndFIN }, "X-001"},
		"the connection is reset": {func(n *Tunnel) { n.take(wire.Reset(3, 0x10, "")) }, "X-001"},
	} {
		n := met("ext", wire.Hello(wire.U32(wire.TagWindow, 10)))
		n.Greet(Greeting{})
		tt.end(n)
		c := &Conn{Tun: n, ID: 3, Request: wire.Open(3)}
		if got := outcome(n.t, func() { c.Send(make([]byte, 11)) }); got == "" || n.t.findings[0].Req != tt.want || c.Spent != 10 {
			t.Errorf("%s: charged %q to %v after %d octets; want %s after 10", name, got, n.t.findings, c.Spent, tt.want)
		}
	}
}

func TestEveryGreetingIsGreased(t *testing.T) {
	n := met("ext")
	places := map[int]bool{}
	for range 200 {
		all, ok := n.t.Hello(Greeting{Window: 1}).TLVs()
		i := slices.IndexFunc(all, func(v TLV) bool { return v.Tag&0x0F0F == 0x0A0A })
		if !ok || i < 0 || len(all[i].Value) > 32 {
			t.Fatalf("%v has no grease, or too long a one", all)
		}
		places[i] = true
	}
	if len(places) < 3 {
		t.Errorf("grease came in %d places; want each", len(places))
	}
}

// A matcher for a connection passes over WINDOW and PING, which may come at any time.
func TestWindowsComeAtAnyTime(t *testing.T) {
	_, n := inbox(wire.Window(7, 1), wire.Ping(wire.Mark{}), wire.Reset(7, 0x10, ""), wire.Window(7, 2))
	if got := outcome(n.t, func() { n.Expect("a RESET", ResetFor(7)) }); got != "" {
		t.Errorf("charged %q", got)
	}
	if _, found := n.Peek(WindowFor(7, 2)); !found {
		t.Error("the later WINDOW is gone")
	}
	if _, found := n.Peek(AnyAbout(7)); !found {
		t.Error("no frame about the ID is found")
	}
}

// A client that claims the profile and says no HELLO breaks a permission, and its claim.
func TestWhatAClaimNeedsIsNoPermission(t *testing.T) {
	et, _ := inbox()
	et.run.Lookup = func(id string) (Requirement, bool) { return Requirement{ID: id, Level: "MAY"}, true }
	et.charge("HELLO-001", Message, "it says HELLO", "", "nothing")
	if got := verdictOf(et.findings); got != Fail {
		t.Errorf("the verdict is %s; want fail", got)
	}
}

// A flood is all of its frames on the wire, and one line of the record, which the judge takes for no frame.
func TestAFloodIsRecordedOnce(t *testing.T) {
	et, n := inbox()
	et.Case.Req.Profile = "ext"
	n.Greet(Greeting{})
	n.take(wire.Hello())
	n.queue = nil
	before := len(n.t.rec.events)
	const times = 10_000
	ping := wire.Ping(wire.Mark{7})
	n.Flood(ping, times)
	got := lined(n)
	if len(got) != times || slices.ContainsFunc(got, func(typ Type) bool { return typ != TypePing }) || len(n.queue) > 3 {
		t.Errorf("%d frames in %d writes; want %d PINGs in a few", len(got), len(n.queue), times)
	}
	events := n.t.rec.events[before:]
	if len(events) != 1 || events[0].Kind != SentRaw || events[0].Size != times*len(ping.Bytes()) || events[0].Step.Times != times {
		t.Errorf("the record has %v; want one line", events)
	}
	n.take(wire.Pong(ping.Mark()))
	if _, charged := n.t.rec.Events(); len(charged) > 0 {
		t.Errorf("of an answer to the flood the judge says %v", charged)
	}
}

// A requirement of Core that is shown on an extended tunnel needs a subject that speaks the profile.
func TestACaseOfCoreOnAnExtendedTunnel(t *testing.T) {
	core := Case{ID: "LOSS-001", Req: Requirement{Profile: "core"}}
	if core.Extended() || core.Profile() != "core" {
		t.Errorf("a case of Core has profile %q", core.Profile())
	}
	core.OnExtended = true
	if !core.Extended() || core.Profile() != "ext" {
		t.Errorf("one on an extended tunnel has profile %q", core.Profile())
	}
}

func TestTheLogIsKnownOfWhatTheSuiteStarted(t *testing.T) {
	for _, owned := range []bool{true, false} {
		et, _ := inbox()
		et.running = &runningPeer{p: &peer{s: &peerSubject{owned: owned}, exited: make(chan struct{})}}
		if lines, ok := et.Log(); ok != owned || (len(lines) > 0) != owned {
			t.Errorf("started by the suite: %t; the log is %q, %t", owned, lines, ok)
		}
	}
}
