package subject

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The lines since a time are those that came after it, the last of them if there are too many.
func TestLinesSince(t *testing.T) {
	tail := NewTail(5)
	write := func(from, to int) {
		for i := from; i <= to; i++ {
			fmt.Fprintf(tail, "line %d\n", i)
		}
	}
	write(1, 3)
	begun := time.Now()
	if got := tail.Since(begun, 10); len(got) != 0 {
		t.Errorf("before anything came: %q", got)
	}
	write(4, 6) // line 1 is forgotten
	for n, want := range map[int][]string{10: {"line 4", "line 5", "line 6"}, 2: {"line 5", "line 6"}} {
		if got := tail.Since(begun, n); !slices.Equal(got, want) {
			t.Errorf("the last %d since then: %q; want %q", n, got, want)
		}
	}
	if got := tail.Since(time.Time{}, 10); len(got) != 5 {
		t.Errorf("of all time: %q", got)
	}
}
