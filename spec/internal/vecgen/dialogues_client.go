package main

import "github.com/adit-tunnel/adit/spec"

// neverUsed is an ID that no dialogue opens.
const neverUsed = 0x7FFFFFFF

// dialing: a request was received, the service has not answered.
func dialing() []spec.Step {
	return seq(
		fromServer(addressed(1, 22, "127.0.0.1")),
		expect("service is dialled", within("local-effect"), req("OPEN-003")),
	)
}

// clientOpen: the connection is open.
func clientOpen() []spec.Step {
	return seq(
		dialing(), event("service accepts"),
		fromClient(response(1, 0), within("local-effect"), req("OPEN-004", "OPEN-005")),
	)
}

// clientBarrier: the client has taken every frame before, and sent nothing else but KeepAlives of its own.
func clientBarrier(ids ...string) []spec.Step {
	return seq(
		fromServer(data(neverUsed, "00")),
		fromClient(closing(neverUsed), within("answer"), req(append([]string{"DATA-004"}, ids...)...), note("the barrier: nothing else but KeepAlive was sent before it")),
	)
}

// clientEchoes: the connection carries octets both ways.
func clientEchoes(ids ...string) []spec.Step {
	return seq(
		fromServer(data(1, str("ping"))),
		expect("service reads", octets(str("ping")), within("local-effect"), req("DATA-001")),
		event("service sends", octets(str("pong"))),
		fromClient(data(1, str("pong")), within("local-effect"), req(append([]string{"DATA-007"}, ids...)...)),
	)
}

// fails: the client answers with a failure, within the time of a dial, and sends nothing else.
func fails(m msg, id string) []spec.Step {
	return seq(fromClient(m, free("status"), within("dial-timeout"), req(id)), clientBarrier(id))
}

// clientDies: the client closes the tunnel, its service's socket, and dials again.
func clientDies(id string) []spec.Step {
	return seq(
		expect("tunnel is closed", within("answer"), req(id, "ERR-001")),
		expect("service is ended", within("local-effect"), req("LOSS-001")),
		expect("client dials again", within("redial-delay"), req("LOSS-003")),
	)
}

func clientDialogues() []spec.Vector {
	d := func(id, title, notes string, steps ...[]spec.Step) spec.Vector {
		return dialogue("client", "client_"+id, title, notes, steps...)
	}
	bad := func(twin, layer, dies, req string, v spec.Vector) spec.Vector {
		return faulty("client_"+twin, layer, dies, req, v)
	}
	return []spec.Vector{
		d("echo", "a service is used and the visitor leaves", "",
			clientOpen(), clientEchoes(),
			fromServer(closing(1)),
			expect("service reads end of stream", within("local-effect"), req("CLOSE-003")),
			fromClient(closing(1), within("close-total"), req("CLOSE-004")),
			clientBarrier("CLOSE-001")),
		d("echo_short", "the same with the short form", "The client chooses the host.",
			fromServer(short(1, 22)),
			expect("service is dialled", within("local-effect"), req("OPEN-002", "OPEN-003")),
			event("service accepts"),
			fromClient(response(1, 0), within("local-effect"), req("OPEN-004")),
			clientEchoes()),
		d("id_zero", "ID 0", "",
			fromServer(short(0, 22)), event("service accepts"),
			fromClient(response(0, 0), within("local-effect"), req("ID-003"))),
		d("id_max", "the last ID", "",
			fromServer(short(1<<32-1, 22)), event("service accepts"),
			fromClient(response(1<<32-1, 0), within("local-effect"), req("ID-003"))),
		d("id_again", "an ID is used again after both Closes", "",
			clientOpen(), fromServer(closing(1)),
			fromClient(closing(1), within("close-total"), req("CLOSE-004")),
			clientOpen(), clientEchoes("CLOSE-001")),
		d("service_ends", "the service sends and ends its stream", "",
			clientOpen(), event("service sends", octets(str("last"))), event("service ends its stream"),
			fromClient(data(1, str("last")), within("local-effect"), req("DATA-007")),
			fromClient(closing(1), within("local-effect"), req("CLOSE-002")),
			fromServer(closing(1)),
			clientBarrier("CLOSE-001")),
		d("refused", "the service refuses", "",
			dialing(), event("service refuses"), fails(response(1, 2), "OPEN-006")),
		d("dial_timeout", "the service does not answer", "",
			dialing(), event("service does not answer"), event("time passes", within("dial-timeout")),
			fromClient(response(1, 3), free("status"), within("connect-timeout"), req("OPEN-012"), note("SHOULD come after 8 s, at the latest before servers give up")),
			clientBarrier("OPEN-004")),
		bad("echo", "content", "connection", "OPEN-008", d("port_zero", "a request for port 0", "",
			fromServer(addressed(1, 0, "127.0.0.1")), fails(response(1, 1), "OPEN-008"))),
		bad("echo", "content", "connection", "OPEN-009", d("host_empty", "a request with an empty host", "",
			fromServer(addressed(1, 22, "")), fails(response(1, 1), "OPEN-009"))),
		bad("echo", "content", "connection", "OPEN-009", d("host_control", "a request whose host holds a line break", "",
			fromServer(addressed(1, 22, "a\r\nb\x1b[31m")), fails(response(1, 1), "OPEN-009"))),
		bad("echo", "content", "connection", "OPEN-009", d("host_octets", "a request whose host is no text", "Four octets that are neither ASCII nor UTF-8.",
			fromServer(malformed(sized(typ("ConnectRequest"), u32(1), u16(22), u8(4), "fffe80c0"))), fails(response(1, 1), "OPEN-009"))),
		d("denied", "a host that the policy does not allow", "192.0.2.1 is reserved for documentation. The client is told to allow loopback only.",
			fromServer(addressed(1, 22, "192.0.2.1")), fails(response(1, 6), "SEC-001")),
		d("close_while_dialing", "the server gives up while the client dials", "",
			dialing(), event("service does not answer"), fromServer(closing(1)),
			fromClient(response(1, 1), free("status"), within("local-effect"), req("OPEN-024")), clientBarrier("OPEN-024")),
		d("close_crosses_success", "the server gives up while the service accepts", "Section 16, Close against ConnectResponse.",
			clientOpen(), fromServer(closing(1)),
			fromClient(closing(1), within("close-total"), req("CLOSE-004")),
			fromServer(closing(1), note("the server's one more Close, of OPEN-025")),
			clientBarrier("CLOSE-007")),
		d("close_crosses_data", "the service leaves while Data is on its way", "",
			clientOpen(), event("service ends its stream"),
			fromClient(closing(1), within("local-effect"), req("CLOSE-002")),
			fromServer(data(1, str("crossed"))),
			clientBarrier("DATA-006"),
			fromServer(closing(1)),
			clientBarrier("CLOSE-001")),
		bad("echo", "state", "connection", "OPEN-019", d("data_while_dialing", "Data for a connection that is still dialing", "",
			dialing(), event("service does not answer"), fromServer(data(1, str("too soon"))),
			fromClient(response(1, 1), free("status"), or(closing(1)), within("answer"), req("OPEN-019")),
			clientBarrier("OPEN-019", "ERR-002"))),
		d("data_empty", "Data with no octets delivers nothing", "",
			clientOpen(), fromServer(data(1, "")), clientBarrier("DATA-003"), clientEchoes("DATA-003")),
		bad("echo", "state", "nothing", "DATA-004", d("data_idle", "Data for an ID never used", "",
			clientBarrier(), clientBarrier())),
		bad("echo", "state", "nothing", "CLOSE-007", d("close_idle", "Close for an ID never used", "",
			fromServer(closing(neverUsed)), clientBarrier("CLOSE-007"))),
		d("keepalive", "KeepAlives from the server are not answered", "",
			fromServer(keepAlive()), fromServer(keepAlive()),
			clientBarrier("ALIVE-003")),
		d("type_unknown", "unknown types are skipped while a connection is open", "",
			clientOpen(), fromServer(unknown(0x80, "0000000161")), fromServer(unknown(0x06, "")),
			clientBarrier("FRAME-007"), clientEchoes("FRAME-007")),
		d("dials_apart", "one pending dial does not delay another connection", "",
			fromServer(addressed(2, 23, "127.0.0.1"), on("B")),
			event("service does not answer", on("B")),
			clientOpen(), clientEchoes("OPEN-013")),
		bad("echo", "state", "tunnel", "ID-004", d("request_twice", "ConnectRequest for an ID that is open", "",
			clientOpen(), fromServer(short(1, 22)), clientDies("ID-004"))),
		bad("echo", "state", "tunnel", "ID-004", d("request_while_dialing", "ConnectRequest for an ID that is dialing", "",
			dialing(), event("service does not answer"), fromServer(short(1, 22)),
			expect("tunnel is closed", within("answer"), req("ID-004", "ERR-001")))),
		bad("echo", "type", "tunnel", "OPEN-011", d("response", "ConnectResponse from a server", "",
			clientOpen(), fromServer(response(1, 0)), clientDies("OPEN-011"))),
		bad("echo", "version", "tunnel", "FRAME-002", d("version", "a foreign version", "",
			clientOpen(), fromServer(malformed(raw(2, typ("KeepAlive"), 0))), clientDies("FRAME-002"))),
		bad("echo", "length", "tunnel", "FRAME-004", d("length", "a length above the limit", "No payload is sent.",
			clientOpen(), fromServer(malformed(raw(1, typ("Data"), maxPayload+1))), clientDies("FRAME-004"))),
		bad("echo", "size", "tunnel", "FRAME-008", d("size", "Close without ID", "",
			clientOpen(), fromServer(malformed(sized(typ("Close")))), clientDies("FRAME-008"))),
		d("tunnel_lost", "the tunnel is lost while a connection is open", "",
			clientOpen(), clientEchoes(), event("tunnel ends"),
			expect("service is ended", within("local-effect"), req("TUN-002", "LOSS-001"), note("SHOULD, by reset: LOSS-002")),
			expect("client dials again", within("redial-delay"), req("LOSS-003"))),
		bad("id_again", "state", "tunnel", "ID-004", d("request_retired", "an ID is used again whose Close the server never sent", "",
			clientOpen(), event("service ends its stream"),
			fromClient(closing(1), within("local-effect"), req("CLOSE-002")),
			event("time passes", within("close-wait")),
			fromServer(short(1, 22)),
			expect("tunnel is closed", within("answer"), req("CLOSE-009", "ID-004", "ERR-001")))),
		d("two_services", "two connections, each with its own octets", "",
			clientOpen(),
			fromServer(addressed(2, 22, "127.0.0.1"), on("B")),
			expect("service is dialled", on("B"), within("local-effect"), req("OPEN-003")),
			event("service accepts", on("B")),
			fromClient(response(2, 0), within("local-effect"), req("OPEN-004")),
			fromServer(data(2, str("for B"))), fromServer(data(1, str("for A"))),
			expect("service reads", octets(str("for B")), on("B"), within("local-effect"), req("DATA-002")),
			expect("service reads", octets(str("for A")), within("local-effect"), req("DATA-002"))),
		d("tunnel_again", "a new tunnel after one was lost", "Every ID is idle on the new tunnel.",
			clientOpen(), event("tunnel ends"),
			expect("client dials again", within("redial-delay"), req("LOSS-003", "LOSS-005")),
			event("tunnel begins"),
			clientOpen(), clientEchoes("LOSS-005")),
		d("keepalive_interval", "a client sends KeepAlives of its own", "",
			fromClient(keepAlive(), within("keepalive-interval"), req("ALIVE-001")),
			fromServer(keepAlive()),
			fromClient(keepAlive(), within("keepalive-interval"), req("ALIVE-001", "ALIVE-003")),
			fromServer(keepAlive())),
		d("silent_server", "a server that answers nothing", "The tunnel ends 45 s after the last octet from the server.",
			clientOpen(), event("peer falls silent"),
			expect("tunnel is closed", within("dead-peer-client"), req("ALIVE-004")),
			expect("service is ended", within("local-effect"), req("LOSS-001")),
			expect("client dials again", within("redial-delay"), req("LOSS-003"))),
	}
}
