package session

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/spec/wire"
)

func TestAPeerThatIsNotOfThisProtocolIsNamed(t *testing.T) {
	for _, c := range []struct {
		what, sent string
		foreign    bool
		speaks     string
	}{
		{"an SSH server", "SSH-2.0-OpenSSH_9.2\r\n", true, "SSH"},
		{"an HTTP server", "HTTP/1.1 400 Bad Request\r\n", true, "HTTP"},
		{"an HTTP client", "GET / HTTP/1.1\r\n\r\n", true, "HTTP"},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x16", true, "TLS"},
		{"a TLS handshake", "\x16\x03\x01\x02\x00\x01", true, "TLS"},
		{"something else", "\x00\x01\x02\x03\x04\x05", true, ""},
		{"a peer that fails after a frame", string(keepAlive()) + "SSH-2.0-OpenSSH_9.2\r\n", false, ""},
	} {
		inMemoryBothRoles(t, Config{KeepAliveInterval: time.Hour}, func(r *rig) {
			r.send([]byte(c.sent))
			err := <-r.ended
			r.ended <- nil
			e, foreign := errors.AsType[*ForeignError](err)
			if foreign != c.foreign || foreign && e.Speaks != c.speaks {
				t.Errorf("%s: Run = %v; want foreign %v, speaks %q", c.what, err, c.foreign, c.speaks)
			}
			if v, ok := errors.AsType[*wire.Violation](err); !ok || v.Req != "FRAME-002" {
				t.Errorf("%s: Run = %v; want FRAME-002", c.what, err)
			}
			if foreign && c.speaks != "" && !strings.Contains(err.Error(), c.speaks) {
				t.Errorf("%s: %q does not name %s", c.what, err, c.speaks)
			}
		})
	}
}

func TestAPeerIsProvenByItsFirstFrameAndOnce(t *testing.T) {
	for what, first := range map[string][]byte{"a KeepAlive": keepAlive(), "a frame of an unknown type": {1, 0x99, 0, 0, 0, 2, 7, 8}} {
		for _, role := range []Role{Server, Client} {
			proven := 0
			inMemory(t, Config{Role: role, KeepAliveInterval: time.Hour, Proven: func() error { proven++; return nil }}, func(r *rig) {
				r.send(first[:len(first)-1])
				synctest.Wait()
				if proven != 0 {
					t.Errorf("%s, not complete: proven %d times; want not yet", what, proven)
				}
				r.send(first[len(first)-1:])
				synctest.Wait()
				if proven != 1 {
					t.Errorf("%s: proven %d times; want once", what, proven)
				}
				r.send(first)
				synctest.Wait()
				if proven != 1 {
					t.Errorf("%s, again: proven %d times; want once", what, proven)
				}
			})
		}
	}
	inMemory(t, Config{Role: Server, Proven: func() error { t.Error("a peer is proven by a broken frame"); return nil }}, func(r *rig) {
		r.send([]byte{1, 5, 0, 0, 0, 1, 0})
		r.wantEnd("KeepAlive with a payload", "FRAME-008")
	})
}

func TestAPeerThatIsRefusedGetsNoAnswer(t *testing.T) {
	refused := errors.New("no more")
	inMemory(t, Config{Role: Server, Proven: func() error { return refused }}, func(r *rig) {
		r.send(keepAlive(), keepAlive())
		if err := <-r.ended; err != refused {
			t.Errorf("Run = %v; want %v", err, refused)
		}
		r.ended <- nil
		if n, err := r.tunnel.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the peer reads %d bytes, %v; want the end alone", n, err)
		}
	})
}

// HELLO-002: a HELLO is answered by GOAWAY, so that the client knows why.
func TestAGreetingThatIsRefusedIsAnsweredByTheReason(t *testing.T) {
	refused := errors.New("no more")
	cfg := extended(Server)
	cfg.Proven = func() error { return refused }
	inMemory(t, cfg, func(r *rig) {
		r.send(hello(Client, 1), keepAlive())
		r.want("in the place of HELLO", wire.AppendGoAway(nil, wire.CodeTooMany, "no more"))
		r.wantEOF("and nothing behind it")
		err := <-r.ended
		r.ended <- err
		if err != refused {
			t.Errorf("Run = %v; want %v", err, refused)
		}
	})
}

// ALIVE-001 allows the first KeepAlive at any time; the others come every 15 s all the same.
func TestAClientMayShowItselfAtOnce(t *testing.T) {
	inMemory(t, Config{Role: Client, Greet: true}, func(r *rig) {
		for range 3 {
			r.want("a KeepAlive at once, and every 15 s", keepAlive())
			r.sleep(15*time.Second - time.Nanosecond)
			r.wantIdle("none in between")
			r.send(keepAlive())
			r.sleep(time.Nanosecond)
		}
	})
}
