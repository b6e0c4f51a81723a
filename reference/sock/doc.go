// Package sock has byte-stream sockets that lend a buffer only when there is something in it. Sessions and
// relays use them, and nothing here knows of either.
//
// [NewTCP] makes a socket of a TCP connection: real descriptors, read and written without blocking a thread.
// [Pipe] makes two connected sockets in memory, for tests under testing/synctest, with writes that can be
// cut short or fail on demand. [ClientTLS] and [ServerTLS] make sockets that encrypt what passes through
// another. Buffers come from a [Pool], carry room in front of their bytes for a header, and are released by
// whoever holds them last.
//
// Files:
//
//	sock.go        Socket; Counts, the traffic of a connection
//	buf.go         Pool and Buf: borrowed memory; Queue: bytes that wait in it
//	tcp.go         TCP: a socket over a TCP connection; Reset
//	tcp_unix.go    its reads and writes where descriptors are non-blocking
//	tcp_other.go   the same for other systems: reads hold a buffer while they wait
//	unix.go        Unix: a socket over a connection to a Unix socket
//	sys_linux.go   the system calls, without a word to the scheduler
//	sys_unix.go    the system calls of other Unix systems
//	limit.go       a socket within a rate that it may share with others
//	mem.go         Pipe and Mem: sockets in memory
//	tls.go         TLS: a socket over another one
package sock
