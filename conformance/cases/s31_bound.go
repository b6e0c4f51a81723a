package cases

import (
	"crypto/tls"
	"fmt"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// boundToTLS are cases of subjects that encrypt and ask for a key.
var boundToTLS = []Case{
	{
		ID: "TLS-004", Variant: "key", Role: Client, With: WithTLS | WithKey | WithKeyAlone, OnExtended: true, Title: "any certificate, of a server that has the key",
		Run: func(t *T) {
			t.TLS().Certificates = []tls.Certificate{t.Certificate(Certificate{SelfMade: true, OtherKey: true, Host: "other.example"})}
			t.Extended()
			t.Open().Works("a client that knows its server by the key takes any certificate")
		},
	},
	{
		ID: "TLS-004", Variant: "key-wrong", Role: Client, With: WithTLS | WithKey | WithKeyAlone, OnExtended: true, Title: "a server that has another key",
		Run: func(t *T) {
			n := greeted(t)
			n.Prove(wire.NewKey(t.Key().ID))
			deserted(t, n, "the client ends a tunnel to a server that has another key, and says nothing but HELLO")
		},
	},
	{
		ID: "TLS-004", Variant: "key-core", Role: Client, With: WithTLS | WithKey | WithKeyAlone, OnExtended: true, Uncut: true, Title: "a server that proves nothing, and speaks Core",
		Run: func(t *T) { mistrusts(t, Certificate{SelfMade: true, OtherKey: true}) },
	},
	{
		ID: "AUTH-010", Variant: "tls", Role: Both, With: WithTLS | WithKey, Title: "under TLS the binding is 1 or 2",
		Run: func(t *T) {
			n := exchanged(t)
			a := stated(n)
			t.Check(a == 1 || a == 2, "", "the HELLO states binding %d under TLS", a)
			provenTo(t, n)
			admitted(t, n, "the tunnel serves")
		},
	},
	{
		ID: "AUTH-002", Variant: "tls-other", Role: Both, With: WithTLS | WithKey, Title: "a proof that was made for another TLS connection, as a man in the middle passes it on",
		Run: func(t *T) { boundElsewhere(t, wire.CB(t.Octets(32))) },
	},
	{
		ID: "AUTH-002", Variant: "tls-none", Role: Both, With: WithTLS | WithKey, Title: "a proof that was made for no TLS connection",
		Run: func(t *T) { boundElsewhere(t, wire.CB{}) },
	},
	{
		ID: "AUTH-021", Variant: "tls-1", Role: Server, With: WithTLS | WithKey, Title: "binding 1 under TLS, which a server accepts, or answers with 2 if it has that alone",
		Run: func(t *T) {
			t.Bind(1)
			if !t.Exports() {
				n := t.Dial()
				n.Send(t.Offering(t.Auth(t.Key())))
				n.ExpectHello()
				refusesBinding(t, n, 2)
				t.Bind(2)
				t.Extended().ExpectOpen("with the binding that the server states the client gets in")
				return
			}
			bindsBy(t, greeted(t), 1)
			t.Extended()
			t.Open().Works("the tunnel serves")
		},
	},
	{
		ID: "AUTH-021", Variant: "tls-2", Role: Server, With: WithTLS | WithKey, Title: "binding 2 under TLS, which a server accepts, or answers with 1",
		Run: func(t *T) {
			t.Bind(2)
			n := t.Dial()
			n.Send(t.Offering(t.Auth(t.Key())))
			f := n.ExpectHello()
			if a, _ := f.Auth(); a.Binding != 2 {
				t.Check(t.Exports(), "", "a server that has binding 2 alone states binding %d to a client with 2", a.Binding)
				t.Note("the server does not accept binding 2")
				refusesBinding(t, n, 1)
				return
			}
			n.ExpectProof("the server's proof is over the digest of its certificate", t.Key())
			admitted(t, n, "a client that binds to the certificate gets in")
		},
	},
	{
		ID: "AUTH-021", Variant: "tls-0", Role: Server, With: WithTLS | WithKey, Title: "a binding that a tunnel under TLS does not have is answered with one that it has, and proves nothing",
		Run: func(t *T) {
			for _, binding := range []byte{0, 77} {
				n := t.Dial()
				a := t.Auth(t.Key())
				a.Binding = binding
				n.Send(t.Offering(a))
				n.ExpectHello()
				refusesBinding(t, n, usual(t))
			}
			t.Extended().ExpectOpen("with the right binding the client gets in")
		},
	},
	{
		ID: "AUTH-022", Variant: "tls", Role: Client, With: WithTLS | WithKey, Title: "the other binding of TLS is a tunnel error to a client",
		Run: func(t *T) { answersBinding(t, func(own byte) byte { return 3 - own }) },
	},
	{
		ID: "AUTH-022", Variant: "tls-0", Role: Client, With: WithTLS | WithKey, Title: "binding 0 is a tunnel error to a client under TLS",
		Run: func(t *T) { answersBinding(t, func(byte) byte { return 0 }) },
	},
	{
		ID: "AUTH-010", Variant: "led", Role: Client, With: WithTLS | WithKey, Wait: RedialDelay, Title: "a server that states binding 0 does not bring a client under TLS to it",
		Run: func(t *T) {
			for range 2 { // nor one that was brought to another before
				answersBinding(t, func(byte) byte { return 0 })
				n := unspoken(t)
				a := stated(n)
				t.Check(a == 1 || a == 2, "", "behind a server's binding 0 the client states binding %d under TLS", a)
				n.Send(t.Offering(t.Auth(t.Key())))
				admitted(t, n, "and goes on with that")
				n.Close()
			}
		},
	},
	{
		ID: "AUTH-027", Role: Client, With: WithTLS | WithKey, Wait: RedialDelay, Title: "a client that has both bindings of TLS states that of its server in its next attempt",
		Run: func(t *T) {
			if only, one := t.Claim("binding"); one {
				t.NotApplicable("the client has binding %s alone", only)
			}
			want := answersBinding(t, func(own byte) byte { return 3 - own })
			n := unspoken(t)
			t.Check(stated(n) == want, "", "behind a server's binding %d the client states binding %d", want, stated(n))
			n.Send(t.Offering(t.Auth(t.Key())))
			admitted(t, n, "with that binding the tunnel serves")
		},
	},
}

// usual is the binding that a subject under TLS states of its own accord.
func usual(t *T) byte {
	if t.Exports() {
		return 1
	}
	return 2
}

// bindsBy expects that a server's HELLO states a binding.
func bindsBy(t *T, n *Tunnel, want byte) {
	t.Check(stated(n) == want, "AUTH-021", "the server's HELLO states binding %d, and not %d", stated(n), want)
}

// refusesBinding expects that a server which has answered the suite's HELLO under TLS counts its key as one that it does not have.
// It states one that it has.
func refusesBinding(t *T, n *Tunnel, states byte) {
	bindsBy(t, n, states)
	f := n.ExpectNext("its proof comes as ever", AProof(), func(Frame) bool { return false })
	p, _ := f.Proven()
	for binding := range byte(3) {
		t.Check(p != n.ProofOver(Server, t.Key(), n.CB(binding)), "", "with a binding that the server does not accept it proves that it has the key")
	}
	n.Prove(t.Key())
	denied(t, n, "and the client's is denied")
}

// exchanged is a tunnel on which both HELLOs have passed, and nothing else was looked at.
func exchanged(t *T) *Tunnel {
	n := unspoken(t)
	n.Send(t.Offering(t.Auth(t.Key())))
	if t.Case.Role != Client {
		n.ExpectHello()
	}
	return n
}

// provenTo expects a server's proof, which comes first.
func provenTo(t *T, n *Tunnel) {
	if t.Case.Role != Client {
		n.ExpectProof("the server's proof is over the HELLOs and what ties it to this tunnel", t.Key())
	}
}

// boundElsewhere expects that the right proof is taken, and one that is bound to something else is not.
func boundElsewhere(t *T, cb wire.CB) {
	n := exchanged(t)
	provenTo(t, n)
	admitted(t, n, "the right proof is taken")
	n.Close()
	n = exchanged(t)
	provenTo(t, n)
	mine, _ := own(t)
	n.Send(wire.Prove(n.ProofOver(mine, t.Key(), cb)))
	if t.Case.Role == Client {
		deserted(t, n, "the client ends a tunnel on which the server's proof is for another TLS connection")
	} else {
		denied(t, n, "the server denies a proof for another TLS connection")
	}
}

// stated is the binding of a subject's HELLO.
func stated(n *Tunnel) byte {
	f, _ := n.Hello()
	a, _ := f.Auth()
	return a.Binding
}

// answersBinding expects that a client ends a tunnel whose server answers with another binding, and returns that.
func answersBinding(t *T, other func(own byte) byte) byte {
	twin(t)
	n := unspoken(t)
	a := t.Auth(t.Key())
	a.Binding = other(a.Binding)
	n.Send(t.Offering(a))
	breaks(t, n, fmt.Sprintf("binding %d of the server ends the tunnel of a client with another", a.Binding))
	return a.Binding
}
