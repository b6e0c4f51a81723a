package session

import "net"

// TCP returns conn as a Socket, which owns it. It turns Nagle's algorithm off.
func TCP(conn *net.TCPConn) (Socket, error) {
	if err := conn.SetNoDelay(true); err != nil {
		return nil, err
	}
	return newTCP(conn)
}

// abortTCP closes conn so that the peer sees a reset.
func abortTCP(conn *net.TCPConn) {
	conn.SetLinger(0) // fails only on a socket that is closed already
	conn.Close()
}
