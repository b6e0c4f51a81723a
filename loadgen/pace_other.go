//go:build !linux

package loadgen

import "time"

// coarse is how late a timer of the Go runtime may be; here it is taken as it is.
const coarse = 0

func sleepFinely(d time.Duration) { time.Sleep(d) }
