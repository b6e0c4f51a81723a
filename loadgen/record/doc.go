// Package record is what runs find out: everything as JSON, from which all
// tables and plots are made.
//
//	record.go       Record: what was run, and its blocks; Route, Block, Group
//	summary.go      what the blocks come to; estimate.go, search.go, slopes.go,
//	                finding.go, validity.go, threshold.go, comparison.go: its parts
//	certificate.go  what a subject is certified for
//	file.go         record.json, written and read
package record
