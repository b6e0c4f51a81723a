package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A day of a server with a few people: what happens in 24 hours, in 15 minutes.
const (
	dayFor      = 15 * time.Minute
	dayTunnels  = 2880  // of guests: one every 30 s
	dayCuts     = 1440  // of the residents' lines: one a minute
	dayVisitors = 86400 // one a second

	residents    = 4 // clients that stay
	guestsAtOnce = 8
	churnHold    = 2 * time.Second // bind-hold
)

// churn is the run of such a day, or of a part of it.
type churn struct {
	*publishing
	target string
	keys   map[string]string

	ended, killed, revoked, cuts      atomic.Int64 // guests by their ends; lines
	bindings, served, unserved, fresh atomic.Int64 // ports given; visitors; keys made

	mu       sync.Mutex // guards problems
	problems []string
}

// TestChurn: tunnels, bindings, keys, lines and visitors come and go, and nothing of the server or of the clients that stay
// grows; afterwards nothing is left.
func TestChurn(t *testing.T) {
	t.Parallel()
	var guests []*guest
	options := map[string][]string{"home": nil}
	for i := range guestsAtOnce {
		g := &guest{name: fmt.Sprintf("guest-%d", i), port: freePort(t), keyed: freePort(t)}
		guests = append(guests, g)
		ports := strconv.Itoa(g.port)
		for range 6 { // for those that ask for any, while some are held
			ports += fmt.Sprintf(",%d", freePort(t))
		}
		options[g.name] = []string{"-ports", ports}
	}
	p, keys := openPublishing(t, options, "-tunnel.timers.bind_hold", churnHold.String(), "-log.level", "error")
	c := &churn{publishing: p, target: service(t, echo), keys: keys}
	var stay []*home
	for i := range residents {
		stay = append(stay, c.reside(t, i))
	}
	before := c.size(t)
	stop := make(chan struct{})
	time.AfterFunc(*churnFor, func() { close(stop) })
	var working sync.WaitGroup
	for i, r := range stay {
		working.Go(func() { paced(stop, residents*dayFor/dayCuts, 1, i, func(dice *rand.Rand) { c.cut(r, dice) }) })
	}
	for i, g := range guests {
		working.Go(func() { paced(stop, guestsAtOnce*dayFor/dayTunnels, 2, i, func(dice *rand.Rand) { c.host(g, dice) }) })
	}
	const atOnce = 16
	for i := range atOnce {
		working.Go(func() {
			paced(stop, atOnce*dayFor/dayVisitors, 3, i, func(dice *rand.Rand) { c.visit(stay[dice.IntN(residents)].port, dice) })
		})
	}
	courses := c.watch(t, stay, stop)
	working.Wait()
	c.wantRest(t, stay, before)

	part := float64(*churnFor) / float64(dayFor)
	all := c.ended.Load() + c.killed.Load() + c.revoked.Load()
	if least := int64(0.5 * part * dayTunnels); all < least {
		t.Errorf("%d guests came; want %d or more: the machine is too slow, give it more time", all, least)
	}
	found := fmt.Sprintf("In %v %d guests came: %d ended in order, %d by kill -9, %d because their key was taken away. They got %d ports, %d keys were made. "+
		"The lines of %d clients that stay were cut %d times. %d visitors were served, %d ended by a cut, none was left hanging.\n\n%s",
		*churnFor, all, c.ended.Load(), c.killed.Load(), c.revoked.Load(), c.bindings.Load(), c.fresh.Load(), residents, c.cuts.Load(), c.served.Load(), c.unserved.Load(), courseHead)
	for _, one := range courses {
		found += one.row() + "\n"
		if !one.flat() {
			t.Errorf("%s of %s grew by %.2f; want %g or less", one.what, one.of, one.growth(), one.most)
		}
	}
	c.report(t)
	keepResult(t, "churn", found)
}

// report fails the test for what went wrong.
func (c *churn) report(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, problem := range c.problems {
		t.Error(problem)
	}
}

// size is how many goroutines and descriptors the server has.
func (c *churn) size(t *testing.T) []float64 {
	t.Helper()
	now, err := c.metric("go_goroutines", "process_open_fds")
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// wantRest fails unless all is as it was before the day: the clients that stay have their ports, and nobody else has anything.
func (c *churn) wantRest(t *testing.T, stay []*home, before []float64) {
	t.Helper()
	for _, r := range stay {
		c.wantState(t, r.port, "served by home")
		eventually(t, "a client that stays is served", soon, func() error { return echoed(loopback(r.port), 7, 1<<16) }) // behind what vanished last
	}
	eventually(t, "no port is held for a guest", soon, func() error {
		if n := len(c.bound()); n != residents {
			return fmt.Errorf("%d ports and names are held; want %d", n, residents)
		}
		return nil
	})
	eventually(t, "the server is as large as before", soon+time.Minute, func() error { // dead-peer and close-wait
		if now := c.size(t); now[0] > before[0]+1 || now[1] > before[1]+1 { // the request itself
			return fmt.Errorf("%v goroutines and descriptors; %v before", now, before)
		}
		return nil
	})
	want := c.reside(t, residents).goroutines(t)
	for i, r := range stay {
		if got := r.goroutines(t); got > want {
			t.Errorf("client %d has %d goroutines; a new one has %d", i, got, want)
		}
	}
}

// watch samples the server and the clients that stay until stop.
func (c *churn) watch(t *testing.T, stay []*home, stop chan struct{}) []*course {
	t.Helper()
	const mib, none = 1 << 20, 1
	names := []string{"process_resident_memory_bytes", "go_memstats_next_gc_bytes", "process_open_fds", "go_goroutines"}
	all := []*course{
		{of: "server", what: "memory, MiB", unit: mib, most: 6},
		{of: "server", what: "heap that the collector aims at, MiB", unit: mib, most: 2},
		{of: "server", what: "descriptors", unit: none, most: 4},
		{of: "server", what: "goroutines", unit: none, most: 8},
	}
	for i := range stay {
		name := fmt.Sprintf("client %d", i)
		all = append(all, &course{of: name, what: "memory, MiB", unit: mib, most: 4}, &course{of: name, what: "descriptors", unit: none, most: 2})
	}
	tick := time.NewTicker(*churnFor / 300)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return all
		case <-tick.C:
		}
		now, err := c.metric(names...)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range stay {
			memory, _ := resident(t, r.client)
			now = append(now, float64(memory), float64(descriptors(t, r.client)))
		}
		for i, v := range now {
			all[i].values = append(all[i].values, v)
		}
	}
}

// keepResult logs what was measured, and writes it to the folder of -results.
func keepResult(t *testing.T, name, text string) {
	t.Helper()
	t.Log("\n" + text)
	if *resultsDir == "" || t.Failed() {
		return
	}
	text = fmt.Sprintf("`make soak-churn CHURN=%v KILLS=%d SEED=%d`, %d processors, %s\n\n%s", *churnFor, *mostKills, *seedOfRun, runtime.NumCPU(), runtime.Version(), text)
	err := os.MkdirAll(*resultsDir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(*resultsDir, name+".md"), []byte(text), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// paced calls do at random moments, once in a while on average, until stop. The worker's kind and number choose its dice.
func paced(stop chan struct{}, while time.Duration, kind, i int, do func(*rand.Rand)) {
	dice := rand.New(rand.NewPCG(*seedOfRun, uint64(kind<<16|i)))
	for next := time.Now(); ; {
		next = next.Add(time.Duration(2 * dice.Float64() * float64(while)))
		select {
		case <-stop:
			return
		case <-time.After(time.Until(next)):
			do(dice)
		}
	}
}

func (c *churn) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.problems) < 20 {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}
