// Package report turns results into a certificate on the terminal, report
// files and an exit code.
//
//	file.go         Run, gathered, and its File: the shape of the JSON file, of which every other report is made
//	schema.json     its JSON Schema
//	verdicts.go     what each verdict is to the reports
//	conclude.go     what follows from the results: classes and their standing, the exit code, the conclusion
//	coverage.go     how many requirements a run says something about
//	baseline.go     known deviations of a subject
//	progress.go     what is shown while cases run
//
// The reports share one view of a File:
//
//	view.go         facts about the run, results by requirement, what explains an entry
//	certificate.go  the certificate, every failure explained
//	junit.go        the JUnit file, in Ginkgo's shape of it
//	html.go         the page for people, made by page.html
//	markdown.go     the same for a discussion
//	badge.go        the badge, made by badge.svg, or what shields.io makes one of
//	diff.go         two reports: what broke, what was fixed
//	matrix.go       many reports beside each other
//	bundle.go       digests of what a report was made with
package report
