package session

// Socket is what a session needs of a byte stream, tunnel or local. One goroutine at a time reads and one
// at a time writes; the other methods may be called at any time, more than once, and make pending calls
// return.
type Socket interface {
	// ReadReady waits until octets or an end can be read, and reads once into what it borrows. While it
	// waits it has given back what it borrowed, where the system can tell that there is nothing to read.
	// It returns more than 0 octets or an error; the end of the stream is io.EOF.
	ReadReady(from Lender) (int, error)
	// TryWrite writes what can be written without waiting and returns how much that was, 0 included. A
	// socket that cannot tell may always take 0.
	TryWrite(b []byte) (int, error)
	// WriteSome waits until at least one octet can be written, and returns how many of v it wrote.
	WriteSome(v [][]byte) (int, error)
	// CloseWrite ends the stream towards the peer; reading goes on.
	CloseWrite() error
	// Close closes the socket; octets already written still go out where the system can.
	Close() error
	// Abort closes the socket so that the peer sees a reset, where the system can.
	Abort()
}

// Lender lends the buffer of a read. It is an alias so that other packages can be Sockets without this one.
type Lender = interface {
	// Borrow returns the buffer to read into, which is not empty.
	Borrow() []byte
	// GiveBack takes the buffer back, nothing read.
	GiveBack()
}
