package cases

import (
	"fmt"
	"net"
	"slices"
	"strings"

	. "github.com/adit-tunnel/adit/conformance/engine"
)

// Section 8, opening a connection.
var s08 = slices.Concat(ids, requests, responses, givingUp)

// Section 8.1, connection IDs.
var ids = []Case{
	{
		ID: "ID-001", Role: Server, Title: "connections that live at the same time have different IDs",
		Run: func(t *T) {
			seen := map[uint32]bool{}
			for range 5 {
				c := t.Open()
				t.Check(!seen[c.ID], "", "ID %d was given to two live connections", c.ID)
				seen[c.ID] = true
			}
		},
	},
	{
		ID: "ID-001", Variant: "closing", Role: Server, Title: "an ID whose Close is not yet answered is not used again",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Finish()
			c.ExpectClose("the visitor's end becomes Close", For("CLOSE-002"))
			for range 5 {
				d := t.Open()
				t.Check(d.ID != c.ID, "", "ID %d was used again before its Close was answered", c.ID)
				d.End()
			}
		},
	},
	{
		ID: "ID-001", Variant: "abandoned", Role: Server, Title: "an ID that was given up is not used again before the client's last word",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Abort()
			c.ExpectClose("the server gives up the request", For("OPEN-023"))
			for range 5 {
				d := t.Open()
				t.Check(d.ID != c.ID, "", "ID %d was used again before the client's last word", c.ID)
				d.End()
			}
		},
	},
	{
		ID: "ID-002", Role: Server, Title: "IDs increase",
		Races: "a server that chooses its IDs at random has increasing ones now and then",
		Run: func(t *T) {
			last := t.Open()
			for range 4 {
				last.End()
				c := t.Open()
				t.Check(c.ID == last.ID+1 || c.ID > last.ID || last.ID > 0xFFFFFF00 && c.ID < 0x100, "",
					"ID %d came after %d", c.ID, last.ID)
				last = c
			}
		},
	},
	{
		ID: "ID-003", Role: Client, Title: "IDs 0 and 0xFFFFFFFF are IDs like any other",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			for _, id := range []uint32{0, 0xFFFFFFFF, 0x80000000} {
				n.Send(RequestTo(id, svc.Host, svc.Port))
				c := &Conn{Tun: n, ID: id, Local: svc.Accept(fmt.Sprintf("the client dials for ID 0x%08X", id))}
				n.Expect("and answers with success", SuccessFor(id))
				c.Works(fmt.Sprintf("octets pass on ID 0x%08X", id))
			}
		},
	},
	{
		ID: "ID-004", Variant: "open", Role: Client, Title: "a second ConnectRequest for an open ID closes the tunnel",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Send(c.Request)
			c.Tun.ExpectClosed("a request for an open ID closes the tunnel")
		},
	},
	{
		ID: "ID-004", Variant: "dialing", Role: Client, Title: "a second ConnectRequest while the first is dialled closes the tunnel", Needs: NeedTarpit,
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Barrier()
			c.Tun.Send(c.Request)
			c.Tun.ExpectClosed("a request for an ID that is dialled closes the tunnel")
		},
	},
	{
		ID: "ID-004", Variant: "closing", Role: Client, Title: "a ConnectRequest before the Close is answered closes the tunnel",
		Run: func(t *T) {
			c := t.Open()
			c.Local.Finish()
			c.ExpectClose("the service's end becomes Close", For("CLOSE-002"))
			c.Tun.Send(c.Request)
			c.Tun.ExpectClosed("a request for a closing ID closes the tunnel")
		},
	},
	{
		ID: "ID-004", Variant: "free-again", Role: Client, Title: "an ID closed for good can be requested again",
		Run: func(t *T) {
			c := t.Open()
			c.End()
			c.Tun.Send(c.Request)
			c.Local = t.Service().Accept("the client dials again for the same ID")
			c.Tun.Expect("and answers with success", SuccessFor(c.ID))
			c.Works("the second connection with this ID works")
		},
	},
}

// Section 8.2, the request.
var requests = []Case{
	{
		ID: "OPEN-001", Role: Server, Title: "each visitor gets one ConnectRequest",
		Run: func(t *T) {
			a, b := t.Requested(), t.Requested()
			t.Check(a.ID != b.ID, "ID-001", "two visitors got the same ID %d", a.ID)
			a.Tun.ExpectNone("two visitors make two requests", AnyRequest())
		},
	},
	{
		ID: "OPEN-001", Variant: "target", Role: Server, Title: "the request names the mapping's service", Needs: NeedVisitorTarget,
		Run: func(t *T) {
			c := t.Requested()
			host, port, _ := net.SplitHostPort(t.At.VisitorTarget)
			t.Check(fmt.Sprint(c.Request.Port()) == port, "", "the request names port %d, where the mapping has %s", c.Request.Port(), port)
			if h, addressed := c.Request.Host(); addressed {
				t.Check(h == host, "", "the request names host %q, where the mapping has %q", h, host)
			}
		},
	},
	{
		ID: "OPEN-002", Variant: "short", Role: Client, Title: "the short form is served",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			if ip := net.ParseIP(svc.Host); ip == nil || !ip.IsLoopback() {
				t.NotApplicable("the suite's service is at %s: the host of the short form is the client's own choice", svc.Host)
			}
			id := n.NextID()
			n.Send(Request(id, svc.Port))
			c := &Conn{Tun: n, ID: id, Local: svc.Accept("the client dials its own host at the requested port")}
			n.Expect("and answers with success", SuccessFor(id))
			c.Works("octets pass")
		},
	},
	{
		ID: "OPEN-002", Variant: "addressed", Role: Client, Title: "the addressed form is served",
		Run: func(t *T) { t.Open().Works("octets pass") },
	},
	{
		ID: "OPEN-003", Role: Client, Title: "the client connects to the named host and port",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			id := n.NextID()
			n.Send(RequestTo(id, svc.Host, svc.Port))
			svc.Accept("the client connects to " + svc.Addr)
			n.Expect("and answers with success", SuccessFor(id))
		},
	},
	{
		ID: "OPEN-003", Variant: "name", Role: Client, Title: "a host name is resolved",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			if svc.Host != "127.0.0.1" {
				t.NotApplicable("the suite's service is at %s, which the name localhost does not mean", svc.Host)
			}
			id := n.NextID()
			n.Send(RequestTo(id, "localhost", svc.Port))
			svc.Accept("the client connects to localhost")
			n.Expect("and answers with success", SuccessFor(id))
		},
	},
	{
		ID: "OPEN-004", Role: Client, Title: "one response for each request",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.ExpectNone("no second response comes", AnyResponse(c.ID))
		},
	},
	{
		ID: "OPEN-004", Variant: "failure", Role: Client, Title: "one response for a request that fails, and no Close",
		Also: []string{"OPEN-006"},
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Refusing()
			id := n.NextID()
			n.Send(RequestTo(id, svc.Host, svc.Port))
			n.Expect("the client answers", FailureOrCloseFor(id), Within(DialEnds))
			n.Send(Data(n.UnusedID(), nil))
			n.ExpectNone("nothing more is said about the ID", AnythingFor(id))
		},
	},
	{
		ID: "OPEN-005", Role: Client, Title: "no success before the service accepts", Needs: NeedTarpit, Wait: LocalEffect,
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.ExpectNone("no response while the dial hangs", AnyResponse(c.ID))
			t.Meanwhile(Look, func() bool { _, ok := c.Tun.Peek(AnyResponse(c.ID)); return ok })
			c.Tun.ExpectNone("no success while the dial hangs", SuccessFor(c.ID))
		},
	},
	{
		ID: "OPEN-006", Role: Client, Title: "a refused dial becomes a failure response",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Refusing()
			id := n.NextID()
			n.Send(RequestTo(id, svc.Host, svc.Port))
			n.Expect("the client answers with a failure", FailureFor(id), Within(DialEnds))
			n.ExpectOpen("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-007", Role: Client, Title: "a refused dial has status refused",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Refusing()
			id := n.NextID()
			n.Send(RequestTo(id, svc.Host, svc.Port))
			f := n.Expect("the client answers with a failure", FailureFor(id), For("OPEN-006"), Within(DialEnds))
			t.Check(f.Status() == StatusRefused, "", "the status is 0x%02X, 0x02 says refused", f.Status())
		},
	},
	{
		ID: "OPEN-008", Role: Client, Title: "port 0 is answered with a failure",
		Run: func(t *T) {
			c := t.Open()
			for _, f := range []Frame{Request(c.Tun.NextID(), 0), RequestTo(c.Tun.NextID(), "127.0.0.1", 0)} {
				c.Tun.Send(f)
				c.Tun.Expect("port 0 is answered with a failure", FailureFor(f.ID()), Within(DialEnds))
			}
			c.Works("the tunnel and its other connections go on")
		},
	},
	{
		ID: "OPEN-009", Role: Client, Title: "an unusable host is answered with a failure",
		Races: "how a name fails is up to the resolver, each time anew",
		Run: func(t *T) {
			c := t.Open()
			port := t.Service().Port
			for _, host := range []string{
				"", "a b", "a..b", "\x00", "line\r\nbreak", "http://127.0.0.1/", "127.0.0.1:80", "\xff\xfe", strings.Repeat("a", 255),
			} {
				id := c.Tun.NextID()
				c.Tun.Send(RequestTo(id, host, port))
				c.Tun.Expect(fmt.Sprintf("host %.20q is answered with a failure", host), FailureFor(id), Within(DialEnds))
			}
			c.Works("the tunnel and its other connections go on")
		},
	},
	{
		ID: "OPEN-010", Variant: "addressed", Role: Server, Title: "a ConnectRequest from a client closes the tunnel",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Send(RequestTo(c.Tun.UnusedID(), "127.0.0.1", 80))
			c.Tun.ExpectClosed("a request from a client closes the tunnel")
		},
	},
	{
		ID: "OPEN-010", Variant: "short", Role: Server, Title: "a ConnectRequest from a client closes the tunnel",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Barrier()
			n.Send(Request(n.UnusedID(), 80))
			n.ExpectClosed("a request from a client closes the tunnel")
		},
	},
	{
		ID: "OPEN-011", Variant: "idle", Role: Client, Title: "a ConnectResponse from a server closes the tunnel",
		Run: func(t *T) {
			n := t.Tunnel()
			n.Barrier()
			n.Send(Response(n.UnusedID(), Success))
			n.ExpectClosed("a response from a server closes the tunnel")
		},
	},
	{
		ID: "OPEN-011", Variant: "open", Role: Client, Title: "a ConnectResponse for an open ID closes the tunnel",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Send(Response(c.ID, StatusGeneral))
			c.Tun.ExpectClosed("a response from a server closes the tunnel")
		},
	},
	{
		ID: "OPEN-012", Role: Client, Title: "a dial that hangs ends in a failure after 8 s", Needs: NeedTarpit, Wait: DialTimeout,
		Races: "a client that gives up around the limit is in time now and then",
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Expect("the client gives up and says so", FailureFor(c.ID), Within(DialTimeout+Answer))
		},
	},
	{
		ID: "OPEN-013", Role: Client, Title: "a dial that hangs delays nothing else", Needs: NeedTarpit,
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.ExpectOpen("other frames are handled while the dial hangs")
			c.Tun.ExpectNone("the dial still hangs", AnyResponse(c.ID))
		},
	},
}

// Section 8.3, the response.
var responses = []Case{
	{
		ID: "OPEN-014", Role: Server, Title: "any failure status ends the visitor, without Close",
		Run: func(t *T) {
			for _, status := range []byte{0x01, 0x02, 0x03, 0x07, 0x08, 0x80, 0xFF} {
				c := t.Requested()
				c.Respond(status)
				c.Local.ExpectEnd(fmt.Sprintf("status 0x%02X ends the visitor, no octet sent to it", status))
				c.Tun.ExpectNone("a failure is not followed by Close", AnythingFor(c.ID))
			}
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-015", Role: Server, Title: "Close in place of a response is a failure",
		Run: func(t *T) {
			c := t.Requested()
			c.Close()
			c.Local.ExpectEnd("the visitor is ended, no octet sent to it")
			c.Tun.ExpectNone("and no Close comes back", AnythingFor(c.ID))
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-016", Variant: "unknown", Role: Server, Title: "a response for an ID never used is ignored",
		Run: func(t *T) {
			c := t.Open()
			id := c.Tun.UnusedID()
			c.Tun.Send(Response(id, Success), Response(id, StatusRefused))
			c.Tun.ExpectNone("no answer", AnythingFor(id))
			c.Works("the tunnel and its other connections go on")
		},
	},
	{
		ID: "OPEN-016", Variant: "open", Role: Server, Title: "a second response for an open ID is ignored",
		Run: func(t *T) {
			c := t.Working()
			c.Respond(Success)
			c.Respond(StatusRefused)
			c.Works("and stays open")
		},
	},
	{
		ID: "OPEN-016", Variant: "closing", Role: Server, Title: "a response for a closing ID is ignored",
		Run: func(t *T) {
			c := t.Working()
			c.Local.Finish()
			c.ExpectClose("the visitor's end becomes Close", For("CLOSE-002"))
			c.Respond(StatusRefused)
			c.Respond(Success)
			c.Tun.ExpectNone("no answer", AnythingFor(c.ID))
			c.Close()
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-017", Role: Server, Title: "no Data before the success was received",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Write([]byte("the visitor speaks first"))
			t.Requested() // a later visitor's request has come: the server had time to read
			c.Tun.ExpectNone("nothing for the ID before the response", AnythingFor(c.ID))
		},
	},
	{
		ID: "OPEN-017", Role: Client, Title: "no Data before the success was sent",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Service()
			for range 10 {
				id := n.NextID()
				n.Send(RequestTo(id, svc.Host, svc.Port))
				c := &Conn{Tun: n, ID: id, Local: svc.Accept("the client dials the service")}
				c.Local.Write([]byte("the service speaks first"))
				n.Expect("success comes before the service's octets", SuccessFor(id))
				c.ExpectData("then the octets", []byte("the service speaks first"))
			}
		},
	},
	{
		ID: "OPEN-018", Role: Server, Title: "Data before the response is a connection error",
		Also: []string{"ERR-002"},
		Run: func(t *T) {
			other := t.Open()
			c := t.Requested()
			c.Send([]byte("too early"))
			c.ExpectClose("one Close for the connection")
			c.Local.ExpectEnd("the visitor is reset, no octet sent to it")
			c.Respond(StatusGeneral)
			other.Works("other connections go on")
		},
	},
	{
		ID: "OPEN-019", Role: Client, Title: "Data while the client dials is a connection error", Needs: NeedTarpit,
		Races: "a failure and a Close are both right, and two parts of a client may race for it",
		Run: func(t *T) {
			c := t.Requested()
			c.Send([]byte("too early"))
			c.Tun.Expect("a failure response or a Close", FailureOrCloseFor(c.ID))
			c.Tun.ExpectNone("and no success", AnyResponse(c.ID))
		},
	},
	{
		ID: "OPEN-020", Role: Server, Title: "what a visitor sends before the response reaches the service",
		Run: func(t *T) {
			c := t.Requested()
			early := t.Octets(5000)
			c.Local.Write(early)
			t.Requested()
			c.Respond(Success)
			late := t.Octets(5000)
			c.Local.Write(late)
			c.ExpectData("early octets come first, then later ones", append(early, late...))
		},
	},
	{
		ID: "OPEN-021", Role: Server, Title: "a visitor that sends and shuts down while the request is pending is served",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Write([]byte("my whole request"))
			c.Local.Finish()
			t.Requested()
			c.Tun.ExpectNone("a visitor that sent octets and then ended its stream has not given up: no Close before its octets", AnythingFor(c.ID))
			c.Respond(Success)
			c.ExpectData("the octets are delivered after the success", []byte("my whole request"))
			c.ExpectClose("then Close")
		},
	},
}

// Section 8.4, giving up.
var givingUp = []Case{
	{
		ID: "OPEN-022", Role: Server, Title: "a request without response is given up within 30 s", Wait: ConnectTimeoutMax,
		Run: func(t *T) {
			c := t.Requested()
			start := t.Now()
			c.ExpectClose("the server sends Close within 30 s", Between(start, 0, ConnectTimeoutMax+Answer))
			c.Local.ExpectEnd("and ends the visitor, no octet sent to it")
			c.Respond(StatusGeneral)
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-022", Variant: "at-least", Role: Server, Wait: ConnectTimeoutMin, Title: "a request that is answered after 4 s is not given up before",
		Run: func(t *T) {
			start := t.Now()
			c := t.Requested()
			gone := func() bool { _, ok := c.Tun.Peek(CloseFor(c.ID)); return ok || c.Local.Ended() != EndNone }
			t.Meanwhile(start+ConnectTimeoutMin-Sip-t.Now(), gone)
			if took := t.Now() - start; took > ConnectTimeoutMin {
				t.Inconclusive("the suite itself was late: %v since the visitor connected", took)
			}
			t.Check(!gone(), "", "the request was given up before %s", ConnectTimeoutMin)
			c.Respond(Success)
			c.Works("the connection opens all the same")
		},
	},
	{
		ID: "OPEN-027", Role: Client, Title: "no Close follows a failure response",
		Run: func(t *T) {
			n, svc := t.Tunnel(), t.Refusing()
			for range 3 {
				id := n.NextID()
				n.Send(RequestTo(id, svc.Host, svc.Port))
				n.Expect("the client answers with a failure", FailureFor(id), For("OPEN-006"), Within(DialTimeout+LocalEffect))
				n.ExpectNone("and sends no Close", CloseFor(id))
			}
		},
	},
	{
		ID: "OPEN-023", Variant: "reset", Role: Server, Title: "a visitor that resets gives up the request",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Abort()
			c.ExpectClose("the server sends Close")
			c.Respond(StatusGeneral)
			c.Tun.ExpectNone("and nothing after the client's last word", AnythingFor(c.ID))
		},
	},
	{
		ID: "OPEN-023", Variant: "end-of-stream", Role: Server, Title: "a visitor that ends its stream with no octet sent gives up the request",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Finish()
			c.ExpectClose("the server sends Close")
			c.Respond(StatusGeneral)
			c.Tun.ExpectNone("and nothing after the client's last word", AnythingFor(c.ID))
		},
	},
	{
		ID: "OPEN-024", Role: Client, Title: "Close while the client dials is answered with a failure", Needs: NeedTarpit,
		Run: func(t *T) {
			c := t.Requested()
			c.Tun.Barrier()
			c.Close()
			c.Tun.Expect("a failure response", FailureFor(c.ID))
			c.Tun.ExpectNone("and nothing more", AnythingFor(c.ID))
		},
	},
	{
		ID: "OPEN-025", Role: Server, Title: "a success for an abandoned ID is answered with one more Close",
		Run: func(t *T) {
			c := t.Requested()
			c.Local.Abort()
			c.ExpectClose("the server gives up the request", For("OPEN-023"))
			c.Respond(Success)
			c.ExpectClose("one more Close for the client that forgot the first")
			c.Close()
			t.Open().Works("the tunnel goes on")
		},
	},
	{
		ID: "OPEN-026", Variant: "never", Role: Server, Title: "without a tunnel a visitor is ended at once",
		Run: func(t *T) {
			t.Visitor().ExpectEnd("the visitor is ended at once, no octet sent to it", Within(Answer))
		},
	},
	{
		ID: "OPEN-026", Variant: "after-loss", Role: Server, Title: "after the loss of the tunnel a visitor is ended at once",
		Run: func(t *T) {
			c := t.Working()
			c.Tun.Abort()
			c.Local.ExpectEnd("the server has noticed the loss", For("LOSS-001"))
			t.Visitor().ExpectEnd("the next visitor is ended at once, no octet sent to it", Within(Answer))
		},
	},
}
