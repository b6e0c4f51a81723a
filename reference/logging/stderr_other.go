//go:build !linux

package logging

import "os"

// Stderr returns the standard error for a log to write to.
func Stderr() *os.File { return os.Stderr }
