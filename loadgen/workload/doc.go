// Package workload is a generator's connections: it keeps each busy as its
// group says, checks every octet that comes back, and accounts for every packet.
//
//	crew.go      Crew: all connections of one group that this process has; its phases
//	visitor.go   a visitor keeps one connection busy, and takes a new one when it fails
//	modes.go     what visitors do on a connection, by the group's mode
//	turn.go      when the next packet may be sent
//	account.go   what became of every packet
//	slow.go      the slowest packets, and where in their streams they were
//	witness.go   what a time line does to the streams
//
// Latency is from sending a packet to its last echoed octet (service), or with
// a rate from the instant at which it was due (response), which no outage
// moves; lag is from due to sent. A packet belongs to the phase in which it was
// complete.
package workload
