// Package scenario reads scenario files: one question each, the load that
// answers it, and what is varied.
//
//	scenario.go  Scenario: the file, strictly read and checked; schema.json is its JSON Schema.
//	             What a file leaves out has the defaults in Parse
//	builtin.go   those that need no file
//	group.go     Group: connections that do the same
//	link.go      Link: the line between the two ends of a tunnel
//	search.go    Search: the knee instead of a curve
//	timeline.go  Event: what happens to a route while it is measured
//	cell.go      Cell: one point of the curve, made by axes or listed
//	repeat.go    how often each cell is measured
//	runtime.go   processes or containers, and what bounds these
//	threshold.go what is expected
//	show.go      what a report shows
//	units.go     numbers with units
//	profile.go   shorter times
//	plan.go      Plan: what a run will take: time, blocks, descriptors, ports
//	needs.go     what a cell needs of a machine
//
// Package conformance/subject lends what both rooms need: subject files, the
// strict YAML decoder, its Duration, and FileError.
package scenario
