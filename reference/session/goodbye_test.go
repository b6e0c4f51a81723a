package session

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

func goAway(code wire.Code) []byte { return wire.AppendGoAway(nil, code, "") }

// closing begins a Close whose result the test gets.
func (r *rig) closing(within time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeoutCause(context.Background(), within, ErrDrainTimeout)
		defer cancel()
		result <- r.s.Close(ctx)
	}()
	synctest.Wait()
	return result
}

// wantEOF checks that the session has ended its stream, and ends the peer's.
func (r *rig) wantEOF(sentence string) {
	r.t.Helper()
	if f, err := r.next(); !errors.Is(err, io.EOF) {
		r.t.Fatalf("%s: got frame %.60x, %v; want the end of the tunnel", sentence, f, err)
	}
	r.tunnel.Close()
	synctest.Wait()
}

func TestServerDrains(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		visitor := r.extOpened()
		result := r.closing(time.Hour)
		r.wantAnswer("the client is told", goAway(wire.CodeDrain))
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrClosing) {
			t.Errorf("Open = %v; want ErrClosing", err)
		}
		r.sleep(10 * time.Minute)
		r.send(data(1, "open ones go on"), fin(1))
		r.wantBytes(visitor, "open ones go on")
		visitor.CloseWrite()
		r.want("to their end", fin(1))
		r.sleep(time.Second)
		r.send(goAway(wire.CodeDone))
		r.wantEOF("the client says that it is done")
		if err := <-result; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	// AWAY-006: the client does not say so.
	onExtended(t, extended(Server), func(r *rig) {
		result := r.closing(time.Hour)
		r.wantAnswer("the client is told", goAway(wire.CodeDrain))
		r.sleep(patience - 2*coarse)
		r.wantAnswer("it has some seconds")
		r.sleep(time.Second)
		r.want("then the server ends the tunnel", goAway(wire.CodeDone))
		r.wantEOF("and its stream")
		if err := <-result; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	// The time is over.
	onExtended(t, extended(Server), func(r *rig) {
		visitor := r.extOpened()
		result := r.closing(time.Minute)
		r.wantAnswer("the client is told", goAway(wire.CodeDrain))
		r.sleep(time.Minute)
		r.wantLocal(visitor, reset)
		f, err := r.next()
		if err != nil || wire.Type(f[1]) != wire.TypeGoAway || f[wire.HeaderLen+1] != byte(wire.CodeGeneral) {
			t.Errorf("at the end of the time: %x, %v; want GOAWAY general", f, err)
		}
		if err := <-result; !errors.Is(err, ErrDrainTimeout) {
			t.Errorf("Close = %v; want ErrDrainTimeout", err)
		}
	})
}

func TestClientDrains(t *testing.T) {
	onExtended(t, extended(Client), func(r *rig) {
		result := r.closing(time.Hour)
		r.want("the server is asked", goAway(wire.CodeDrain))
		r.send(openFrame(1))
		call := r.dialled()
		call.result <- nil
		r.want("what it opened before it knew is served (AWAY-003)", wire.AppendOpened(nil, 1))
		r.send(goAway(wire.CodeDrain), data(1, "all"), fin(1))
		r.wantBytes(call.far, "all")
		r.sleep(time.Minute)
		call.far.CloseWrite()
		r.want("to its end", fin(1))
		r.want("and then it is done", goAway(wire.CodeDone))
		r.wantEOF("behind it")
		if err := <-result; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	onExtended(t, extended(Client), func(r *rig) {
		r.send(goAway(wire.CodeDrain), openFrame(1))
		r.wantPart("OPEN behind GOAWAY", "AWAY-001")
	})
}

// Everything that the local socket has not taken yet is written before Close returns.
func TestADrainLosesNothing(t *testing.T) {
	onExtended(t, extended(Client), func(r *rig) {
		r.limit = 10
		local := r.extOpened()
		result := r.closing(time.Hour)
		r.want("the server is asked", goAway(wire.CodeDrain))
		r.send(goAway(wire.CodeDrain), data(1, "0123456789and the rest"), fin(1))
		local.CloseWrite()
		r.want("the end", fin(1))
		r.want("the tunnel is not needed any more", goAway(wire.CodeDone))
		r.wantEOF("behind it")
		select {
		case err := <-result:
			t.Fatalf("Close = %v with bytes unwritten", err)
		default:
		}
		r.wantBytes(local, "0123456789and the rest")
		r.wantLocal(local, eof)
		if err := <-result; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// AWAY-005, AWAY-013: a client that is drained says that it is done when it may.
func TestAClientLeavesWhenItMay(t *testing.T) {
	cfg := extended(Client)
	told := 0
	cfg.Draining = func() { told++ }
	onExtended(t, cfg, func(r *rig) {
		r.send(goAway(wire.CodeDrain), goAway(wire.CodeDrain))
		r.wantAnswer("it waits for the next tunnel")
		if told != 1 {
			t.Errorf("Draining was called %d times; want once", told)
		}
		r.s.Leave()
		r.want("which is there", goAway(wire.CodeDone))
		r.wantEOF("behind it")
		if err := <-r.ended; err != nil {
			t.Errorf("Run = %v; want nil, as it was planned", err)
		}
		r.ended <- nil
	})
}

func TestServerAnswersAClientsDrain(t *testing.T) {
	cfg := extended(Server)
	told := 0
	cfg.Draining = func() { told++ }
	onExtended(t, cfg, func(r *rig) {
		r.visit(home)
		r.want("OPEN", openFrame(1))
		r.send(goAway(wire.CodeDrain))
		r.wantAnswer("AWAY-002", goAway(wire.CodeDrain))
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrClosing) || told != 1 {
			t.Errorf("Open = %v, told %d times; want ErrClosing, 1", err, told)
		}
		r.send(goAway(wire.CodeDrain), wire.AppendOpened(nil, 1), data(1, "served"))
		r.wantAnswer("and no second one")
	})
}

// AWAY-010
func TestAGoAwayEndsTheTunnel(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			r.send(wire.AppendGoAway(nil, wire.CodeReplaced, "\x1b[31m"))
			r.wantLocal(local, reset)
			r.wantEOF("nothing more is sent")
			err := <-r.ended
			r.ended <- err
			if e, ok := errors.AsType[*GoAwayError](err); !ok || e.Code != wire.CodeReplaced {
				t.Errorf("Run = %v; want a GoAwayError", err)
			}
		})
	}
	// The peer does not close.
	onExtended(t, extended(Server), func(r *rig) {
		r.send(goAway(wire.CodeDone))
		start := time.Now()
		err := <-r.ended
		r.ended <- err
		if took := time.Since(start); err != nil || took > patience {
			t.Errorf("Run = %v after %v; want nil within 5 s", err, took)
		}
	})
	// HELLO-002: a server's answer to HELLO.
	inMemory(t, extended(Client), func(r *rig) {
		r.send(goAway(wire.CodeTooMany))
		err := <-r.ended
		r.ended <- err
		if e, ok := errors.AsType[*GoAwayError](err); !ok || e.Code != wire.CodeTooMany {
			t.Errorf("Run = %v; want a GoAwayError", err)
		}
	})
}

// AWAY-009: the words are not lost with bytes that nobody read, and a peer that reads nothing does not keep the tunnel.
func TestLastWords(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		r.send(fin(7), make([]byte, 100<<10))
		r.wantPart("a broken rule", "XID-003")
	})
	onExtended(t, extended(Server), func(r *rig) {
		r.near.(*sock.Mem).SetLimit(1)
		r.send(fin(7))
		start := time.Now()
		err := <-r.ended
		r.ended <- err
		if took := time.Since(start); RuleOf(err) != "XID-003" || took > farewell {
			t.Errorf("Run = %v after %v; want XID-003 within a second", err, took)
		}
	})
}

// XID-006
func TestATunnelWithoutIDsDrains(t *testing.T) {
	cfg := extended(Server)
	cfg.FirstID = 1<<32 - 1
	onExtended(t, cfg, func(r *rig) {
		r.visit(home)
		r.want("the last one", openFrame(1<<32-1))
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrClosing) {
			t.Errorf("Open = %v; want ErrClosing", err)
		}
		r.wantAnswer("the tunnel drains", goAway(wire.CodeDrain))
		r.send(wire.AppendOpened(nil, 1<<32-1))
		r.sleep(time.Hour - time.Minute)
		r.wantAnswer("for as long as its connection lasts")
		r.send(resetFrame(1<<32-1, wire.CodeReset))
		r.wantAnswer("that has ended")
		r.sleep(patience + 2*coarse)
		r.want("5 s later the tunnel has, too (AWAY-015)", goAway(wire.CodeDone))
		r.wantEOF("nobody had to stop the server")
	})
}
