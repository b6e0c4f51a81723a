// Package certify runs a certification: it starts the subject in each of its
// roles and runs the selected cases against it.
//
//	certify.go  Options, Run: from the options to a report.Run; which cases are selected
//	subject.go  SubjectFlags: what a user names; a Candidate for each role that it has
//	play.go     the engine runs the cases, Ginkgo hosts them
//	outputs.go  Outputs: the files of a report, for the command to write
//
// Ginkgo's language selects by label, and its suite is the host; the engine keeps
// the deadlines. Counts, verdict and exit code are the report's, which is made
// from the JSON report alone, so that adit-conform report makes the same again.
package certify
