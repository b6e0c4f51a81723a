// Package session is the engine of one tunnel, for both roles: it turns the octets of a tunnel into
// connections between local sockets, as sections 3 to 17 of PROTOCOL.md say.
//
// A server hands every visitor to [Session.Open]; a client gives a Dial function in its [Config]. The
// caller of [Session.Run] reads the tunnel; Run returns when the tunnel and every local socket of it
// are gone.
//
// Goroutines of a session: the caller of Run (the reader); one a connection, that dials and then reads
// its local socket; one a connection only while it has queued octets (drain); one only while frames
// wait to be written and no sender writes them (flush); and the callback of one timer (tick). All end
// with the tunnel, and Run waits for them.
//
// State has one lock, Session.mu, never held across I/O. Whoever decides under the lock that something
// is to happen to a socket notes it as an effect, and carries it out after the lock is released.
//
// Files:
//
//	config.go      Config, Role, Target, DialFunc
//	session.go     Session: New, Run, Done, the end of a tunnel
//	reader.go      the tunnel's octets into frames, in place
//	handle.go      what each frame does in each state
//	writer.go      the queue of frames to send, and who writes it
//	buffer.go      borrowed buffers, and queues made of them
//	conn.go        one connection: its states, effects, the delivery of octets
//	pump.go        octets from a local socket into Data
//	open.go        Open on the server, dialling on the client
//	close.go       Drain and Close of a session
//	ids.go         allocation of connection IDs
//	stall.go       the bounded pause for a slow consumer
//	liveness.go    the timer: deadlines of connections, KeepAlive, dead peers
//	socket.go      Socket, what a session needs of a transport
//	socket_*.go    TCP sockets; sys_*.go the calls they make
//	errors.go      errors, and the status a failed dial has
//	stats.go       counters
//
// Package memsocket has sockets in memory for tests under testing/synctest.
package session
