package sock

import (
	"testing"
	"time"
)

// With a bound a writer waits although the system's buffer has room.
func TestLimitUnsentBoundsWhatTheSystemTakes(t *testing.T) {
	both(t, func(t *testing.T, near, far Socket) {
		tcp, ok := near.(*TCP)
		if !ok {
			return
		}
		tcp.LimitUnsent(16 << 10)
		block, total := make([]byte, 4<<10), 0
		for begin := time.Now(); time.Since(begin) < time.Minute; {
			n, err := tcp.TryWrite(block)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n == 0 {
				break
			}
		}
		free := fill(t, far)
		if total >= free {
			t.Errorf("with a bound the system took %d bytes, without one %d", total, free)
		}
	})
}

// fill writes until the system takes no more, and returns how much that was.
func fill(t *testing.T, s Socket) (total int) {
	t.Helper()
	for {
		n, err := s.TryWrite(make([]byte, 4<<10))
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n == 0 {
			return total
		}
	}
}
