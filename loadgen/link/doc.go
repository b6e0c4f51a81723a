// Package link is a line with a round-trip time, a bandwidth and outages, made
// of a process that copies TCP connections: where a kernel has no such line, or
// nobody is root. What it cannot do: it delays no handshake and loses no
// packet, and each of its two hops has a TCP window of its own. In place of a
// loss, a stall does what TCP makes of one: everything behind it on the same
// connection comes later.
//
//	link.go      Link: accepts connections and joins each with a new one
//	way.go       one direction of a connection: chunks that leave when they are due
//	line.go      what the connections of a direction share: bandwidth, jitter, stalls
//	alarm.go     wakes up to a fraction of a millisecond
//	wire_*.go    a bandwidth that the kernel limits instead, where root allows
//	requests.go  what the leader may ask for: other settings, faults, counts
package link
