package cases

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	. "github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// Section 25.2, opening.
var extOpening = slices.Concat([]Case{
	{
		ID: "XOPEN-001", Role: Server, Title: "each visitor gets one OPEN, with a port or a service",
		Run: func(t *T) {
			n := t.Extended()
			for range 5 {
				c := t.Open()
				_, port := c.Request.Tag(wire.TagPort)
				_, service := c.Request.Tag(wire.TagService)
				t.Check(port != service, "", "%s has both or neither of port and service", c.Request)
				c.Works("the visitor is served")
			}
			n.ExpectNone("no OPEN comes that no visitor is behind", AnyOpen())
		},
	},
	{
		ID: "XOPEN-001", Variant: "target", Role: Server, Needs: NeedVisitorTarget, Title: "OPEN has the port that the mapping leads to",
		Run: func(t *T) {
			t.Extended()
			c := t.Requested()
			_, text, _ := net.SplitHostPort(t.At.VisitorTarget)
			want, _ := strconv.ParseUint(text, 10, 16)
			if _, service := c.Request.Tag(wire.TagService); service {
				t.NotApplicable("the mapping leads to a service by its name")
			}
			t.Check(c.Request.TagNumber(wire.TagPort, 0) == want, "", "the mapping leads to port %d; %s", want, c.Request)
		},
	},
	{
		ID: "XOPEN-002", Role: Server, Title: "OPEN has the visitor's origin and the address that it connected to",
		Run: func(t *T) {
			t.Extended()
			c := t.Requested()
			for tag, text := range map[wire.Tag]string{wire.TagOrigin: c.Local.Local(), wire.TagLocal: c.Local.Remote()} {
				want, _ := netip.ParseAddrPort(text)
				want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
				t.Check(Addr(c.Request, tag) == want, "", "tag %s of %s is not %s", tag, c.Request, want)
			}
		},
	},
	{
		ID: "XOPEN-003", Role: Client, Title: "each OPEN gets one answer",
		Run: func(t *T) {
			n := t.Extended()
			for range 3 {
				c := t.Working()
				n.ExpectNone("one OPENED is all", OpenedFor(c.ID))
			}
			for range 3 {
				turnedDown(t, n, "port 0 gets RESET", wire.Open(n.NextID(), wire.U16(wire.TagPort, 0)), wire.CodeGeneral)
			}
		},
	},
	{
		ID: "XOPEN-003", Variant: "flood", Role: Client, Title: "each of a thousand OPENs at once gets one answer",
		Races: "which of them are too many, as the dials of others still run, is a matter of time",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			svc := t.Refusing()
			var opens []Frame
			for range 1000 {
				opens = append(opens, n.OpenFor(svc))
			}
			n.Overbook(opens...)
			for _, open := range opens {
				n.Expect("an OPEN whose service refuses gets RESET, whatever it has to wait for", ResetFor(open.ID()), Within(DialEnds))
			}
			n.ExpectNone("and no more than one", AnyReset())
			c.Works("the other connection goes on")
			t.Open().Works("and a good OPEN is served")
		},
	},
	{
		ID: "XOPEN-004", Variant: "host", Role: Client, Title: "the client dials the host and port of OPEN, and then says OPENED",
		Run: func(t *T) {
			t.Extended()
			for range 3 {
				t.Open().Works("the service that was named is reached")
			}
		},
	},
	{
		ID: "XOPEN-004", Variant: "hangs", Role: Client, Needs: NeedTarpit, Wait: DialEnds, Title: "no OPENED while the dial hangs",
		Run: func(t *T) {
			n := t.Extended()
			t.Tarpit()
			c := t.Requested()
			n.ExpectNone("nothing was accepted: no OPENED", OpenedFor(c.ID))
			c.ExpectReset("the client gives up the dial", For("OPEN-012"), Within(DialEnds))
		},
	},
	{
		ID: "XOPEN-004", Variant: "no-host", Role: Client, Title: "an OPEN without host leads to a host of the client's choice",
		Run: func(t *T) {
			n, svc := t.Extended(), t.Service()
			if svc.Host != "127.0.0.1" {
				t.NotApplicable("the service is not at 127.0.0.1")
			}
			open := wire.Open(n.NextID(), wire.U16(wire.TagPort, svc.Port))
			n.Send(open)
			svc.Accept("the client dials 127.0.0.1, unless it was told otherwise")
			n.Expect("and says so", OpenedFor(open.ID()))
		},
	},
	{
		ID: "XOPEN-004", Variant: "refused", Role: Client, Title: "a dial that is refused becomes RESET",
		Run: func(t *T) {
			n := t.Extended()
			svc := t.Refusing()
			for range 3 {
				turnedDown(t, n, "the service refuses", n.OpenFor(svc), wire.CodeRefused)
			}
		},
	},
	{
		ID: "XOPEN-005", Variant: "content", Role: Client, Title: "an OPEN that cannot be served is refused, the tunnel left as it was",
		Run: func(t *T) {
			n, svc := t.Extended(), t.Service()
			c := t.Working()
			port, host := wire.U16(wire.TagPort, svc.Port), wire.Text(wire.TagHost, svc.Host)
			for _, x := range []struct {
				what  string
				tlvs  []TLV
				codes []wire.Code
			}{
				{"port 0", []TLV{wire.U16(wire.TagPort, 0), host}, []wire.Code{wire.CodeGeneral}},
				{"neither port nor service", nil, []wire.Code{wire.CodeGeneral}},
				{"both port and service", []TLV{port, wire.Text(wire.TagService, "web")}, []wire.Code{wire.CodeGeneral, wire.CodeUnknownService}},
				{"host without port", []TLV{host}, []wire.Code{wire.CodeGeneral}},
				{"a bad host", []TLV{port, wire.Text(wire.TagHost, "a\r\nb")}, []wire.Code{wire.CodeGeneral}},
				{"network 9", []TLV{port, host, wire.U8(wire.TagNetwork, 9)}, []wire.Code{wire.CodeUnsupported}},
				{"network udp", []TLV{port, host, wire.U8(wire.TagNetwork, wire.NetworkUDP)}, []wire.Code{wire.CodeUnsupported}},
				{"a service that nobody has", []TLV{wire.Text(wire.TagService, "no-such-service")}, []wire.Code{wire.CodeUnknownService}},
			} {
				turnedDown(t, n, x.what+" is refused", wire.Open(n.NextID(), x.tlvs...), x.codes...)
			}
			c.Works("the other connection goes on")
			t.Open().Works("and a good OPEN is served")
		},
	},
	{
		ID: "XOPEN-005", Variant: "policy", Role: Client, Title: "an OPEN for what the client's policy forbids is refused",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			turnedDown(t, n, "an address beyond loopback is refused (SEC-002)", wire.Open(n.NextID(), wire.U16(wire.TagPort, 9), wire.Text(wire.TagHost, "192.0.2.1")), wire.CodeDenied)
			c.Works("the other connection goes on")
		},
	},
	{
		ID: "XOPEN-006", Variant: "banner", Role: Client, Title: "what a service says at once comes behind OPENED",
		Run: func(t *T) {
			n, svc := t.Extended(), t.Service()
			open := n.OpenFor(svc)
			n.Send(open)
			k := svc.Accept("the client dials the service")
			banner := t.Octets(2000)
			k.Write(banner)
			k.Finish()
			n.Expect("OPENED comes first", OpenedFor(open.ID()), Within(LocalEffect))
			c := Conn{Tun: n, ID: open.ID(), Local: k, Request: open}
			c.ExpectData("then what the service says", banner)
			c.ExpectFin("then its end")
		},
	},
	{
		ID: "XOPEN-007", Role: Client, Title: "early Data and FIN are delivered first, in order",
		Run: func(t *T) {
			n, svc := t.Extended(), t.Service()
			early := t.Octets(room(n, 100_000))
			open := n.OpenFor(svc)
			c := Conn{Tun: n, ID: open.ID(), Request: open}
			n.Send(open)
			for chunk := range slices.Chunk(early, FairPayload-4) {
				c.SendNow(chunk)
			}
			c.Fin()
			c.Local = svc.Accept("the client dials the service")
			c.ExpectOpened("and says so")
			c.Local.ExpectOctets("the visitor's first octets come first", early)
			c.Local.ExpectEOF("then the end of its stream")
			answer := t.Octets(3000)
			c.Local.Write(answer)
			c.ExpectData("the service's answer comes back", answer)
		},
	},
	{
		ID: "XOPEN-007", Variant: "kept", Role: Client, Needs: NeedTarpit, Title: "early Data is kept while the dial hangs",
		Run: func(t *T) {
			n := t.Extended()
			svc := t.Tarpit()
			early := t.Octets(room(n, 50_000))
			c := t.Requested()
			for chunk := range slices.Chunk(early, FairPayload-4) {
				c.SendNow(chunk)
			}
			n.Quiet("nothing was accepted yet", c.ID)
			svc.Drain()
			c.Local = svc.Accept("the dial gets through")
			c.ExpectOpened("and the client says so", Within(LocalEffect))
			c.Local.ExpectOctets("what came early was kept", early)
			c.Works("the connection goes on")
		},
	},
	{
		ID: "XOPEN-008", Role: Server, Wait: ConnectTimeoutMax, Title: "an OPEN without answer is given up within 30 s",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Requested()
			f := c.ExpectReset("the server sends RESET within 30 s", Between(t.Now(), 0, ConnectTimeoutMax+Answer))
			t.Check(f.Code() == wire.CodeTimedOut, "", "the code is timed-out: %s", f)
			c.Local.ExpectReset("and resets the visitor", For("XOPEN-008"))
			c.Opened()
			n.Quiet("an OPENED that comes too late is dropped", c.ID)
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "XOPEN-009", Variant: "reset", Role: Server, Title: "a visitor that resets gives up the OPEN",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Requested()
			c.Local.Abort()
			f := c.ExpectReset("the server sends RESET", Within(LocalEffect))
			t.Check(f.Code() == wire.CodeCancelled, "", "the code is cancelled: %s", f)
			c.Opened()
			n.Quiet("and nothing more for that ID", c.ID)
		},
	},
	{
		ID: "XOPEN-009", Variant: "end-of-stream", Role: Server, Title: "a visitor that ends its stream with no octet has not given up",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Requested()
			c.Local.Finish()
			t.Requested()
			n.ExpectNone("the end of the stream is no giving up", ResetFor(c.ID))
			c.Opened()
			c.ExpectFin("it becomes FIN", Within(LocalEffect))
			banner := t.Octets(3000)
			c.Send(banner)
			c.Local.ExpectOctets("a service that speaks first is heard", banner)
			c.Fin()
			c.Local.ExpectEOF("to its end")
		},
	},
	{
		ID: "XOPEN-010", Role: Client, Needs: NeedTarpit, Wait: LocalEffect, Title: "RESET while the client dials cancels the dial",
		Run: func(t *T) {
			n := t.Extended()
			svc := t.Tarpit()
			c := t.Requested()
			n.Barrier()
			c.SendNow(t.Octets(room(n, 1000)))
			c.Reset(wire.CodeCancelled)
			n.Quiet("the ID is gone: nothing more", c.ID)
			svc.Drain()
			beside := t.Accepting() // at the first one the cancelled dial may get through to the kernel
			d := Conn{Tun: n, Request: n.OpenFor(beside)}
			d.ID = d.Request.ID()
			n.Send(d.Request)
			d.Local = beside.Accept("the next OPEN is served")
			d.ExpectOpened("and answered")
			d.Works("the tunnel goes on")
			n.Quiet("a dial that was cancelled is not announced", c.ID)
		},
	},
	{
		ID: "XOPEN-010", Variant: "flood", Role: Client, Needs: NeedTarpit, Title: "OPEN and RESET in turn use nothing up",
		Races: "an OPEN may be one too many, and be refused before its RESET is read",
		Run: func(t *T) {
			n := t.Extended()
			c := t.Working()
			svc := t.Tarpit()
			var frames []Frame
			for range 500 {
				open := n.OpenFor(svc)
				frames = append(frames, open, wire.Reset(open.ID(), wire.CodeCancelled, ""))
			}
			n.Send(frames...)
			n.ExpectNone("nothing was accepted", AnyOpened())
			c.Works("the other connection goes on")
			// A dial that was given up may count for as long as a dial lasts (XOPEN-013).
			served := false
			for begun := t.Now(); !served && t.Now()-begun < DialEnds; {
				served = t.Try(func() { t.Open().Works("an OPEN is served") })
			}
			t.Check(served, "", "no OPEN is served %s after the last of those that were given up", DialEnds)
		},
	},
	{
		ID: "XOPEN-011", Role: Server, Title: "there are never more connections than the client takes",
		Run: func(t *T) {
			n := t.Greet(Greeting{Window: 1 << 20, Most: 2})
			a, b := t.Working(), t.Working()
			t.Visitor().ExpectEnd("a visitor beyond max-connections is ended at once, no octet sent to it", Within(Answer))
			n.ExpectNone("and asked for by no OPEN", AnyOpen())
			a.Reset(wire.CodeReset)
			a.Local.ExpectEnd("one of the two ends", For("RESET-002"))
			t.Working().Works("and makes room for the next")
			b.Works("the other one goes on")
		},
	},
	{
		ID: "XOPEN-012", Role: Client, Title: "an OPEN beyond what the client takes is refused, the tunnel left as it was",
		Run: func(t *T) {
			n := t.Extended()
			f, _ := n.Hello()
			const few = 300 // more would need more files than a run may have
			most := f.TagNumber(wire.TagMaxConnections, wire.DefaultMaxConnections)
			if most > few {
				t.NotApplicable("the client takes %d connections at a time, and this case opens %d at most", most, few)
			}
			var all []*Conn
			for range most {
				all = append(all, t.Open())
			}
			open := n.OpenFor(t.Service())
			n.Overbook(open)
			refusedWith(t, n, "one more is refused", open, wire.CodeTooMany)
			for _, c := range all {
				c.Works("the others go on")
			}
		},
	},
	{
		ID: "XOPEN-015", Role: Client, Needs: NeedTarpit, Wait: DialEnds, Title: "the code of a RESET names why the client cannot connect",
		Run: func(t *T) {
			n := t.Extended()
			t.Tarpit()
			c := t.Requested()
			f := c.ExpectReset("the client gives up the dial", For("OPEN-012"), Within(DialEnds))
			t.Check(f.Code() == wire.CodeTimedOut, "", "the code of a dial that hangs is timed-out: %s", f)
			n.ExpectOpen("the tunnel goes on")
		},
	},
}, beforeOpened())

// beforeOpened makes cases of what a client sends before OPENED.
func beforeOpened() (out []Case) {
	for variant, f := range map[string]func(uint32) Frame{
		"data": func(id uint32) Frame { return Data(id, []byte("x")) },
		"fin":  wire.Fin,
	} {
		out = append(out, Case{
			ID: "XOPEN-006", Variant: variant, Role: Server, Title: "Data and FIN before OPENED are tunnel errors",
			Run: func(t *T) {
				n := t.Extended()
				twin := t.Requested()
				twin.Opened()
				n.Send(f(twin.ID))
				n.ExpectOpen("behind OPENED they are none")
				c := t.Requested()
				n.Send(f(c.ID))
				breaks(t, n, "before OPENED it ends the tunnel")
				c.Local.ExpectEnd("and its visitors", For("LOSS-001"))
			},
		})
	}
	return out
}
