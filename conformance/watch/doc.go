// Package watch feeds package judge with what passes between any client and any server, and
// says what it found: adit-conform watch.
//
// Octets are judged between the read that brought them and the write that
// passes them on: only there is their order certain. Judging one read is work
// in memory alone, without I/O or waiting and within a bound, so it cannot fall behind: what there
// is of back-pressure is the processor's time. Payloads are skipped, not kept.
//
//	watch.go    all tunnels: counts, what was found, lines for people
//	relay.go    the transparent proxy
//	capture.go  a capture instead of a proxy
//	report.go   the summary, as text and as JSON
package watch
