//go:build !linux

package load

import "time"

// Coarse is how late a timer of the Go runtime may be; here it is taken as it is.
const Coarse = 0

func SleepFinely(d time.Duration) { time.Sleep(d) }
