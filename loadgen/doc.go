// Package loadgen measures tunnels. A scenario file asks one question; a run
// starts generators, a target, a plain relay and the subject as processes, and
// puts the same load on three paths in turn: direct, relay and tunnel. Every
// octet is checked where it is received. Command adit-load is its user
// interface.
//
//	scenario  the question: a strict YAML file
//	pace      when packets are due
//	payload   what is sent, and what is wrong with received octets
//	hist      distributions of times
//	series    how a load went over time, and how evenly
//	control   how the leader of a run talks to its processes
//	worker    a generator as a process: its share of the load
//	workload  a generator's connections
//	target    the service at the far end
//	relay     the plain one-hop copy
//	link      a line with delay and bandwidth
//	topology  what runs: processes, containers, or what runs already
//	run       the blocks: connect, warm up, measure, drain
//	sample    CPU and memory of processes, the environment and its limits
//	stats     what repetitions come to, and how sure that is
//	metric    the names of everything that is measured
//	summary   medians and ratios of repetitions
//	verdict   whether numbers can be trusted, and meet thresholds
//	compare   what has changed between two subjects, or two records
//	plan      what a run will take
//	deploy    files that take it to many machines
//	record    what a run found out, as JSON
//	plot      figures as SVG
//	report    tables, plots and pages made from a record
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
