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

// An instance that does not listen yet has its port all the same.
func TestAPortIsOneInstancesUntilThatIsClosed(t *testing.T) {
	a := allotment{given: map[int]bool{}}
	at := Addrs{Tunnel: local(20001), Visitor: local(20002)}
	if !a.give(20001) || !a.give(20002) || a.give(20001) || a.give(20002) {
		t.Error("a port is given twice, or never")
	}
	if a.release(at); !a.give(20001) || !a.give(20002) {
		t.Error("a port that was released is not given again")
	}
}
