package forward

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What README promises in numbers, and what one visitor can hold.
func TestTimesAndCounts(t *testing.T) {
	if defaultUDPIdle != time.Minute || mostPending != 16 || failsToDown != 2 {
		t.Errorf("a visitor of UDP is forgotten after %v, %d of its datagrams wait, a target is down after %d checks; want 1m, 16, 2", defaultUDPIdle, mostPending, failsToDown)
	}
	// Three visitors in a row that cannot reach a target, and nobody tries it for 10 s.
	synctest.Test(t, func(t *testing.T) {
		one := NewPool(PoolConfig{Targets: []string{"a:1", "b:1"}}).targets[0]
		dial := func(err error) {
			t.Helper()
			tell, refused := one.breaker.Allow()
			if refused != nil {
				t.Fatalf("it is left alone: %v", refused)
			}
			tell(err)
		}
		for _, err := range []error{syscall.ECONNREFUSED, syscall.ECONNREFUSED, nil, syscall.ECONNREFUSED, syscall.ECONNREFUSED} {
			dial(err)
		}
		if !one.up() {
			t.Error("two in a row make a target be left alone")
		}
		dial(syscall.ECONNREFUSED)
		if one.up() {
			t.Error("three in a row do not make a target be left alone")
		}
		time.Sleep(10*time.Second - time.Millisecond)
		if one.up() {
			t.Error("it is tried before 10 s")
		}
		time.Sleep(2 * time.Millisecond)
		if !one.up() {
			t.Error("it is not tried after 10 s")
		}
	})
}

// Whatever the rate, one datagram of the longest can pass, and no more than a GiB at once.
func TestDatagramRate(t *testing.T) {
	for bytes, want := range map[int64]int{1: 64 << 10, 512 << 10: 64 << 10, 8 << 20: 1 << 20, 1 << 40: 1 << 30} {
		if r := DatagramRate(bytes); r.Burst() != want || int64(r.Limit()) != bytes {
			t.Errorf("of %d bytes a second %d pass at once, %v a second; want %d", bytes, r.Burst(), r.Limit(), want)
		}
	}
}

// The longest headers are read, to their last byte.
func TestLongestProxyHeaders(t *testing.T) {
	v1 := "PROXY UNKNOWN " + strings.Repeat("x", 107-len("PROXY UNKNOWN \r\n")) + "\r\n"
	v2 := sig + "\x20\x00\x10\x00" + strings.Repeat("\x00", 4096)
	local := sig + "\x20\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xc3\x50\x01\xbb" // about the balancer itself
	for what, text := range map[string]string{"v1 of 107 bytes": v1, "v2 with 4096": v2, "of a balancer's own connection": local} {
		r := strings.NewReader(text + "hello")
		if from, to, err := ReadProxyHeader(r); err != nil || from.IsValid() || to.IsValid() || r.Len() != len("hello") {
			t.Errorf("%s: %v, %v, %v, and %d bytes are left; want no addresses, and 5", what, from, to, err, r.Len())
		}
	}
	longer := strings.Replace(v1, "\r\n", "x\r\n", 1)
	if _, _, err := ReadProxyHeader(strings.NewReader(longer)); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("v1 of 108 bytes: %v; want that it is too long", err)
	}
}
