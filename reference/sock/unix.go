package sock

import (
	"context"
	"net"
)

// Unix is a Socket over a connection to a Unix socket. A reset is an end there, unless the peer has sent what was not read.
type Unix struct {
	Conn *net.UnixConn
	system
}

// DialUnix connects to the Unix socket at path.
func DialUnix(ctx context.Context, path string) (*Unix, error) {
	any, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	u := &Unix{Conn: any.(*net.UnixConn)} // what network "unix" gives
	if err := u.init(u.Conn); err != nil {
		u.Conn.Close()
		return nil, err
	}
	return u, nil
}

// CloseWrite ends the stream towards the peer.
func (u *Unix) CloseWrite() error { return u.Conn.CloseWrite() }

// Close closes the connection; what was written can still be read.
func (u *Unix) Close() error { return u.Conn.Close() }

// Reset closes the connection.
func (u *Unix) Reset() { u.Conn.Close() }
