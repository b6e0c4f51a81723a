// Package conformance is the room of the suite that certifies tunnel servers,
// tunnel clients and control APIs against PROTOCOL.md. It holds no code itself.
//
// Follow a case, from the command line to the exit code:
//
//	cmd/adit-conform  main.go, run.go: flags
//	certify           certify.go: the run; subject.go: of what
//	cases             registry.go, select.go, set.go: which cases there are, which are asked for, which score
//	subject           file.go, instance.go, process.go; owner.go: is it really the subject that answers?
//	certify           play.go: a batch for each role
//	engine            case.go, subject.go, runner.go, preflight.go, lane.go; verdict.go
//	cases             s10_closing.go, for example
//	engine            t.go, open.go, limits.go, expectation.go, tunnel.go, match.go, expect.go, conn.go, socket.go,
//	                  link.go, cut.go, record.go; then conclude.go, outline.go, trace.go
//	report            file.go, verdicts.go, conclude.go, coverage.go; certificate.go, view.go
//	certify           outputs.go: the files, r.json among them
//
// Its packages: what is certified is a subject; its frames are read by wire, and
// engine runs the cases against it. What holds in every case is for judge, which
// watch also asks about traffic that passes by (judge/recording: exchanges for its
// tests). dialogue plays exchanges that are written down; fuzz and codec examine
// by other means; outputs are certify's, made by report (schematest checks their
// schemas). fault with fault/peer is what proves that the suite can fail.
package conformance
