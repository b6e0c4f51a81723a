package main

import "github.com/adit-tunnel/adit/spec"

// Instances of the clients of a dialogue.
const (
	instanceA = spec.Octets("a1*16")
	instanceB = spec.Octets("b2*16")
)

func through(tunnel int) opt { return func(s *spec.Step) { s.Tunnel = tunnel } }

// binds is the handshake of a server whose client offers bind.
func binds(instance spec.Octets, ids ...string) []spec.Step {
	return seq(
		fromClient(hello(windowTLV(credit), tlv(tagInstance, instance), bindTLV())),
		fromServer(hello(windowTLV(262144), bindTLV()), free("tlvs"), within("answer"), req(append([]string{"HELLO-002"}, ids...)...), note("with the tag bind")),
	)
}

// asks: a client asks for a port, and gets one.
func asks(id, port int, ids ...string) []spec.Step {
	return seq(fromClient(bind(id, serviceTLV("ssh"), portTLV(port))), gives(id, ids...))
}

// gives: the server answers a BIND with ok and a port.
func gives(id int, ids ...string) []spec.Step {
	return fromServer(bound(id, "ok", portTLV(10022)), free("tlvs"), within("bind-timeout"), req(append([]string{"BIND-002", "BIND-013"}, ids...)...), note("with the tag port"))
}

// refuses: the server answers a BIND with another code.
func refuses(id int, code string, ids ...string) []spec.Step {
	return fromServer(bound(id, code), free("tlvs"), within("bind-timeout"), req(append([]string{"BIND-002"}, ids...)...))
}

// visited: a visitor of the port that was given last reaches the client.
func visited(id int, ids ...string) []spec.Step {
	return seq(
		event("visitor connects"),
		fromServer(open(id, serviceTLV("ssh")), free("id", "tlvs"), within("answer"), req(append([]string{"BIND-004", "XOPEN-001"}, ids...)...), note("with this service, and neither port nor host")),
		fromClient(opened(id)),
		ofServer.echoes(id),
	)
}

func bindServerDialogues() []spec.Vector {
	s := ofServer
	const owned = "Both tunnels are of one owner: their clients prove the same key before, or are nameless where the server was told to allow that. A visitor connects to the port of the latest BOUND."
	d := func(id, title, notes string, steps ...[]spec.Step) spec.Vector {
		return aboutOf("bind", dialogue("server", "bind_server_"+id, title, notes, steps...))
	}
	dies := func(id, title, twin, requirement string, steps ...[]spec.Step) spec.Vector {
		return faulty("bind_server_"+twin, "state", "tunnel", requirement, d(id, title, "", append(steps, expect("tunnel is closed", within("answer"), req(requirement, "ERR-001")))...))
	}
	return []spec.Vector{
		d("any", "any port, a visitor", "A visitor connects to the port of the latest BOUND.",
			binds(instanceA, "HELLO-005"), asks(1, 0), visited(1), s.barrier()),
		d("refused", "BINDs that cannot be served leave the tunnel as it was", "",
			binds(instanceA), fromClient(bind(1, portTLV(0))), refuses(1, "general", "BIND-003"),
			fromClient(bind(2, serviceTLV("SSH"), portTLV(0))), refuses(2, "general", "BIND-003"),
			fromClient(bind(3, serviceTLV("ssh"), tlv(tagNetwork, "09"), portTLV(0))), refuses(3, "unsupported", "BIND-003"),
			fromClient(bind(4, serviceTLV("ssh"), portTLV(0), tlv(tagCritical, ""))), refuses(4, "unsupported", "BIND-003"),
			asks(9, 0), visited(1)),
		d("unbind", "UNBIND of a binding, and of none", "",
			binds(instanceA), asks(1, 0), visited(1),
			fromClient(unbind(1, "ok")), fromServer(unbind(1, "ok"), within("answer"), req("BIND-005")),
			s.echoes(1),
			fromClient(unbind(7, "ok")), fromServer(unbind(7, "ok"), within("answer"), req("BIND-005")),
			s.barrier(), asks(8, 0)),
		d("again", "port 0 again on the same tunnel", "The port stays the one that it was.",
			binds(instanceA), asks(1, 0), fromClient(bind(2, serviceTLV("ssh"), portTLV(0))),
			fromServer(unbind(1, "replaced"), within("answer"), req("BIND-014")), gives(2, "BIND-014"), visited(1)),
		dies("id_equal", "a bind ID for the second time", "again", "BIND-001",
			binds(instanceA), asks(1, 0), fromClient(bind(1, serviceTLV("ssh"), portTLV(0)))),
		dies("id_unbound", "a bind ID that UNBIND has used", "unbind", "BIND-001",
			binds(instanceA), fromClient(unbind(7, "ok")), fromServer(unbind(7, "ok"), within("answer"), req("BIND-005")),
			fromClient(bind(7, serviceTLV("ssh"), portTLV(0)))),
		dies("bound", "BOUND from a client", "any", "BIND-018", binds(instanceA), fromClient(bound(1, "ok"))),
		faulty("bind_server_any", "state", "tunnel", "HELLO-006", dialogue("server", "bind_server_not_agreed", "BIND where the option was not offered", "",
			upOfServer(), fromClient(bind(1, serviceTLV("ssh"), portTLV(0))), expect("tunnel is closed", within("answer"), req("HELLO-006", "ERR-001")))),
		d("drain", "BIND behind the client's GOAWAY", "",
			binds(instanceA), fromClient(goAway("drain", "")), fromServer(goAway("drain", ""), free("text"), within("answer"), req("AWAY-002")),
			fromClient(bind(1, serviceTLV("ssh"), portTLV(0))), refuses(1, "drain", "BIND-017"), s.barrier()),
		d("drained", "a client that is started anew takes over from one that drains", owned,
			binds(instanceA), asks(1, 10022), fromClient(goAway("drain", "")), fromServer(goAway("drain", ""), free("text"), within("answer"), req("AWAY-002")),
			event("tunnel begins"), binds(instanceB), fromClient(bind(1, serviceTLV("ssh"), portTLV(10022))),
			fromServer(unbind(1, "replaced"), through(1), within("answer"), req("BIND-006", "BIND-016")), gives(1, "BIND-016"), visited(1)),
		d("alive", "a holder that lives keeps its port", owned,
			binds(instanceA), asks(1, 10022),
			event("tunnel begins"), binds(instanceB), fromClient(bind(1, serviceTLV("ssh"), portTLV(10022))),
			fromServer(ping(mark), free("mark"), through(1), within("answer"), req("BIND-007")), fromClient(pong(mark), through(1)),
			refuses(1, "in-use", "BIND-007"), s.barrier()),
		d("silent", "a holder that is silent loses its port", owned+" The first client says nothing more.",
			binds(instanceA), asks(1, 10022),
			event("tunnel begins"), binds(instanceB), fromClient(bind(1, serviceTLV("ssh"), portTLV(10022))),
			fromServer(ping(mark), free("mark"), through(1), within("answer"), req("BIND-007")),
			expect("tunnel is closed", through(1), within("bind-timeout"), req("BIND-007")),
			gives(1, "BIND-007"), visited(1)),
		d("cancelled", "UNBIND while the probe runs", owned,
			binds(instanceA), asks(1, 10022),
			event("tunnel begins"), binds(instanceB), fromClient(bind(1, serviceTLV("ssh"), portTLV(10022))),
			fromServer(ping(mark), free("mark"), through(1), within("answer"), req("BIND-007")),
			fromClient(unbind(1, "ok")), refuses(1, "cancelled", "BIND-005"), fromServer(unbind(1, "ok"), within("answer"), req("BIND-005"))),
		d("held", "the port of a lost tunnel is held for its owner", "The clients have proven the same key before. A visitor connects to the port of the latest BOUND.",
			binds(instanceA), asks(1, 10022), event("tunnel ends"),
			event("visitor connects", on("A")),
			expect("visitor is ended", on("A"), within("local-effect"), req("BIND-008", "OPEN-026"), note("accepted, as the port is held, and ended with no octet read")),
			event("tunnel begins"), binds(instanceB), asks(1, 10022, "BIND-008"), visited(1)),
	}
}

func bindClientDialogues() []spec.Vector {
	s := ofClient
	const told = "The client was told to publish a service; a name of it, and its bind IDs, are its own choice."
	d := func(id, title string, steps ...[]spec.Step) spec.Vector {
		return aboutOf("bind", dialogue("client", "bind_client_"+id, title, told, steps...))
	}
	says := seq(s.self(hello(windowTLV(262144), bindTLV()), free("tlvs"), within("answer"), req("HELLO-001"), note("with the tag bind")), fromServer(hello(windowTLV(credit), bindTLV())))
	up := seq(says, s.self(bind(1, serviceTLV("ssh"), portTLV(10022)), free("bind", "tlvs"), within("answer"), req("BIND-001")))
	ok := fromServer(bound(1, "ok", portTLV(10022)))
	dies := func(id, title, twin, requirement string, steps ...[]spec.Step) spec.Vector {
		return faulty("bind_client_"+twin, "state", "tunnel", requirement, d(id, title, append(steps, expect("tunnel is closed", within("answer"), req(requirement, "ERR-001")))...))
	}
	return []spec.Vector{
		d("published", "a port, a visitor", up, ok,
			fromServer(open(1, serviceTLV("ssh"))), expect("service is dialled", within("local-effect"), req("BIND-010")), dialled(1), s.echoes(1)),
		d("early", "an OPEN before the BOUND", up,
			fromServer(open(1, serviceTLV("ssh"))), expect("service is dialled", within("local-effect"), req("BIND-010")), dialled(1), ok, s.echoes(1)),
		d("unknown_service", "an OPEN for a service that it does not have", up, ok,
			fromServer(open(1, serviceTLV("never-published"))), s.self(reset(1, "unknown-service", ""), free("text"), within("answer"), req("BIND-010", "XOPEN-005")), s.barrier()),
		d("replaced", "another client took the port", up, ok,
			fromServer(unbind(1, "replaced")), s.barrier("BIND-015"), fromServer(unbind(1, "general")), s.barrier("BIND-011")),
		d("refused", "BOUND denied", up, fromServer(bound(1, "denied", textTLV(str("no")))), s.barrier("BIND-011")),
		dies("bound_twice", "a second BOUND", "published", "BIND-011", up, ok, ok),
		dies("bound_unused", "BOUND for a bind ID that was not used", "published", "BIND-011", up, ok, fromServer(bound(99, "ok"))),
		dies("unbind_unused", "UNBIND for a bind ID that was not used", "replaced", "BIND-011", up, ok, fromServer(unbind(99, "replaced"))),
		dies("unbind_early", "UNBIND before BOUND", "replaced", "BIND-011", up, fromServer(unbind(1, "replaced"))),
		dies("bind", "BIND from a server", "published", "BIND-018", up, ok, fromServer(bind(9, serviceTLV("ssh")))),
	}
}
