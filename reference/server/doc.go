// Package server is the public end of tunnels: it accepts tunnels and visitors, decides which tunnel serves
// which visitor, and listens for the mappings of package mapping and for the HTTP control API.
//
// Use: [Listen] with a [Config], then [Server.Run], which returns when its context has ended and what was
// open has finished.
//
// Files:
//
//	server.go    Config, Server: start, ready, graceful stop
//	reload.go    what of a Config changes while the server runs
//	listen.go    binding with errors that name the remedy; the accept loop
//	tunnels.go   tunnels: who may connect, the life of one
//	tls.go       the handshake of one that is encrypted
//	registry.go  the live tunnels, and which of them serves a mapping
//	groups.go    clients by their owners and instances, and what they may have
//	bindings.go  the ports and names that they ask for
//	keys.go      the keys of clients: read again when they have changed, taken away; what the log says of who may be a client
//	refused.go   who never was a client, counted by why
//	show.go      what the API shows of visitors, and how it changes keys
//	reserve.go   descriptors kept for tunnels, the API and refusals
//	port.go      one mapped port, and the sum of its visitors' traffic
//	balancer.go  who is behind a balancer, by the PROXY protocol
//	limit.go     which visitors of a mapping are let in, and how much they move
//	datagrams.go the visitors of a mapped port that come by UDP
//	visitor.go   one visitor: counted, handed to a tunnel or forwarded, logged
package server
