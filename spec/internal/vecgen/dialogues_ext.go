package main

import "github.com/adit-tunnel/adit/spec"

// mark is what a barrier's PING carries.
const mark = spec.Octets("6d61726b 00000001")

// credit is what the peer of an extended dialogue states as its window, unless the dialogue is about that.
const credit = 65536

// A side of extended dialogues: its frames, and those of its peer.
type side struct {
	self, peer func(msg, ...opt) []spec.Step
	local      string // the local socket that it has: visitor or service
}

var (
	ofServer = side{fromServer, fromClient, "visitor"}
	ofClient = side{fromClient, fromServer, "service"}
)

// says is a HELLO, whatever it states.
func (s side) says(ids ...string) []spec.Step {
	return s.self(hello(windowTLV(262144)), free("tlvs"), within("answer"), req(ids...))
}

// barrier: the subject has handled every frame before, and sent nothing else that matters.
func (s side) barrier(ids ...string) []spec.Step {
	return seq(
		s.peer(ping(mark)),
		s.self(pong(mark), within("answer"), req(append([]string{"PING-001"}, ids...)...), note("the barrier: nothing else but KeepAlive and WINDOW was sent before it")),
	)
}

// sends: octets of the local socket leave as Data.
func (s side) sends(id int, o spec.Octets, ids ...string) []spec.Step {
	return seq(event(s.local+" sends", octets(o)), s.self(data(id, o), within("local-effect"), req(append([]string{"DATA-007"}, ids...)...)))
}

// gets: octets of the peer reach the local socket.
func (s side) gets(id int, o spec.Octets, ids ...string) []spec.Step {
	return seq(s.peer(data(id, o)), expect(s.local+" reads", octets(o), within("local-effect"), req(append([]string{"DATA-001"}, ids...)...)))
}

// echoes: the connection carries octets both ways.
func (s side) echoes(id int, ids ...string) []spec.Step {
	return seq(s.sends(id, str("ping"), ids...), s.gets(id, str("pong"), ids...))
}

// ends: the local socket ends its stream, and FIN tells it.
func (s side) ends(id int, ids ...string) []spec.Step {
	return seq(event(s.local+" ends its stream"), s.self(fin(id), within("local-effect"), req(append([]string{"FIN-001"}, ids...)...)))
}

// ended: FIN of the peer ends the stream that the local socket reads.
func (s side) ended(id int, ids ...string) []spec.Step {
	return seq(s.peer(fin(id)), expect(s.local+" reads end of stream", within("local-effect"), req(append([]string{"FIN-002"}, ids...)...)))
}

// resets: RESET of the peer is a reset of the local socket.
func (s side) resets(id int, code string, ids ...string) []spec.Step {
	return seq(s.peer(reset(id, code, "")), expect(s.local+" is reset", within("local-effect"), req(append([]string{"RESET-002"}, ids...)...)))
}

// failed: the local socket is reset, and RESET tells it.
func (s side) failed(id int) []spec.Step {
	return seq(event(s.local+" resets"), s.self(reset(id, "reset", ""), free("code", "text"), within("local-effect"), req("RESET-001")))
}

// dies: the tunnel closes, and with it the local socket.
func (s side) dies(id string) []spec.Step {
	return seq(
		expect("tunnel is closed", within("answer"), req(id, "ERR-001")),
		expect(s.local+" is ended", within("local-effect"), req("LOSS-001")),
	)
}

// upOfServer: the client said HELLO with this window, and the server answered.
func upOfServer(tlvs ...spec.DecodedTLV) []spec.Step {
	if len(tlvs) == 0 {
		tlvs = []spec.DecodedTLV{windowTLV(credit)}
	}
	return seq(fromClient(hello(tlvs...)), ofServer.says("HELLO-002"))
}

// aboutExt is aboutOf the Extended profile.
func aboutExt(v spec.Vector) spec.Vector { return aboutOf("ext", v) }

// aboutOf puts a requirement of a profile first: the last one that the steps lead up to.
func aboutOf(profile string, v spec.Vector) spec.Vector {
	own := ""
	for _, s := range v.Steps {
		for _, id := range s.Requirements {
			if r, ok := spec.Lookup(id); ok && r.Profile == profile {
				own = id
			}
		}
	}
	if own == "" {
		panic("vecgen: internal error: " + v.ID + " cites nothing of the profile " + profile)
	}
	return about(own, v)
}

// opening: a visitor has connected, its OPEN has no answer yet.
func opening(id int, o ...opt) []spec.Step {
	return seq(
		event("visitor connects", o...),
		fromServer(open(id, portTLV(22)), free("id", "tlvs"), within("answer"), req("XOPEN-001")),
	)
}

// serverOpened: the visitor's connection is open, and the server has seen that.
func serverOpened(tlvs ...spec.DecodedTLV) []spec.Step {
	return seq(upOfServer(tlvs...), opening(1), fromClient(opened(1)), ofServer.barrier())
}

// upOfClient: the client said HELLO, and the server answered with this window.
func upOfClient(tlvs ...spec.DecodedTLV) []spec.Step {
	if len(tlvs) == 0 {
		tlvs = []spec.DecodedTLV{windowTLV(credit)}
	}
	return seq(ofClient.says("HELLO-001"), fromServer(hello(tlvs...)))
}

// asked: an OPEN came, the service has not answered.
func asked(id int, o ...opt) []spec.Step {
	return seq(
		fromServer(open(id, hostTLV("127.0.0.1"), portTLV(22))),
		expect("service is dialled", append(o, within("local-effect"), req("XOPEN-004"))...),
	)
}

// dialled: the service accepted, and OPENED tells it.
func dialled(id int, o ...opt) []spec.Step {
	return seq(
		event("service accepts", o...),
		fromClient(opened(id), free("tlvs"), within("local-effect"), req("XOPEN-003", "XOPEN-004")),
	)
}

// clientOpened: the service's connection is open.
func clientOpened(tlvs ...spec.DecodedTLV) []spec.Step {
	return seq(upOfClient(tlvs...), asked(1), dialled(1))
}

// extSession is the second trace of Appendix A.
func extSession() spec.Vector {
	a, b := on("A"), on("B")
	question, answer := str("hello\n"), str("HELLO\n")
	asks := func(id int, o opt) []spec.Step {
		return seq(
			event("visitor connects", o),
			fromServer(open(id, hostTLV("127.0.0.1"), portTLV(22)), free("id", "tlvs"), within("answer"), req("XOPEN-001")),
			expect("service is dialled", o, within("local-effect"), req("XOPEN-004")),
		)
	}
	return aboutExt(dialogue("both", "ext_whole_session", "the extended session of Appendix A",
		"Frames are those of the hex trace, in its order. Events of the peer's local sockets are already in the frames that it sends.",
		fromClient(hello(windowTLV(credit)), free("tlvs"), within("answer"), req("HELLO-001")),
		fromServer(hello(windowTLV(credit)), free("tlvs"), within("answer"), req("HELLO-002")),
		asks(1, a),
		event("service accepts", a),
		fromClient(opened(1), free("tlvs"), within("answer"), req("XOPEN-003")),
		event("visitor sends", octets(question), a),
		fromServer(data(1, question), within("local-effect"), req("DATA-007")),
		expect("service reads", octets(question), a, within("local-effect"), req("DATA-001")),
		event("visitor ends its stream", a),
		fromServer(fin(1), within("local-effect"), req("FIN-001")),
		expect("service reads end of stream", a, within("local-effect"), req("FIN-002")),
		event("service sends", octets(answer), a),
		fromClient(data(1, answer), within("local-effect"), req("DATA-007")),
		expect("visitor reads", octets(answer), a, within("local-effect"), req("DATA-001")),
		event("service ends its stream", a),
		fromClient(fin(1), within("local-effect"), req("FIN-001")),
		expect("visitor reads end of stream", a, within("local-effect"), req("FIN-002")),
		asks(2, b),
		event("service refuses", b),
		fromClient(reset(2, "refused", ""), free("code", "text"), within("dial-timeout"), req("XOPEN-003")),
		expect("visitor is ended", b, within("local-effect"), req("RESET-002")),
	))
}

func extServerDialogues() []spec.Vector {
	s := ofServer
	d := func(id, title, notes string, steps ...[]spec.Step) spec.Vector {
		return aboutExt(dialogue("server", "ext_server_"+id, title, notes, steps...))
	}
	bad := func(twin, layer, dies, req string, v spec.Vector) spec.Vector {
		return faulty("ext_server_"+twin, layer, dies, req, v)
	}
	// afterFin is a fault behind the peer's FIN.
	afterFin := func(id, title string, m msg) spec.Vector {
		return bad("half_close", "state", "tunnel", "FIN-003", d(id, title, "", serverOpened(), s.echoes(1), s.ended(1), s.peer(m), s.dies("FIN-003")))
	}
	// kills is a fault of the client on an open connection.
	kills := func(id, title, layer, req, twin string, m msg) spec.Vector {
		return bad(twin, layer, "tunnel", req, d(id, title, "", serverOpened(), fromClient(m), s.dies(req)))
	}
	closes := func(id string) []spec.Step {
		return expect("tunnel is closed", within("answer"), req(id, "ERR-001"))
	}
	return []spec.Vector{
		extSession(),
		d("echo", "a visitor is served, both streams end", "",
			serverOpened(), s.echoes(1), s.ends(1), s.ended(1), s.barrier("FIN-004")),
		d("hello_empty", "a HELLO that states nothing", "Every tag has its value for absent.",
			fromClient(hello()), s.says("HELLO-002"), opening(1), fromClient(opened(1)), s.echoes(1)),
		d("hello_grease", "a HELLO with tags that nobody knows, and grease frames behind it", "",
			upOfServer(tlv(tagGrease, "ff"), windowTLV(credit), tlv(tagPrivate, ""), tlv(tagPrivate, "")),
			fromClient(unknown(0x2A, "00")), fromClient(unknown(0x3A, "")), fromClient(unknown(0x80, "61")),
			s.barrier("TLV-002"), opening(1), fromClient(opened(1)), s.echoes(1)),
		d("hello_name_bad", "a HELLO whose name is no label", "The name is ignored.",
			upOfServer(tlv(tagName, str("No Label")), windowTLV(credit)), s.barrier("TLV-005"), opening(1), fromClient(opened(1)), s.echoes(1)),
		d("hello_crosses_request", "HELLO crosses a ConnectRequest", "The first connection is Core's to its end, the second is extended.",
			event("visitor connects"),
			fromServer(addressed(1, 22, "127.0.0.1"), free("id", "form", "host"), within("answer"), req("TUN-001")),
			upOfServer(),
			fromClient(response(1, 0)),
			s.echoes(1, "HELLO-009"),
			event("visitor connects", on("B")),
			fromServer(open(2, portTLV(22)), free("id", "tlvs"), within("answer"), req("HELLO-008")),
			fromClient(opened(2)),
			event("visitor sends", octets(str("second")), on("B")),
			fromServer(data(2, str("second")), within("local-effect"), req("DATA-007")),
			event("visitor ends its stream"),
			fromServer(closing(1), within("local-effect"), req("HELLO-009")),
			fromClient(closing(1)),
			s.barrier("HELLO-009")),
		bad("hello_empty", "state", "tunnel", "HELLO-003", d("hello_twice", "a second HELLO", "",
			upOfServer(), fromClient(hello(windowTLV(credit))), closes("HELLO-003"))),
		bad("hello_empty", "state", "tunnel", "HELLO-003", d("hello_second", "HELLO behind a KeepAlive", "",
			fromClient(keepAlive()), fromClient(hello(windowTLV(credit))), closes("HELLO-003"))),
		bad("hello_empty", "size", "tunnel", "HELLO-012", d("hello_long", "a HELLO that is too long", "No payload is sent.",
			fromClient(malformed(raw(1, typ("HELLO"), largestTLVs+1))), closes("HELLO-012"))),
		bad("hello_grease", "size", "tunnel", "TLV-001", d("hello_cut", "a HELLO whose last value is one octet short", "",
			fromClient(malformed(sized(typ("HELLO"), "00040004 000100"))), closes("TLV-001"))),
		bad("hello_grease", "size", "tunnel", "TLV-001", d("hello_window_twice", "a HELLO with two windows", "",
			fromClient(hello(windowTLV(credit), windowTLV(credit))), closes("TLV-001"))),
		bad("hello_grease", "content", "tunnel", "TLV-003", d("hello_critical", "a HELLO with an unknown critical tag", "",
			fromClient(hello(windowTLV(credit), tlv(tagCritical, ""))), closes("TLV-003"))),
		bad("echo", "type", "nothing", "HELLO-007", d("no_hello", "extended frames on a tunnel without HELLO", "They are skipped, as by a Core peer.",
			fromClient(window(1, 5)), fromClient(ping(mark)), fromClient(goAway("drain", "")),
			serverBarrier("HELLO-007"), requested(), fromClient(response(1, 0)), serverEchoes("HELLO-007"))),
		kills("option", "a frame of an option that nobody agreed to", "type", "HELLO-006", "hello_grease", unknown(0x15, "0000000161")),
		kills("open_from_client", "OPEN from a client", "type", "XOPEN-016", "echo", open(9, portTLV(22))),

		d("visitor_speaks_first", "octets before OPENED", "They may leave at once (XOPEN-014) or behind OPENED.",
			upOfServer(), opening(1), event("visitor sends", octets(str("early"))), fromClient(opened(1)),
			fromServer(data(1, str("early")), within("local-effect"), req("OPEN-020"))),
		d("visitor_ends_early", "a visitor sends and ends its stream before OPENED", "",
			upOfServer(), opening(1), event("visitor sends", octets(str("GET"))), event("visitor ends its stream"), fromClient(opened(1)),
			fromServer(data(1, str("GET")), within("local-effect"), req("OPEN-020")),
			fromServer(fin(1), within("local-effect"), req("FIN-001")),
			s.gets(1, str("answer"), "FIN-005"), s.ended(1), s.barrier("FIN-004")),
		d("banner", "a visitor ends its stream without an octet, and the service speaks", "It is no giving up.",
			upOfServer(), opening(1), event("visitor ends its stream"), fromClient(opened(1)),
			fromServer(fin(1), within("local-effect"), req("XOPEN-009")),
			s.gets(1, str("banner"), "FIN-005"), s.ended(1)),
		d("refused", "the client cannot connect", "",
			upOfServer(), opening(1), s.resets(1, "refused"), s.barrier("RESET-002")),
		d("reset_code_unknown", "a RESET with a code and a text that nobody knows", "",
			upOfServer(), opening(1), fromClient(build("RESET", "", 1, 0x0999, spec.Octets("ff00"))),
			expect("visitor is reset", within("local-effect"), req("RESET-003")), s.barrier("RESET-003")),
		bad("visitor_speaks_first", "state", "tunnel", "XOPEN-006", d("data_before_opened", "Data before OPENED", "",
			upOfServer(), opening(1), fromClient(data(1, str("too soon"))), s.dies("XOPEN-006"))),
		bad("visitor_speaks_first", "state", "tunnel", "XOPEN-006", d("fin_before_opened", "FIN before OPENED", "",
			upOfServer(), opening(1), fromClient(fin(1)), s.dies("XOPEN-006"))),
		kills("opened_twice", "a second OPENED", "state", "XOPEN-016", "echo", opened(1)),
		bad("echo", "content", "tunnel", "TLV-003", d("opened_critical", "OPENED with an unknown critical tag", "",
			upOfServer(), opening(1), fromClient(opened(1, tlv(tagCritical, ""))), s.dies("TLV-003"))),
		d("connect_timeout", "no answer within the connect timeout, and one that crosses the RESET", "",
			upOfServer(), opening(1), event("time passes", within("connect-timeout")),
			expect("visitor is ended", within("connect-timeout"), req("XOPEN-008")),
			fromServer(reset(1, "timed-out", ""), free("text"), within("connect-timeout"), req("XOPEN-008")),
			fromClient(opened(1)), fromClient(data(1, str("late"))),
			s.barrier("XID-004", "RESET-002")),
		d("visitor_gone", "the visitor resets before OPENED, which crosses", "",
			upOfServer(), opening(1), event("visitor resets"),
			fromServer(reset(1, "cancelled", ""), free("text"), within("local-effect"), req("XOPEN-009")),
			fromClient(opened(1)), s.barrier("XID-004")),
		d("too_many", "a second visitor where the client takes one", "",
			serverOpened(windowTLV(credit), tlv(tagMaxConns, u32(1))),
			event("visitor connects", on("B")),
			expect("visitor is ended", on("B"), within("local-effect"), req("XOPEN-011")),
			s.barrier("XOPEN-011"), s.echoes(1)),

		kills("data_above", "Data for an ID above the highest", "state", "XID-003", "data_gone", data(neverUsed, str("who"))),
		kills("fin_above", "FIN for an ID above the highest", "state", "XID-003", "data_gone", fin(neverUsed)),
		kills("reset_above", "RESET for an ID above the highest", "state", "XID-003", "data_gone", reset(neverUsed, "reset", "")),
		kills("window_above", "WINDOW for an ID above the highest", "state", "XID-003", "data_gone", window(neverUsed, 1)),
		kills("opened_above", "OPENED for an ID above the highest", "state", "XID-003", "data_gone", opened(neverUsed)),
		d("close_above", "Close and ConnectResponse for an ID above the highest", "They stay ignored.",
			serverOpened(), fromClient(closing(neverUsed)), fromClient(response(neverUsed, 0)), s.barrier("XID-003"), s.echoes(1)),
		d("data_gone", "every frame for a connection that is gone", "They crossed its end.",
			serverOpened(), s.echoes(1), s.failed(1),
			fromClient(data(1, str("late"))), fromClient(window(1, 1<<40)), fromClient(fin(1)), fromClient(reset(1, "reset", "")), fromClient(opened(1)), fromClient(closing(1)), fromClient(response(1, 0)),
			s.barrier("XID-004", "RESET-002")),
		kills("close_extended", "Close for an extended connection", "state", "XID-005", "data_gone", closing(1)),
		kills("response_extended", "ConnectResponse for an extended connection", "state", "XID-005", "data_gone", response(1, 1)),

		d("half_close", "a visitor asks, ends its stream, and gets its answer", "",
			serverOpened(), s.sends(1, str("question")), s.ends(1), s.gets(1, str("answer"), "FIN-005"), s.ended(1), s.barrier("FIN-004")),
		d("half_close_service", "the service ends its stream first, the visitor goes on", "",
			serverOpened(), s.gets(1, str("all")), s.ended(1), s.sends(1, str("more"), "FIN-005"), s.ends(1), s.barrier("FIN-004")),
		d("fin_crosses_fin", "both streams end at once", "The connection is gone on both sides.",
			serverOpened(), s.echoes(1), event("visitor ends its stream"), fromClient(fin(1)),
			fromServer(fin(1), within("local-effect"), req("FIN-001")),
			s.barrier("FIN-004")),
		afterFin("data_after_fin", "Data behind FIN", data(1, str("late"))),
		afterFin("fin_twice", "a second FIN", fin(1)),
		d("visitor_reset", "the visitor resets", "",
			serverOpened(), s.echoes(1), s.failed(1), s.barrier("RESET-002")),
		d("service_reset", "the service resets", "What was written before may be lost, as with TCP.",
			serverOpened(), s.echoes(1), s.resets(1, "reset"), s.barrier("RESET-002")),

		d("window_zero", "a client with a window of 0", "The first WINDOW opens the connection.",
			serverOpened(windowTLV(0)), event("visitor sends", octets(str("ping"))), s.barrier("WIN-001"),
			fromClient(window(1, 4)), fromServer(data(1, str("ping")), within("local-effect"), req("WIN-003"))),
		d("window_small", "a limit that is stated again, lower, and higher", "",
			serverOpened(windowTLV(2)), event("visitor sends", octets(str("ping"))),
			fromServer(data(1, str("pi")), within("local-effect"), req("DATA-007")),
			fromClient(window(1, 1)), fromClient(window(1, 2)), fromClient(window(1, 0)), s.barrier("WIN-001", "WIN-003"),
			fromClient(window(1, 3)), fromServer(data(1, str("n")), within("local-effect"), req("WIN-003")),
			s.barrier("WIN-001"),
			fromClient(window(1, 1<<64-1)), fromServer(data(1, str("g")), within("local-effect"), req("WIN-003")),
			s.sends(1, str("and on"), "WIN-003")),
		d("fin_no_credit", "FIN where no credit is left", "FIN needs none.",
			serverOpened(windowTLV(4)), s.sends(1, str("ping")), s.ends(1), fromClient(window(1, 100)), s.barrier("WIN-003")),

		d("ping", "what is owed leaves in the order of receipt", "",
			upOfServer(), fromClient(ping(mark)), fromClient(keepAlive()), fromClient(ping("00*8")),
			fromServer(pong(mark), within("answer"), req("PING-001")),
			fromServer(keepAlive(), within("answer"), req("ORDER-002")),
			fromServer(pong("00*8"), within("answer"), req("PING-001", "ORDER-002"))),
		d("pong_unasked", "a PONG that nobody asked for", "",
			upOfServer(), fromClient(pong(mark)), s.barrier("PING-002")),
		d("client_drains", "the client drains, and its connection goes on", "",
			serverOpened(), fromClient(goAway("drain", "")),
			fromServer(goAway("drain", ""), free("text"), within("answer"), req("AWAY-002")),
			event("visitor connects", on("B")),
			expect("visitor is ended", on("B"), within("local-effect"), req("AWAY-008")),
			fromClient(goAway("drain", str("again"))),
			s.barrier("AWAY-001", "AWAY-007"),
			s.echoes(1, "AWAY-004"), s.ends(1), s.ended(1)),
		d("server_drains", "the server drains, and its connection goes on", "",
			serverOpened(), event("subject drains"),
			fromServer(goAway("drain", ""), free("text"), within("answer"), req("AWAY-004")),
			s.echoes(1, "AWAY-004"), s.ends(1), s.ended(1)),
		d("tunnel_lost", "the tunnel is lost while a connection is open", "",
			serverOpened(), s.echoes(1), event("tunnel ends"),
			expect("visitor is ended", within("local-effect"), req("TUN-002", "LOSS-001"), note("SHOULD, by reset: LOSS-002"))),
		kills("window_size", "a WINDOW of 11 octets", "size", "FRAME-008", "window_small", malformed(sized(typ("WINDOW"), u32(1), "00*7"))),
	}
}

func extClientDialogues() []spec.Vector {
	s := ofClient
	d := func(id, title, notes string, steps ...[]spec.Step) spec.Vector {
		return aboutExt(dialogue("client", "ext_client_"+id, title, notes, steps...))
	}
	bad := func(twin, layer, dies, req string, v spec.Vector) spec.Vector {
		return faulty("ext_client_"+twin, layer, dies, req, v)
	}
	closes := func(id string) []spec.Step {
		return seq(
			expect("tunnel is closed", within("answer"), req(id, "ERR-001")),
			expect("client dials again", within("redial-delay"), req("LOSS-003")),
		)
	}
	// afterFin is a fault behind the peer's FIN.
	afterFin := func(id, title string, m msg) spec.Vector {
		return bad("half_close", "state", "tunnel", "FIN-003", d(id, title, "", clientOpened(), s.echoes(1), s.ended(1), s.peer(m), s.dies("FIN-003")))
	}
	// kills is a fault of the server on an open connection.
	kills := func(id, title, layer, req, twin string, m msg) spec.Vector {
		return bad(twin, layer, "tunnel", req, d(id, title, "", clientOpened(), fromServer(m), s.dies(req)))
	}
	// refuses is an OPEN that cannot be served.
	refuses := func(id, title, requirement, code, notes string, tlvs ...spec.DecodedTLV) spec.Vector {
		return bad("echo", "content", "connection", requirement, d(id, title, notes,
			upOfClient(), fromServer(open(1, tlvs...)),
			fromClient(reset(1, code, ""), free("code", "text"), within("local-effect"), req(requirement, "XOPEN-003")),
			s.barrier(requirement), asked(2), dialled(2), s.echoes(2)))
	}
	return []spec.Vector{
		d("echo", "a service is used, both streams end", "",
			clientOpened(), s.echoes(1), s.ended(1), s.ends(1), s.barrier("FIN-004")),
		d("hello_empty", "a HELLO of the server that states nothing", "Every tag has its value for absent.",
			s.says("HELLO-001"), fromServer(hello()), asked(1), dialled(1), s.echoes(1)),
		d("hello_grease", "a HELLO and an OPEN with tags that nobody knows, and grease frames", "",
			upOfClient(tlv(tagGrease, "ff"), windowTLV(credit), tlv(tagPrivate, ""), tlv(tagPrivate, "")),
			fromServer(unknown(0x2A, "00")), fromServer(unknown(0x3A, "")), fromServer(unknown(0x80, "61")), s.barrier("TLV-002"),
			fromServer(open(1, tlv(tagGrease, ""), hostTLV("127.0.0.1"), portTLV(22), tlv(tagPrivate, "01"))), dialled(1), s.echoes(1, "TLV-002")),
		d("core_server", "a server that speaks Core", "It skips HELLO, and answers KeepAlive.",
			s.says("HELLO-001"), fromServer(keepAlive()), clientOpen(), clientEchoes("HELLO-010")),
		d("hello_crosses_request", "a ConnectRequest before the HELLO", "The first connection is Core's to its end, the second is extended.",
			s.says("HELLO-001"), clientOpen(), fromServer(hello(windowTLV(credit))), s.echoes(1, "HELLO-009"),
			asked(2, on("B")), dialled(2, on("B")),
			event("service sends", octets(str("second")), on("B")),
			fromClient(data(2, str("second")), within("local-effect"), req("DATA-007")),
			fromServer(closing(1)),
			fromClient(closing(1), within("close-total"), req("HELLO-009", "CLOSE-004")),
			s.barrier("HELLO-009")),
		bad("hello_empty", "state", "tunnel", "HELLO-004", d("hello_twice", "a second HELLO", "",
			upOfClient(), fromServer(hello(windowTLV(credit))), closes("HELLO-004"))),
		bad("core_server", "state", "tunnel", "HELLO-004", d("hello_late", "a HELLO behind an answer to KeepAlive", "The client took the server for a Core one.",
			s.says("HELLO-001"), fromServer(keepAlive()), fromServer(hello(windowTLV(credit))), closes("HELLO-004"))),
		bad("hello_empty", "content", "tunnel", "HELLO-005", d("hello_option", "a HELLO that agrees to what was not offered", "The client's HELLO has no udp.",
			s.says("HELLO-001"), fromServer(hello(windowTLV(credit), tlv(tagUDP, ""))), closes("HELLO-005"))),
		bad("hello_empty", "size", "tunnel", "HELLO-012", d("hello_long", "a HELLO that is too long", "No payload is sent.",
			s.says("HELLO-001"), fromServer(malformed(raw(1, typ("HELLO"), largestTLVs+1))), closes("HELLO-012"))),
		bad("hello_grease", "size", "tunnel", "TLV-001", d("hello_cut", "a HELLO whose last value is one octet short", "",
			s.says("HELLO-001"), fromServer(malformed(sized(typ("HELLO"), "00040004 000100"))), closes("TLV-001"))),
		bad("hello_grease", "content", "tunnel", "TLV-003", d("hello_critical", "a HELLO with an unknown critical tag", "",
			s.says("HELLO-001"), fromServer(hello(tlv(tagCritical, ""))), closes("TLV-003"))),
		kills("request_after_hello", "a ConnectRequest behind the HELLO", "type", "HELLO-008", "hello_crosses_request", addressed(2, 22, "127.0.0.1")),
		kills("option", "a frame of an option that nobody agreed to", "type", "HELLO-006", "hello_grease", unknown(0x15, "0000000161")),
		kills("opened_from_server", "OPENED from a server", "type", "XOPEN-016", "echo", opened(1)),
		d("goaway_offered", "a server that refuses the HELLO", "",
			s.says("HELLO-001"), fromServer(goAway("unsupported", "")), event("tunnel ends its stream"),
			expect("tunnel is closed", within("answer"), req("HELLO-007"))),

		d("early_data", "Data that comes with the OPEN", "The service reads it first.",
			upOfClient(), fromServer(open(1, hostTLV("127.0.0.1"), portTLV(22))), fromServer(data(1, str("early"))),
			expect("service is dialled", within("local-effect"), req("XOPEN-004")), dialled(1),
			expect("service reads", octets(str("early")), within("local-effect"), req("XOPEN-007")), s.echoes(1)),
		d("early_fin", "Data and FIN that come with the OPEN", "",
			upOfClient(), fromServer(open(1, hostTLV("127.0.0.1"), portTLV(22))), fromServer(data(1, str("GET"))), fromServer(fin(1)),
			expect("service is dialled", within("local-effect"), req("XOPEN-004")), dialled(1),
			expect("service reads", octets(str("GET")), within("local-effect"), req("XOPEN-007")),
			expect("service reads end of stream", within("local-effect"), req("XOPEN-007")),
			s.sends(1, str("answer"), "FIN-005"), s.ends(1), s.barrier("FIN-004")),
		d("early_refused", "Data that comes with an OPEN that is refused", "",
			upOfClient(), fromServer(open(1, hostTLV("127.0.0.1"), portTLV(22))), fromServer(data(1, str("early"))),
			expect("service is dialled", within("local-effect"), req("XOPEN-004")), event("service refuses"),
			fromClient(reset(1, "refused", ""), free("code", "text"), within("dial-timeout"), req("XOPEN-003")),
			fromServer(data(1, str("more"))), s.barrier("XID-004")),
		d("refused", "the service refuses", "",
			upOfClient(), asked(1), event("service refuses"),
			fromClient(reset(1, "refused", ""), free("code", "text"), within("dial-timeout"), req("XOPEN-003", "XOPEN-015")), s.barrier("RESET-002")),
		d("dial_timeout", "the service does not answer", "",
			upOfClient(), asked(1), event("service does not answer"), event("time passes", within("dial-timeout")),
			fromClient(reset(1, "timed-out", ""), free("code", "text"), within("connect-timeout"), req("OPEN-012"), note("SHOULD come after 8 s, at the latest before servers give up")),
			s.barrier("XOPEN-003")),
		d("reset_while_dialing", "the server gives up while the client dials", "Nothing is sent for that ID any more.",
			upOfClient(), asked(1), event("service does not answer"), fromServer(reset(1, "cancelled", "")), s.barrier("XOPEN-010"),
			event("time passes", within("dial-timeout")), s.barrier("XOPEN-010")),
		d("reset_crosses_opened", "the server gives up while the service accepts", "",
			clientOpened(), s.resets(1, "timed-out"), s.barrier("RESET-002")),
		refuses("port_zero", "an OPEN for port 0", "XOPEN-005", "general", "", hostTLV("127.0.0.1"), portTLV(0)),
		refuses("no_target", "an OPEN with neither port nor service", "XOPEN-005", "general", "", tlv(tagOrigin, "c0000207 d431")),
		refuses("two_targets", "an OPEN with port and service", "XOPEN-005", "general", "", portTLV(22), tlv(tagService, str("ssh"))),
		refuses("host_alone", "an OPEN with a host and no port", "XOPEN-005", "general", "", hostTLV("127.0.0.1")),
		refuses("host_bad", "an OPEN whose host holds a line break", "XOPEN-005", "general", "", hostTLV("a\r\nb"), portTLV(22)),
		refuses("host_empty", "an OPEN with an empty host", "TLV-005", "general", "", hostTLV(""), portTLV(22)),
		refuses("network", "an OPEN of network 9", "XOPEN-005", "unsupported", "", tlv(tagNetwork, "09"), portTLV(22)),
		refuses("service_unknown", "an OPEN for a service that the client does not have", "XOPEN-005", "unknown-service", "", tlv(tagService, str("nobody-has-this"))),
		refuses("service_bad", "an OPEN whose service is no label", "TLV-005", "unknown-service", "", tlv(tagService, str("No Label"))),
		refuses("critical", "an OPEN with an unknown critical tag", "TLV-003", "unsupported", "", hostTLV("127.0.0.1"), portTLV(22), tlv(tagCritical, "")),
		refuses("denied", "a host that the policy does not allow", "XOPEN-005", "denied", "192.0.2.1 is reserved for documentation. The client is told to allow loopback only.", hostTLV("192.0.2.1"), portTLV(22)),

		d("id_zero", "the first OPEN has ID 0", "",
			upOfClient(), asked(0), dialled(0), s.echoes(0, "XID-004")),
		d("id_gap", "IDs with a gap between them, up to the last", "",
			upOfClient(), asked(7), dialled(7), asked(1<<32-1, on("B")), dialled(1<<32-1, on("B")), s.barrier("XOPEN-003")),
		bad("id_gap", "state", "tunnel", "XID-002", d("id_again", "an OPEN with the ID of the one before", "",
			upOfClient(), asked(7), dialled(7), fromServer(open(7, hostTLV("127.0.0.1"), portTLV(22))), s.dies("XID-002"))),
		bad("id_gap", "state", "tunnel", "XID-002", d("id_lower", "an OPEN with an ID that was passed over", "",
			upOfClient(), asked(7), dialled(7), fromServer(open(6, hostTLV("127.0.0.1"), portTLV(22))), s.dies("XID-002"))),
		bad("id_gap", "state", "tunnel", "XID-002", d("id_refused", "an OPEN with the ID of one that was refused", "A refused one raises the highest too.",
			upOfClient(), fromServer(open(7)), fromClient(reset(7, "general", ""), free("code", "text"), within("local-effect"), req("XOPEN-005")),
			fromServer(open(7, hostTLV("127.0.0.1"), portTLV(22))), closes("XID-002"))),
		kills("data_above", "Data for an ID above the highest", "state", "XID-003", "data_gone", data(neverUsed, str("who"))),
		kills("fin_above", "FIN for an ID above the highest", "state", "XID-003", "data_gone", fin(neverUsed)),
		kills("reset_above", "RESET for an ID above the highest", "state", "XID-003", "data_gone", reset(neverUsed, "reset", "")),
		kills("window_above", "WINDOW for an ID above the highest", "state", "XID-003", "data_gone", window(neverUsed, 1)),
		d("close_above", "Close for an ID above the highest", "It stays ignored.",
			clientOpened(), fromServer(closing(neverUsed)), s.barrier("XID-003"), s.echoes(1)),
		d("data_gone", "every frame for a connection that is gone", "They crossed its end.",
			clientOpened(), s.echoes(1), s.failed(1),
			fromServer(data(1, str("late"))), fromServer(window(1, 1<<40)), fromServer(fin(1)), fromServer(reset(1, "reset", "")), fromServer(closing(1)),
			s.barrier("XID-004", "RESET-002")),
		d("gap_gone", "Data for an ID that was passed over", "It is as good as gone.",
			upOfClient(), asked(7), dialled(7), fromServer(data(6, str("who"))), fromServer(window(6, 1)), s.barrier("XID-004"), s.echoes(7)),
		kills("close_extended", "Close for an extended connection", "state", "XID-005", "data_gone", closing(1)),

		d("half_close", "the visitor asks, its stream ends, and the service answers", "",
			clientOpened(), s.gets(1, str("question")), s.ended(1), s.sends(1, str("answer"), "FIN-005"), s.ends(1), s.barrier("FIN-004")),
		d("half_close_service", "the service ends its stream first, the visitor goes on", "",
			clientOpened(), s.sends(1, str("all")), s.ends(1), s.gets(1, str("more"), "FIN-005"), s.ended(1), s.barrier("FIN-004")),
		d("fin_crosses_fin", "both streams end at once", "The connection is gone on both sides.",
			clientOpened(), s.echoes(1), event("service ends its stream"), fromServer(fin(1)),
			fromClient(fin(1), within("local-effect"), req("FIN-001")),
			s.barrier("FIN-004")),
		afterFin("data_after_fin", "Data behind FIN", data(1, str("late"))),
		afterFin("fin_twice", "a second FIN", fin(1)),
		d("service_reset", "the service resets", "",
			clientOpened(), s.echoes(1), s.failed(1), s.barrier("RESET-002")),
		d("visitor_reset", "the visitor resets", "",
			clientOpened(), s.echoes(1), s.resets(1, "reset"), s.barrier("RESET-002")),

		d("window_zero", "a server with a window of 0", "The first WINDOW opens the connection.",
			clientOpened(windowTLV(0)), event("service sends", octets(str("ping"))), s.barrier("WIN-001"),
			fromServer(window(1, 4)), fromClient(data(1, str("ping")), within("local-effect"), req("WIN-003"))),
		d("window_dialing", "a WINDOW while the client dials", "It raises the limit all the same.",
			upOfClient(windowTLV(0)), asked(1), fromServer(window(1, 4)), dialled(1), s.sends(1, str("ping"), "WIN-003")),
		d("window_small", "a limit that is stated again, lower, and higher", "",
			clientOpened(windowTLV(2)), event("service sends", octets(str("ping"))),
			fromClient(data(1, str("pi")), within("local-effect"), req("DATA-007")),
			fromServer(window(1, 1)), fromServer(window(1, 2)), fromServer(window(1, 0)), s.barrier("WIN-001", "WIN-003"),
			fromServer(window(1, 3)), fromClient(data(1, str("n")), within("local-effect"), req("WIN-003")),
			s.barrier("WIN-001"),
			fromServer(window(1, 1<<64-1)), fromClient(data(1, str("g")), within("local-effect"), req("WIN-003")),
			s.sends(1, str("and on"), "WIN-003")),
		d("fin_no_credit", "FIN where no credit is left", "FIN needs none.",
			clientOpened(windowTLV(4)), s.sends(1, str("ping")), s.ends(1), fromServer(window(1, 100)), s.barrier("WIN-003")),

		d("ping", "PINGs are answered in their order", "",
			upOfClient(), fromServer(ping(mark)), fromServer(ping("00*8")),
			fromClient(pong(mark), within("answer"), req("PING-001")),
			fromClient(pong("00*8"), within("answer"), req("PING-001", "ORDER-002"))),
		d("pong_unasked", "a PONG that nobody asked for", "",
			upOfClient(), fromServer(pong(mark)), s.barrier("PING-002")),
		d("server_drains", "the server drains, and its connection goes on", "",
			clientOpened(), fromServer(goAway("drain", "")), fromServer(goAway("drain", str("again"))),
			s.barrier("AWAY-007"), s.echoes(1, "AWAY-004"), s.ended(1), s.ends(1),
			expect("client dials again", within("redial-delay"), req("AWAY-006"))),
		d("server_ends", "the server closes", "",
			clientOpened(), fromServer(goAway("general", "")), event("tunnel ends its stream"),
			expect("tunnel is closed", within("answer"), req("AWAY-010")),
			expect("service is ended", within("local-effect"), req("LOSS-001"))),
		d("client_drains", "the client drains, and an OPEN crosses", "It is served.",
			clientOpened(), event("subject drains"),
			fromClient(goAway("drain", ""), free("text"), within("answer"), req("AWAY-004")),
			asked(2, on("B")), dialled(2, on("B")),
			fromServer(goAway("drain", "")),
			s.echoes(1, "AWAY-003", "AWAY-004")),
		d("tunnel_lost", "the tunnel is lost while a connection is open", "",
			clientOpened(), s.echoes(1), event("tunnel ends"),
			expect("service is ended", within("local-effect"), req("TUN-002", "LOSS-001"), note("SHOULD, by reset: LOSS-002")),
			expect("client dials again", within("redial-delay"), req("LOSS-003"))),
		kills("window_size", "a WINDOW of 11 octets", "size", "FRAME-008", "window_small", malformed(sized(typ("WINDOW"), u32(1), "00*7"))),
	}
}
