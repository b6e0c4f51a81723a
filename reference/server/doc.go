// Package server is the public end of tunnels: it accepts tunnels and visitors, decides which tunnel serves
// which visitor, keeps the mappings, and answers the HTTP control API.
//
// Use: [Listen] with a [Config], then [Server.Run], which returns when its context has ended and what was
// open has finished.
//
// Files:
//
//	server.go    Config, Server: start, ready, graceful stop
//	tunnels.go   tunnels: who may connect, the life of one
//	registry.go  the live tunnels, and which of them serves a mapping
//	manager.go   mappings made, restored and removed, each with all its parts or not at all
//	mapping.go   one mapping: its port, bound or tried again, and its books
//	visitor.go   one visitor: handed to a tunnel or forwarded, counted, logged
//	plan.go      what a request asks for, filled in and checked
//	control.go   the API's view of the server
//	listen.go    binding with errors that name the remedy; the accept loop
package server
