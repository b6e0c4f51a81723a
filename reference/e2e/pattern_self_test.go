package e2e

import (
	"bytes"
	"io"
	"slices"
	"testing"
)

// TestChecker proves that the checker refuses what a broken tunnel could deliver. It needs no binaries.
func TestChecker(t *testing.T) {
	const size = 3 << 20 // beyond the end of the block
	good, err := io.ReadAll(&source{seed: 1, left: size})
	if err != nil || len(good) != size {
		t.Fatalf("source: %d bytes, %v", len(good), err)
	}
	other, _ := io.ReadAll(&source{seed: 2, left: size})
	const at = 1_500_001
	for _, c := range []struct {
		name string
		data []byte
		pos  int64 // of the first wrong byte
	}{
		{"as sent", good, size},
		{"another connection's", other, 0},
		{"one byte changed", slices.Concat(good[:at], []byte{good[at] ^ 1}, good[at+1:]), at},
		{"64 KiB lost", slices.Concat(good[:at], good[at+64<<10:]), at},
		{"64 KiB twice", slices.Concat(good[:at], good[at-64<<10:]), at},
	} {
		got := check(bytes.NewReader(c.data), 1)
		if (got.err == nil) != (c.pos == size) || got.right != c.pos {
			t.Errorf("%s: %d bytes, %v; want %d", c.name, got.right, got.err, c.pos)
		}
	}
}
