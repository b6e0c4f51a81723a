//go:build !linux

package rig

import (
	"context"
	"errors"
	"net"
)

// A wire is a line that a Linux kernel makes.
type wire struct{ listener net.Listener }

func newWire() (*wire, error) {
	return nil, errors.New("backend tbf: only Linux has it: write backend: process")
}

func (*wire) set(float64) error                      { return nil }
func (*wire) dial(context.Context) (net.Conn, error) { return nil, errors.ErrUnsupported }
func (*wire) Close() error                           { return nil }
