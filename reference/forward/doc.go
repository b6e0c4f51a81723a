// Package forward relays octets between two TCP sockets. It knows no frames, no tunnels and no other
// package of this module.
//
// Use: give each accepted visitor to [TCP.Forward], which dials the target and returns when both
// directions have ended; or give two connected sockets to [Relay].
//
// A relay is two named goroutines (the caller's and one of its own), each copying one direction. End of
// stream is passed on by shutting down the write side of the other socket, so half-close works both ways.
// Any failure, and the end of the context, resets both sockets, so that a cut transfer does not look
// complete.
//
// Files:
//
//	host.go        what can be dialled at all
//	tcp.go         TCP: dial the target, bound the number at once, relay
//	relay.go       Relay, Reset and the two copying goroutines
//	half.go        one direction: small reads through a borrowed buffer, bulk through splice
//	ready_unix.go  a read that holds a buffer only while there is something to read
//	ready_other.go the same for systems without that call: the buffer is held while waiting
package forward
