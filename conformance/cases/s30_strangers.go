package cases

import (
	"fmt"
	"strings"
	"time"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// strangers are the cases of section 30 about who has no key, or none any more: what he learns, and what he may take up.
var strangers = []Case{
	{
		ID: "AUTH-006", Role: Server, Title: "a key ID that the server does not have is answered with the same frames as one that it has",
		Run: func(t *T) {
			known := turnedAway(t, t.Key().ID)
			for _, id := range foreignIDs {
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
		ID: "AUTH-015", Variant: "proof", Role: Both, Title: "an AUTH of more than 4,096 octets is a tunnel error at its header", Run: func(t *T) { overlong(t, wire.TypeAuth) },
	},
	{
		ID: "AUTH-015", Variant: "goaway", Role: Both, Title: "a GOAWAY of more than 4,096 octets is one before the proofs, too", Run: func(t *T) { overlong(t, TypeGoAway) },
	},
	{
		ID: "AUTH-016", Variant: "kept", Role: Server, Needs: NeedManyTunnels | NeedOwn, Title: "a stranger keeps his seat for 2 s, whoever else comes",
		Run: func(t *T) {
			t.Extended().ExpectOpen("the server serves")
			keepsSeats(t)
			t.Extended()
			t.Open().Works("a client gets in then")
		},
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
		ID: "AUTH-018", Variant: "greeted", Role: Server, Needs: NeedOwn, Title: "a key that is taken away between HELLO and proof proves nothing",
		Run: func(t *T) {
			clients, other, spare := t.Keys()
			up := t.As(spare)
			n := greets(t, t.Dial(), t.Offering(t.Auth(spare)), spare)
			t.SetKeys(clients, other)
			up.ExpectClosed("the tunnel of the key that is up ends")
			t.Check(n.Ended() == EndNone, "", "one on which it was not proven yet has ended: a stranger learns that there was a key")
			n.Prove(spare)
			denied(t, n, "the key is none any more when its proof comes")
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

// foreignIDs are key IDs that no server has, or that no key can have.
var foreignIDs = []string{"nobody", "A", strings.Repeat("x", 64), "a b", "\x00", "\xff\xfe", "adit1:a:b"}

// ofARuntime is what a process may take for 255 sockets and their threads of execution beside what it holds for each peer.
const ofARuntime = 24 << 20

// overlong sends the header of a frame of the handshake that is too long; its octets never come.
func overlong(t *T, typ Type) {
	twin(t)
	n := greeted(t)
	n.SendRaw(Header(Version, typ, wire.MaxTLVs+1))
	n.ExpectClosed("a payload of more than 4,096 octets before the proofs ends the tunnel at its header")
}

// keepsSeats lets strangers take all seats of an address, and one more come at once: he is closed, and none of them is ended for him. When
// they had their seats for long enough that changes.
func keepsSeats(t *T) {
	begun := t.Now()
	crowd := t.Crowd(SeatsAddress, false, nil)
	seated := crowd.Left()
	late := t.Crowd(1, false, nil)
	t.Until("who finds no seat is closed at once", func() bool { return late.Left() == 0 }, Within(SeatKept/2))
	left := crowd.Left()
	if t.Now()-begun >= SeatKept {
		t.Inconclusive("it took %v until %d strangers had come: the first has had his seat for long enough", t.Now()-begun, SeatsAddress)
	}
	t.Check(left == seated, "", "of %d strangers, each in his first 2 s, %d were ended for another", seated, seated-left)
	t.Meanwhile(SeatKept, func() bool { return false })
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
