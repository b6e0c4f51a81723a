// Package fault proves that the conformance suite can fail.
//
// The scripted peer (package peer) is a second implementation of PROTOCOL.md
// that breaks one requirement on demand: a mutant. SelfCheck certifies
// the conforming peer, then each mutant, by the ordinary adit-conform run in a
// process of its own that is told nothing but how to start the subject, and
// reads its JSON. A mutant is killed when a case of its requirement fails and
// charges that requirement. Liars, wrong in everything, must earn next to
// nothing of the whole suite; legal peers that make unusual choices have to be
// certified. What no mutant can show has a written reason.
//
// With a subject of somebody else's, the same is done by a proxy that rewrites
// the frames of one direction: see Rewrites.
//
//	mutants.go    the tables: mutants, liars, reasons
//	command.go    the commands self-check and fault of adit-conform
//	bindmutants.go  those of the option bind
//	selfcheck.go  the whole check: baseline, mutants, liars
//	trial.go      one run of adit-conform against one mutant, and its outcome
//	odd.go        legal peers that make unusual choices, which have to be certified
//	matrix.go     the kill matrix for people and as JSON
//	proxy.go      the proxy
//	rewrite.go    the table of rewrites; rewrite_ext.go: those of the Extended profile
//	wrap.go       a subject with the proxy in front
package fault
