//go:build !linux

package sample

import "syscall"

// ReadSocket needs Linux.
func ReadSocket(syscall.Conn) (s Socket, ok bool) { return s, false }
