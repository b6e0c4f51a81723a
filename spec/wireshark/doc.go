// Package wireshark has no code in Go: adit.lua beside it is a dissector for
// Wireshark and tshark. Its tests make captures of the golden vectors, cut at
// awkward places, and compare what tshark shows with what the vectors say.
//
//	adit.lua            the dissector
//	pcap_test.go        writes captures
//	dissector_test.go   runs tshark
package wireshark
