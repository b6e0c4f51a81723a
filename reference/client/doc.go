// Package client is the end of a tunnel behind NAT: it dials the server, connects the server's visitors to
// services that its policy allows, and dials again whenever the tunnel is lost, for ever.
//
// Use: fill a [Config], call [New] and [Client.Run], which returns when its context ends and the open
// connections have finished. Run has one goroutine of its own beside the session's.
//
// Files:
//
//	client.go    Config, Client: connect, serve, wait, drain
//	reload.go    what of a Config changes while the client runs
//	try.go       one tunnel, to see whether there can be one
//	status.go    what a client does now, for people
//	retry.go     how long to wait before the next attempt
//	tls.go       the encrypted way to the server, and in plain words why there is none
//	proxy.go     the way to the server through a proxy: HTTP CONNECT or SOCKS5
//	dial.go      from a request to a service: resolve, check, connect, status of a failure
//	publish.go   what the server is asked for, on every tunnel and again
//	policy.go    which hosts and ports may be dialled; the rules of -allow
//	services.go  services behind a Unix socket, and those that are told of the visitor
package client
