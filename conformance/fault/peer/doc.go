// Package peer is a second implementation of PROTOCOL.md, both roles and a
// minimal control API. It shares no code with the reference, with the codec
// of spec/wire or with the suite's engine, so that one misreading of the text
// cannot pass on both sides. It is written to be obviously right, not fast.
//
// Told so (Options.Extended), it speaks the base of the Extended profile
// with a peer that does, and Core with all others.
//
// Without a mutant it conforms. With one, named by Options.Mutant, it breaks
// one requirement and no other: every such place reads
//
//	if t.bug("FRAME-004") { … }
//
// The table in package fault says what each name does. A mutant whose name
// begins with "liar-" replaces the whole subject (liar.go).
//
//	frame.go    frames to and from octets, liveness of the stream
//	tunnel.go   one tunnel: its reader, its writer, its loss
//	handle.go   what a received frame does, role by role: section 7's tables
//	conn.go     one connection: states, Close, errors, timers
//	local.go    the local socket: both copies, its end
//	flow.go     the bounded pause of section 12
//	tlv.go      TLVs, and what an OPEN asks for
//	hello.go    the handshake of the Extended profile
//	auth.go     the option auth: keys, proofs, seats
//	bind.go     the option bind of a server: who holds which port and name
//	publish.go  that of a client: what it asks for
//	extended.go what a frame does on a tunnel with HELLOs
//	xconn.go    one extended connection: states, halves, credit, memory
//	xlocal.go   its local socket: dial, both copies
//	away.go     GOAWAY: drains, and the end of an extended tunnel
//	tls.go      TLS under a tunnel, and by what a client knows its server
//	seats.go    how many tunnels may be in their handshake
//	server.go   listeners, visitors
//	client.go   the tunnel's dialer, services, policy
//	api.go      HTTP control API with a JSON file
//	odd.go      choices that the text leaves open and few make
//	liar.go     whole-subject liars
//
// Goroutines of a tunnel: reader (Tunnel's caller), writer, a client's
// keepAlive; of a connection: pump and feed, a client's dial. The tunnel's
// mutex guards all state; its condition variable tells every change.
package peer
