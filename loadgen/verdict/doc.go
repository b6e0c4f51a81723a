// Package verdict judges a record: whether its numbers can be trusted, and
// whether they meet the scenario's thresholds.
//
//	verdict.go    Complete: everything that a record says about its own blocks
//	validity.go   what speaks against numbers
//	threshold.go  expectations of the scenario
package verdict
