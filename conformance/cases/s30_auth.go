package cases

import (
	"encoding/binary"
	"fmt"
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// twin is a tunnel with the right proofs, which serves and is closed again: the valid neighbour of what goes wrong on the next one.
func twin(t *T) {
	n := t.Extended()
	t.Working()
	n.Close()
}

// greeted is a tunnel on which both HELLOs have passed, and a server's proof; the suite has not proven anything.
func greeted(t *T) *Tunnel {
	n := unspoken(t) // first: the binding of a server's HELLO is that of its client's
	return greets(t, n, t.Offering(t.Auth(t.Key())), t.Key())
}

// greetedBy is greeted with a HELLO of the case's own.
func greetedBy(t *T, hello Frame) *Tunnel { return greets(t, unspoken(t), hello, t.Key()) }

func greets(t *T, n *Tunnel, hello Frame, k wire.Key) *Tunnel {
	n.Send(hello)
	if t.Case.Role != Client {
		n.ExpectHello()
		n.ExpectProof("the server's proof comes right behind its HELLO", k, For("AUTH-003"))
	}
	return n
}

// unspoken is a tunnel on which the suite has said nothing. A client has said HELLO.
func unspoken(t *T) *Tunnel {
	if t.Case.Role == Client {
		n := t.Accept()
		n.ExpectHello()
		return n
	}
	return t.Dial()
}

// admitted goes on to a tunnel that is up, and serves.
func admitted(t *T, n *Tunnel, sentence string) {
	n.Prove(t.Key())
	if t.Case.Role == Client {
		n.ExpectProof(sentence, t.Key())
		n.Send(wire.Admit())
	} else {
		n.ExpectAdmitted(sentence)
	}
	t.Open().Works(sentence)
}

// denied expects that a server turns the suite away, and does not say why.
func denied(t *T, n *Tunnel, sentence string, opts ...Option) {
	f := n.Expect(sentence, AGoAway(wire.CodeDenied), opts...)
	t.Check(f.Size == 2, "AUTH-024", "a GOAWAY denied to a stranger has no text: %s", f)
	n.ExpectClosed("and ends the tunnel", opts...)
}

// deserted expects that a client ends the tunnel and sends nothing more, not even GOAWAY.
func deserted(t *T, n *Tunnel, sentence string) {
	n.ExpectClosed(sentence)
	for _, m := range []Matcher{AProof(), AnAdmission(), AGoAway(), AKeepAlive()} {
		f, came := n.Peek(m)
		t.Check(!came, "", "a client that has found the server's proof wrong sends nothing more: %s", f)
	}
}

// sized is a HELLO with auth that is so many octets long.
func sized(t *T, octets int) Frame {
	f := t.Offering(t.Auth(t.Key()))
	value := make([]byte, octets-int(f.Size)-4)
	return with(f, append(binary.BigEndian.AppendUint16([]byte{0x0A, 0x0A}, uint16(len(value))), value...))
}

// s30 proves section 30.
var s30 = keyed(slices.Concat([]Case{
	{
		ID: "AUTH-001", Variant: "unproven", Role: Server, Title: "no visitor is served on a tunnel without the client's proof",
		Run: func(t *T) {
			n := greeted(t)
			t.Visitor().ExpectEnd("a visitor is turned away while nobody has proven a key")
			admitted(t, n, "with the proof the tunnel serves")
		},
	},
	{
		ID: "AUTH-001", Variant: "silent", Role: Server, Title: "a server that asks for auth does not serve by Core",
		Run: func(t *T) {
			twin(t)
			t.Dial()
			t.Visitor().ExpectEnd("a visitor is turned away while the only tunnel is one on which nothing was said")
			t.Extended()
			t.Open().Works("with the proofs a tunnel serves")
		},
	},
	{
		ID: "AUTH-001", Variant: "core", Role: Client, Title: "a client with a key does not serve by Core",
		Run: func(t *T) {
			twin(t)
			n := unspoken(t)
			svc := t.Service()
			n.Send(RequestTo(n.NextID(), svc.Host, svc.Port))
			n.ExpectClosed("a ConnectRequest in the place of the server's HELLO ends the tunnel")
		},
	},
	{
		ID: "AUTH-002", Role: Server, Title: "each key proves by its own secret",
		Run: func(t *T) {
			clients, other, _ := t.Keys()
			for _, k := range []wire.Key{clients, other} {
				n := t.Dial()
				n.Send(t.Offering(t.Auth(k)))
				n.ExpectHello()
				n.ExpectProof("the proof is by the key that the client names", k)
				n.Prove(k)
				n.ExpectAdmitted("and so is the client's")
				t.Open().Works("and the tunnel serves")
			}
		},
	},
	{
		ID: "AUTH-002", Variant: "tags", Role: Both, Title: "tags that nobody knows are part of the proofs",
		Run: func(t *T) {
			n := greetedBy(t, t.Offering(t.Auth(t.Key()), curious()...))
			admitted(t, n, "the proofs are of the HELLOs as they were sent")
		},
	},
	{
		ID: "AUTH-002", Variant: "long", Role: Both, Title: "a HELLO with auth of 4,096 octets is part of the proofs",
		Run: func(t *T) {
			admitted(t, greetedBy(t, sized(t, wire.MaxTLVs)), "the proofs are of all octets of the HELLOs")
		},
	},
	{
		ID: "AUTH-003", Role: Server, Title: "the server's proof comes right behind its HELLO, before it has checked who the client is",
		Run: func(t *T) {
			for _, id := range []string{t.Key().ID, "nobody", t.Key().ID} {
				n := t.Dial()
				n.Send(t.Offering(wire.NewAuth(0, id)))
				n.ExpectNext("HELLO is answered first", AHello(), func(Frame) bool { return false })
				n.ExpectNext("and the proof is right behind it", AProof(), func(Frame) bool { return false })
				n.Close()
			}
			t.Extended()
			t.Open().Works("who has the key gets in")
		},
	},
	{
		ID: "AUTH-004", Role: Client, Title: "the client proves itself when the server's proof is right, and not before",
		Run: func(t *T) {
			n := greeted(t)
			t.Meanwhile(Settle, func() bool { return false })
			f, early := n.Peek(AProof())
			t.Check(!early, "", "the client's proof comes before the server's: %s", f)
			admitted(t, n, "behind the server's proof comes the client's")
		},
	},
	{
		ID: "AUTH-005", Role: Server, Title: "the right proof is answered by AUTH without octets, and what comes behind it is acted on",
		Run: func(t *T) {
			n := greeted(t)
			m := wire.Mark(t.Octets(8))
			mine, _ := own(t)
			n.Send(wire.Prove(n.Proof(mine, t.Key())), wire.Ping(m), KeepAlive())
			n.ExpectNext("AUTH without octets comes first", AnAdmission(), func(Frame) bool { return false })
			n.Expect("then the answer to what came right behind the proof", PongFor(m))
			n.Expect("and the next one", AKeepAlive(), For("ALIVE-002"))
			t.Open().Works("and the tunnel serves")
		},
	},
	{
		ID: "AUTH-005", Variant: "empty", Role: Server, Title: "an AUTH without octets is no proof",
		Run: func(t *T) {
			n := greeted(t)
			n.Send(wire.Admit())
			denied(t, n, "an AUTH without octets is denied")
			t.Extended().ExpectOpen("who has the key gets in")
		},
	},
	{
		ID: "AUTH-010", Role: Both, Title: "without TLS the binding is 0",
		Run: func(t *T) {
			n := unspoken(t)
			if t.Case.Role == Server {
				n.Send(t.Offering(t.Auth(t.Key())))
				n.ExpectHello()
			}
			f, _ := n.Hello()
			a, ok := f.Auth()
			if !ok || a.Binding != 0 {
				t.Fail("", "the HELLO states binding %d on a tunnel without TLS", a.Binding)
			}
			n.Close()
			t.Extended()
			t.Open().Works("with binding 0 a tunnel serves")
		},
	},
	{
		ID: "AUTH-014", Role: Both, Title: "each tunnel has a nonce of its own",
		Run: func(t *T) {
			seen := map[[32]byte]bool{{}: true}
			for range 3 {
				n := t.Extended()
				f, _ := n.Hello()
				a, _ := f.Auth()
				t.Check(!seen[a.Nonce], "", "the nonce %x was there before, or is none", a.Nonce)
				seen[a.Nonce] = true
				t.Working()
				n.Close()
			}
		},
	},
	{
		ID: "AUTH-021", Role: Server, Title: "a binding that this tunnel does not have is answered with the one that it has, and proves nothing",
		Run: func(t *T) {
			for _, binding := range []byte{1, 2, 77} {
				n := t.Dial()
				a := t.Auth(t.Key())
				a.Binding = binding
				n.Send(t.Offering(a))
				f := n.ExpectHello()
				got, _ := f.Auth()
				t.Check(got.Binding == 0, "", "to a client with binding %d the server states binding %d without TLS; it has 0 alone", binding, got.Binding)
				proof := n.ExpectNext("its proof comes as ever", AProof(), func(Frame) bool { return false })
				p, _ := proof.Proven()
				t.Check(p != n.Proof(Server, t.Key()), "", "with binding %d the key counts as one that the server does not have", binding)
				n.Prove(t.Key())
				denied(t, n, "and the client's is denied")
			}
			t.Extended().ExpectOpen("with the right binding the client gets in")
		},
	},
	{
		ID: "AUTH-022", Role: Client, Title: "another binding than its own is a tunnel error to a client",
		Run: func(t *T) {
			for _, binding := range []byte{1, 2} {
				twin(t)
				n := unspoken(t)
				a := t.Auth(t.Key())
				a.Binding = binding
				n.Send(t.Offering(a))
				breaks(t, n, fmt.Sprintf("binding %d of the server ends the tunnel of a client with 0", binding))
			}
		},
	},
	{
		ID: "AUTH-025", Variant: "again", Role: Both, Title: "an AUTH on a tunnel that is up is a tunnel error",
		Run: func(t *T) {
			for _, f := range []Frame{wire.Prove(wire.Proof{1}), wire.Admit()} {
				n := t.Extended()
				c := t.Working()
				n.Send(f)
				breaks(t, n, "an AUTH that answers nothing ends the tunnel")
				c.Local.ExpectEnd("and what it carries", For("LOSS-001"))
			}
		},
	},
}, countered(), hellos(), hasty(), strangers))

// keyed are cases of a subject that asks for a key.
func keyed(all []Case) []Case {
	for i := range all {
		all[i].With = WithKey
	}
	return all
}
