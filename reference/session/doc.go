// Package session is the engine of one tunnel, for both roles: it turns the bytes of a tunnel into
// connections between local sockets, as sections 3 to 17 and 23 to 30 of PROTOCOL.md say.
//
// A server hands every visitor to [Session.Open]; a client gives a Dial function in its [Config]. The
// caller of [Session.Run] reads the tunnel; Run returns when the tunnel and every local socket of it
// are gone.
//
// A frame is looked up in a table of rows by its type: who may send it, how much of it has to be
// there, and what it does. What it does to a connection, and what the connection's local socket and
// deadlines do, are the cells of a state table, behind the interface kind. The bytes themselves are carried by two
// halves, which know no states: each has an end of its own, and a flow that says how much may move.
//
// Goroutines of a session: the caller of Run (the reader); one per connection, which dials and then reads its local
// socket (dial, readLocal); one per connection while it has queued bytes (writeQueue); one while frames wait to be
// written and no sender writes them (flush); the callback of one timer (tick), and of another that bounds the last words
// (partWithinLocked). All end with the tunnel, and Run waits for them.
//
// State has one lock, Session.mu, never held across I/O: functions that need it are called …Locked, and what they
// decide to do to a socket, or to log, is done by unlock.
//
// Files, in the order in which a byte meets them:
//
//	config.go      Config, Role, Target, Visitor, DialFunc
//	errors.go      errors
//	session.go     Session: New, Run, Close, the end of a tunnel; what is done once the lock is released
//	conn.go        conn: its ID and state, its kind and flows, the life of its local socket
//	open.go        Open on the server
//	out.go         the half from a local socket to the tunnel, and Core's flow: the wait for the response
//	writer.go      the queue of frames to send, and who writes it
//	reader.go      the tunnel's bytes into frames, in place; the rows of frame types
//	foreign.go     peers that speak another protocol
//	hello.go       the handshake of the Extended profile, and the fallback to Core
//	auth.go        its option auth: the proofs
//	bind.go        its option bind: which frames may come; the owner of the session does the rest
//	core.go        Core's state tables
//	ext.go         those of the Extended profile
//	dial.go        dialling on the client, and the status of a failure
//	in.go          the half from the tunnel to a local socket, and Core's flow: the reader's bounded pause
//	credit.go      the flows of the Extended profile: credit both ways, windows that grow, memory
//	ping.go        the round trip and the rate of a tunnel, and the bound on what is on its way
//	goodbye.go     GOAWAY: drains, and last words
//	liveness.go    the timer: deadlines of connections, KeepAlive, dead peers
//	stats.go       counters
package session
