// Package report makes tables, plots and pages of a record, and of nothing
// else. What is shown beside the standard tables is said by the scenario.
//
//	files.go        Save: everything beside a record
//	sheet.go        Sheet: a row of numbers for each group of a cell on a route
//	csv.go          the sheet as numbers.csv, and back
//	notes.go        which rows are noisy, invalid, or measured once, and why
//	axes.go         in what the cells of a scenario differ: their labels
//	grid.go         a table as it is shown, on a terminal, in Markdown, on a page
//	tables.go       the tables of numbers
//	conclusions.go  the tables of what was concluded
//	comparison.go   what differs between tunnels, or two records
//	answer.go       what was found out, in sentences
//	problems.go     what went wrong, and what speaks against the numbers
//	figures.go      the plots: over settings, by cell, maps, searches, points
//	percentiles.go  whole distributions of the latency
//	course.go       how it went over time
//	report.go       for a terminal, as Markdown, and what a README shows
//	html.go         pages
package report
