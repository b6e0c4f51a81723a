// Package report turns results into a certificate on the terminal, a JSON
// file, a JUnit file and an exit code.
//
//	run.go          Run, what a run was about and found; classes and their verdicts
//	exit.go         exit codes
//	certificate.go  the certificate, with every failure explained
//	progress.go     what is shown while cases run
//	json.go         the JSON file: shape, writing, reading
//	junit.go        the JUnit file
package report
