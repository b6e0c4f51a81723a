package cases

import (
	"slices"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

var inUse = []wire.Code{wire.CodeInUse}

// A thing is what can be held: a port, or a name.
type thing struct {
	name string
	tlvs func(t *T) []TLV
}

var things = []thing{
	{"port", func(t *T) []TLV { return ForPort(t.BindPort(0), "ssh") }},
	{"name", func(*T) []TLV { return ForName("db") }},
}

// ofThings makes a case for a port, and one for a name.
func ofThings(c Case, run func(t *T, tlvs []TLV)) (out []Case) {
	for _, x := range things {
		one := c
		one.Variant, one.Run = c.Variant+"-"+x.name, func(t *T) { run(t, x.tlvs(t)) }
		out = append(out, one)
	}
	return out
}

// drains has a client drain its tunnel.
func drains(n *Tunnel) {
	n.Send(wire.GoAway(wire.CodeDrain, ""))
	n.Expect("the server answers GOAWAY drain with its own", AGoAway(wire.CodeDrain), For("AWAY-002"))
	n.Barrier()
}

// forgetsPings takes the PINGs that have come so far.
func forgetsPings(tunnels ...*Tunnel) {
	for _, n := range tunnels {
		for _, came := n.Peek(AnyPing()); came; _, came = n.Peek(AnyPing()) {
			n.Expect("a PING has come", AnyPing())
		}
	}
}

// vanishes is the loss of a tunnel, of which the server has taken notice.
func vanishes(t *T, n *Tunnel) {
	n.Barrier()
	n.Close()
	t.Meanwhile(Settle, func() bool { return false })
}

// s32Holders is section 32.2 for servers.
var s32Holders = slices.Concat(
	ofThings(Case{ID: "BIND-007", Variant: "alive", Role: Server, Title: "a holder that lives keeps what it holds"}, func(t *T, tlvs []TLV) {
		holder, n := client(t, "").tunnel(t), client(t, "").tunnel(t)
		asks(holder, "nobody holds it", okCode, tlvs)
		for range 2 {
			asks(n, "what a living client of the same owner holds is in use", inUse, tlvs)
		}
		n.ExpectOpen("both tunnels go on")
		holder.ExpectNone("and the holder has not lost it", AnyUnbind(), For("BIND-006"))
	}),
	ofThings(Case{ID: "BIND-007", Variant: "dead", Role: Server, Wait: TakeoverProbe, Title: "a holder that is silent loses what it holds after 5 s, and its tunnel"}, func(t *T, tlvs []TLV) {
		holder, n := client(t, "").tunnel(t), client(t, "").tunnel(t)
		asks(holder, "nobody holds it", okCode, tlvs)
		holder.Barrier()
		holder.Mute()
		begun := t.Now()
		asks(n, "what a silent client holds is given after takeover-probe", okCode, tlvs, Exactly(begun, TakeoverProbe))
		holder.ExpectClosed("the tunnel of the dead client is ended", Within(Answer+Answer))
		asks(client(t, "").tunnel(t), "the new holder lives", inUse, tlvs)
	}),
	ofThings(Case{ID: "BIND-007", Variant: "other", Role: Server, Title: "what another owner holds is in use; a name is each owner's own"}, func(t *T, tlvs []TLV) {
		holder, n := client(t, "").tunnel(t), stranger(t).tunnel(t)
		asks(holder, "nobody holds it", okCode, tlvs)
		holder.Mute()
		codes := okCode
		if len(tlvs) > 1 {
			codes = inUse
		}
		asks(n, "another owner's port is in use, whether that lives or not; a name is not", codes, tlvs, Within(TakeoverProbe-Look), For("BIND-003"))
		holder.ExpectOpen("its holder is not ended", For("BIND-007"))
		holder.ExpectNone("nor loses it", AnyUnbind(), For("BIND-006"))
	}),
	ofThings(Case{ID: "BIND-014", Variant: "tunnel", Role: Server, Title: "what the group holds moves to the tunnel that asks again"}, func(t *T, tlvs []TLV) {
		p := client(t, "")
		first, second := p.tunnel(t), p.tunnel(t)
		id, _ := asks(first, "nobody holds it", okCode, tlvs)
		asks(second, "what the group holds is given at once", okCode, tlvs, Within(Answer))
		first.ExpectUnbound("the bind ID that it had ends", id, wire.CodeReplaced)
		first.Unbind(id)
		first.ExpectUnbound("an UNBIND for that is answered", id, wire.CodeOK, For("BIND-005"))
		asks(client(t, "").tunnel(t), "and takes nothing from the tunnel that has it now", inUse, tlvs)
	}),
	ofThings(Case{ID: "BIND-016", Variant: "kept", Role: Server, Title: "what a client that drains holds is its owner's: the next client of the same name gets it at once"}, func(t *T, tlvs []TLV) {
		holder := client(t, "home").tunnel(t)
		id, _ := asks(holder, "nobody holds it", okCode, tlvs)
		drains(holder)
		asks(client(t, "other").tunnel(t), "a client of another name does not get it", inUse, tlvs)
		asks(client(t, "").tunnel(t), "nor one without a name", inUse, tlvs)
		if len(tlvs) > 1 {
			asks(stranger(t).tunnel(t), "nor another owner", inUse, tlvs)
		}
		asks(client(t, "home").tunnel(t), "a client of the same name gets it at once", okCode, tlvs, Within(Answer))
		holder.ExpectUnbound("the old one hears that it was replaced", id, wire.CodeReplaced, For("BIND-006"))
	}),
	[]Case{
		{
			ID: "BIND-007", Variant: "octet", Role: Server, Title: "any octet behind the PING is a sign of life",
			Run: func(t *T) {
				p := client(t, "")
				holder, n := p.tunnel(t), client(t, "").tunnel(t)
				more := p.tunnel(t)
				_, port := holder.Given(t.BindPort(0), "ssh")
				more.Barrier()
				holder.Barrier()
				holder.Mute()
				more.Mute()
				forgetsPings(holder, more)
				id := n.Bind(ForPort(port, "ssh")...)
				holder.Expect("the server asks the holder", AnyPing())
				more.Expect("on each of its tunnels", AnyPing())
				more.SendRaw([]byte{1})
				n.ExpectBound("one octet on one tunnel says that the holder lives", id, inUse, Within(TakeoverProbe-Look))
			},
		},
		{
			ID: "BIND-007", Variant: "waiting", Role: Server, Wait: TakeoverProbe, Title: "others that ask for the same wait for the outcome, and one gets it",
			Run: func(t *T) {
				holder := client(t, "").tunnel(t)
				_, port := holder.Given(t.BindPort(0), "ssh")
				holder.Mute()
				begun := t.Now()
				first, second := client(t, "").tunnel(t), client(t, "").tunnel(t)
				one := first.Bind(ForPort(port, "ssh")...)
				first.Barrier()
				other := second.Bind(ForPort(port, "ssh")...)
				either := []wire.Code{wire.CodeOK, wire.CodeInUse}
				a := first.ExpectBound("the first hears the outcome", one, either, Between(begun, TakeoverProbe, BindTimeout))
				b := second.ExpectBound("and so does the second", other, either, Between(begun, TakeoverProbe, BindTimeout+TakeoverProbe))
				t.Check((a.Code() == wire.CodeOK) != (b.Code() == wire.CodeOK), "", "one of the two gets the port: %s, %s", a, b)
				winner := first
				if b.Code() == wire.CodeOK {
					winner = second
				}
				winner.ExpectServed("and has its visitors", port, "ssh")
			},
		},
		{
			ID: "BIND-014", Variant: "service", Role: Server, Title: "a port that is asked for again on its tunnel has the service of the last BIND",
			Run: func(t *T) {
				n := client(t, "").tunnel(t)
				id, port := n.Given(t.BindPort(0), "ssh")
				c := n.ExpectServed("a visitor comes for the first service", port, "ssh")
				again := n.Bind(ForPort(port, "web")...)
				n.ExpectMoved("the bind ID that it had ends before the BOUND", id, again)
				_, late := n.Peek(UnbindFor(id))
				t.Check(!late, "", "it ends once")
				n.ExpectServed("visitors come for the service of the last BIND", port, "web")
				c.Works("connections go on")
			},
		},
		{
			ID: "BIND-014", Variant: "any", Role: Server, Title: "port 0 again for a service that was asked for with port 0 is the same port",
			Run: func(t *T) {
				p := client(t, "")
				n := p.tunnel(t)
				_, port := n.Given(0, "ssh")
				_, number := n.Given(t.BindPort(90), "web")
				_, again := n.Given(0, "ssh")
				t.Check(again == port, "", "the port is %d, and was %d", again, port)
				more := p.tunnel(t)
				_, again = more.Given(0, "ssh")
				t.Check(again == port, "", "on another tunnel of the group it is %d, and was %d", again, port)
				_, other := more.Given(0, "web")
				t.Check(other != number && other != port, "", "a port that was asked for by its number is not what 0 asks for again: %d", other)
				_, theirs := client(t, "").tunnel(t).Given(0, "ssh")
				t.Check(theirs != port, "", "another group has its own: %d", theirs)
			},
		},
		{
			ID: "BIND-014", Variant: "open", Role: Server, Title: "a port that moves is open all the time",
			Run: func(t *T) {
				p := client(t, "")
				first, second := p.tunnel(t), p.tunnel(t)
				_, port := first.Given(t.BindPort(0), "ssh")
				for range 4 {
					id := second.Bind(ForPort(port, "ssh")...)
					for moved := false; !moved; _, moved = second.Peek(AnyBound()) {
						v, open := t.VisitorAt(port)
						if !open {
							t.Fail("", "a visitor is refused while the port moves")
						}
						v.Abort()
						t.Meanwhile(Moment, func() bool { return false })
					}
					second.ExpectBound("the port moves", id, okCode)
					first, second = second, first
				}
			},
		},
		{
			ID: "BIND-006", Role: Server, Title: "a holder that is replaced by another client hears it on the tunnel that asked",
			Run: func(t *T) {
				p := client(t, "home")
				asked := p.tunnel(t)
				id, port := asked.Given(t.BindPort(0), "ssh")
				c := asked.ExpectServed("a visitor is served", port, "ssh")
				silent := p.tunnel(t)
				drains(asked)
				drains(silent)
				next := client(t, "home").tunnel(t)
				asks(next, "the next client takes over", okCode, ForPort(port, "ssh"), For("BIND-016"))
				asked.ExpectUnbound("the tunnel that asked hears why it ended", id, wire.CodeReplaced)
				silent.ExpectNone("and no other", AnyUnbind())
				next.ExpectServed("visitors come to the next client", port, "ssh")
				c.Works("connections go on", For("AWAY-004"))
			},
		},
		{
			ID: "BIND-016", Variant: "visitors", Role: Server, Title: "while all tunnels of a group drain its port is open, visitors are ended, connections go on",
			Run: func(t *T) {
				n := client(t, "").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				c := n.ExpectServed("a visitor is served", port, "ssh")
				drains(n)
				for range 2 {
					t.ExpectEndAt("a visitor of a group that drains is accepted and ended at once", port)
				}
				n.ExpectNone("and asked for by no OPEN", AnyOpen(), For("AWAY-001"))
				c.Works("connections go on")
				next := client(t, "").tunnel(t)
				next.Given(port, "ssh")
				next.ExpectServed("the next client has the visitors", port, "ssh")
				c.Works("and the old one its connections")
			},
		},
		{
			ID: "BIND-017", Role: Server, Title: "on a tunnel that drains a BIND is answered with drain, whatever it asks for",
			Run: func(t *T) {
				n := client(t, "").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				drains(n)
				for _, tlvs := range [][]TLV{ForPort(0, "web"), ForPort(port, "ssh"), ForName("db"), ForName("NO")} {
					asks(n, "a BIND on a tunnel that drains is answered with drain", []wire.Code{wire.CodeDrain}, tlvs)
				}
				n.ExpectNone("and takes nothing away", AnyUnbind())
			},
		},
		{
			ID: "BIND-017", Variant: "waiting", Role: Server, Title: "a BIND that waits when its tunnel begins to drain is answered with drain",
			Run: func(t *T) {
				holder := client(t, "").tunnel(t)
				_, port := holder.Given(t.BindPort(0), "ssh")
				holder.Mute()
				n := client(t, "").tunnel(t)
				id := n.Bind(ForPort(port, "ssh")...)
				n.Barrier()
				n.Send(wire.GoAway(wire.CodeDrain, ""))
				n.ExpectBound("the BIND that waits is answered with drain", id, []wire.Code{wire.CodeDrain}, Within(TakeoverProbe-Look))
			},
		},
		{
			ID: "BIND-017", Variant: "server", Role: Server, Needs: NeedDrain, Title: "a server that drains answers BIND with drain",
			Run: func(t *T) {
				n := client(t, "").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				n.ExpectServed("a visitor is served", port, "ssh")
				t.Drain()
				n.Expect("a server that drains says GOAWAY drain", AGoAway(wire.CodeDrain), For("AWAY-001"))
				asks(n, "a BIND is answered with drain", []wire.Code{wire.CodeDrain}, ForPort(0, "web"))
			},
		},
		{
			ID: "BIND-008", Variant: "held", Role: Server, Title: "the port of a client that was lost is kept for its owner, and for clients of the same name",
			Run: func(t *T) {
				n := client(t, "home").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				vanishes(t, n)
				v, open := t.VisitorAt(port)
				if !open {
					t.NotApplicable("the server keeps a port for less time than it takes to look")
				}
				v.ExpectEnd("a visitor of a port without a group is ended at once")
				other := stranger(t)
				other.name = "home"
				asks(other.tunnel(t), "another owner does not get it", inUse, ForPort(port, "ssh"))
				asks(client(t, "other").tunnel(t), "nor a client of another name", inUse, ForPort(port, "ssh"))
				next := client(t, "home").tunnel(t)
				asks(next, "a client of the same owner and name gets it at once", okCode, ForPort(port, "ssh"), Within(Answer))
				next.ExpectServed("with its visitors", port, "ssh")
			},
		},
		{
			ID: "BIND-008", Variant: "over", Role: Server, Wait: BindHoldMax, Title: "after bind-hold nothing is left of a port without a group",
			Run: func(t *T) {
				n := client(t, "").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				vanishes(t, n)
				for begun := t.Now(); t.Now() < begun+BindHoldMax+Answer; {
					if _, open := t.VisitorAt(port); !open {
						asks(stranger(t).tunnel(t), "and others can have it", okCode, ForPort(port, "ssh"))
						return
					}
					t.Meanwhile(Look, func() bool { return false })
				}
				t.Fail("", "the port is still open %s after its client was lost", BindHoldMax)
			},
		},
		{
			ID: "BIND-008", Variant: "done", Role: Server, Title: "a client that is done leaves nothing of its port",
			Run: func(t *T) {
				n := client(t, "home").tunnel(t)
				_, port := n.Given(t.BindPort(0), "ssh")
				n.ExpectServed("a visitor is served", port, "ssh").Fin()
				n.Send(wire.GoAway(wire.CodeDone, ""))
				n.Finish()
				n.ExpectClosed("the tunnel ends", Within(Answer+Answer))
				t.Meanwhile(Settle, func() bool { return false })
				t.ExpectShut("and its port", port)
				asks(stranger(t).tunnel(t), "another owner can have it at once", okCode, ForPort(port, "ssh"))
			},
		},
		{
			ID: "BIND-008", Variant: "name", Role: Server, Title: "a name is not kept",
			Run: func(t *T) {
				n := client(t, "home").tunnel(t)
				asks(n, "nobody has the name", okCode, ForName("db"))
				vanishes(t, n)
				asks(client(t, "other").tunnel(t), "a client of another name gets it at once", okCode, ForName("db"), Within(Answer))
			},
		},
		{
			ID: "BIND-008", Variant: "group", Role: Server, Title: "a binding lives as long as its group has a tunnel, whichever asked for it",
			Run: func(t *T) {
				p := client(t, "")
				asked, left := p.tunnel(t), p.tunnel(t)
				_, port := asked.Given(t.BindPort(0), "ssh")
				asks(asked, "and a name", okCode, ForName("db"))
				vanishes(t, asked)
				left.ExpectServed("visitors come on the tunnel that is left", port, "ssh")
				asks(client(t, "").tunnel(t), "the port is the group's", inUse, ForPort(port, "ssh"))
				asks(client(t, "").tunnel(t), "and so is the name", inUse, ForName("db"))
				asks(left, "and can be asked for again", okCode, ForPort(port, "web"), For("BIND-014"))
				left.ExpectNone("without an UNBIND for the tunnel that is lost", AnyUnbind(), For("BIND-014"))
			},
		},
	},
)

// s32Groups is section 32.3.
var s32Groups = []Case{
	{
		ID: "GROUP-002", Role: Server, Title: "the loss of a tunnel ends its connections, and no others of the group",
		Run: func(t *T) {
			p := client(t, "")
			lost := p.tunnel(t)
			_, port := lost.Given(t.BindPort(0), "ssh")
			gone := lost.ExpectServed("a visitor is served", port, "ssh")
			left := p.tunnel(t)
			drains(lost) // so that the next visitors come on the other
			stays := left.ExpectServed("another one on the second tunnel", port, "ssh")
			lost.Abort()
			gone.Local.ExpectEnd("the connections of the tunnel end", For("LOSS-001"))
			stays.Works("those of the other go on")
			left.ExpectServed("and the binding stays", port, "ssh")
		},
	},
	{
		ID: "GROUP-003", Role: Server, Title: "a group has at most 16 tunnels, a further one gets GOAWAY too-many",
		Run: func(t *T) {
			p := client(t, "")
			first := p.tunnel(t)
			var last *Tunnel
			for range GroupTunnels {
				n := p.knocks(t)
				if !t.Try(func() {
					n.ExpectAdmitted("the client is let in")
					n.Barrier()
				}) {
					last = n
					break
				}
			}
			if last == nil {
				t.Fail("", "a group has %d tunnels", GroupTunnels+1)
			}
			last.Expect("the tunnel that is one too many gets GOAWAY too-many", AGoAway(wire.CodeTooMany))
			last.ExpectClosed("and is ended", Within(Answer+Answer))
			first.ExpectOpen("the others go on")
			client(t, "").tunnel(t).ExpectOpen("another client has its own")
			stranger(t).tunnel(t).ExpectOpen("and so has another owner")
		},
	},
	{
		ID: "GROUP-002", Role: Client, Title: "the loss of a tunnel ends the connections of that one alone",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			n.Send(wire.GoAway(wire.CodeDrain, ""))
			next := t.Greet(Greeting{Window: 1 << 20})
			gone := t.Working()
			c.Works("the connection goes on on the tunnel that drains", For("AWAY-004"))
			next.Abort()
			gone.Local.ExpectEnd("the connections of the tunnel that is lost end", For("LOSS-001"))
			c.Works("and no others")
		},
	},
}
