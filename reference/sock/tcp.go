package sock

import (
	"cmp"
	"context"
	"net"
	"time"
)

// TCP is a Socket over a TCP connection.
type TCP struct {
	Conn *net.TCPConn
	system
}

// NewTCP returns conn as a Socket, which owns it and on an error has closed it. It has the system reset the connection
// unless it is closed by Close: however the process ends, its peers do not take a cut for an end. Package net has turned
// Nagle's algorithm off.
func NewTCP(conn *net.TCPConn) (*TCP, error) {
	t := &TCP{Conn: conn}
	if err := cmp.Or(conn.SetLinger(0), t.system.init(conn)); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

// Listen listens at address, host:port.
func Listen(address string) (*net.TCPListener, error) {
	l, err := listenConfig.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil // what network "tcp" gives
}

// keepAlive is how the system finds out that a peer has vanished, within a minute and a quarter: nothing else does where
// nobody sends and no rule ends a silent connection.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 15 * time.Second, Count: 4}

// Dial connects to address, host:port. It leaves the local address to the system, which then shares its ports between
// destinations and takes those in TIME-WAIT again; net.DialTCP binds one first, even when it is given none, and that
// would be all of 28,000 connections a minute.
func Dial(ctx context.Context, address string) (*TCP, error) {
	any, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := any.(*net.TCPConn)                                           // what network "tcp" gives
	if peer := conn.RemoteAddr().(*net.TCPAddr); !peer.IP.IsLoopback() { // nobody vanishes from this machine alone
		if err := conn.SetKeepAliveConfig(keepAlive); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return NewTCP(conn)
}

// CloseWrite ends the stream towards the peer.
func (t *TCP) CloseWrite() error { return t.Conn.CloseWrite() }

// Close closes the connection; what was written still goes out.
func (t *TCP) Close() error {
	t.Conn.SetLinger(-1) // fails only on a socket that is closed already
	return t.Conn.Close()
}

// Reset closes the connection so that the peer sees a reset.
func (t *TCP) Reset() { Reset(t.Conn) }

// Reset closes conn so that its peer sees a reset instead of an orderly end, where the system can do that.
// Closing twice does no harm.
func Reset(conn *net.TCPConn) {
	conn.SetLinger(0) // fails only on a socket that is closed already
	conn.Close()
}
