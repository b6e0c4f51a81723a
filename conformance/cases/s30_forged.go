package cases

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// This file makes the cases of section 30 in which the suite's part of a handshake is wrong: its proof, its HELLO, or what it says before.

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
