package e2e

import (
	"net"
	"sync"
	"testing"
	"time"
)

// TestVisitorsAtOnce has 200 visitors open at the same time: each echoes, waits until all have, and echoes again.
func TestVisitorsAtOnce(t *testing.T) {
	const visitors, size = 200, 40_000
	tun := open(t, service(t, echo))
	errs := make([]error, visitors)
	var first, all sync.WaitGroup
	first.Add(visitors)
	visit := func(i int) error {
		c, err := net.DialTimeout("tcp", tun.public[0], soon)
		if err != nil {
			first.Done()
			return err
		}
		defer c.Close()
		err = echoedOn(c, int64(i), size+int64(i), time.Minute)
		first.Done()
		if err != nil {
			return err
		}
		first.Wait() // nobody leaves before everybody came
		return echoedOn(c, int64(visitors+i), size, time.Minute)
	}
	for i := range visitors {
		all.Go(func() { errs[i] = visit(i) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("visitor %d: %v", i, err)
		}
	}
}

// TestVisitorsInTurn has 2,000 visitors one after another, so that IDs and sockets are freed and used again.
func TestVisitorsInTurn(t *testing.T) {
	tun := open(t, service(t, echo))
	for i := range 2000 {
		if err := echoed(tun.public[0], int64(i), 1+int64(i)%5000); err != nil {
			t.Fatalf("visitor %d: %v", i, err)
		}
	}
}
