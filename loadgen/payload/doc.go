// Package payload is what generators and targets send each other, and what is
// wrong with octets that are received.
//
//	ring.go     the octets of a stream, and whether those received are the right ones
//	preface.go  the first octets of a connection: what the target does with it
package payload
