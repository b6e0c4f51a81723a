//go:build !linux

package engine

import (
	"errors"
	"net"
	"syscall"
)

var errNotNarrow = errors.New("only Linux lets the suite choose the size of segments")

func narrowControl(string, string, syscall.RawConn) error { return errNotNarrow }

func narrowListener(*net.TCPListener) error { return errNotNarrow }
