package session

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// home is the target of visitors in tests.
var home = Target{Host: "127.0.0.1", Port: 22}

func TestServerCarriesAWholeConnection(t *testing.T) {
	both(t, "server", Config{Role: Server, FirstID: 7}, func(r *rig) {
		visitor := r.visit(home)
		r.want("a visitor is a request", request(7, 22, "127.0.0.1"))
		r.send(response(7, wire.StatusSuccess))
		r.send(data(7, "welcome"))
		r.wantBytes(visitor, "welcome")
		visitor.Write([]byte("hello"))
		r.want("the visitor's bytes become Data", data(7, "hello"))
		r.send(data(7, "bye"), closeFrame(7))
		r.wantBytes(visitor, "bye")
		r.wantLocal(visitor, eof)
		r.want("the server answers Close with its own", closeFrame(7))
		r.wantState(7, "lingering")
	})
}

// ID-001: the Close that stray Data will get would hit the new request.
func TestAnIDIsNotUsedWhileDataForItArrives(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 1}, func(r *rig) {
		stray := data(1, "of a connection that is gone")
		r.send(stray[:15])
		synctest.Wait()
		r.visit(home)
		r.want("another ID", request(2, 22, "127.0.0.1"))
		r.send(stray[15:])
		r.want("Data for an idle ID", closeFrame(1))
		r.s.mu.Lock()
		r.s.ids.next = 1
		r.s.mu.Unlock()
		r.visit(home)
		r.want("it is idle now", request(1, 22, "127.0.0.1"))
	})
}

func TestClientCarriesAWholeConnection(t *testing.T) {
	both(t, "client", Config{Role: Client}, func(r *rig) {
		r.send(shortRequest(0, 80))
		call := r.dialled()
		if call.target != (Target{Port: 80}) {
			t.Fatalf("dialled %v; want port 80 and no host", call.target)
		}
		call.result <- nil
		r.want("success after the service accepted", response(0, wire.StatusSuccess))
		r.send(data(0, "GET"))
		r.wantBytes(call.far, "GET")
		call.far.Write([]byte("200"))
		r.want("the service's bytes become Data", data(0, "200"))
		call.far.Close()
		r.want("the end of the service's stream becomes Close", closeFrame(0))
		r.send(closeFrame(0))
		r.wantState(0, "idle")
	})
}

func TestBytesBeforeTheResponseComeFirst(t *testing.T) {
	both(t, "server", Config{Role: Server}, func(r *rig) {
		visitor := r.visit(home)
		r.want("request", request(0, 22, "127.0.0.1"))
		visitor.Write([]byte("first "))
		r.wantIdle("no Data before the response")
		visitor.Write([]byte("second"))
		r.wantIdle("no Data before the response")
		visitor.CloseWrite()
		r.wantIdle("an end after bytes is no giving up")
		r.wantHeld(0, "first second")
		r.send(response(0, wire.StatusSuccess))
		r.want("held bytes follow the response", data(0, "first second"))
		r.want("and the end follows them", closeFrame(0))
	})
}

// wantHeld waits until a requested connection holds these bytes.
func (r *rig) wantHeld(id uint32, want string) {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		r.s.mu.Lock()
		got := ""
		if c := r.s.ids.conns[id]; c != nil && c.out.held != nil && c.local.readEnded {
			got = string(c.out.held.Bytes())
		}
		r.s.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("connection %d holds %q; want %q", id, got, want)
		}
	}
}

func TestMoreThanCanBeHeldBeforeTheResponse(t *testing.T) {
	inMemory(t, Config{Role: Server}, func(r *rig) {
		r.limit = 1 << 20
		visitor := r.visit(home)
		r.want("request", request(0, 22, "127.0.0.1"))
		sent := pattern(3*small + 5)
		visitor.Write(sent)
		r.wantIdle("no Data before the response")
		r.send(response(0, wire.StatusSuccess))
		r.wantData(0, sent)
	})
	inMemory(t, Config{Role: Server}, func(r *rig) {
		r.limit = 1 << 20
		before := runtime.NumGoroutine()
		visitor := r.visit(home)
		r.want("request", request(0, 22, "127.0.0.1"))
		visitor.Write(pattern(3 * small))
		synctest.Wait()
		r.send(response(0, wire.StatusRefused))
		r.wantState(0, "idle")
		if got := runtime.NumGoroutine(); got > before { // fewer: one of an earlier test was still ending
			t.Errorf("%d goroutines; want %d as before the visitor", got, before)
		}
	})
}

// wantData reads Data frames of one connection until these bytes have come.
func (r *rig) wantData(id uint32, want []byte) {
	r.t.Helper()
	var got []byte
	for len(got) < len(want) {
		f, err := r.next()
		if err != nil {
			r.t.Fatalf("after %d bytes: %v", len(got), err)
		}
		from, bytes, err := wire.ParseData(f[wire.HeaderLen:])
		if err != nil || wire.Type(f[1]) != wire.TypeData || from != id {
			r.t.Fatalf("frame %.20x; want Data of %d", f, id)
		}
		got = append(got, bytes...)
	}
	if !bytes.Equal(got, want) {
		r.t.Fatalf("%d bytes differ from the %d sent", len(got), len(want))
	}
}

// pattern returns bytes of which no two neighbourhoods are alike.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16*29)
	}
	return b
}

func TestFramesThatArriveByteByByte(t *testing.T) {
	bothRoles(t, Config{}, func(r *rig) {
		local := r.opened(1)
		bytes := slices.Concat([]byte{1, 0x80, 0, 0, 0, 3, 9, 9, 9}, data(1, "abc"), data(1, ""), data(1, "defgh"),
			data(77, "lost"), []byte{1, 0x7f, 0, 0, 0, 0}, closeFrame(99), closeFrame(1))
		for i := range bytes {
			r.send(bytes[i : i+1])
			if r.timed {
				synctest.Wait()
			}
		}
		r.want("Data for an ID never used is answered", closeFrame(77))
		r.want("Close is answered", closeFrame(1))
		r.wantBytes(local, "abcdefgh")
		r.wantLocal(local, eof)
	})
}

func TestFramesSplitInTwoAnywhere(t *testing.T) {
	bytes := slices.Concat(data(1, "abc"), []byte{1, 0x90, 0, 0, 0, 1, 9}, data(77, "lost"), closeFrame(1))
	for cut := range bytes {
		inMemoryBothRoles(t, Config{}, func(r *rig) {
			local := r.opened(1)
			r.send(bytes[:cut])
			synctest.Wait()
			r.send(bytes[cut:])
			r.want("Data for an ID never used is answered", closeFrame(77))
			r.want("Close is answered", closeFrame(1))
			r.wantBytes(local, "abc")
		})
	}
}

func TestPartOfALargeFrameIsForwarded(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		local := r.opened(1)
		f := data(1, string(pattern(wire.MaxPayload-wire.IDLen)))
		r.send(f[:100])
		r.wantBytes(local, string(f[10:100]))
		r.wantIdle("nothing is owed for it")
	})
}

func TestTunnelErrors(t *testing.T) {
	cases := []struct {
		name, req string
		bytes     []byte
	}{
		{"a foreign version", "FRAME-002", []byte{2, 5, 0, 0, 0, 0}},
		{"the first byte of a foreign version", "FRAME-002", []byte("G")},
		{"a length above the limit", "FRAME-004", []byte{1, 3, 0, 0x10, 0, 1}},
		{"a length above the limit of an unknown type", "FRAME-004", []byte{1, 0x99, 0xff, 0xff, 0xff, 0xff}},
		{"Data without an ID", "FRAME-008", []byte{1, 3, 0, 0, 0, 3}},
		{"Close with too much", "FRAME-008", []byte{1, 4, 0, 0, 0, 5}},
		{"KeepAlive with a payload", "FRAME-008", []byte{1, 5, 0, 0, 0, 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bothRoles(t, Config{}, func(r *rig) {
				local := r.opened(1)
				r.send(c.bytes)
				r.wantEnd(c.name, c.req)
				r.wantLocal(local, reset)
			})
		})
	}
}

func TestWhatIsOwedLeavesInOrder(t *testing.T) {
	both(t, "server", Config{Role: Server, FirstID: 1}, func(r *rig) {
		r.send(data(50, "x"), keepAlive(), data(51, "x"), data(52, "x"), keepAlive())
		r.want("first", closeFrame(50))
		r.want("second", keepAlive())
		r.want("third", closeFrame(51))
		r.want("fourth", closeFrame(52))
		r.want("fifth", keepAlive())
	})
	both(t, "client", Config{Role: Client}, func(r *rig) {
		r.send(data(50, "x"), keepAlive(), request(3, 0, "h"), data(51, "x"))
		r.want("first", closeFrame(50))
		r.want("a client never answers KeepAlive", response(3, wire.StatusGeneral))
		r.want("third", closeFrame(51))
	})
}

func TestUnusableTargetsFail(t *testing.T) {
	for _, host := range []string{"", ".", "a b", "-a", "a-", "a..b", "a\nb", string(pattern(255)), "127.0.0.1:80"} {
		inMemory(t, Config{Role: Client}, func(r *rig) {
			r.send(request(1, 80, host))
			r.want("a failure, the tunnel left as it was", response(1, wire.StatusGeneral))
			r.barrier("it goes on")
		})
	}
}

func TestAServiceThatAnswersEarlyAndResets(t *testing.T) {
	inMemoryBothRoles(t, Config{}, func(r *rig) {
		r.limit = 1000
		local := r.opened(1)
		answer := string(pattern(900))
		local.Write([]byte(answer))
		r.want("the answer", data(1, answer))
		local.Write([]byte("last words"))
		local.Close()
		// The session learns of the reset while it writes; what the service said before still counts.
		for range 20 {
			r.send(data(1, string(pattern(500))))
		}
		r.want("the last words", data(1, "last words"))
		r.want("then Close", closeFrame(1))
		r.wantIdle("and no second")
	})
}

func TestIDsWrapAndPassOverThoseInUse(t *testing.T) {
	inMemory(t, Config{Role: Server, FirstID: 0xFFFFFFFF}, func(r *rig) {
		for _, id := range []uint32{0xFFFFFFFF, 0} {
			r.visit(home)
			r.want("increasing order with wrap-around", request(id, 22, "127.0.0.1"))
		}
		r.s.mu.Lock()
		r.s.ids.next = 0xFFFFFFFF
		r.s.ids.retired[1] = struct{}{}
		r.s.mu.Unlock()
		r.visit(home)
		r.want("IDs in use and retired are passed over", request(2, 22, "127.0.0.1"))
	})
}

func TestTooManyConnections(t *testing.T) {
	inMemory(t, Config{Role: Client, MaxConnections: 1}, func(r *rig) {
		r.send(request(1, 80, "h"), request(2, 80, "h"))
		r.want("the second is too many", response(2, wire.StatusTooMany))
	})
	inMemory(t, Config{Role: Server, MaxConnections: 1}, func(r *rig) {
		r.visit(home)
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrTooMany) {
			t.Fatalf("Open = %v; want ErrTooMany", err)
		}
	})
}

func TestARowForEveryFrameOfTheText(t *testing.T) {
	senders := map[string]sender{"server": fromServer, "client": fromClient, "both": either}
	frames := map[int]spec.Frame{}
	for _, f := range slices.AppendSeq(slices.Collect(spec.AuthFrames()), spec.BindFrames()) { // that FrameOf does not have
		frames[int(f.Type)] = f
	}
	for typ, r := range rows {
		f, ok := spec.FrameOf(uint8(typ))
		if !ok {
			f, ok = frames[typ]
		}
		if ok != (r.act != nil) {
			t.Errorf("type 0x%02X is in the text's tables: %v; it has a row: %v", typ, ok, r.act != nil)
		} else if ok && r.from != senders[f.From] {
			t.Errorf("%s is sent by %d; want %s", f.Name, r.from, f.From)
		}
	}
}
