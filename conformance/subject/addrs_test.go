package subject

import "testing"

// Two processes that start subjects at the same time never choose the same port.
func TestProcessesShareNoPorts(t *testing.T) {
	var a, b allotment
	t.Cleanup(func() {
		for _, l := range append(a.held, b.held...) {
			_ = l.Close()
		}
	})
	const all = mostBlocks * (blockSize - 1)
	whose := map[int]*allotment{}
	for range all {
		for _, p := range []*allotment{&a, &b} {
			port := p.port()
			if whose[port] != nil {
				t.Fatalf("port %d is given twice, of %d", port, 2*all)
			}
			whose[port] = p
		}
	}
	for range all { // and then all over again
		if port := a.port(); whose[port] != &a {
			t.Fatalf("port %d was the other's", port)
		}
	}
}
