// Package rig is what a scenario is run against: generators, the target,
// relays, links and subjects, each a process or in a container of its own, or
// running already, here or on other machines. Package sample, below it, follows
// what processes and the machine use.
//
//	topology.go       Topology: what runs, and on which route
//	launcher.go       how adit-load's own roles are started
//	elsewhere.go      what runs already, here or on other machines
//	events.go         what a time line does to links and processes
//	programs.go       what was run, by digest
//	deploy.go         Deployment: files that take a scenario to many machines, from *.yaml.tmpl
//	link.go           Link: accepts connections and joins each with a new one
//	way.go            one direction of a connection: chunks that leave when they are due
//	line.go           what the connections of a direction share: bandwidth, jitter, stalls
//	alarm.go          wakes up to a fraction of a millisecond
//	wire_*.go         a bandwidth that the kernel limits instead, where root allows
//	link_requests.go  what the leader may ask a link for: other settings, faults, counts
//
// A link is a line with a round-trip time, a bandwidth and outages, made of a
// process that copies TCP connections: where a kernel has no such line, or
// nobody is root. What it cannot do: it delays no handshake and loses no
// packet, and each of its two hops has a TCP window of its own. In place of a
// loss, a stall does what TCP makes of one: everything behind it on the same
// connection comes later.
package rig
