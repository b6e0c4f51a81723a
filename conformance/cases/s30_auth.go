package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

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
	return greets(t, n, t.Offering(t.Auth(t.Key())))
}

// greetedBy is greeted with a HELLO of the case's own.
func greetedBy(t *T, hello Frame) *Tunnel { return greets(t, unspoken(t), hello) }

func greets(t *T, n *Tunnel, hello Frame) *Tunnel {
	n.Send(hello)
	if t.Case.Role != Client {
		n.ExpectHello()
		n.ExpectProof("the server's proof comes right behind its HELLO", t.Key(), For("AUTH-003"))
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

// A counterfeit is a proof that is not the right one, and how it comes about. Proof is what an earlier tunnel of the same key had.
type counterfeit struct {
	variant, title string
	proof          func(t *T, n *Tunnel, earlier wire.Proof) wire.Proof
}

// own is the role that the suite plays, and other the subject's.
func own(t *T) (own, other Role) {
	if t.Case.Role == Client {
		return Server, Client
	}
	return Client, Server
}

// counterfeits are those of either side.
var counterfeits = []counterfeit{
	{"secret", "by another secret", func(t *T, n *Tunnel, _ wire.Proof) wire.Proof {
		mine, _ := own(t)
		return n.Proof(mine, wire.NewKey(t.Key().ID))
	}},
	{"zeros", "of zeros", func(*T, *Tunnel, wire.Proof) wire.Proof { return wire.Proof{} }},
	{"first-bit", "that differs in its first bit", func(t *T, n *Tunnel, _ wire.Proof) wire.Proof { return flipped(t, n, 0, 0x80) }},
	{"last-bit", "that differs in its last bit", func(t *T, n *Tunnel, _ wire.Proof) wire.Proof { return flipped(t, n, 31, 1) }},
	{"label", "with the other side's label", func(t *T, n *Tunnel, _ wire.Proof) wire.Proof { // to a server it is its own, sent back
		_, theirs := own(t)
		return n.Proof(theirs, t.Key())
	}},
	{"replayed", "of an earlier tunnel, the nonce of which comes again", func(_ *T, _ *Tunnel, earlier wire.Proof) wire.Proof { return earlier }},
}

// flipped is the right proof with a bit changed.
func flipped(t *T, n *Tunnel, at int, bit byte) wire.Proof {
	mine, _ := own(t)
	p := n.Proof(mine, t.Key())
	p[at] ^= bit
	return p
}

// countered are the cases of proofs that are wrong: for each the right one of an earlier tunnel, with the same HELLO, is taken.
func countered() (out []Case) {
	for _, f := range counterfeits {
		meet := func(t *T, meets func(n *Tunnel)) {
			mine, _ := own(t)
			hello := t.Offering(t.Auth(t.Key()))
			n := greetedBy(t, hello)
			earlier := n.Proof(mine, t.Key())
			admitted(t, n, "the right proof is taken")
			n.Close()
			n = greetedBy(t, hello)
			n.Send(wire.Prove(f.proof(t, n, earlier)))
			meets(n)
		}
		out = append(out, Case{
			ID: "AUTH-005", Variant: "forged-" + f.variant, Role: Server, Title: "a proof " + f.title + " is denied",
			Run: func(t *T) {
				meet(t, func(n *Tunnel) { denied(t, n, "the server denies a proof "+f.title) })
				t.Extended().ExpectOpen("who has the key gets in")
			},
		}, Case{
			ID: "AUTH-004", Variant: "forged-" + f.variant, Role: Client, Title: "a client leaves a server whose proof is one " + f.title,
			Run: func(t *T) {
				meet(t, func(n *Tunnel) {
					deserted(t, n, "the client ends a tunnel on which the server's proof is one "+f.title)
				})
			},
		})
	}
	return out
}

// badAuths are values of the tag auth that no side may send, by role of the subject that reads them.
var badAuths = map[Role][]int{Server: {0, 1, 34, 99}, Client: {0, 1, 33, 35}}

// A slip is a HELLO of the suite that is wrong in its tag auth.
type slip struct {
	variant, title string
	tags           []TLV
}

// slips are those to a subject of a role that have a wrong size.
func slips(role Role) (out []slip) {
	for _, size := range badAuths[role] {
		value := bytes.Repeat([]byte{'k'}, size)
		copy(value, []byte{wire.SchemeHMAC, 0})
		out = append(out, slip{fmt.Sprintf("%d-octets", size), fmt.Sprintf("of %d octets", size), []TLV{{Tag: wire.TagAuth, Value: value}}})
	}
	return out
}

// without are HELLOs without auth of scheme 1.
var without = []slip{
	{"none", "without the tag auth", nil},
	{"scheme", "with auth of another scheme", []TLV{{Tag: wire.TagAuth, Value: []byte{2, 1, 2, 3}}}},
}

// hellos makes cases of HELLOs that are wrong in their tag auth.
func hellos() (out []Case) {
	for _, role := range []Role{Server, Client} {
		for _, s := range slips(role) {
			out = append(out, Case{ID: "AUTH-013", Variant: s.variant, Role: role, Title: "a tag auth " + s.title + " is a tunnel error", Run: func(t *T) {
				twin(t)
				n := unspoken(t)
				n.Send(t.Hello(Greeting{Extra: s.tags}))
				breaks(t, n, "a tag auth "+s.title+" ends the tunnel")
			}})
		}
		for _, s := range without {
			out = append(out, Case{ID: "AUTH-019", Variant: s.variant, Role: role, Title: "a HELLO " + s.title + " ends the tunnel of a side that asks for auth", Run: func(t *T) {
				twin(t)
				n := unspoken(t)
				n.Send(t.Hello(Greeting{Extra: s.tags}))
				if t.Case.Role == Client {
					breaks(t, n, "a client makes a HELLO "+s.title+" a tunnel error")
				} else {
					denied(t, n, "a server denies a HELLO "+s.title)
				}
			}})
		}
	}
	return out
}

// tooEarly are frames that nobody may send before the proofs, beside those of the state tables.
var tooEarly = map[string]Frame{
	"grease": Raw(0x2A, 1, 2, 3), "private": Raw(0x80), "unknown": Raw(0x30), "data": Data(1, nil), "reset": wire.Reset(1, wire.CodeReset, ""),
}

// hasty makes cases of frames that come before the proofs.
func hasty() (out []Case) {
	for name, f := range tooEarly {
		out = append(out, Case{ID: "AUTH-007", Variant: "early-" + name, Role: Both, Title: "before the proofs a frame that is no part of the handshake is a tunnel error", Run: func(t *T) {
			twin(t)
			n := greeted(t)
			n.Send(f)
			breaks(t, n, f.Type.String()+" before the proofs ends the tunnel")
		}})
	}
	slices.SortFunc(out, func(a, b Case) int { return strings.Compare(a.Variant, b.Variant) })
	return out
}

// A handshake that a server ends because it knows nobody by that key.
type handshake struct {
	shape string           // of what the server sent
	took  [2]time.Duration // until its proof, and until it denied the suite's
}

// turnedAway is a handshake in the name of a key ID, with a proof that is wrong.
func turnedAway(t *T, id string) (h handshake) {
	n := t.Dial()
	begun := t.Now()
	n.Send(t.Offering(wire.NewAuth(0, id)))
	hello := n.ExpectHello(For(t.Case.ID))
	proof := n.ExpectNext("the server's proof comes right behind its HELLO, whatever the key ID is", AProof(), func(Frame) bool { return false })
	h.took[0] = t.Now() - begun
	begun = t.Now()
	n.Send(wire.Prove(wire.Proof(t.Octets(32))))
	away := n.Expect("a proof that is wrong is denied", AGoAway(wire.CodeDenied))
	h.took[1] = t.Now() - begun
	n.ExpectClosed("and the tunnel ended")
	n.Close()
	all, _ := hello.TLVs()
	for _, v := range all {
		if v.Tag&0x0F0F != 0x0A0A { // grease is of random choice
			h.shape += fmt.Sprintf("%s of %d octets, ", v.Tag, len(v.Value))
		}
	}
	h.shape += fmt.Sprintf("%s of %d octets, %s", proof.Type, proof.Size, away)
	return h
}

// strangers are key IDs that no server has, or that no key can have.
var strangers = []string{"nobody", "A", strings.Repeat("x", 64), "a b", "\x00", "\xff\xfe", "adit1:a:b"}

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
		ID: "AUTH-006", Role: Server, Title: "a key ID that the server does not have is answered with the same frames as one that it has",
		Run: func(t *T) {
			known := turnedAway(t, t.Key().ID)
			for _, id := range strangers {
				h := turnedAway(t, id)
				t.Check(h.shape == known.shape, "", "to the key ID %q the server says %s; to one that it has %s", id, h.shape, known.shape)
			}
			t.Extended().ExpectOpen("who has the key gets in")
		},
	},
	{
		ID: "AUTH-006", Variant: "secret", Role: Server, Title: "nobody knows the secret in the place of that of a key that there is not",
		Run: func(t *T) {
			for _, id := range []string{"nobody", "\x00"} {
				n := t.Dial()
				n.Send(t.Offering(wire.NewAuth(0, id)))
				n.ExpectHello(For("AUTH-006"))
				f := n.ExpectNext("the server proves something to everybody", AProof(), func(Frame) bool { return false })
				got, _ := f.Proven()
				guess := wire.Key{ID: id} // without a secret
				for _, k := range []wire.Key{guess, t.Key()} {
					t.Check(got != n.Proof(Server, k), "", "the proof for the key ID %q, which the server does not have, is by a secret that can be guessed", id)
				}
				n.Prove(guess)
				denied(t, n, "whatever is proven by a key that there is not is wrong")
			}
			t.Extended().ExpectOpen("who has the key gets in")
		},
	},
	{
		ID: "AUTH-006", Variant: "time", Role: Server, Title: "how long a server takes does not say whether it has a key",
		Races: "it is about times, and what comes in them is what the other cases of the requirement look at",
		Run: func(t *T) {
			const times = 12
			var least [2][2]time.Duration // by whether the key is known, then by step: a machine that does other things makes a time longer, never shorter
			for i := range 2 * times {
				id := map[int]string{0: t.Key().ID, 1: "nobody"}[i%2]
				h := turnedAway(t, id)
				for step, took := range h.took {
					if l := &least[i%2][step]; *l == 0 || took < *l {
						*l = took
					}
				}
			}
			for step, what := range []string{"the proof", "the denial"} {
				apart := (least[0][step] - least[1][step]).Abs()
				t.Check(apart < Moment, "", "of %d attempts each %s took %s at least with a key that there is, and %s with one that there is not", times, what, least[0][step], least[1][step])
			}
		},
	},
	{
		ID: "AUTH-009", Variant: "silent", Role: Both, Wait: HandshakeMax, Title: "a tunnel on which the peer says nothing is ended when the handshake is over",
		Run: func(t *T) {
			n := unspoken(t)
			n.ExpectClosed("a peer that says nothing is left", Between(n.Began(), HandshakeMin, HandshakeMax+Answer))
			t.Extended()
			t.Open().Works("the next tunnel serves")
		},
	},
	{
		ID: "AUTH-009", Variant: "greeted", Role: Both, Wait: HandshakeMax, Title: "a tunnel that waits for a proof is ended when the handshake is over",
		Run: func(t *T) {
			n := greeted(t)
			span := Between(n.Began(), HandshakeMin, HandshakeMax+Answer)
			if t.Case.Role == Server {
				n.Expect("the server says that it was too late", AGoAway(wire.CodeTimedOut), span)
			}
			n.ExpectClosed("a peer that proves nothing is left", span)
			t.Extended()
			t.Open().Works("the next tunnel serves")
		},
	},
	{
		ID: "AUTH-009", Variant: "proving", Role: Client, Wait: HandshakeMax, Title: "a client that is not let in ends the tunnel when the handshake is over",
		Run: func(t *T) {
			n := greeted(t)
			n.Prove(t.Key())
			n.ExpectProof("the client proves itself", t.Key(), For("AUTH-004"))
			n.ExpectClosed("a server that does not let it in is left", Between(n.Began(), HandshakeMin, HandshakeMax+Answer))
		},
	},
	{
		ID: "AUTH-009", Variant: "up", Role: Both, Wait: HandshakeMax, Title: "a tunnel that is up outlives the time of the handshake",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			t.Meanwhile(HandshakeMax, func() bool { return n.Ended() != EndNone })
			c.Works("the tunnel goes on")
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
		ID: "AUTH-015", Variant: "proof", Role: Both, Title: "an AUTH of more than 4,096 octets is a tunnel error at its header", Run: func(t *T) { overlong(t, wire.TypeAuth) },
	},
	{
		ID: "AUTH-015", Variant: "goaway", Role: Both, Title: "a GOAWAY of more than 4,096 octets is one before the proofs, too", Run: func(t *T) { overlong(t, TypeGoAway) },
	},
	{
		ID: "AUTH-016", Variant: "strangers", Role: Server, Needs: NeedManyTunnels | NeedOwn, Wait: HandshakeMax, Title: "300 silent strangers take no more seats than there are, and keep no client out",
		Run: func(t *T) { thronged(t, 300, true, Seats) },
	},
	{
		ID: "AUTH-016", Variant: "address", Role: Server, Needs: NeedManyTunnels | NeedOwn, Wait: HandshakeMax, Title: "strangers behind a client's address take no more seats than it has, and do not keep it out",
		Run: func(t *T) { thronged(t, SeatsAddress+16, false, SeatsAddress) },
	},
	{
		ID: "AUTH-017", Role: Server, Needs: NeedManyTunnels | NeedOwn, Title: "a stranger takes little memory, whatever he announces",
		Run: func(t *T) {
			t.Extended().ExpectOpen("the server serves")
			before, ok := t.Memory()
			if !ok {
				t.NotApplicable("only of a subject that the suite started the memory is known")
			}
			// Each seat's share, and as much again as a runtime takes for sockets and threads.
			n, most := Seats-1, int64(Seats)*int64(SeatMemory)+ofARuntime
			c := t.Crowd(n, true, append(Header(Version, TypeHello, wire.MaxTLVs), make([]byte, wire.MaxTLVs-1)...))
			var took int64
			t.Meanwhile(SeatKept, func() bool {
				now, _ := t.Memory()
				took = max(took, now-before)
				return took > most
			})
			t.Check(took <= most, "", "%d strangers, of %d that came, take %d KiB", c.Left(), n, took>>10)
			t.Extended().ExpectOpen("and who has the key gets in")
		},
	},
	{
		ID: "AUTH-018", Role: Server, Needs: NeedOwn, Title: "a key that is taken away ends its tunnels",
		Run: func(t *T) {
			clients, other, spare := t.Keys()
			n := t.As(spare)
			c := t.Working()
			t.SetKeys(clients, other)
			n.Expect("the server says that the client is denied", AGoAway(wire.CodeDenied))
			n.ExpectClosed("and ends the tunnel")
			c.Local.ExpectEnd("and its visitors", For("LOSS-001"))
			n = t.Dial()
			n.Send(t.Offering(t.Auth(spare)))
			n.ExpectHello()
			n.Prove(spare)
			denied(t, n, "the key is none any more")
			t.Extended()
			t.Open().Works("another one still is")
		},
	},
	{
		ID: "AUTH-018", Variant: "others", Role: Server, Needs: NeedOwn, Title: "a key that is taken away ends no tunnel of another one",
		Run: func(t *T) {
			clients, other, spare := t.Keys()
			gone := t.As(spare)
			t.As(clients)
			c := t.Working()
			t.SetKeys(clients, other)
			gone.ExpectClosed("the tunnel of the key ends")
			c.Works("the tunnel of another one goes on")
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
		ID: "AUTH-024", Role: Server, Title: "a stranger is not told why he is denied",
		Run: func(t *T) {
			for _, f := range []Frame{t.Hello(Greeting{}), t.Offering(wire.NewAuth(0, "nobody")), t.Offering(t.Auth(t.Key()))} {
				n := t.Dial()
				n.Send(f)
				if _, offers := f.Auth(); offers {
					n.ExpectHello()
					n.Send(wire.Prove(wire.Proof{}))
				}
				denied(t, n, "who has not proven a key is denied")
			}
			t.Extended().ExpectOpen("who has the key gets in")
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
}, countered(), hellos(), hasty()))

// ofARuntime is what a process may take for 255 sockets and their threads of execution beside what it holds for each peer.
const ofARuntime = 24 << 20

// keyed are cases of a subject that asks for a key.
func keyed(all []Case) []Case {
	for i := range all {
		all[i].With = WithKey
	}
	return all
}

// overlong sends the header of a frame of the handshake that is too long; its octets never come.
func overlong(t *T, typ Type) {
	twin(t)
	n := greeted(t)
	n.SendRaw(Header(Version, typ, wire.MaxTLVs+1))
	n.ExpectClosed("a payload of more than 4,096 octets before the proofs ends the tunnel at its header")
}

// thronged lets strangers connect, more than there are seats for: a client gets in all the same, and each of them is gone when its
// handshake is over.
func thronged(t *T, n int, apart bool, seats int) {
	crowd := t.Crowd(n, apart, nil)
	t.Until("a server keeps no more strangers than it has seats", func() bool { return crowd.Left() <= seats })
	t.Meanwhile(SeatKept, func() bool { return false })
	tunnel := t.Dial()
	tunnel.Send(t.Offering(t.Auth(t.Key())))
	tunnel.ExpectHello(For("AUTH-016"))
	tunnel.ExpectProof("a client gets the seat of the oldest stranger", t.Key())
	admitted(t, tunnel, "and is let in beside the others")
	t.Until("every stranger is gone when the handshake is over", func() bool { return crowd.Left() == 0 }, Within(HandshakeMax+Answer), For("AUTH-009"))
	t.Open().Works("and the tunnel serves")
}
