package session

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// extended is a rig's configuration for the Extended profile, without grease and with every timer out of the way that a
// test does not ask for.
func extended(role Role) Config {
	return Config{
		Role: role, Protocol: Auto, FirstID: 1, Grease: -1, Window: leastWindow,
		KeepAliveInterval: time.Hour, DeadPeer: 2 * time.Hour,
	}
}

// peerWindow is what the scripted peer's HELLO says.
const peerWindow = 100

func hello(role Role, window uint32) []byte {
	return wire.AppendHello(nil, wire.Hello{Window: window, MaxConnections: 16384}, role == Client)
}

// onExtended runs a test on an extended tunnel whose HELLOs have passed.
func onExtended(t *testing.T, cfg Config, test func(r *rig)) {
	t.Helper()
	inMemory(t, cfg, func(r *rig) {
		r.greet(peerWindow)
		test(r)
	})
}

// hello is what the session says in its own.
func (r *rig) hello() (frame []byte) {
	r.locked(func(s *Session) { frame = s.helloLocked() })
	return frame
}

// greet passes both HELLOs.
func (r *rig) greet(window uint32) {
	r.t.Helper()
	cfg := r.s.cfg
	own := wire.AppendHello(nil, wire.Hello{Window: uint32(cfg.Window), MaxConnections: uint32(cfg.MaxConnections)}, cfg.Role == Client)
	if cfg.Role == Server {
		r.send(hello(Client, window))
		r.want("the answer", own)
		return
	}
	r.want("the offer", own)
	r.want("and the barrier", keepAlive())
	r.send(hello(Server, window), keepAlive())
	synctest.Wait()
}

// extOpened opens extended connection 1 and returns the local peer's end.
func (r *rig) extOpened() sock.Stream {
	r.t.Helper()
	if r.s.cfg.Role == Server {
		visitor := r.visit(home)
		r.want("OPEN", openFrame(1))
		r.send(wire.AppendOpened(nil, 1))
		synctest.Wait()
		return visitor.(sock.Stream)
	}
	r.send(openFrame(1))
	call := r.dialled()
	call.result <- nil
	r.want("OPENED", wire.AppendOpened(nil, 1))
	return call.far.(sock.Stream)
}

func openFrame(id uint32) []byte {
	return wire.AppendOpen(nil, wire.Open{ID: id, Host: home.Host, HasHost: true, Port: home.Port, HasPort: true})
}

func windowFrame(id uint32, limit uint64) []byte { return wire.AppendWindow(nil, id, limit) }
func fin(id uint32) []byte                       { return wire.AppendFin(nil, id) }
func pingFrame(mark string) []byte               { return wire.AppendPing(nil, wire.Mark([]byte(mark))) }

func pongFrame(mark string) []byte { return wire.AppendPong(nil, wire.Mark([]byte(mark))) }

func resetFrame(id uint32, code wire.Code) []byte { return wire.AppendReset(nil, id, code, "") }

// answer reads frames up to the PONG of a barrier, and returns what came before.
func (r *rig) answer() (frames [][]byte) {
	r.t.Helper()
	synctest.Wait()
	r.send(pingFrame("barrier!"))
	for {
		f, err := r.next()
		switch {
		case err != nil:
			r.t.Fatalf("no PONG: %v", err)
		case string(f) == string(pongFrame("barrier!")):
			return frames
		default:
			frames = append(frames, f)
		}
	}
}

// wantAnswer checks what the session sends before the PONG of a barrier.
func (r *rig) wantAnswer(sentence string, want ...[]byte) {
	r.t.Helper()
	got := r.answer()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = string(got[i]) == string(want[i])
	}
	if !same {
		r.t.Fatalf("%s: got frames %x; want %x", sentence, got, want)
	}
}

// wantPart checks that the session ends the tunnel because of a requirement, and tells the peer.
func (r *rig) wantPart(sentence, req string) {
	r.t.Helper()
	synctest.Wait()
	for {
		f, err := r.next()
		if err != nil {
			r.t.Fatalf("%s: got %v; want GOAWAY", sentence, err)
		}
		if wire.Type(f[1]) != wire.TypeGoAway {
			continue
		}
		code, text, err := wire.ParseGoAway(f[wire.HeaderLen:])
		if err != nil || code != wire.CodeProtocol && code != wire.CodeFlowControl || !strings.HasPrefix(text, req) {
			r.t.Fatalf("%s: GOAWAY %v %q, %v; want one that names %s", sentence, code, text, err, req)
		}
		break
	}
	r.tunnel.Close()
	r.wantEnd(sentence, req)
}

func TestHandshake(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		onExtended(t, extended(Server), func(r *rig) {
			r.send(hello(Client, 1))
			r.wantPart("a second HELLO", "HELLO-003")
		})
	})
	t.Run("client", func(t *testing.T) {
		onExtended(t, extended(Client), func(r *rig) {
			r.send(hello(Server, 1))
			r.wantPart("a second HELLO", "HELLO-004")
		})
	})
	t.Run("late", func(t *testing.T) {
		inMemory(t, extended(Server), func(r *rig) {
			r.send(keepAlive())
			r.want("a client of Core", keepAlive())
			r.send(windowFrame(1, 1), fin(1), pingFrame("12345678"), keepAlive())
			r.want("its frames are skipped", keepAlive())
			r.send(hello(Client, 1))
			r.wantPart("HELLO behind another frame", "HELLO-003")
		})
	})
	t.Run("core server", func(t *testing.T) {
		inMemory(t, extended(Client), func(r *rig) {
			r.want("the offer", r.hello())
			r.want("the barrier", keepAlive())
			r.send(keepAlive(), request(5, 22, "h"))
			r.dialled().result <- nil
			r.want("Core from now on", response(5, wire.StatusSuccess))
			r.send(windowFrame(5, 1), data(5, ""), keepAlive())
			r.wantIdle("the profile's frames are skipped")
			r.send(hello(Server, 1))
			r.wantPart("HELLO behind the fallback", "HELLO-004")
		})
	})
	t.Run("core only", func(t *testing.T) {
		cfg := extended(Server)
		cfg.Protocol = CoreOnly
		inMemory(t, cfg, func(r *rig) {
			r.send(hello(Client, 1), keepAlive())
			r.want("HELLO is skipped", keepAlive())
		})
	})
}

func TestAPeerOfCoreIsLeftWhenMoreIsNeeded(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		cfg := extended(role)
		cfg.Protocol = ExtendedOnly
		inMemory(t, cfg, func(r *rig) {
			r.send(keepAlive())
			err := <-r.ended
			r.ended <- err
			if !errors.Is(err, ErrCoreOnly) {
				t.Errorf("%v: Run = %v; want ErrCoreOnly", role, err)
			}
		})
	}
	cfg := extended(Client)
	cfg.Protocol = ExtendedOnly
	inMemory(t, cfg, func(r *rig) {
		start := time.Now()
		err := <-r.ended
		r.ended <- err
		if !errors.Is(err, ErrCoreOnly) || time.Since(start) > handshake+time.Second {
			t.Errorf("a silent server: Run = %v after %v; want ErrCoreOnly after 10 s", err, time.Since(start))
		}
	})
}

// HELLO-009: what was opened before the server's HELLO goes on under Core's rules, beside what comes later.
func TestConnectionsOfBothKinds(t *testing.T) {
	inMemory(t, extended(Server), func(r *rig) {
		one := r.visit(home)
		r.want("Core, as no frame has come", request(1, home.Port, home.Host))
		r.greet(peerWindow)
		two := r.visit(home)
		r.want("extended", openFrame(2))
		r.send(response(1, wire.StatusSuccess), wire.AppendOpened(nil, 2), data(1, "one"), data(2, "two"))
		r.wantBytes(one, "one")
		r.wantBytes(two, "two")
		r.send(closeFrame(1))
		r.wantLocal(one, eof)
		r.wantAnswer("the Core connection ends by Close", closeFrame(1))
		r.send(data(1, "late"))
		r.wantAnswer("and what comes for it is dropped (XID-004)")
		r.send(closeFrame(2))
		r.wantPart("Close for the other", "XID-005")
	})
}

func TestServerCarriesAnExtendedConnection(t *testing.T) {
	onExtended(t, extended(Server), func(r *rig) {
		near, visitor := r.visitorEnds()
		origin, local := netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("[2001:db8::1]:22")
		if err := r.s.Open(Visitor{Socket: near, Target: Target{Port: 22}, Origin: origin, Local: local}); err != nil {
			t.Fatal(err)
		}
		visitor.Write([]byte("early"))
		visitor.CloseWrite()
		r.want("OPEN", wire.AppendOpen(nil, wire.Open{ID: 1, Port: 22, HasPort: true, Origin: origin, Local: local}))
		r.want("early data", data(1, "early"))
		r.wantAnswer("and the end behind it", fin(1))
		r.send(wire.AppendOpened(nil, 1), data(1, "answer"))
		r.wantBytes(visitor, "answer")
		r.send(fin(1))
		r.wantLocal(visitor, eof)
		r.send(data(1, "late"), fin(1), windowFrame(1, 5), resetFrame(1, wire.CodeReset))
		r.wantAnswer("the connection is gone")
		r.visit(home)
		r.want("IDs are used once", openFrame(2))
	})
}

func (r *rig) visitorEnds() (near *sock.Mem, visitor sock.Stream) {
	near, end := sock.Pipe(r.limit)
	return near, end.Stream()
}

func TestClientKeepsEarlyData(t *testing.T) {
	onExtended(t, extended(Client), func(r *rig) {
		r.send(openFrame(1), data(1, "early"), fin(1))
		call := r.dialled()
		synctest.Wait()
		call.result <- nil
		r.wantBytes(call.far, "early")
		r.wantLocal(call.far, eof)
		r.want("OPENED", wire.AppendOpened(nil, 1))
		call.far.Write([]byte("answer"))
		call.far.CloseWrite()
		r.want("the answer", data(1, "answer"))
		r.wantAnswer("and its end", fin(1))
	})
}

func TestRefusedOpens(t *testing.T) {
	cfg := extended(Client)
	cfg.MaxConnections = 1
	onExtended(t, cfg, func(r *rig) {
		bad := []struct {
			open  wire.Open
			extra []wire.TLV
			code  wire.Code
		}{
			{open: wire.Open{ID: 1, HasPort: true}, code: wire.CodeGeneral},
			{open: wire.Open{ID: 2}, code: wire.CodeGeneral},
			{open: wire.Open{ID: 3, Service: "web", HasService: true}, code: wire.CodeUnknownService},
			{open: wire.Open{ID: 4, Port: 22, HasPort: true, Network: 9}, code: wire.CodeUnsupported},
			{open: wire.Open{ID: 5, Port: 22, HasPort: true}, extra: []wire.TLV{{Tag: 0x8000}}, code: wire.CodeUnsupported},
		}
		for _, c := range bad {
			r.send(wire.AppendOpen(nil, c.open, c.extra...))
			got := r.answer()
			if len(got) != 1 || wire.Type(got[0][1]) != wire.TypeReset {
				t.Fatalf("OPEN %+v gets %x; want RESET", c.open, got)
			}
			if id, code, _, _ := wire.ParseReset(got[0][wire.HeaderLen:]); id != c.open.ID || code != c.code {
				t.Errorf("OPEN %+v gets RESET %d %v; want %v", c.open, id, code, c.code)
			}
		}
		r.send(openFrame(6))
		r.dialled().result <- syscall.ECONNREFUSED
		r.wantAnswer("the service refuses", resetFrame(6, wire.CodeRefused))
		r.send(openFrame(7), openFrame(8))
		r.wantAnswer("one too many", wire.AppendReset(nil, 8, wire.CodeTooMany, "as many connections as allowed"))
		r.send(openFrame(7))
		r.wantPart("an ID again", "XID-002")
	})
}

// Each is a frame that ends the tunnel, on an extended tunnel where connection 1 is open, with the rule that it breaks.
func TestTunnelErrorsOfExtendedConnections(t *testing.T) {
	for _, c := range []struct {
		name, req string
		role      Role
		frames    [][]byte
	}{
		{"Data above the highest", "XID-003", Server, [][]byte{data(2, "x")}},
		{"FIN above the highest", "XID-003", Client, [][]byte{fin(2)}},
		{"Close", "XID-005", Client, [][]byte{closeFrame(1)}},
		{"ConnectResponse", "XID-005", Server, [][]byte{response(1, wire.StatusSuccess)}},
		{"ConnectRequest", "HELLO-008", Client, [][]byte{request(2, 22, "h")}},
		{"OPENED again", "XOPEN-016", Server, [][]byte{wire.AppendOpened(nil, 1)}},
		{"OPEN to a server", "XOPEN-016", Server, [][]byte{openFrame(2)}},
		{"OPENED to a client", "XOPEN-016", Client, [][]byte{wire.AppendOpened(nil, 1)}},
		{"Data after FIN", "FIN-003", Server, [][]byte{fin(1), data(1, "x")}},
		{"no Data after FIN", "FIN-003", Client, [][]byte{fin(1), data(1, "")}},
		{"FIN twice", "FIN-003", Client, [][]byte{fin(1), fin(1)}},
		{"one byte beyond the limit", "WIN-002", Server, [][]byte{data(1, strings.Repeat("x", leastWindow+1))}},
		{"WINDOW of 11 bytes", "FRAME-008", Server, [][]byte{wire.AppendHeader(nil, wire.TypeWindow, 11), make([]byte, 11)}},
		{"a frame of an option", "HELLO-006", Server, [][]byte{wire.AppendHeader(nil, 0x15, 100)}},
		{"another", "HELLO-006", Client, [][]byte{wire.AppendHeader(nil, 0x1E, 8)}},
		{"a tag cut off", "TLV-001", Client, [][]byte{append(wire.AppendHeader(nil, wire.TypeOpen, 7), 0, 0, 0, 2, 0, 1, 0)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onExtended(t, extended(c.role), func(r *rig) {
				r.limit = 10 // so that what comes is not all taken
				local := r.extOpened()
				r.send(c.frames...)
				r.wantPart(c.name, c.req)
				for {
					b, err := r.readSome(local)
					if len(b) > 0 {
						continue
					}
					if !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("the local peer sees %v; want a reset", err)
					}
					break
				}
			})
		})
	}
	onExtended(t, extended(Server), func(r *rig) {
		r.visit(home)
		r.want("OPEN", openFrame(1))
		r.send(data(1, "x"))
		r.wantPart("Data before OPENED", "XOPEN-006")
	})
}

// WIN-001: no byte beyond the limit, whatever the local peer pushes; the end and a reset need no credit.
func TestNothingIsSentWithoutCredit(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			local.Write(make([]byte, 1000))
			r.wantAnswer("as much as the HELLO allows", data(1, string(make([]byte, peerWindow))))
			r.send(windowFrame(1, peerWindow), windowFrame(1, 0))
			r.wantAnswer("a limit never falls")
			r.send(windowFrame(1, peerWindow+7))
			r.wantAnswer("seven more", data(1, "\x00\x00\x00\x00\x00\x00\x00"))
			r.send(windowFrame(1, wire.NoLimit))
			r.wantAnswer("no limit", data(1, string(make([]byte, 1000-peerWindow-7))))
			local.CloseWrite()
			r.wantAnswer("the end", fin(1))
		})
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			r.send(windowFrame(1, 0))
			local.Write(make([]byte, peerWindow))
			r.wantAnswer("all credit", data(1, string(make([]byte, peerWindow))))
			local.Reset()
			r.wantAnswer("a reset", resetFrame(1, wire.CodeReset))
		})
	}
}

// WIN-004, WIN-005: credit comes with what the local socket takes, and with nothing else.
func TestCreditFollowsTheLocalSocket(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		cfg := extended(role)
		cfg.Window = 8000
		onExtended(t, cfg, func(r *rig) {
			r.limit = 1000
			local := r.extOpened()
			r.send(data(1, strings.Repeat("x", 8000)))
			r.wantAnswer("the socket took 1000 of 8000: nothing is due")
			r.wantSome(local, strings.Repeat("x", 1000))
			r.wantAnswer("another 1000: less than half is taken")
			r.sleep(time.Minute)
			r.wantAnswer("nothing more is taken, nothing more is given")
			r.wantSome(local, strings.Repeat("x", 2000))
			r.wantAnswer("half is taken", windowFrame(1, 4000+8000))
			r.send(fin(1))
			r.wantAnswer("the end has come before more is taken")
			r.wantSome(local, strings.Repeat("x", 5000))
			r.wantLocal(local, eof)
			r.wantAnswer("none behind the end")
		})
	}
	cfg := extended(Server)
	cfg.Window = -1
	onExtended(t, cfg, func(r *rig) {
		r.visit(home)
		r.want("OPEN", openFrame(1))
		r.send(wire.AppendOpened(nil, 1))
		r.wantAnswer("with no window to begin with, the first comes at once", windowFrame(1, leastWindow))
	})
}

// WIN-006: the tunnel is read whatever one local socket does.
func TestNobodyWaitsForAStalledConnection(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			r.limit = 10
			local := r.extOpened()
			r.send(data(1, strings.Repeat("x", 1000)))
			r.sleep(4 * time.Minute)
			r.wantAnswer("PONG comes, and the connection lives")
			r.send(fin(1))
			r.wantBytes(local, strings.Repeat("x", 1000))
			r.wantLocal(local, eof)
		})
	}
}

func TestResets(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			r.send(data(1, "before"), wire.AppendReset(nil, 1, 0x7777, "\xff"))
			r.wantBytes(local, "before")
			r.wantLocal(local, reset)
			r.wantAnswer("nothing is answered")
			r.send(data(1, "x"), resetFrame(1, wire.CodeReset), windowFrame(1, 1), fin(1))
			r.wantAnswer("nor what comes late")
		})
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			local.Write([]byte("last"))
			synctest.Wait()
			local.Reset()
			r.wantAnswer("the last bytes go before the reset", data(1, "last"), resetFrame(1, wire.CodeReset))
			r.send(data(1, "x"), resetFrame(1, wire.CodeReset))
			r.wantAnswer("which crosses the peer's")
		})
		// RESET-005
		onExtended(t, extended(role), func(r *rig) {
			local := r.extOpened()
			local.CloseWrite()
			r.wantAnswer("half closed", fin(1))
			r.sleep(59 * time.Minute)
			r.wantAnswer("for as long as it likes (FIN-005)")
			local.Reset()
			r.sleep(lookAgain + 2*coarse)
			r.wantAnswer("a reset behind the end is seen", resetFrame(1, wire.CodeReset))
		})
	}
	onExtended(t, extended(Client), func(r *rig) {
		r.send(openFrame(1))
		call := r.dialled()
		r.send(resetFrame(1, wire.CodeCancelled))
		r.wantLocal(call.far, reset)
		r.wantAnswer("a dial that was cancelled says nothing")
	})
	onExtended(t, extended(Server), func(r *rig) {
		_, visitor := r.visitFrom(home)
		r.want("OPEN", openFrame(1))
		visitor.Reset()
		r.wantAnswer("a visitor that is gone before the answer", resetFrame(1, wire.CodeCancelled))
		r.visit(home)
		r.want("OPEN", openFrame(2))
		r.sleep(10*time.Second + 2*coarse)
		r.wantAnswer("no answer in time", resetFrame(2, wire.CodeTimedOut))
		r.send(wire.AppendOpened(nil, 2))
		r.wantAnswer("OPENED that crosses it is dropped")
	})
}

// A service that answers early and closes: what it said arrives, and then the reset.
func TestAnEarlyAnswerComesBeforeTheReset(t *testing.T) {
	onExtended(t, extended(Client), func(r *rig) {
		r.limit = 100
		local := r.extOpened()
		local.Write([]byte("no"))
		synctest.Wait()
		r.send(data(1, "upload"))
		synctest.Wait()
		local.Close() // with bytes unread
		r.send(data(1, "more"))
		r.wantAnswer("the answer, then the reset", data(1, "no"), resetFrame(1, wire.CodeReset))
	})
}

// FIN-004: what both sides have ended is no longer the tunnel's, and has its time.
func TestAConnectionOutlivesItsTunnelToTheLastByte(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		cfg := extended(role)
		cfg.Linger = 300 * time.Second
		onExtended(t, cfg, func(r *rig) {
			r.limit = 10
			local := r.extOpened()
			r.send(data(1, strings.Repeat("x", 100)), fin(1))
			local.CloseWrite()
			r.wantAnswer("both ends have passed", fin(1))
			r.tunnel.Close()
			r.sleep(200 * time.Second)
			r.wantSome(local, "xxxxxxxxxx")
			r.sleep(250 * time.Second)
			r.wantSome(local, strings.Repeat("x", 90))
			r.wantLocal(local, eof)
		})
		onExtended(t, cfg, func(r *rig) {
			r.limit = 10
			local := r.extOpened()
			r.send(data(1, strings.Repeat("x", 100)), fin(1))
			local.CloseWrite()
			r.wantAnswer("both ends have passed", fin(1))
			r.sleep(300*time.Second + 2*coarse)
			r.wantBytes(local, "xxxxxxxxxx")
			r.wantLocal(local, reset)
		})
	}
}

// WIN-008: memory is counted in buffers, so a byte at a time costs no more.
func TestTheTunnelHoldsNoMoreThanItMay(t *testing.T) {
	cfg := extended(Server)
	cfg.Memory, cfg.Window = 10*small, 1<<20
	onExtended(t, cfg, func(r *rig) {
		r.limit = 1
		var ended [][]byte
		for id := range uint32(12) {
			r.visit(home)
			r.send(wire.AppendOpened(nil, id+1), data(id+1, "xx"))
			r.sleep(time.Second)
			for _, f := range r.answer() {
				if wire.Type(f[1]) == wire.TypeReset {
					ended = append(ended, f)
				}
			}
		}
		want := [][]byte{resetFrame(1, wire.CodeOverBudget), resetFrame(2, wire.CodeOverBudget)}
		if !slices.EqualFunc(ended, want, slices.Equal) {
			t.Errorf("RESETs are %x; want %x: those that took nothing for longest", ended, want)
		}
		if st := r.s.Stats(); st.OverBudget != 2 {
			t.Errorf("OverBudget = %d; want 2", st.OverBudget)
		}
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		if r.s.held > cfg.Memory {
			t.Errorf("%d bytes are held; want at most %d", r.s.held, cfg.Memory)
		}
	})
}

// XOPEN-011, XOPEN-013
func TestSeats(t *testing.T) {
	cfg := extended(Server)
	inMemory(t, cfg, func(r *rig) {
		r.send(wire.AppendHello(nil, wire.Hello{Window: 10, MaxConnections: 1}, true))
		r.want("HELLO", hello(Server, leastWindow))
		r.visit(home)
		near, _ := r.pipe(1)
		if err := r.s.Open(Visitor{Socket: near, Target: home}); !errors.Is(err, ErrTooMany) {
			t.Errorf("Open = %v; want ErrTooMany", err)
		}
	})
	cfg = extended(Client)
	cfg.MaxConnections = 1
	onExtended(t, cfg, func(r *rig) {
		release := make(chan struct{})
		r.s.cfg.Dial = func(context.Context, Target) (sock.Socket, error) { <-release; return nil, errors.New("late") }
		r.send(openFrame(1))
		synctest.Wait() // it dials
		r.send(resetFrame(1, wire.CodeCancelled), openFrame(2))
		r.wantAnswer("the first dial still runs", wire.AppendReset(nil, 2, wire.CodeTooMany, "as many connections as allowed"))
		close(release)
		synctest.Wait()
		r.send(openFrame(3))
		r.wantAnswer("now there is room", resetFrame(3, wire.CodeGeneral))
	})
}

// TLV-004
func TestGrease(t *testing.T) {
	cfg := extended(Client)
	cfg.Grease = 1
	inMemory(t, cfg, func(r *rig) {
		offer, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		tags, err := wire.ParseTLVs(offer[wire.HeaderLen:])
		n := 0
		for _, v := range tags {
			if v.Tag.GreaseTag() {
				n++
			}
		}
		if err != nil || n != 1 {
			t.Errorf("HELLO has tags %v, %v; want one of grease", tags, err)
		}
		if _, err := wire.ParseHello(offer[wire.HeaderLen:], true); err != nil {
			t.Errorf("ParseHello = %v", err)
		}
		r.want("the barrier", keepAlive())
		r.send(hello(Server, 1))
		f, err := r.next()
		if err != nil || f[1]&0xEF != 0x2A || len(f) > wire.HeaderLen+64 {
			t.Errorf("behind the HELLOs: %x, %v; want a frame of grease", f, err)
		}
	})
	for range 1000 {
		if tag := greaseTag(); !tag.GreaseTag() {
			t.Fatalf("0x%04X is no grease", uint16(tag))
		}
	}
}

// HELLO-009: on an extended tunnel nobody waits for a connection of Core's either.
func TestACoreConnectionDoesNotPauseAnExtendedTunnel(t *testing.T) {
	cfg := extended(Server)
	cfg.MaxQueue = 8
	inMemory(t, cfg, func(r *rig) {
		r.limit = 4
		visitor := r.visit(home)
		r.want("Core, as no frame has come", request(1, home.Port, home.Host))
		r.greet(peerWindow)
		r.send(response(1, wire.StatusSuccess), data(1, strings.Repeat("x", 1000)))
		r.wantAnswer("the tunnel is read although the visitor reads nothing")
		r.sleep(time.Minute)
		r.wantBytes(visitor, strings.Repeat("x", 1000))
	})
}
