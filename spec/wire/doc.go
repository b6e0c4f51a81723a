// Package wire is the codec of PROTOCOL.md sections 4 to 6: pure functions on
// slices. It reads and writes no socket, keeps no state, and allocates nothing
// but the text of an error and the host of a ConnectRequest.
//
//	frame.go      header, types, limits
//	payload.go    the payloads of the five Core frames
//	violation.go  what a peer did wrong, and what that ends
package wire
