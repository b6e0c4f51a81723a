//go:build !unix

package session

import "net"

// tcpSocket is a Socket for systems without non-blocking calls on descriptors: reads hold a buffer while
// they wait, and every write is left to a goroutine that may wait.
type tcpSocket struct {
	conn *net.TCPConn
}

func newTCP(conn *net.TCPConn) (Socket, error) { return &tcpSocket{conn: conn}, nil }

func (t *tcpSocket) ReadReady(from Lender) (int, error) { return t.conn.Read(from.Borrow()) }
func (t *tcpSocket) TryWrite([]byte) (int, error)       { return 0, nil }
func (t *tcpSocket) WriteSome(v [][]byte) (int, error)  { return t.conn.Write(v[0]) }
func (t *tcpSocket) CloseWrite() error                  { return t.conn.CloseWrite() }
func (t *tcpSocket) Close() error                       { return t.conn.Close() }
func (t *tcpSocket) Abort()                             { abortTCP(t.conn) }
