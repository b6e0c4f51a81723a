// Package load is what puts load on a path, and what stands at its ends. A
// generator has its share of every group of connections, keeps each busy as its
// group says, and checks every byte that comes back; the target answers, takes
// or sends what the first bytes of a connection ask for, and checks every byte
// that it receives; the relay is the plain one-hop copy that tunnels are
// measured against. Each is a process that the leader of a run asks by way of
// package control.
//
//	requests.go   what the leader asks of generators and the target, and their answers; Remote: a generator as its leader sees it
//	generator.go  Generator: the process, its share of every group, and what it went through in the measured time
//	visitors.go   Visitors: the connections of one group in this process; their phases and counters
//	visitor.go    a visitor keeps one connection busy, and takes a new one when it fails
//	modes.go      what a visitor does on its connection, by the group's mode
//	pace.go       when the next packet may be sent; sleep*.go: how to wait for that
//	witness.go    what a time line does to the streams
//	proof.go      whether both ends say the same of every stream
//	target.go     the service at the far end; target_follow.go: its series; target_total.go: its totals
//	relay.go      the plain one-hop copy, and how listeners are served
//
// Latency is from sending a packet to its last echoed byte (service), or with
// a rate from the instant at which it was due (response), which no outage
// moves; lag is from due to sent. A packet belongs to the phase in which it was
// complete.
package load
