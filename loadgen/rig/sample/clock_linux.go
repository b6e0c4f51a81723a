package sample

import "golang.org/x/sys/unix"

// cpuTime is the CPU time that a process has used so far, in nanoseconds,
// threads that have ended among it. Every process has a clock of it
// (clock_getcpuclockid(3)), which the scheduler keeps exactly; /proc rounds it
// to 10 ms.
func cpuTime(pid int32) (int64, bool) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(^pid<<3|scheduler, &t); err != nil {
		return 0, false
	}
	return t.Nano(), true
}
