// Package stats says what repetitions come to, and how sure that is. It assumes
// nothing of how values are distributed; each value is one repetition, never
// one packet, as packets of a run are not independent of each other. All
// intervals are of 95 %.
//
//	estimate.go  median with its interval; Jain's index
//	test.go      whether two samples differ: Mann–Whitney, signed ranks, Holm; by how much: Shift, Centre; Chance
//	line.go      a line through points, and the interval of its slope; how something grows
package stats
