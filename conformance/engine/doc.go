// Package engine runs conformance cases against a subject: a server, a client
// or the control API of a server, whatever language it is written in.
//
// It is plain Go and knows the protocol from PROTOCOL.md alone: frames are read and
// written by package wire, so that an error in the reference codec
// cannot pass on both sides.
//
// The way of a case:
//
//	case.go      Case, Role, Need: what a case is
//	subject.go   what the engine needs of a subject
//	runner.go    Runner: each case in every cut; the tasks, and what becomes of their results
//	preflight.go is anybody there, and how far away? alone.go: is the suite the only client?
//	lane.go      one case after the other on one instance: retries, restarts
//	t.go         T: what a case holds
//	open.go      a tunnel, a visitor, an open connection, for either role
//	expectation.go  what a case waits for: deadlines, met or failed
//	conclude.go  the end of a case: what holds in every case, did the subject die, the result
//	verdict.go   Verdict, Finding, Result
//	outline.go   what a subject did, compared between the cuts; one result of all
//
// What a case has in hand:
//
//	tunnel.go    Tunnel: the raw peer's end of a tunnel
//	expect.go    its expectations, barriers; match.go: which frame a case waits for, as data
//	ext.go       extended tunnels and connections: HELLO, credit, half-close, PING
//	auth.go      the handshake with auth: keys, proofs
//	bind.go      what clients publish: BIND, BOUND, UNBIND, visitors of a port that was given
//	conn.go      Conn: one connection with both of its ends in hand
//	socket.go    Socket: a visitor, or the service's end of a connection
//	link.go      what Tunnel and Socket share: one TCP socket, recorded
//	tls.go       TLS under a tunnel; certificates.go: what the two ends show each other
//	strangers.go connections that are no tunnel of the suite's, and crowds of them
//	cut.go       Cut: how the octets of a tunnel are handed to the network
//	service.go   Service: what a client subject dials; tarpit_*.go: a target whose dials hang
//	crowd.go     Crowd: strangers that hold a server's seats
//	api.go       HTTP control API calls, recorded
//	frame.go     frames by the names that cases use; package wire reads and writes them
//	record.go    Recorder and Event: everything that happened; trace.go: as text
//	load.go      is the machine starved?
//	limits.go    the deadlines that the text gives
//	narrow*.go   local sockets that take little; room.go: queues of any size
//
// Waiting is on an event with a deadline, or on a barrier, never a pause for
// its own sake. Absence is proven with a barrier.
package engine
