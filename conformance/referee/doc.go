// Package referee judges what passes between any client and any server, as a
// third party that sees both directions: each violation of PROTOCOL.md that
// the wire shows for certain is charged to a side, with its requirement.
//
// What is certain. A frame of one side that passed before a frame of the other
// was sent without knowledge of it; the reverse is not known, since frames
// cross. So a rule charges a side by its own order of frames, by what the
// other side had not yet said, and by what it has provably read: a server that
// answered a KeepAlive has taken every frame before that. Everything else
// gets the benefit of the doubt.
//
// Octets are judged between the read that brought them and the write that
// passes them on: only there is their order certain. Judging one read is work
// in memory alone, without I/O or waiting and within a bound, so it cannot fall behind: what there
// is of back-pressure is the processor's time. Payloads are skipped, not kept.
// Memory is bounded: what would exceed it is no longer judged, and said so.
//
//	side.go     Side: server or client
//	scan.go     frames out of a stream: headers and first octets
//	life.go     the life of a connection ID, as far as the wire tells
//	rules.go    the rules that a frame breaks when it passes
//	clock.go    the rules that are broken by silence
//	tunnel.go   one tunnel: both directions, brought together
//	referee.go  all tunnels: counts, what was found, lines for people
//	relay.go    the transparent proxy
//	capture.go  a capture instead of a proxy
//	report.go   the summary, as text and as JSON
package referee
