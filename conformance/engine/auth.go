package engine

import (
	"slices"

	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// Asks reports whether the subject asks for auth.
func (t *T) Asks() bool { return t.Case.With&WithKey != 0 }

// Key is the key by which the subject knows the suite.
func (t *T) Key() wire.Key { return t.run.keys[0] }

// Keys are all that a server has: the client's, another one, and one that a case may take away.
func (t *T) Keys() (clients, other, spare wire.Key) {
	return t.run.keys[0], t.run.keys[1], t.run.keys[2]
}

// SetKeys gives a server other keys in the place of those that it has.
func (t *T) SetKeys(keys ...wire.Key) {
	if err := t.running.(keyring).SetKeys(keys); err != nil {
		panic("engine: the server's keys cannot be changed: " + err.Error())
	}
	t.rec.note("suite", "the server's file of keys has %d keys now", len(keys))
}

// A keyring is a subject whose keys can be changed.
type keyring interface{ SetKeys([]wire.Key) error }

// Offering is the suite's HELLO with auth.
func (t *T) Offering(a wire.Auth, more ...TLV) Frame {
	return t.Hello(Greeting{Window: roomy, Extra: append([]TLV{a.TLV()}, more...)})
}

// Auth is what the suite's HELLO says of a key, with a nonce of this tunnel alone. A server's HELLO names none.
func (t *T) Auth(k wire.Key) wire.Auth {
	if t.Case.Role == Client {
		k.ID = ""
	}
	return wire.NewAuth(t.binding(), k.ID)
}

// Exports reports whether a subject under TLS has binding 1. One that has one binding alone says so by the capability "binding 1" or
// "binding 2".
func (t *T) Exports() bool {
	only, _ := t.Claim("binding")
	return only != "2"
}

// Bind chooses the binding that the suite, as client, states on the tunnels that come; without it that is one that the server has under
// TLS, 1 or else 2, and 0 without.
func (t *T) Bind(binding byte) { t.bound = binding }

// binding is what the suite's next HELLO states: a server's is that of its client.
func (t *T) binding() byte {
	if t.Case.Role == Client && len(t.opened) > 0 {
		if f, ok := t.opened[len(t.opened)-1].Hello(); ok {
			a, _ := f.Auth()
			return a.Binding
		}
	}
	switch {
	case t.bound != 0 || t.tls == nil:
		return t.bound
	case t.Exports():
		return 1
	}
	return 2
}

// Proof is that of a role by a key, from the HELLOs as they passed.
func (n *Tunnel) Proof(role Role, k wire.Key) wire.Proof {
	client, _ := n.hellos()
	a, _ := client.Auth()
	return n.ProofOver(role, k, n.CB(a.Binding))
}

// ProofOver is that of a role by a key on a tunnel that has such a CB.
func (n *Tunnel) ProofOver(role Role, k wire.Key, cb wire.CB) wire.Proof {
	client, server := n.hellos()
	return k.Proof(string(role), cb, wire.Transcript(client, server))
}

// hellos are both HELLOs, as they passed.
func (n *Tunnel) hellos() (client, server Frame) {
	n.t.rec.mu.Lock()
	defer n.t.rec.mu.Unlock()
	if n.t.Case.Role == Client {
		return *n.hello, n.said
	}
	return n.said, *n.hello
}

// Prove sends the suite's proof by a key.
func (n *Tunnel) Prove(k wire.Key) { n.Send(wire.Prove(n.Proof(n.own(), k))) }

// own is the role that the suite plays.
func (n *Tunnel) own() Role {
	if n.t.Case.Role == Client {
		return Server
	}
	return Client
}

// ExpectProof expects the subject's proof by a key, and nothing before it.
func (n *Tunnel) ExpectProof(sentence string, k wire.Key, opts ...Option) {
	f := n.ExpectNext(sentence, AProof(), func(Frame) bool { return false }, opts...)
	if got, _ := f.Proven(); got != n.Proof(n.t.Case.Role, k) {
		n.t.failed(n.t.expect(sentence, Message, Answer, append([]Option{For("AUTH-002")}, opts...)), "the proof of both HELLOs by the key that both have", f.String())
	}
}

// ExpectAdmitted expects that a server lets the suite in.
func (n *Tunnel) ExpectAdmitted(sentence string, opts ...Option) {
	n.Expect(sentence, AnAdmission(), opts...)
}

// shake is the handshake with auth: HELLO, both proofs, the server's word that the tunnel is up.
func (n *Tunnel) shake(hello func() Frame, k wire.Key) {
	if n.t.Case.Role == Client {
		n.ExpectHello()
		n.Send(hello())
		n.Prove(k)
		n.ExpectProof("the client proves that it has the key", k, For("AUTH-004"))
		n.Send(wire.Admit())
		return
	}
	n.Send(hello())
	n.ExpectHello()
	n.ExpectProof("the server proves that it has the key", k, For("AUTH-003"))
	n.Prove(k)
	n.ExpectAdmitted("the server lets in who has proven to have the key", For("AUTH-005"))
}

// As is a tunnel on which both have proven to have a key.
func (t *T) As(k wire.Key) *Tunnel {
	defer t.inSetup()()
	return t.GreetAs(k, Greeting{Window: roomy})
}

// GreetAs is As with a HELLO of the case's own.
func (t *T) GreetAs(k wire.Key, g Greeting) *Tunnel {
	defer t.inSetup()()
	n := t.fresh()
	n.shakeBy(g, k)
	return n
}

// shakeBy is shake with what the case says in its HELLO.
func (n *Tunnel) shakeBy(g Greeting, k wire.Key) {
	n.shake(func() Frame {
		g.Extra = append(slices.Clone(g.Extra), n.t.Auth(k).TLV())
		return n.t.Hello(g)
	}, k)
}

// fresh is a new tunnel on which nothing has passed.
func (t *T) fresh() *Tunnel {
	if t.Case.Role == Client {
		return t.Accept()
	}
	return t.Dial()
}

// AProof matches an AUTH with a proof.
func AProof() Matcher {
	d := decoded(wire.TypeAuth)
	d.Form = "proof"
	return Matcher{want: "an AUTH with a proof", like: []spec.Decoded{d}, free: []string{"proof"}}
}

// AnAdmission matches an AUTH without octets.
func AnAdmission() Matcher {
	d := decoded(wire.TypeAuth)
	d.Form = "empty"
	return Matcher{want: "an AUTH without octets", like: []spec.Decoded{d}}
}
