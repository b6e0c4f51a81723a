// Package run measures scenarios: blocks in shuffled order, each connect, warm
// up, measure, drain.
//
//	session.go  Session: what the user asks for, read, checked, and run scenario by scenario; out.go: whether its results can be written
//	runner.go   Runner: one scenario from its start to its record; in which order blocks run
//	lost.go     subjects that it goes on without
//	block.go    one block, and what had not arrived at its end
//	account.go  what both ends counted, brought together
//	events.go   what a time line did to it
//	overtime.go how it went, window by window
//	search.go   many blocks, to find the knee
//	notice.go   what it tells while it runs; progress.go: on a terminal, and as lines of JSON
//	exit.go     the end of a scenario: its exit code, what is shown and what is written
//	reach.go    connections to a service that is somebody else's
//	plan.go     what it will take, and files that take it to many machines
package run
