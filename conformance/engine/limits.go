package engine

import "time"

// Deadlines and bounds of PROTOCOL.md section 17, by the names of its table.
const (
	Answer            = 5 * time.Second  // what is owed directly, closing after a tunnel error
	LocalEffect       = 5 * time.Second  // a dial begun, octets passed on, a local socket closed
	ConnectTimeoutMax = 30 * time.Second // a request without response
	DialTimeout       = 8 * time.Second  // a dial
	CloseDrain        = 5 * time.Second  // reading and discarding after the write side was shut down
	CloseTotal        = 30 * time.Second // writing queued octets after Close
	CloseWait         = 60 * time.Second // waiting for the peer's last word
	StallLimit        = 5 * time.Second  // a pause in which the full connection took no octet
	StallBudget       = 10 * time.Second // pauses within one StallWindow
	StallWindow       = 15 * time.Second
	OthersGoOn        = 30 * time.Second // standstill of other connections
	FrameProgress     = 60 * time.Second // a frame begun and not complete
	KeepAliveInterval = 15 * time.Second
	DeadPeer          = 45 * time.Second  // silence of the server; the least silence of a client
	DeadPeerServerMax = 300 * time.Second // the most silence of a client
	RedialDelay       = 60 * time.Second  // between two attempts to dial the server

	QueueMax    = 16 << 20  // queued octets of a connection
	FairPayload = 64 << 10  // Data payload while others wait
	Owed        = 256 << 10 // direct answers that could not be sent
)
