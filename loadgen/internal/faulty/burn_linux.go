package faulty

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A burner makes the process use a part more CPU time than it needs.
type burner struct {
	part float64

	mu     sync.Mutex
	spent  time.Duration // on burning
	passed int           // calls since it last burned
}

// burnEvery is how many calls share one burning: asking the clock costs, too.
const burnEvery = 16

// burn is called for each piece of payload.
func (b *burner) burn() error {
	if !b.mu.TryLock() { // another burns: to wait for it would cost, too
		return nil
	}
	defer b.mu.Unlock()
	if b.passed++; b.passed < burnEvery {
		return nil
	}
	b.passed = 0
	all, err := cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID)
	if err != nil {
		return err
	}
	owed := time.Duration(float64(all-b.spent)*b.part) - b.spent
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, err := cpuClock(unix.CLOCK_THREAD_CPUTIME_ID)
	for now := begin; err == nil && now-begin < owed; {
		now, err = cpuClock(unix.CLOCK_THREAD_CPUTIME_ID)
	}
	b.spent += max(owed, 0)
	return err
}

func cpuClock(id int32) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(id, &t)
	return time.Duration(t.Nano()), err
}
