//go:build !unix

package peer

// socketError knows nothing here: a reset is seen when the socket is read or written again.
func socketError(uintptr) (int, error) { return 0, nil }
