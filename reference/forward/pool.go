package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/adit-tunnel/adit/reference/sock"
)

// How a Pool chooses among its targets.
const (
	RoundRobin       = "round_robin"       // one after the other
	LeastConnections = "least_connections" // who has the fewest
	SourceHash       = "source_hash"       // the same for a visitor's address, as long as it is there
)

const (
	failsToOpen = 3                // dials in a row that fail before a target is left alone
	openFor     = 10 * time.Second // how long it is, before one visitor tries it again
	checkTime   = 2 * time.Second  // that a check may take
	failsToDown = 2                // checks in a row that fail before a target is down
)

// Pool is the targets of a mapping: it chooses one for each visitor, and goes on to the next before the visitor notices.
type Pool struct {
	balance string
	check   time.Duration
	changed func(target string, up bool, err error)
	targets []*target
	turn    atomic.Uint64
}

// PoolConfig is what a Pool is made of.
type PoolConfig struct {
	Targets []string                                // host:port, at least one
	Balance string                                  // "": round robin
	Check   time.Duration                           // between two connections that try whether a target is there; 0: none is made
	Changed func(target string, up bool, err error) // told when checks find a target down, or up again; may be nil
}

// target is one of a pool.
type target struct {
	addr    string
	active  atomic.Int64
	failed  atomic.Int64
	down    atomic.Bool                                // by checks
	fails   int                                        // checks in a row; owned by watch
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}] // nil: it is the only one, and always tried
}

// NewPool returns a pool whose targets count as up.
func NewPool(cfg PoolConfig) *Pool {
	p := &Pool{balance: cmp.Or(cfg.Balance, RoundRobin), check: cfg.Check, changed: cfg.Changed}
	for _, addr := range cfg.Targets {
		t := &target{addr: addr}
		if len(cfg.Targets) > 1 {
			t.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
				Timeout: openFor, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failsToOpen },
			})
		}
		p.targets = append(p.targets, t)
	}
	return p
}

// Dial connects to the first target that can be reached, in the order that is the visitor's, each within its share of the time
// that ctx has left. Those that are down, or were not reachable lately, come last. Done is to be called when the visitor is
// gone.
func (p *Pool) Dial(ctx context.Context, from netip.Addr) (service *sock.TCP, done func(), err error) {
	var first error
	var last []*target // left alone by their breakers: when nobody else is there they are tried all the same
	try := func(t *target, left int, tell func(error)) bool {
		service, err = t.dial(ctx, left, tell)
		if err != nil {
			first = cmp.Or(first, fmt.Errorf("forward to %s: %w", t.addr, err))
			return ctx.Err() != nil // nobody waits any more
		}
		t.active.Add(1)
		done = func() { t.active.Add(-1) }
		return true
	}
	order := p.order(from)
	for i, t := range order {
		tell := func(error) {}
		if t.breaker != nil {
			if tell, err = t.breaker.Allow(); err != nil {
				last = append(last, t)
				continue
			}
		}
		if try(t, len(order)-i, tell) {
			return service, done, err
		}
	}
	for i, t := range last {
		if try(t, len(last)-i, func(error) {}) {
			return service, done, err
		}
	}
	return nil, nil, first
}

// dial connects to a target and tells its breaker; left is how many targets the rest of the time is for.
func (t *target) dial(ctx context.Context, left int, tell func(error)) (*sock.TCP, error) {
	share := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		share, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	service, err := sock.Dial(share, t.addr)
	if errors.Is(ctx.Err(), context.Canceled) { // says nothing of the target
		tell(nil)
		return service, err
	}
	if err != nil {
		t.failed.Add(1)
	}
	tell(err)
	return service, err
}

// up reports whether a target is among the first to be tried.
func (t *target) up() bool {
	return !t.down.Load() && (t.breaker == nil || t.breaker.State() != gobreaker.StateOpen)
}

// order is the targets as a visitor is to try them.
func (p *Pool) order(from netip.Addr) []*target {
	all := slices.Clone(p.targets)
	if len(all) == 1 {
		return all
	}
	switch turn := int(p.turn.Add(1)-1) % len(all); p.balance {
	case SourceHash:
		slices.SortFunc(all, func(a, b *target) int { return cmp.Compare(b.weight(from), a.weight(from)) })
	default:
		all = append(all[turn:], all[:turn]...)
	}
	if p.balance == LeastConnections {
		active := map[*target]int64{} // of one instant
		for _, t := range all {
			active[t] = t.active.Load()
		}
		slices.SortStableFunc(all, func(a, b *target) int { return cmp.Compare(active[a], active[b]) })
	}
	var up, down []*target
	for _, t := range all {
		if t.up() {
			up = append(up, t)
		} else {
			down = append(down, t)
		}
	}
	return append(up, down...)
}

// weight is how much a target is an address's: the one with most serves it, and who comes or goes takes from the others no
// more than its share.
func (t *target) weight(from netip.Addr) uint64 {
	h := fnv.New64a()
	a := from.As16()
	h.Write(a[:])
	h.Write([]byte(t.addr))
	// The last octets reach all bits only by another round.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// Run checks the targets until ctx ends, if the pool is to.
func (p *Pool) Run(ctx context.Context) {
	if p.check <= 0 {
		return
	}
	var all sync.WaitGroup
	for _, t := range p.targets {
		all.Go(func() { p.watch(ctx, t) })
	}
	all.Wait()
}

// watch checks one target. Run starts it for each; the end of ctx ends it.
func (p *Pool) watch(ctx context.Context, t *target) {
	tick := time.NewTicker(p.check)
	defer tick.Stop()
	for {
		share, cancel := context.WithTimeout(ctx, min(p.check, checkTime))
		service, err := sock.Dial(share, t.addr)
		cancel()
		if ctx.Err() == nil {
			p.checked(t, err)
		}
		if err == nil {
			service.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// checked takes the result of a check.
func (p *Pool) checked(t *target, err error) {
	if err == nil {
		t.fails = 0
	} else if t.fails++; t.fails < failsToDown {
		return
	}
	if up := err == nil; t.down.Swap(!up) == up && p.changed != nil {
		p.changed(t.addr, up, err)
	}
}

// State calls each with every target's: whether it is among the first to be tried, its visitors, and the dials that failed.
func (p *Pool) State(each func(target string, up bool, active, failed int64)) {
	for _, t := range p.targets {
		each(t.addr, t.up(), t.active.Load(), t.failed.Load())
	}
}
