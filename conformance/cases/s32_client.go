package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// What a client that is certified is told to publish: this port, and any. Both lead to the suite's service.
const publishedPort = 10022

// publication is a BIND of the client, as it came.
type publication struct {
	id      uint32
	service string
	port    uint16
}

// publications are the BINDs of a client for its port and for any, on a tunnel that is up; the second has the number numbered, 0 for any.
func publications(t *T, n *Tunnel, numbered uint16, opts ...Option) (number, other publication) {
	for range 2 {
		f := n.ExpectBind("a client that was told to publish asks for it on each tunnel", opts...)
		p := publicationOf(t, f)
		if p.port == publishedPort {
			number = p
		} else {
			t.Check(p.port == numbered, "BIND-009", "port %d is asked for, and not %d: %s", p.port, numbered, f)
			other = p
		}
	}
	if number.service == "" || other.service == "" {
		t.Fail("BIND-001", "a client asks for port %d and for %d, once each", publishedPort, numbered)
	}
	return number, other
}

func publicationOf(t *T, f Frame) publication {
	name, has := f.Tag(wire.TagService)
	port, hasPort := f.Tag(wire.TagPort)
	t.Check(has && wire.Label(name), "BIND-001", "a BIND has a service, which is a label: %s", f)
	t.Check(hasPort && len(port) == 2, "BIND-001", "a client that was told to publish a port asks for one: %s", f)
	return publication{f.BindID(), string(name), uint16(f.TagNumber(wire.TagPort, 0))}
}

// gives answers a BIND with a port.
func gives(n *Tunnel, p publication, port uint16) {
	n.Send(wire.Bound(p.id, wire.CodeOK, wire.U16(wire.TagPort, port)))
}

// granted is a tunnel on which a client has asked for both, and got them.
func granted(t *T) (n *Tunnel, number, other publication) {
	n = t.Extended()
	number, other = publications(t, n, 0)
	gives(n, number, publishedPort)
	gives(n, other, 12345)
	n.Barrier()
	return n, number, other
}

// reached expects that an OPEN with the service leads to the suite's service.
func reached(t *T, n *Tunnel, sentence string, p publication) {
	id := n.OpenService(p.service)
	local := t.Service().Accept(sentence)
	n.Expect(sentence, OpenedFor(id), Within(LocalEffect))
	c := &Conn{Tun: n, ID: id, Local: local, Request: wire.Open(id)}
	c.Works(sentence)
}

// astray are frames of a server that no crossing brings about, to a client that has both of its bindings.
var astray = []struct {
	variant, title string
	frame          func(number, other publication) Frame
}{
	{"bound-unused", "a BOUND for a bind ID that was not used", func(a, b publication) Frame { return wire.Bound(max(a.id, b.id)+1, wire.CodeOK) }},
	{"bound-twice", "a second BOUND", func(a, _ publication) Frame {
		return wire.Bound(a.id, wire.CodeOK, wire.U16(wire.TagPort, publishedPort))
	}},
	{"bound-denied-twice", "a second BOUND with another code", func(_, b publication) Frame { return wire.Bound(b.id, wire.CodeDenied) }},
	{"unbind-unused", "an UNBIND for a bind ID that was not used", func(a, b publication) Frame { return wire.Unbind(max(a.id, b.id)+1, wire.CodeGeneral) }},
}

// strays makes cases of them.
func strays() (out []Case) {
	for _, s := range astray {
		out = append(out, Case{ID: "BIND-011", Variant: s.variant, Role: Client, Title: s.title + " is a tunnel error", Run: func(t *T) {
			n, a, b := granted(t)
			n.Send(s.frame(a, b))
			breaks(t, n, s.title+" ends the tunnel")
		}})
	}
	return out
}

// s32Client is section 32 for clients.
var s32Client = slices.Concat(strays(), []Case{
	{
		ID: "BIND-001", Role: Client, Title: "a client asks for what it was told to publish, each with a bind ID of its own",
		Run: func(t *T) {
			n, a, b := granted(t)
			t.Check(a.id != b.id, "", "both BINDs have bind ID %d", a.id)
			t.Check(a.service != b.service, "", "both BINDs have service %s", a.service)
			n.ExpectNone("and for nothing more", AnyBind())
		},
	},
	{
		ID: "BIND-010", Role: Client, Title: "an OPEN with the service is taken from the BIND on",
		Run: func(t *T) {
			n := t.Extended()
			a, b := publications(t, n, 0)
			reached(t, n, "before the BOUND it leads to the service", a)
			gives(n, a, publishedPort)
			gives(n, b, 12345)
			reached(t, n, "and behind it", a)
			reached(t, n, "and so does the other", b)
		},
	},
	{
		ID: "BIND-010", Variant: "tunnels", Role: Client, Title: "an OPEN with the service is taken on each tunnel of the client",
		Run: func(t *T) {
			n, a, _ := granted(t)
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			next := t.Greet(Greeting{Window: 1 << 20})
			reached(t, next, "on the next tunnel it leads to the service, whatever was asked for there", a)
			c.Works("the connection on the old tunnel goes on", For("AWAY-004"))
		},
	},
	{
		ID: "BIND-010", Variant: "unknown", Role: Client, Title: "an OPEN with a service that the client does not have is answered with unknown-service",
		Run: func(t *T) {
			n, a, _ := granted(t)
			id := n.OpenService("nobody-has-this")
			f := n.Expect("it is answered with RESET", ResetFor(id), Within(DialEnds))
			t.Check(f.Code() == wire.CodeUnknownService, "", "the code is unknown-service: %s", f)
			reached(t, n, "the others are served", a)
		},
	},
	{
		ID: "BIND-011", Variant: "unbind-early", Role: Client, Title: "an UNBIND before the BOUND is a tunnel error",
		Run: func(t *T) {
			n := t.Extended()
			a, b := publications(t, n, 0)
			gives(n, a, publishedPort)
			n.Send(wire.Unbind(a.id, wire.CodeGeneral))
			n.ExpectOpen("behind the BOUND it is none")
			n.Send(wire.Unbind(b.id, wire.CodeGeneral))
			breaks(t, n, "an UNBIND before the BOUND ends the tunnel")
		},
	},
	{
		ID: "BIND-011", Variant: "critical", Role: Client, Title: "a critical tag in BOUND is a tunnel error, others are ignored",
		Run: func(t *T) {
			n := t.Extended()
			a, b := publications(t, n, 0)
			n.Send(wire.Bound(a.id, wire.CodeOK, TLV{Tag: 0x7ABC, Value: []byte{1}}, wire.U16(wire.TagPort, publishedPort), TLV{Tag: 0x0A0A}))
			reached(t, n, "tags that nobody knows are ignored", a)
			n.Send(wire.Bound(b.id, wire.CodeOK, wire.U16(wire.TagPort, 12345), TLV{Tag: 0x8ABC}))
			breaks(t, n, "a critical one ends the tunnel")
		},
	},
	{
		ID: "BIND-011", Variant: "ended", Role: Client, Title: "an UNBIND for a binding that has ended is ignored, and a refusal ends nothing else",
		Run: func(t *T) {
			n := t.Extended()
			a, b := publications(t, n, 0)
			n.Send(wire.Bound(a.id, wire.CodeDenied, wire.Text(wire.TagText, "not\x00here\xff")), wire.Unbind(a.id, wire.CodeGeneral), wire.Unbind(a.id, wire.CodeReplaced))
			gives(n, b, 12345)
			n.Send(wire.Unbind(b.id, wire.CodeReplaced), wire.Unbind(b.id, wire.CodeReplaced), wire.Unbind(b.id, wire.CodeDenied))
			n.ExpectOpen("the tunnel goes on")
			t.Working()
			n.ExpectNone("and no UNBIND is answered", AnyUnbind(), For("BIND-015"))
		},
	},
	{
		ID: "BIND-018", Role: Client, Title: "a BIND from a server is a tunnel error",
		Run: func(t *T) {
			n, a, _ := granted(t)
			n.Send(wire.Bind(a.id+100, ForName("ssh")...))
			breaks(t, n, "a BIND from a server ends the tunnel")
		},
	},
	{
		ID: "BIND-012", Variant: "in-use", Role: Client, Wait: BindAgainMax, Title: "what is in use is asked for again after 30 to 60 s",
		Run: func(t *T) { refusedFor(t, wire.CodeInUse) },
	},
	{
		ID: "BIND-012", Variant: "too-many", Role: Client, Wait: BindAgainMax, Title: "what is too many is asked for again after 30 to 60 s",
		Run: func(t *T) { refusedFor(t, wire.CodeTooMany) },
	},
	{
		ID: "BIND-015", Variant: "replaced", Role: Client, Title: "a client that was replaced answers nothing, and does not ask again on that tunnel",
		Run: func(t *T) { outlivesLoss(t, wire.CodeReplaced) },
	},
	{
		ID: "BIND-015", Variant: "denied", Role: Client, Title: "a client that is denied its binding answers nothing, and does not ask again on that tunnel",
		Run: func(t *T) { outlivesLoss(t, wire.CodeDenied) },
	},
	{
		ID: "BIND-015", Variant: "long", Role: Client, Wait: BindAgainMax + Answer, Title: "nor later, as it does for what is in use",
		Run: func(t *T) {
			n, a, b := granted(t)
			n.Send(wire.Unbind(a.id, wire.CodeReplaced), wire.Unbind(b.id, wire.CodeDenied))
			t.Meanwhile(BindAgainMax+Answer, func() bool { return false })
			n.ExpectNone("it asks for nothing that it has lost", AnyBind())
		},
	},
	{
		ID: "BIND-009", Role: Client, Title: "on a new tunnel a client asks for the ports that it had, and for any where it had asked for that",
		Run: func(t *T) {
			n, a, b := granted(t)
			n.Abort()
			next := t.Greet(Greeting{Window: 1 << 20})
			number, other := publications(t, next, 12345)
			t.Check(number.service == a.service && other.service == b.service, "", "the services are those of before: %s, %s", number.service, other.service)
			gives(next, number, publishedPort)
			next.Send(wire.Bound(other.id, wire.CodeInUse))
			f := next.ExpectBind("for any port it asks again where the one that it had is in use", Within(LocalEffect))
			again := publicationOf(t, f)
			t.Check(again.port == 0 && again.service == b.service, "", "it asks for port %d, service %s", again.port, again.service)
			gives(next, again, 12346)
			reached(t, next, "and is served", again)
		},
	},
	{
		ID: "BIND-009", Variant: "drained", Role: Client, Title: "what a tunnel had that is drained is asked for on the next",
		Run: func(t *T) {
			n := t.Extended()
			a, b := publications(t, n, 0)
			gives(n, b, 12345)
			n.Send(wire.GoAway(wire.CodeDrain, ""), wire.Bound(a.id, wire.CodeDrain))
			next := t.Greet(Greeting{Window: 1 << 20})
			number, other := publications(t, next, 12345)
			gives(next, number, publishedPort)
			gives(next, other, 12345)
			reached(t, next, "what was answered with drain is had on the next tunnel", number)
			reached(t, next, "and so is what it had", other)
		},
	},
	{
		ID: "BIND-019", Role: Client, Wait: BindAgainMin, Title: "a client that was told to publish leaves a server without the option, and stays away for 30 s",
		Run: func(t *T) {
			n := t.Greet(Greeting{Window: 1 << 20, Unbound: true})
			n.Expect("the client says that it needs the option", AGoAway(wire.CodeUnsupported))
			_, came := n.Peek(AnyBind())
			t.Check(!came, "EXT-001", "a BIND came though the option was not agreed")
			n.ExpectClosed("and ends the tunnel", Within(Answer+Answer))
			t.Accept(Between(n.Began(), BindAgainMin, RedialDelay+Answer), For("BIND-019"))
		},
	},
})

// refusedFor expects that a client asks again, after bind-again, for what it was refused for a reason that may pass.
func refusedFor(t *T, code wire.Code) {
	n := t.Extended()
	a, b := publications(t, n, 0)
	gives(n, b, 12345)
	at := t.Now()
	n.Send(wire.Bound(a.id, code, wire.Text(wire.TagText, "for now")))
	f := n.ExpectBind("it asks again", Between(at, BindAgainMin, BindAgainMax))
	again := publicationOf(t, f)
	t.Check(again.service == a.service && again.port == a.port, "", "for the same: %s", f)
	gives(n, again, publishedPort)
	reached(t, n, "and is served", again)
}

// outlivesLoss expects that a client takes the end of a binding as it is.
func outlivesLoss(t *T, code wire.Code) {
	n, a, b := granted(t)
	n.Send(wire.Unbind(a.id, code))
	n.ExpectNone("an UNBIND of the server is not answered", AnyUnbind())
	t.Meanwhile(Look, func() bool { return false })
	n.ExpectNone("nor is what was lost asked for again", AnyBind())
	reached(t, n, "the other binding stays", b)
}
