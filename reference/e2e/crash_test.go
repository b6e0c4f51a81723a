package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// TestKilledWhileChanging kills the server 50 times while mappings are created and removed from several
// sides: every acknowledged change is there after the restart, and every other is there whole or not at all.
func TestKilledWhileChanging(t *testing.T) {
	const kills, workers, portsEach = 50, 4, 3
	tun := openServer(t, nil)
	var changing []*changer
	for range workers {
		w := &changer{tun: tun}
		for range portsEach {
			w.ports = append(w.ports, &changedPort{port: freePort(t)})
		}
		changing = append(changing, w)
	}
	random := rand.New(rand.NewPCG(81, 82))
	acknowledged := 0
	for round := range kills {
		var acks atomic.Int64
		reached := make(chan struct{})
		reach := sync.OnceFunc(func() { close(reached) })
		limit := 1 + random.Int64N(60)
		var working sync.WaitGroup
		for _, w := range changing {
			working.Go(func() {
				w.change(func() {
					if acks.Add(1) == limit {
						reach()
					}
				})
				reach() // it was refused, or the server is gone
			})
		}
		select {
		case <-reached:
		case <-tun.server.done:
			t.Fatalf("round %d: the server ended by itself", round)
		}
		tun.server.kill(t)
		working.Wait()
		acknowledged += int(acks.Load())

		tun.startServer(t)
		rows := map[int]row{}
		for _, r := range tun.list(t) {
			rows[r.SourcePort] = r
		}
		for _, w := range changing {
			if w.refused != "" {
				t.Fatalf("round %d: %s", round, w.refused)
			}
			for _, p := range w.ports {
				got := rows[p.port].TargetPort
				if got != p.target && got != p.maybe {
					t.Fatalf("round %d, port %d: target port %d, not %d or %d (0: no mapping)", round, p.port, got, p.target, p.maybe)
				}
				if listens := answers(loopback(p.port)) == nil; listens != (got != 0) {
					t.Fatalf("round %d, port %d: target port %d, but listening is %v", round, p.port, got, listens)
				}
				p.target, p.maybe = got, got
				delete(rows, p.port)
			}
		}
		if len(rows) != 0 {
			t.Fatalf("round %d: mappings that nobody made: %v", round, rows)
		}
	}
	t.Logf("%d changes were acknowledged between %d kills", acknowledged, kills)
}

// changer creates and removes mappings on ports of its own.
type changer struct {
	tun     *tunnel
	ports   []*changedPort
	refused string // an answer that should not have come
}

// changedPort is what the store has to hold: the target port, or also maybe after an unanswered request;
// 0 stands for no mapping.
type changedPort struct{ port, target, maybe int }

// change goes on until the server no longer answers, and calls acknowledged after each answer.
func (w *changer) change(acknowledged func()) {
	for i := 0; ; i++ {
		p := w.ports[i%len(w.ports)]
		path, body := "/api/mapping/remove", fmt.Sprintf(`{"port": %d}`, p.port)
		p.maybe = 0
		if p.target == 0 {
			p.maybe = 1 + rand.IntN(65535)
			path, body = "/api/mapping/create", fmt.Sprintf(`{"port": %d, "target_port": %d}`, p.port, p.maybe)
		}
		status, answer, err := w.tun.call(http.MethodPost, path, body)
		if err != nil {
			return
		}
		if status != http.StatusOK {
			w.refused = fmt.Sprintf("%s %s: %d %s", path, body, status, answer)
			return
		}
		p.target = p.maybe
		acknowledged()
	}
}
