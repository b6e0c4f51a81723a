package sock

import "sync/atomic"

// Socket is one end of a byte stream. One goroutine at a time reads and one at a time writes; the other
// methods may be called at any time, more than once, and make pending calls return.
type Socket interface {
	// Read waits until there is something to read, and returns up to size bytes of it in a buffer of pool with room for
	// them, which the caller releases. While it waits it holds no buffer, where the system can tell that
	// there is nothing to read. The buffer is nil exactly when there is an error; the end of the stream is
	// io.EOF.
	Read(pool *Pool, size int) (*Buf, error)
	// TryWrite writes what can be written without waiting and returns how much that was, 0 included. A
	// socket that cannot tell may always take 0.
	TryWrite(b []byte) (int, error)
	// WriteSome waits until at least one byte can be written, and returns how many of v it wrote.
	WriteSome(v [][]byte) (int, error)
	// Err returns why the connection has failed, nil if it has not, where the system can tell. It is how a reset is seen
	// behind the end of the stream, once.
	Err() error
	// CloseWrite ends the stream towards the peer; reading goes on.
	CloseWrite() error
	// Close closes the socket; bytes already written still go out where the system can.
	Close() error
	// Reset closes the socket so that the peer sees a reset, where the system can.
	Reset()
}

// Counts is the traffic of one connection or of many, in bytes. It grows while data flows, so that it may
// be read at any time.
type Counts struct {
	ToService atomic.Int64 // from the visitor to the service
	ToVisitor atomic.Int64 // from the service to the visitor
}
