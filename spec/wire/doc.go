// Package wire is the codec of PROTOCOL.md sections 4 to 6, 24 and 30: pure functions on
// slices. It reads and writes no socket, keeps no state, and allocates nothing
// but the text of an error, the host of a ConnectRequest and the tags of an extended frame.
//
//	frame.go      header, types, limits
//	payload.go    the payloads of the five Core frames
//	ext.go        the frames of the Extended profile
//	tlv.go        their tags: HELLO, OPEN, OPENED
//	auth.go       the option auth: its frame, its tag, the proofs
//	bind.go       the option bind: its frames
//	key.go        keys as text
//	violation.go  what a peer did wrong, and what that ends
package wire
