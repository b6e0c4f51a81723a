package main

import "github.com/adit-tunnel/adit/spec"

// requested: a visitor has connected, its request has no response yet.
func requested() []spec.Step {
	return seq(
		event("visitor connects"),
		fromServer(addressed(1, 22, "127.0.0.1"), free("id", "form", "host"), within("answer"), req("OPEN-001")),
	)
}

// serverOpen: the success was sent. A visitor that ends right then may still give up the request (OPEN-023): let it echo first.
func serverOpen() []spec.Step { return seq(requested(), fromClient(response(1, 0))) }

// serverBarrier: the server has taken every frame before, and sent nothing else.
func serverBarrier(ids ...string) []spec.Step {
	return seq(
		fromClient(keepAlive()),
		fromServer(keepAlive(), within("answer"), req(ids...), note("the barrier: nothing else was sent before it")),
	)
}

// serverEchoes: the connection carries octets both ways.
func serverEchoes(ids ...string) []spec.Step {
	return seq(
		event("visitor sends", octets(str("ping"))),
		fromServer(data(1, str("ping")), within("local-effect"), req(append([]string{"DATA-007"}, ids...)...)),
		fromClient(data(1, str("pong"))),
		expect("visitor reads", octets(str("pong")), within("local-effect"), req(append([]string{"DATA-001"}, ids...)...)),
	)
}

// serverServes: a new visitor on the same tunnel gets its request.
func serverServes(id string) []spec.Step {
	return seq(
		event("visitor connects", on("B")),
		fromServer(addressed(2, 22, "127.0.0.1"), free("id", "form", "host"), within("answer"), req(id)),
	)
}

// tunnelDies: the tunnel closes, and with it the visitor.
func tunnelDies(id string) []spec.Step {
	return seq(
		expect("tunnel is closed", within("answer"), req(id, "ERR-001")),
		expect("visitor is ended", within("local-effect"), req("LOSS-001")),
	)
}

func serverDialogues() []spec.Vector {
	d := func(id, title, notes string, steps ...[]spec.Step) spec.Vector {
		return dialogue("server", "server_"+id, title, notes, steps...)
	}
	bad := func(twin, layer, dies, req string, v spec.Vector) spec.Vector {
		return faulty("server_"+twin, layer, dies, req, v)
	}
	return []spec.Vector{
		wholeSession(),
		d("echo", "a visitor is served and leaves", "",
			serverOpen(), serverEchoes(),
			event("visitor ends its stream"),
			fromServer(closing(1), within("local-effect"), req("CLOSE-002")),
			fromClient(closing(1)),
			serverBarrier("CLOSE-001")),
		d("first_frame", "a visitor is served before the client sent anything", "The client stays silent until the request is there.",
			requested(), fromClient(response(1, 0)), serverEchoes("TUN-001")),
		d("visitor_speaks_first", "octets before the response are held", "",
			requested(),
			event("visitor sends", octets(str("early"))),
			serverBarrier("OPEN-017"),
			fromClient(response(1, 0)),
			fromServer(data(1, str("early")), within("local-effect"), req("OPEN-020"))),
		d("visitor_ends_early", "a visitor sends, ends its stream, and is served all the same", "",
			requested(),
			event("visitor sends", octets(str("GET"))),
			event("visitor ends its stream"),
			serverBarrier("OPEN-021"),
			fromClient(response(1, 0)),
			fromServer(data(1, str("GET")), within("local-effect"), req("OPEN-021")),
			fromServer(closing(1), within("local-effect"), req("OPEN-021", "CLOSE-002")),
			fromClient(closing(1))),
		d("visitor_gone", "the visitor leaves without an octet; the client fails", "",
			requested(),
			event("visitor ends its stream"),
			fromServer(closing(1), within("local-effect"), req("OPEN-023")),
			fromClient(response(1, 1)),
			serverBarrier("OPEN-023")),
		d("visitor_reset", "the visitor resets while its request is pending", "",
			requested(),
			event("visitor resets"),
			fromServer(closing(1), within("local-effect"), req("OPEN-023")),
			fromClient(response(1, 1)),
			serverBarrier("OPEN-023")),
		d("close_crosses_success", "giving up crosses a success", "Section 16, Close against ConnectResponse.",
			requested(),
			event("visitor ends its stream"),
			fromServer(closing(1), within("local-effect"), req("OPEN-023")),
			fromClient(response(1, 0)),
			fromServer(closing(1), within("answer"), req("OPEN-025"), optional(), note("SHOULD: a server that sends none conforms")),
			fromClient(closing(1)),
			serverBarrier("OPEN-025")),
		d("connect_timeout", "no response within the connect timeout", "",
			requested(),
			event("time passes", within("connect-timeout")),
			expect("visitor is ended", within("connect-timeout"), req("OPEN-022")),
			fromServer(closing(1), within("connect-timeout"), req("OPEN-022")),
			fromClient(response(1, 3)),
			serverBarrier("OPEN-022")),
		d("refused", "the service refuses", "",
			requested(), fromClient(response(1, 2)),
			expect("visitor is ended", within("local-effect"), req("OPEN-014")),
			serverBarrier("OPEN-014")),
		d("status_unassigned", "a failure status that the table does not have", "",
			requested(), fromClient(response(1, 0xEE)),
			expect("visitor is ended", within("local-effect"), req("OPEN-014")),
			serverBarrier("OPEN-014")),
		d("close_as_response", "Close in place of a response", "",
			requested(), fromClient(closing(1)),
			expect("visitor is ended", within("local-effect"), req("OPEN-015")),
			serverBarrier("OPEN-015")),
		bad("echo", "state", "connection", "OPEN-018", d("data_before_response", "Data for a connection that is still requested", "",
			requested(), fromClient(data(1, str("too soon"))),
			fromServer(closing(1), within("answer"), req("OPEN-018")),
			expect("visitor is ended", within("local-effect"), req("OPEN-018"), note("by reset; with no octet read")),
			fromClient(response(1, 1)),
			serverBarrier("ERR-002"),
			serverServes("ERR-002"))),
		d("data_empty", "Data with no octets delivers nothing", "",
			serverOpen(), fromClient(data(1, "")), serverBarrier("DATA-003"), serverEchoes("DATA-003")),
		d("service_ends", "the service ends its stream", "",
			serverOpen(), fromClient(data(1, str("last"))), fromClient(closing(1)),
			expect("visitor reads", octets(str("last")), within("local-effect"), req("CLOSE-003")),
			expect("visitor reads end of stream", within("local-effect"), req("CLOSE-003")),
			fromServer(closing(1), within("close-total"), req("CLOSE-004")),
			serverBarrier("CLOSE-001")),
		d("close_crosses_data", "the visitor leaves while Data is on its way", "Section 16, Close against Data.",
			serverOpen(), serverEchoes(), event("visitor ends its stream"),
			fromServer(closing(1), within("local-effect"), req("CLOSE-002")),
			fromClient(data(1, str("crossed"))),
			serverBarrier("DATA-006"),
			fromClient(closing(1)),
			serverBarrier("CLOSE-001")),
		d("close_crosses_close", "both ends leave at once", "Section 16, Close against Close. The server's Close may leave before or after the client's arrives.",
			serverOpen(), serverEchoes(), event("visitor ends its stream"), fromClient(closing(1)),
			fromServer(closing(1), within("close-total"), req("CLOSE-001")),
			serverBarrier("CLOSE-001")),
		bad("service_ends", "state", "nothing", "DATA-004", d("data_after_close", "Data after the peer's Close", "",
			serverOpen(), fromClient(closing(1)),
			fromServer(closing(1), within("close-total"), req("CLOSE-004")),
			fromClient(data(1, str("late"))),
			fromClient(keepAlive()),
			fromServer(closing(1), within("answer"), req("DATA-004"), note("the ID is idle again: the answer to Data")),
			fromServer(keepAlive(), within("answer"), req("DATA-005", "ORDER-002")))),
		bad("echo", "state", "nothing", "DATA-004", d("data_idle", "Data for an ID never used", "",
			fromClient(data(0x7FFFFFFF, str("who"))),
			fromServer(closing(0x7FFFFFFF), within("answer"), req("DATA-004")),
			serverBarrier("DATA-004"))),
		bad("echo", "state", "nothing", "CLOSE-007", d("close_idle", "Close for an ID never used", "",
			fromClient(closing(0x7FFFFFFF)), serverBarrier("CLOSE-007"), serverServes("CLOSE-007"))),
		bad("echo", "state", "nothing", "OPEN-016", d("response_idle", "ConnectResponse for an ID never used", "",
			fromClient(response(0x7FFFFFFF, 0)), serverBarrier("OPEN-016"), serverServes("OPEN-016"))),
		bad("echo", "state", "nothing", "OPEN-016", d("response_twice", "a second ConnectResponse, a failure, for an open connection", "",
			serverOpen(), fromClient(response(1, 1)), serverBarrier("OPEN-016"), serverEchoes("OPEN-016"))),
		d("keepalive_each", "three KeepAlives, three answers", "",
			fromClient(keepAlive()), fromClient(keepAlive()), fromClient(keepAlive()),
			fromServer(keepAlive(), within("answer"), req("ALIVE-002")),
			fromServer(keepAlive(), within("answer"), req("ALIVE-002")),
			fromServer(keepAlive(), within("answer"), req("ALIVE-002"))),
		d("answers_in_order", "what is owed leaves in the order of receipt", "",
			fromClient(keepAlive()), fromClient(data(0x7FFFFFFF, str("x"))), fromClient(keepAlive()),
			fromServer(keepAlive(), within("answer"), req("ORDER-002")),
			fromServer(closing(0x7FFFFFFF), within("answer"), req("ORDER-002")),
			fromServer(keepAlive(), within("answer"), req("ORDER-002"))),
		d("type_unknown", "unknown types are skipped while a connection is open", "",
			serverOpen(), fromClient(unknown(0x80, "0000000161")), fromClient(unknown(0x06, "")),
			serverBarrier("FRAME-007"), serverEchoes("FRAME-007")),
		bad("echo", "type", "tunnel", "OPEN-010", d("request", "ConnectRequest from a client", "",
			serverOpen(), fromClient(addressed(9, 22, "127.0.0.1")), tunnelDies("OPEN-010"))),
		bad("echo", "version", "tunnel", "FRAME-002", d("version", "a foreign version", "",
			serverOpen(), fromClient(malformed(raw(2, typ("KeepAlive"), 0))), tunnelDies("FRAME-002"))),
		bad("echo", "length", "tunnel", "FRAME-004", d("length", "a length above the limit", "No payload is sent.",
			serverOpen(), fromClient(malformed(raw(1, typ("Data"), maxPayload+1))), tunnelDies("FRAME-004"))),
		bad("echo", "size", "tunnel", "FRAME-008", d("size", "ConnectResponse without status", "",
			requested(), fromClient(malformed(sized(typ("ConnectResponse"), u32(1)))), tunnelDies("FRAME-008"))),
		d("tunnel_lost_requested", "the tunnel is lost while a request is pending", "",
			requested(), event("tunnel ends"),
			expect("visitor is ended", within("local-effect"), req("TUN-002", "LOSS-001"))),
		d("tunnel_lost_open", "the tunnel is lost while a connection is open", "",
			serverOpen(), serverEchoes(), event("tunnel ends"),
			expect("visitor is ended", within("local-effect"), req("TUN-002", "LOSS-001"), note("SHOULD, by reset: LOSS-002"))),
		d("no_tunnel", "a visitor without a tunnel", "",
			event("tunnel ends"), event("visitor connects"),
			expect("visitor is ended", within("local-effect"), req("OPEN-026"), note("with no octet read"))),
		d("two_visitors", "two connections, each with its own octets", "",
			serverOpen(),
			event("visitor connects", on("B")),
			fromServer(addressed(2, 22, "127.0.0.1"), free("id", "form", "host"), within("answer"), req("OPEN-001")),
			fromClient(response(2, 0)),
			fromClient(data(2, str("for B"))), fromClient(data(1, str("for A"))),
			expect("visitor reads", octets(str("for B")), on("B"), within("local-effect"), req("DATA-002")),
			expect("visitor reads", octets(str("for A")), within("local-effect"), req("DATA-002"))),
		d("tunnel_again", "a new tunnel after one was lost", "What the lost tunnel's connections were is forgotten.",
			serverOpen(), event("tunnel ends"),
			expect("visitor is ended", within("local-effect"), req("LOSS-001")),
			event("tunnel begins"),
			fromClient(response(1, 0)), serverBarrier("LOSS-005"),
			serverServes("LOSS-004")),
		d("silent_client", "a client that sends nothing more", "The tunnel ends after 45 s at the earliest (ALIVE-005), after 300 s at the latest.",
			serverOpen(), event("peer falls silent"),
			expect("tunnel is closed", within("dead-peer-server"), req("ALIVE-005", "ALIVE-006")),
			expect("visitor is ended", within("local-effect"), req("LOSS-001"))),
		d("drip", "a frame that is never complete", "",
			event("peer falls silent"), fromClient(malformed("01 03 0000")),
			expect("tunnel is closed", within("frame-progress"), req("FRAME-011"), note("SHOULD"))),
	}
}
