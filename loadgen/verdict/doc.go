// Package verdict judges a record: whether its numbers can be trusted, what
// they prove to be wrong, and whether they meet the scenario's thresholds.
//
//	verdict.go    Complete: everything that a record says about its own blocks
//	validity.go   what speaks against numbers
//	finding.go    what a route does wrong: octets, stalls, leaks
//	threshold.go  expectations of the scenario
package verdict
