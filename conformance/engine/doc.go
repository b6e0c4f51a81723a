// Package engine runs conformance cases against a subject: a server, a client
// or the control API of a server, whatever language it is written in.
//
// It is plain Go and knows the protocol from PROTOCOL.md alone: its frame
// reader and writer are its own, so that an error in the reference codec
// cannot pass on both sides.
//
//	case.go      Case, Role, Need: what a case is
//	t.go         T: what a case holds; failing, waiting, deadlines
//	open.go      a tunnel, a visitor, an open connection, for either role
//	tunnel.go    Tunnel: the raw peer's end of a tunnel
//	expect.go    matchers, Expect, barriers
//	conn.go      Conn: one connection with both of its ends in hand
//	socket.go    Socket: a visitor, or the service's end of a connection
//	link.go      what Tunnel and Socket share: one TCP socket, recorded
//	service.go   Service: what a client subject dials
//	tarpit_*.go  a target whose dials hang
//	api.go       HTTP control API calls, recorded
//	frame.go     the suite's frame reader and writer
//	record.go    Recorder and Event: everything that happened, with times
//	trace.go     the record as text
//	oracle.go    rules that hold in every case
//	ledger.go    the life of each connection ID, rebuilt from the record
//	verdict.go   Verdict, Finding, Result
//	load.go      is the machine starved?
//	limits.go    the deadlines that the text gives
//	subject.go   what the engine needs of a subject
//	alone.go     is the suite the only client of a server that runs elsewhere?
//	run.go       Runner: selection, which case runs where
//	lane.go      one case after the other on one instance: retries, restarts, the result
//	preflight.go is anybody there, and how far away?
//	outline.go   what a subject did, in a form that can be compared
//	script.go    what a failing case did, for a replay
//	notation.go  octets as people write them
//	segment.go   each case in every cut, one result
//	cut.go       Cut: how the octets of a tunnel are handed to the network
//	narrow*.go   local sockets that take little
//
// Waiting is on an event with a deadline, or on a barrier, never a pause for
// its own sake. Absence is proven with a barrier.
package engine
