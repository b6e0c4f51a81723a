// Package forward relays bytes between two TCP sockets, and datagrams. It knows no frames and no tunnels.
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
//	tcp.go         TCP: dial the target, bound the number at once, relay
//	pool.go        Pool: the targets of a mapping, chosen, checked, left alone when they cannot be reached
//	relay.go       Relay and the two copying goroutines
//	udp.go         UDP: the datagrams of each visitor, and the answers
//	proxyproto.go  the PROXY protocol's header: written for a target, read from a balancer
//	half.go        one direction: small reads through a borrowed buffer, bulk through splice
package forward
