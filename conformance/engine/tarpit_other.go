//go:build !linux

package engine

import (
	"errors"
	"net"
)

// plug needs a system whose accept queue can be shrunk to nothing.
func plug(*net.TCPListener) ([]net.Conn, error) {
	return nil, errors.New("only Linux lets a full accept queue hold dials back")
}

// reserve does nothing: what closed a moment ago is hardly given away at once.
func reserve(*net.TCPAddr) (release func(), err error) { return func() {}, nil }
