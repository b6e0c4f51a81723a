// Package payload is what generators and targets send each other, and what is
// wrong with bytes that are received.
//
//	ring.go     the bytes of a stream, and whether those received are the right ones
//	preface.go  the first bytes of a connection: what the target does with it
package payload
