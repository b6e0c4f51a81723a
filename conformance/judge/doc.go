// Package judge says who broke a rule of PROTOCOL.md, seen from outside.
//
// A Tunnel is told what passes between a client and a server, frame by frame
// with its time, and what happens to the sockets; it charges each violation to
// the side that broke the requirement. The engine uses it for what holds in every case, where
// one side is the suite itself and may send what it likes; watch uses it for both sides.
//
// Only what is certain is charged. A frame of one side that passed before a frame of the other
// was sent without knowledge of it; the reverse is not known, since frames
// cross. So a rule charges a side by its own order of frames, by what the
// other side had not yet said, and by what it has provably read: a server that
// answered a KeepAlive has taken every frame before that. Everything else
// gets the benefit of the doubt, and after a violation that ID is not judged
// any more: what the sides make of it is no longer certain.
//
// The rules are tables: what is wrong with a frame and with its place in the life of
// its ID (rules.go), and what has not come in time (clock.go). Who is charged is bound by the
// requirement. A profile has tables of its own; a tunnel is judged by one profile at a time.
//
// Nothing here does I/O, waits or locks: whoever shares a Tunnel locks it.
// Judging is bounded work for each frame. Memory is bounded: what would exceed it is no longer judged, and said so.
//
//	side.go     Side: server or client
//	tunnel.go   Tunnel: both directions, brought together
//	id.go       from a frame to the life of its ID
//	life.go     the life of a connection ID, as far as the wire tells
//	rules.go    the rules that a frame breaks when it passes
//	profile.go  the tables of a profile, by sender and type
//	ext.go      an extended tunnel and its connections; rules_ext.go: the rules of the Extended profile
//	auth.go     the handshake with auth, and what may pass before its end
//	bind.go     the option bind: what was asked for, answered and given up
//	clock.go    the rules that are broken by silence
package judge
