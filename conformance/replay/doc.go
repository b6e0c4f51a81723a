// Package replay repeats a failure without the case that found it. A run
// records what a failing case did (engine.Script); a File holds that with the
// clause and what was wrong, as one JSON document that stands for itself.
//
// Playing a file does its steps in their order, through the methods that
// cases use. The steps are what makes the symptom judgeable: one that does not
// go as it went leaves the question open. Only the symptom decides.
//
//	file.go    File: the document, read strictly, written
//	verbs.go   what a step may say, and which names it gives
//	play.go    Play: a file against a subject
//	step.go    each step in the words of engine
//	shrink.go  Shrink: less of the same failure
//	parts.go   the parts of a file that can be left out
//	nc.go      a file as a shell script for nc
package replay
