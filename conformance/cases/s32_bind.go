package cases

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// published are cases of a subject that has the option bind. Ports are held beyond the end of a case: each has an instance of its own.
func published(all []Case) []Case {
	for i := range all {
		all[i].With = WithKey | WithPublish
		all[i].Needs |= NeedOwn
	}
	return all
}

var okCode = []wire.Code{wire.CodeOK}

// peer says which client of the suite's a tunnel is of: the owner's key, the client's name, and its instance.
type peer struct {
	key      wire.Key
	name     string
	instance []byte
}

// greeting is what the client says in its HELLOs.
func (p peer) greeting() Greeting {
	g := Greeting{Window: 1 << 20, Instance: p.instance}
	if p.name != "" {
		g.Extra = []TLV{wire.Text(wire.TagName, p.name)}
	}
	return g
}

// tunnel is a new one of the client.
func (p peer) tunnel(t *T) *Tunnel {
	n := t.GreetAs(p.key, p.greeting())
	hello, _ := n.Hello()
	if _, agrees := hello.Tag(wire.TagBind); !agrees {
		t.Fail("BIND-002", "the server does not agree to the option, and answers no BIND: %s", hello)
	}
	return n
}

// knocks is a new tunnel of the client on which both have proven to have the key. Whether the server lets it in is open.
func (p peer) knocks(t *T) *Tunnel {
	n := t.Dial()
	g := p.greeting()
	g.Extra = append(g.Extra, t.Auth(p.key).TLV())
	n.Send(t.Hello(g))
	n.ExpectHello()
	n.ExpectProof("the server proves that it has the key", p.key, For("AUTH-003"))
	n.Prove(p.key)
	return n
}

// client is one of the owner that the server knows the suite by.
func client(t *T, name string) peer { return peer{t.Key(), name, t.Octets(16)} }

// stranger is a client of another owner.
func stranger(t *T) peer {
	_, other, _ := t.Keys()
	return peer{other, "", t.Octets(16)}
}

// asks expects that a server answers a BIND with one of these codes.
func asks(n *Tunnel, sentence string, codes []wire.Code, tlvs []TLV, opts ...Option) (id uint32, bound Frame) {
	id = n.Bind(tlvs...)
	return id, n.ExpectBound(sentence, id, codes, opts...)
}

// A refusal is a BIND that a server cannot or may not serve.
type refusal struct {
	variant, title string
	codes          []wire.Code
	tlvs           func(*T) []TLV
}

// unboundPort is a port that nobody has, and that clients may not ask for.
func unboundPort(t *T) uint16 {
	host, _, _ := net.SplitHostPort(t.At.Visitor)
	for range 20 {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Inconclusive("no free port could be found: %v", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if port < t.At.BindPorts[0] || port > t.At.BindPorts[1] {
			return uint16(port)
		}
	}
	t.Inconclusive("every free port is one that clients may ask for")
	return 0
}

// mappedPort is that of the server's mapping.
func mappedPort(t *T) uint16 {
	_, text, _ := net.SplitHostPort(t.At.Visitor)
	port, _ := strconv.ParseUint(text, 10, 16)
	return uint16(port)
}

// refusals are those of which the suite knows the reason.
var refusals = []refusal{
	{"service-none", "without a service", []wire.Code{wire.CodeGeneral}, func(t *T) []TLV { return []TLV{wire.U16(wire.TagPort, t.BindPort(0))} }},
	{"service-empty", "with a service without a letter", []wire.Code{wire.CodeGeneral}, func(t *T) []TLV { return ForPort(t.BindPort(0), "") }},
	{"service-capital", "with a service in capitals", []wire.Code{wire.CodeGeneral}, func(t *T) []TLV { return ForPort(t.BindPort(0), "SSH") }},
	{"service-long", "with a service of 64 letters", []wire.Code{wire.CodeGeneral}, func(t *T) []TLV { return ForPort(t.BindPort(0), strings.Repeat("a", 64)) }},
	{"name-octets", "for a name that is no label", []wire.Code{wire.CodeGeneral}, func(*T) []TLV { return []TLV{{Tag: wire.TagService, Value: []byte("a\xff")}} }},
	{"network", "for another network than tcp", []wire.Code{wire.CodeUnsupported}, func(t *T) []TLV {
		return append(ForPort(t.BindPort(0), "ssh"), wire.U8(wire.TagNetwork, 2))
	}},
	{"critical", "with a critical tag that nobody knows", []wire.Code{wire.CodeUnsupported}, func(t *T) []TLV {
		return append(ForPort(t.BindPort(0), "ssh"), TLV{Tag: 0x8A0A})
	}},
	{"range", "for a port outside of the range", []wire.Code{wire.CodeDenied}, func(t *T) []TLV { return ForPort(unboundPort(t), "ssh") }},
	{"mapped", "for a port that a mapping has", []wire.Code{wire.CodeDenied, wire.CodeInUse}, func(t *T) []TLV { return ForPort(mappedPort(t), "ssh") }},
}

// refusedBinds makes cases of BINDs that cannot be served.
func refusedBinds() (out []Case) {
	for _, r := range refusals {
		out = append(out, Case{ID: "BIND-003", Variant: r.variant, Role: Server, Title: "a BIND " + r.title + " is refused, and leaves nothing behind", Run: func(t *T) {
			n := client(t, "").tunnel(t)
			asks(n, "a BIND "+r.title+" is refused with a code that says why", r.codes, r.tlvs(t))
			t.ExpectShut("and leaves no port behind", t.BindPort(0))
			_, port := n.Given(t.BindPort(0), "ssh")
			n.ExpectServed("the tunnel is as it was: a BIND that is right is served", port, "ssh")
		}})
	}
	return out
}

// badFrames makes cases of the vectors of frames that are wrong by themselves, each to a tunnel that has the option.
func badFrames() (out []Case) {
	for v := range spec.BindVectors("frame") {
		f, part, err := wire.Read(bytes.NewReader(v.Octets.Bytes()))
		if v.Error == nil || v.Error.Dies != "tunnel" || err != nil || len(part) > 0 && !f.Type.Binds() || !f.Type.Binds() {
			continue
		}
		role := Role(v.Role)
		for _, one := range []Role{Server, Client} {
			if role != one && role != Both || f.Type.From() == string(one) && v.Error.Layer == "size" {
				continue
			}
			variant := strings.ReplaceAll(strings.TrimPrefix(v.ID, "frame_"), "_", "-")
			out = append(out, Case{ID: v.Error.Requirement, Variant: "vector-" + variant, Role: one, OnExtended: true, Title: v.Title + " is a tunnel error", Run: func(t *T) {
				n := t.Extended()
				n.ExpectOpen("the tunnel is up")
				n.Send(f)
				breaks(t, n, v.Title+" ends the tunnel")
			}})
		}
	}
	return out
}

// s32 proves section 32.
var s32 = published(slices.Concat(s32Asking, refusedBinds(), badFrames(), s32Holders, s32Groups, s32Client))

// s32Asking is section 32.1 for servers.
var s32Asking = []Case{
	{
		ID: "BIND-001", Variant: "again", Role: Server, Title: "a bind ID for the second time is a tunnel error",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			id, _ := n.Given(0, "ssh")
			asks(n, "a gap between bind IDs is none", okCode, ForName("db"))
			n.BindAs(id+1000, ForName("web")...)
			n.ExpectBound("whatever its size", id+1000, okCode)
			n.BindAs(id+1000, ForName("mail")...)
			breaks(t, n, "a bind ID for the second time ends the tunnel")
		},
	},
	{
		ID: "BIND-001", Variant: "lower", Role: Server, Title: "a bind ID below one that was used is a tunnel error",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			n.BindAs(9, ForName("db")...)
			n.ExpectBound("a first bind ID is any", 9, okCode)
			n.BindAs(8, ForName("web")...)
			breaks(t, n, "a lower bind ID ends the tunnel")
		},
	},
	{
		ID: "BIND-001", Variant: "unbound", Role: Server, Title: "UNBIND uses a bind ID, too",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			n.Unbind(5)
			n.ExpectUnbound("an UNBIND for an ID that has no binding is answered", 5, wire.CodeOK, For("BIND-005"))
			n.BindAs(6, ForName("db")...)
			n.ExpectBound("the next ID is above", 6, okCode)
			n.Unbind(12)
			n.BindAs(12, ForName("web")...)
			breaks(t, n, "a BIND with the bind ID of an UNBIND ends the tunnel")
		},
	},
	{
		ID: "BIND-001", Variant: "edges", Role: Server, Title: "0 and 0xFFFFFFFF are bind IDs like others",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			for _, id := range []uint32{0, 0xFFFFFFFF} {
				n.BindAs(id, ForName(fmt.Sprintf("s%d", id))...)
				n.ExpectBound("each of both is answered", id, okCode)
			}
			n.BindAs(0, ForName("db")...)
			breaks(t, n, "and is used once")
		},
	},
	{
		ID: "BIND-002", Role: Server, Title: "each BIND gets one BOUND, also among many",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			var ids []uint32
			for i := range 12 {
				ids = append(ids, n.Bind(ForPort(0, fmt.Sprintf("s%d", i))...), n.Bind(ForPort(0, "NO")...), n.Bind(ForName(fmt.Sprintf("n%d", i))...))
			}
			for i, id := range ids {
				codes := okCode
				if i%3 == 1 {
					codes = []wire.Code{wire.CodeGeneral}
				}
				n.ExpectBound("each gets its answer", id, codes)
			}
			n.ExpectNone("and no second one", AnyBound())
		},
	},
	{
		ID: "BIND-013", Variant: "number", Role: Server, Title: "a port that was asked for by its number accepts visitors from the BOUND on",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			t.ExpectShut("before it is closed", t.BindPort(3))
			for i := range 5 {
				_, port := n.Given(t.BindPort(3+i), fmt.Sprintf("s%d", i))
				n.ExpectVisitor("a visitor is accepted at once", port, fmt.Sprintf("s%d", i))
			}
		},
	},
	{
		ID: "BIND-013", Variant: "any", Role: Server, Title: "for port 0 the server gives one, says which, and no two the same",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			seen := map[uint16]bool{}
			for i := range 5 {
				_, port := n.Given(0, fmt.Sprintf("s%d", i))
				t.Check(!seen[port], "", "port %d was given twice", port)
				t.Check(int(port) >= t.At.BindPorts[0] && int(port) <= t.At.BindPorts[1], "BIND-003", "port %d is outside of %v", port, t.At.BindPorts)
				seen[port] = true
				n.ExpectServed("a visitor is served", port, fmt.Sprintf("s%d", i))
			}
		},
	},
	{
		ID: "BIND-003", Variant: "taken", Role: Server, Title: "a port that the system does not give is in use",
		Run: func(t *T) {
			host, _, _ := net.SplitHostPort(t.At.Visitor)
			l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(int(t.BindPort(1)))))
			if err != nil {
				t.Inconclusive("the port could not be taken: %v", err)
			}
			defer l.Close()
			n := client(t, "").tunnel(t)
			asks(n, "a port that another program has is in use", inUse, ForPort(t.BindPort(1), "ssh"))
			_ = l.Close()
			n.Given(t.BindPort(1), "ssh")
		},
	},
	{
		ID: "BIND-003", Variant: "too-many", Role: Server, Title: "a group has at most 64 bindings, a further one is too many",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			first, last := uint32(0), uint32(0)
			for i := range Bindings + 1 {
				id, f := asks(n, "a BIND within the bound is given, one beyond is too many", []wire.Code{wire.CodeOK, wire.CodeTooMany}, ForName(fmt.Sprintf("s%d", i)))
				if f.Code() == wire.CodeTooMany {
					last = id
					break
				}
				first = id
			}
			if last == 0 {
				t.Fail("", "%d bindings of one group were given", Bindings+1)
			}
			if first == 0 {
				t.Fail("", "not even one binding was given")
			}
			asks(n, "and still is, for a port", []wire.Code{wire.CodeTooMany}, ForPort(0, "ssh"))
			asks(n, "what the group has already is asked for again, and is none more", okCode, ForName("s0"))
			n.ExpectUnbound("it moves", 1, wire.CodeReplaced, For("BIND-014"))
			n.Unbind(first)
			n.ExpectUnbound("one is given up", first, wire.CodeOK, For("BIND-005"))
			n.Given(0, "ssh")
			stranger(t).tunnel(t).Given(0, "ssh")
		},
	},
	{
		ID: "BIND-004", Role: Server, Title: "visitors of a port come by an OPEN with the service alone",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			_, ssh := n.Given(t.BindPort(0), "ssh")
			_, web := n.Given(0, "web")
			for range 2 {
				n.ExpectServed("each port has its service", ssh, "ssh")
				n.ExpectServed("each port has its service", web, "web")
			}
			_, same := n.Given(0, "web-2")
			n.ExpectServed("and so has one more", same, "web-2")
		},
	},
	{
		ID: "BIND-004", Variant: "owner", Role: Server, Title: "visitors of a port come to the group that it was given to, whoever else is connected",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			_, port := n.Given(t.BindPort(0), "ssh")
			others := []*Tunnel{client(t, "").tunnel(t), stranger(t).tunnel(t)}
			_, theirs := others[1].Given(0, "ssh")
			for range 3 {
				n.ExpectServed("the group that has the port gets its visitors", port, "ssh")
			}
			others[1].ExpectServed("and another its own", theirs, "ssh")
			for _, o := range others {
				o.ExpectNone("nobody else does", AnyOpen())
			}
		},
	},
	{
		ID: "BIND-004", Variant: "drained", Role: Server, Title: "a visitor comes on a tunnel of the group that does not drain",
		Run: func(t *T) {
			p := client(t, "")
			first, second := p.tunnel(t), p.tunnel(t)
			_, port := first.Given(t.BindPort(0), "ssh")
			first.Send(wire.GoAway(wire.CodeDrain, ""))
			first.Expect("the server drains too", AGoAway(wire.CodeDrain), For("AWAY-002"))
			for range 3 {
				second.ExpectServed("visitors come on the tunnel that is left", port, "ssh")
			}
		},
	},
	{
		ID: "BIND-004", Variant: "full", Role: Server, Title: "a visitor that no tunnel of the group can take is ended at once",
		Run: func(t *T) {
			p := client(t, "")
			n := t.GreetAs(p.key, Greeting{Window: 1 << 20, Most: 1, Instance: p.instance})
			_, port := n.Given(t.BindPort(0), "ssh")
			n.ExpectServed("a first one is served", port, "ssh")
			t.ExpectEndAt("one that the client cannot take is ended at once", port, For("XOPEN-011"))
			more := p.tunnel(t)
			more.ExpectServed("and served where another tunnel of the group has room", port, "ssh")
		},
	},
	{
		ID: "BIND-005", Role: Server, Title: "UNBIND closes the port, whatever its code, and leaves connections alone",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			for i, code := range []wire.Code{wire.CodeOK, wire.CodeReplaced, 0x7FFF} {
				id, port := n.Given(t.BindPort(i), "ssh")
				c := n.ExpectServed("a visitor is served", port, "ssh", For("BIND-004"))
				n.Send(wire.Unbind(id, code))
				n.ExpectUnbound("an UNBIND is answered by one with code ok", id, wire.CodeOK)
				t.ExpectShut("by then nobody is accepted any more", port)
				c.Works("the connection goes on")
				n.Unbind(id)
				n.ExpectUnbound("an UNBIND for an ID that has no binding any more is answered, too", id, wire.CodeOK)
			}
		},
	},
	{
		ID: "BIND-005", Variant: "refused", Role: Server, Title: "UNBIND is answered for each bind ID: of a name, of a refusal, of none",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			name, _ := asks(n, "a name is given", okCode, ForName("db"), For("BIND-002"))
			none, _ := asks(n, "what is wrong is refused", []wire.Code{wire.CodeGeneral}, ForName("NO"), For("BIND-003"))
			for _, id := range []uint32{name, none, 70, 71} {
				n.Unbind(id)
			}
			for _, id := range []uint32{name, none, 70, 71} {
				n.ExpectUnbound("each UNBIND is answered", id, wire.CodeOK)
			}
			n.BindAs(72, ForName("db")...)
			n.ExpectBound("the name can be had again", 72, okCode)
			n.ExpectNone("and nothing of it is left to be replaced", AnyUnbind())
		},
	},
	{
		ID: "BIND-005", Variant: "waiting", Role: Server, Title: "UNBIND for a BIND that waits brings BOUND cancelled, then the UNBIND",
		Run: func(t *T) {
			holder := client(t, "").tunnel(t)
			_, port := holder.Given(t.BindPort(0), "ssh")
			holder.Mute()
			n := client(t, "").tunnel(t)
			id := n.Bind(ForPort(port, "ssh")...)
			n.Barrier()
			n.Unbind(id)
			n.ExpectBound("the BIND that waits is cancelled", id, []wire.Code{wire.CodeCancelled}, Within(Answer))
			n.ExpectUnbound("and then the UNBIND answered", id, wire.CodeOK)
			t.Meanwhile(TakeoverProbe+Look, func() bool { return false })
			n.ExpectNone("nothing more comes for it", AnyBound())
			n.ExpectNone("nothing more comes for it", AnyOpen())
		},
		Wait: TakeoverProbe + Look,
	},
	{
		ID: "BIND-018", Role: Server, Title: "a BOUND from a client is a tunnel error",
		Run: func(t *T) {
			n := client(t, "").tunnel(t)
			id, _ := n.Given(0, "ssh")
			n.Send(wire.Bound(id, wire.CodeOK))
			breaks(t, n, "a BOUND from a client ends the tunnel")
		},
	},
	{
		ID: "HELLO-006", Variant: "bind", Role: Server, OnExtended: true, Title: "a BIND is a tunnel error where the client's HELLO did not offer the option",
		Run: func(t *T) {
			client(t, "").tunnel(t).Given(0, "ssh")
			for _, f := range []Frame{wire.Bind(1, ForName("db")...), wire.Unbind(1, wire.CodeOK)} {
				n := t.GreetAs(t.Key(), Greeting{Window: 1 << 20, Unbound: true})
				hello, _ := n.Hello()
				_, agrees := hello.Tag(wire.TagBind)
				t.Check(!agrees, "HELLO-005", "the server agrees to what was not offered")
				n.Send(f)
				breaks(t, n, f.Type.String()+" without the option ends the tunnel")
			}
		},
	},
}
