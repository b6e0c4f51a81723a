//go:build !linux

package server

// machineMemory is not known.
func machineMemory() int64 { return 0 }
