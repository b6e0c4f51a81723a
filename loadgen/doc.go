// Package loadgen measures tunnels. A scenario file asks one question; a run
// starts the target, a plain relay and the subject as processes, and puts the
// same load on three paths in turn: direct, relay and tunnel. Every octet is
// checked where it is received. Command adit-load is its user interface.
//
//	scenario.go  Scenario: a strict YAML file; scenario.schema.json is its JSON Schema
//	pace.go      when packets are due
//	ring.go      the payload, and what is wrong with received octets
//	target.go    Target: the service at the far end, in a process of its own
//	relay.go     RunRelay: the plain one-hop copy
//	workload.go  the generator's connections
//	topology.go  the processes of a run
//	run.go       Runner: blocks in shuffled order: connect, warm up, measure, drain
//	hist.go      distributions of times
//	sample.go    CPU and memory of processes, the environment and its limits
//	record.go    Record: what a run found out, as JSON; record.schema.json is its JSON Schema
//	report.go    tables made from a record
//
// A block is one cell measured once over one route: direct, relay, or the
// tunnel of one subject. Rules that every number obeys: octets count at their
// receiver, within the measured time, on the receiver's clock; a packet belongs
// to the phase in which it was complete; latency is from sending a packet to
// its last echoed octet, or with a rate from the instant at which it was due,
// which no outage moves; each packet ends as ok, timeout, reset, refused,
// corrupt or unfinished, and those not ok are counted in all phases; a
// percentile needs ten samples beyond it.
//
// Package internal/faulty is a relay that does one thing wrong; tests prove
// with it that adit-load finds out what.
package loadgen
