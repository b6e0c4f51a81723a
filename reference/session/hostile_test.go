package session

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// What section 20 of PROTOCOL.md lists of an extended tunnel, where no other test has it: each attack costs what it may, and not
// the tunnel of others.

// flood writes frames until the session takes no more of them, or there were that many bytes.
func (r *rig) flood(frame []byte, bytes int) {
	r.t.Helper()
	many := []byte(strings.Repeat(string(frame), 1+4096/len(frame)))
	for sent := 0; sent < bytes; sent += len(many) {
		if _, err := r.tunnel.Write(many); err != nil {
			return
		}
	}
}

// FLOW-006: whoever asks and does not read loses the tunnel, whatever is asked.
func TestAFloodThatAsksForAnswersEndsTheTunnel(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			r.flood(pingFrame("12345678"), maxOwed+2<<20)
			r.wantEnd("PINGs", "FLOW-006")
		})
	}
	cfg := extended(Client)
	cfg.MaxConnections = 10
	onExtended(t, cfg, func(r *rig) {
		for id := range uint32(maxOwed) {
			if _, err := r.tunnel.Write(openFrame(id + 1)); err != nil {
				break
			}
		}
		r.wantEnd("OPENs that are refused", "FLOW-006")
		if n := len(r.dials); n > cfg.MaxConnections {
			t.Errorf("%d dials; want no more than %d", n, cfg.MaxConnections)
		}
	})
}

// Frames that ask for nothing, and mean nothing, leave nothing behind.
func TestFloodsThatCostNothing(t *testing.T) {
	tags := []byte{}
	for range wire.MaxTLVs / 4 {
		tags = append(tags, 0x01, 0x23, 0, 0) // unknown, and allowed to come twice
	}
	for name, frame := range map[string][]byte{
		"PONG":                   pongFrame("12345678"),
		"WINDOW for a dead ID":   windowFrame(1, 1),
		"RESET for a dead ID":    resetFrame(1, wire.CodeReset),
		"Data for a dead ID":     data(1, strings.Repeat("x", 1000)),
		"frames without meaning": append(wire.AppendHeader(nil, 0x2A, 64), make([]byte, 64)...),
	} {
		t.Run(name, func(t *testing.T) {
			onExtended(t, extended(Client), func(r *rig) {
				r.extOpened()
				r.send(resetFrame(1, wire.CodeReset))
				before := heap()
				r.flood(frame, 8<<20)
				r.wantAnswer("nothing is answered")
				if grown := heap() - before; grown > 1<<20 {
					t.Errorf("8 MiB of them leave %d bytes; want next to nothing", grown)
				}
			})
		})
	}
	inMemory(t, extended(Server), func(r *rig) {
		r.send(append(wire.AppendHeader(nil, wire.TypeHello, len(tags)), tags...))
		r.want("a HELLO full of unknown tags is answered", hello(Server, leastWindow))
		r.wantAnswer("and the tunnel is up")
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// XOPEN-013: OPEN and RESET in turn begin no more dials than there are seats, as those run on that were given up.
func TestRapidReset(t *testing.T) {
	cfg := extended(Client)
	cfg.MaxConnections = 20
	onExtended(t, cfg, func(r *rig) {
		release, running := make(chan struct{}), make(chan struct{}, 1000)
		r.s.cfg.Dial = func(context.Context, Target) (sock.Socket, error) {
			running <- struct{}{}
			<-release
			return nil, errors.New("late")
		}
		refused := 0
		for id := range uint32(500) {
			r.send(openFrame(id+1), resetFrame(id+1, wire.CodeCancelled))
			refused += len(r.answer())
		}
		// A dial that is given up before it began is none.
		if n := len(running); n != cfg.MaxConnections || refused < 400 {
			t.Errorf("%d dials run and %d OPENs are refused; want %d and most", n, refused, cfg.MaxConnections)
		}
		close(release)
	})
}

// A peer that gives a byte of credit at a time, or none, holds up its own connections, each at what was read ahead.
func TestTinyCredit(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			r.limit = 1 << 20
			local := r.extOpened()
			local.Write(make([]byte, 1<<20))
			r.wantAnswer("what HELLO allows", data(1, string(make([]byte, peerWindow))))
			for i := range uint64(100) {
				r.send(windowFrame(1, peerWindow+1+i))
				r.wantAnswer("a byte", data(1, "\x00"))
			}
			r.s.mu.Lock()
			if r.s.held > 64<<10 {
				t.Errorf("%d bytes are held; want what may be read ahead (WIN-001)", r.s.held)
			}
			r.s.mu.Unlock()
			r.sleep(time.Hour / 2)
			r.wantAnswer("it lives without credit")
		})
	}
}

// Data of one byte for a reader that reads nothing costs buffers and not frames.
func TestFramesOfOneByte(t *testing.T) {
	cfg := extended(Server)
	cfg.Window = 256 << 10
	onExtended(t, cfg, func(r *rig) {
		r.limit = 1
		r.extOpened()
		r.flood(data(1, "x"), 200<<10*(headRoom+1))
		r.wantAnswer("all is kept")
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if r.s.held > cfg.Window+64<<10 {
			t.Errorf("%d bytes are held for %d; want at most the window and 64 KiB", r.s.held, 200<<10)
		}
	})
}

// What is urgent leaves before the Data that was in line before it (section 27).
func TestUrgentFramesLeaveFirst(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		var visitors [2]far
		for i := range visitors {
			id := uint32(i + 1)
			visitors[i] = r.visit(home)
			r.want("OPEN", openFrame(id))
			r.send(wire.AppendOpened(nil, id))
		}
		synctest.Wait()
		r.near.(*sock.Mem).SetLimit(1)
		for _, v := range visitors {
			v.Write(make([]byte, peerWindow))
			synctest.Wait()
		}
		r.send(pingFrame("urgently"))
		synctest.Wait()
		r.near.(*sock.Mem).SetLimit(1 << 20)
		r.want("in flight", data(1, string(make([]byte, peerWindow))))
		r.want("urgent", pongFrame("urgently"))
		r.want("in line before it", data(2, string(make([]byte, peerWindow))))
	})
}
