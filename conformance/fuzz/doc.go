// Package fuzz looks for what kills, hangs or bloats a subject: sequences of
// visits, frames and ends as the protocol has them, then with fields, lengths,
// order and cuts made wrong, and the golden vectors among them. A subject may
// close a tunnel at any of that, and must go on otherwise: after each sequence
// it has to run, to answer on a fresh tunnel and on the one beside.
//
//	sequence.go  a sequence: what happens, drawn from a seed
//	frame.go     a frame, right and wrong
//	campaign.go  many sequences, and what they found
//	finding.go   what was found, as a dialogue
package fuzz
