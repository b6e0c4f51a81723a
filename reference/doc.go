// Package reference is the reference server and client, and no code of its own: the packages below it are listed in
// README.md.
//
// Follow a byte from a visitor to a service and back; each file is read once:
//
//	cmd/adit-server/main.go, server: server.go, listen.go, reserve.go, tunnels.go, registry.go, port.go, visitor.go
//	session: doc.go, config.go, session.go, conn.go, open.go    the visitor becomes a connection
//	sock: sock.go, buf.go, tcp.go, tcp_unix.go                  how sockets lend what they read
//	trust: server.go, client.go; sock: tls.go                   the same where the tunnel is encrypted
//	session: out.go, writer.go; spec/wire: frame.go, payload.go its bytes become Data frames
//	cmd/adit-client/main.go, client: client.go                  the other end of the tunnel
//	session: reader.go, foreign.go, core.go, dial.go; client: dial.go       frames become a connection to the service
//	session: in.go, liveness.go                                 its bytes are written, and what time does
//	forward: tcp.go, relay.go, half.go                          a mapping without tunnel
package reference
