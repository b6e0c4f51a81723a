// Package codec examines the codec of a program in any language with the
// golden vectors: it asks over the program's standard input and judges what
// comes back on its standard output, one JSON object a line.
//
//	protocol.go   Request, Answer: the lines
//	questions.go  what a vector makes us ask, and what the right answer is
//	judge.go      whether an answer is right
//	program.go    the running program: one line in, one line out, by a deadline
//	exam.go       Run: all vectors, in order; what happens when the program fails
//	report.go     Report: the table, the findings, the JSON file, the exit code
//
// Every question is answered before the next one is asked, so neither side can
// block the other on a full pipe. A program that hangs, ends or answers
// something else costs the vector at hand; it is started anew for the next one.
//
// README.md of the suite describes the lines; ../examples/python/codec.py is a
// whole program that passes.
package codec
