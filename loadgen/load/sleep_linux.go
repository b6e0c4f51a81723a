package load

import (
	"syscall"
	"time"
)

// Coarse is how late a timer of the Go runtime may be: it waits in whole
// milliseconds, rounded up, which is longer than a packet takes.
const Coarse = 2 * time.Millisecond

// SleepFinely waits for a short time on a thread of its own, tens of
// microseconds too long at most.
func SleepFinely(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal makes it shorter; the caller looks at the clock
}
