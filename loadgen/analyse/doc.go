// Package analyse makes of a record's blocks what they come to: numbers over
// the repetitions, how sure they are, what is wrong, and what has changed. It
// assumes nothing of how values are distributed; each value is one repetition,
// never one packet, as packets of a run are not independent of each other.
//
//	analyse.go       Complete: everything that a record says about its own blocks; its summary
//	value.go         how each metric is made of one block
//	table.go         each metric over the repetitions; ratios within a repetition; the noise floor
//	number.go        what the repetitions of a metric come to, for a table
//	headline.go      the first number of a row, and whether it is known well enough
//	slopes.go        how processes grow with connections
//	hourly.go        how processes grow within a long block
//	isolation.go     how much later packets are beside a load, or stalled readers, than without
//	validity.go      what speaks against numbers; stationary.go: a speed that changes within a block
//	finding.go       what a route does wrong: bytes, stalls, leaks
//	threshold.go     expectations of the scenario
//	compare.go       what has changed between two subjects, or two records
//	bench.go         all numbers for benchstat
//	estimate.go      the median with its interval
//	significance.go  whether two samples differ, and by how much
//	line.go          a line through points, and the interval of its slope
package analyse
