// Package report turns results into a certificate on the terminal, report
// files and an exit code.
//
//	run.go          Run, what a run was about and found
//	json.go         File, the shape of the JSON file; every other report is made from it
//	schema.json     its JSON Schema
//	baseline.go     known deviations of a subject
//	classes.go      conformance classes and their standing
//	exit.go         exit codes
//	certificate.go  the certificate, with every failure explained
//	progress.go     what is shown while cases run
//	junit.go        the JUnit file
//	html.go         the page for people, made by page.html
//	markdown.go     the same for a discussion
//	badge.go        the badge, made by badge.svg
//	diff.go         two reports: what broke, what was fixed
//	matrix.go       many reports beside each other
//	bundle.go       digests of what a report was made with
package report
