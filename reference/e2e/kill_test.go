package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// killed is a tunnel whose ends are killed again and again while visitors come.
type killed struct {
	*churn
	port, mapped int // that the client publishes, that the server maps
	dice         *rand.Rand
	server       *process
	client       *process
}

const killHold = 3 * time.Second // bind-hold

// TestKilledAtRandom kills either end at random moments, often before what the last kill has broken is whole again: no visitor
// hangs, a port comes back with its client, is nobody else's meanwhile, and is free when bind-hold is over.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seedOfRun)
	p, keys := openPublishing(t, map[string][]string{"home": nil})
	p.tunnel.server.kill(t) // it has its keys
	k := &killed{churn: &churn{publishing: p, keys: keys, target: service(t, echo)}, dice: rand.New(rand.NewPCG(*seedOfRun, 9)), port: freePort(t), mapped: freePort(t)}
	k.beginServer(t)
	k.beginClient(t)
	t.Cleanup(func() { k.server.end(t, syscall.SIGTERM); k.client.end(t, syscall.SIGTERM) })
	k.wantWhole(t)

	stop := make(chan struct{})
	var visiting sync.WaitGroup
	for i := range 6 {
		visiting.Go(func() {
			port := []int{k.port, k.mapped}[i%2]
			paced(stop, 20*time.Millisecond, 4, i, func(dice *rand.Rand) { k.visit(port, dice) })
		})
	}
	defer func() { close(stop); visiting.Wait() }()
	count := map[string]int{}
	for range *mostKills {
		<-time.After(time.Duration(k.dice.IntN(300)) * time.Millisecond)
		switch n := k.dice.IntN(20); {
		case n == 0:
			count["for good"]++
			k.forGood(t)
		case n < 10:
			count["client"]++
			k.client.kill(t)
			k.beginClient(t)
		case n < 19:
			count["server"]++
			k.server.kill(t)
			k.beginServer(t)
		default:
			count["both"]++
			k.client.kill(t)
			k.server.kill(t)
			k.beginServer(t)
			k.beginClient(t)
		}
		if k.dice.IntN(3) > 0 { // else the next kill meets what this one has left
			k.wantWhole(t)
		}
	}
	k.wantWhole(t)
	k.report(t)
	keepResult(t, "kills", fmt.Sprintf("kill -9 at %d random moments: %d times of the server, %d of the client, %d of both, %d of the client for longer than its port is held. "+
		"%d visitors were served, %d ended by a kill, none was left hanging.\n",
		*mostKills, count["server"], count["client"], count["both"], count["for good"], k.served.Load(), k.unserved.Load()))
}

func (k *killed) beginServer(t *testing.T) {
	t.Helper()
	var err error
	if k.server, err = launch("adit-server", k.serverCommand("-keys", k.file, "-tunnel.timers.bind_hold", killHold.String(), "-map", fmt.Sprintf("%d=%s", k.mapped, k.target))); err != nil {
		t.Fatal(err)
	}
}

func (k *killed) beginClient(t *testing.T) {
	t.Helper()
	cmd := k.clientCommand("-publish", fmt.Sprintf("%d=%s", k.port, k.target), "-redial_delay", "20ms", "-redial_most", "200ms")
	cmd.Env = append(os.Environ(), "ADIT_KEY="+k.keys["home"])
	var err error
	if k.client, err = launch("adit-client", cmd); err != nil {
		t.Fatal(err)
	}
}

// wantWhole waits until visitors are served again, on both ports.
func (k *killed) wantWhole(t *testing.T) {
	t.Helper()
	for _, port := range []int{k.port, k.mapped} {
		eventually(t, fmt.Sprintf("port %d is served", port), soon, func() error {
			k.server.alive(t)
			k.client.alive(t)
			return echoed(loopback(port), 8, 1<<10)
		})
	}
}

// forGood kills the client, and starts another one only when its port is free.
func (k *killed) forGood(t *testing.T) {
	t.Helper()
	k.wantWhole(t)
	begun := time.Now()
	k.client.kill(t)
	eventually(t, "the port of a client that is gone is free", killHold+soon/3, func() error {
		err := answers(loopback(k.port))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return fmt.Errorf("somebody listens there: %v", err)
	})
	if took := time.Since(begun); took < killHold {
		t.Errorf("the port of a client that is gone was free after %v; want %v", took, killHold)
	}
	k.beginClient(t)
}
