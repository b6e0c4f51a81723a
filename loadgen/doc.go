// Package loadgen measures tunnels. A scenario file asks one question; a run
// starts generators, a target, a plain relay and the subject as processes, and
// puts the same load on three paths in turn: direct, relay and tunnel. Every
// byte is checked where it is received. Command adit-load is its user
// interface.
//
//	scenario  the question: a strict YAML file, or one that is built in, and what a run of it will take
//	load      generators and their connections, the target, the plain relay; below it
//	          payload, times (hist), their course (series), and control
//	rig       what runs: processes, containers, what runs already, files for many
//	          machines; links; below it sample: what they and the machine use
//	run       the blocks: connect, warm up, measure, drain; what the command does
//	record    what a run found out, as JSON
//	metric    the table of everything that is measured
//	analyse   what it comes to: summary, statistics, verdict, comparison
//	report    tables, plots and pages made from a record
//
// Follow a scenario: cmd/adit-load/run.go, run/session.go; scenario/scenario.go,
// cell.go, group.go, repeat.go, show.go; run/runner.go, order and all, lost.go
// for subjects that end; rig/topology.go, launcher.go, cmd/adit-load/roles.go
// and load/requests.go for what is started; run/block.go; load/generator.go,
// visitors.go, visitor.go, modes.go, pace.go at one end, target.go at the other;
// run/account.go into record/record.go. Follow a number: metric/metric.go,
// analyse/value.go of one block, table.go over the repetitions, number.go,
// headline.go; analyse.go for all that is concluded; run/exit.go, which shows and
// writes it: record/file.go, report/report.go, sheet.go with axes.go and
// notes.go, tables.go, grid.go, answer.go, figures.go, files.go, csv.go.
//
// A generator is a process; users start one that runs elsewhere as adit-load
// worker, and records list them as workers. Its visitors are the connections of
// one group. A block is one cell measured once over one route: direct, relay, or the
// tunnel of one subject. Rules that every number obeys: bytes count at their
// receiver, within the measured time, on the receiver's clock; a packet belongs
// to the phase in which it was complete; latency is from sending a packet to
// its last echoed byte, or with a rate from the instant at which it was due,
// which no outage moves; each packet ends as ok, timeout, reset, refused,
// corrupt or unfinished, and those not ok are counted in all phases; a
// percentile needs ten samples beyond it, and the share it names within it.
//
// Nobody between the two ends can answer for the target: payload follows from a
// key that is new in each run and goes over the control connections alone, an
// echo is the target's own bytes and not those that were sent, and at the end of
// a block both ends must say the same of every stream (load/proof.go).
//
// Package internal/faulty is a relay that does one thing wrong; tests prove
// with it that adit-load finds out what.
package loadgen
