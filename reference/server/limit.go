package server

import (
	"errors"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/sock"
)

var (
	errNotAllowed       = errors.New("the mapping's allow or deny keeps this address out")
	errTooManyVisitors  = errors.New("as many visitors are there as max_connections allows")
	errTooManyOfAddress = errors.New("as many visitors are there from this address as max_per_address allows")
)

// crowd counts visitors, in all and by address, and keeps out those that are too many. Safe for use from any number of
// goroutines.
type crowd struct {
	mu               sync.Mutex // guards the following fields
	most, mostOfAddr int        // 0: no bound
	n                int
	of               map[netip.Addr]int
}

// bound sets other bounds, for visitors that come from now on.
func (c *crowd) bound(most, mostOfAddr int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.most, c.mostOfAddr = most, mostOfAddr
}

// enter counts a visitor, unless there are too many.
func (c *crowd) enter(addr netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr = seatOf(addr)
	switch {
	case c.most > 0 && c.n >= c.most:
		return errTooManyVisitors
	case c.mostOfAddr > 0 && c.of[addr] >= c.mostOfAddr:
		return errTooManyOfAddress
	}
	c.n++
	if c.of == nil {
		c.of = map[netip.Addr]int{}
	}
	c.of[addr]++
	return nil
}

// leave ends the counting of a visitor that has entered.
func (c *crowd) leave(addr netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if addr = seatOf(addr); c.of[addr] > 1 {
		c.of[addr]--
	} else {
		delete(c.of, addr)
	}
}

// door lets the visitors of one mapping in, and bounds what they move.
type door struct {
	allow, deny []netip.Prefix
	here        *crowd
	everywhere  *crowd // the visitors of all mappings
	up, down    *rate.Limiter
}

func newDoor(m mapping.Mapping, everywhere *crowd) *door {
	d := &door{
		allow: mapping.Prefixes(m.Allow), deny: mapping.Prefixes(m.Deny), everywhere: everywhere,
		here: &crowd{most: m.MaxConnections, mostOfAddr: m.MaxPerAddress},
	}
	if m.RateUp > 0 {
		d.up = sock.NewRate(int64(m.RateUp))
	}
	if m.RateDown > 0 {
		d.down = sock.NewRate(int64(m.RateDown))
	}
	return d
}

// enter lets a visitor in, or says why not.
func (d *door) enter(addr netip.Addr) error {
	if !mapping.Allows(d.allow, addr) || len(d.deny) > 0 && mapping.Allows(d.deny, addr) {
		return errNotAllowed
	}
	if err := d.everywhere.enter(addr); err != nil {
		return err
	}
	err := d.here.enter(addr)
	if err != nil {
		d.everywhere.leave(addr)
	}
	return err
}

// leave is the end of a visitor that was let in.
func (d *door) leave(addr netip.Addr) {
	d.here.leave(addr)
	d.everywhere.leave(addr)
}
