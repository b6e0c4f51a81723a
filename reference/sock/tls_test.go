package sock

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/certtest"
)

func serverConfig() *tls.Config { server, _ := configs(); return server }
func clientConfig() *tls.Config { _, client := configs(); return client }

// configs are those of two ends that suit each other. They are made before the first test in which the time stands still.
var configs = sync.OnceValues(func() (server, client *tls.Config) {
	ca := certtest.NewCA()
	base := tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"test/1"}, SessionTicketsDisabled: true}
	server, client = base.Clone(), base.Clone()
	server.Certificates = []tls.Certificate{ca.Issue(time.Hour, "server.example").TLS()}
	client.RootCAs, client.ServerName = ca.Pool(), "server.example"
	return server, client
})

// encrypted makes TLS of two connected sockets: near is the server's.
func encrypted(t *testing.T, near, far Socket) (server, client *TLS) {
	t.Helper()
	server, client = ServerTLS(near, serverConfig()), ClientTLS(far, clientConfig())
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake(t.Context()) }()
	if err := server.Handshake(t.Context()); err != nil {
		t.Fatalf("the server's handshake: %v", err)
	}
	if err := <-shaken; err != nil {
		t.Fatalf("the client's handshake: %v", err)
	}
	return server, client
}

// inTLS runs a test with both ends of TLS over a pipe that holds limit bytes each way.
func inTLS(t *testing.T, limit int, test func(t *testing.T, server, client *TLS)) {
	t.Helper()
	configs()
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe(limit)
		server, client := encrypted(t, near, far)
		test(t, server, client)
	})
}

// pattern is n bytes of which no two neighbouring kilobytes are equal.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8)*7 ^ byte(i>>16)*13
	}
	return b
}

// readAll reads until an end, and returns what that was.
func readAll(s Socket) (all []byte, end error) {
	pool := NewPool(0, 1000, 512<<10)
	for {
		b, err := s.Read(pool, 512<<10)
		if err != nil {
			return all, err
		}
		all = append(all, b.Bytes()...)
		b.Release()
	}
}

// However little the socket below takes at a time, and whichever way it is written, every byte comes once and in order.
func TestTLSKeepsEveryByteInItsPlace(t *testing.T) {
	for _, at := range []int{0, 7, 1000, 20_000} {
		inTLS(t, 32<<10, func(t *testing.T, server, client *TLS) {
			server.under.(*Mem).WriteAtMost(at)
			want := pattern(300_000)
			var got []byte
			var end error
			done := make(chan struct{})
			go func() { defer close(done); got, end = readAll(client) }()
			try := true
			for rest := want; len(rest) > 0; try = !try {
				var n int
				var err error
				if try { // as the session does: at once, and what is left by one that waits
					n, err = server.TryWrite(rest[:min(len(rest), 10_000)])
				} else {
					n, err = server.WriteSome([][]byte{rest[:min(len(rest), 6)], nil, rest[min(len(rest), 6):]})
				}
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			server.Close()
			<-done
			if !bytes.Equal(got, want) || !errors.Is(end, io.EOF) {
				t.Errorf("%d bytes at a time: %d of %d bytes came, %v; want all, and the end", at, len(got), len(want), end)
			}
		})
	}
}

// A peer that does not read holds nobody up who does not want to wait.
func TestTLSTriesWithoutWaiting(t *testing.T) {
	inTLS(t, 20_000, func(t *testing.T, server, client *TLS) {
		total, block := 0, pattern(50_000) // less than is encrypted at once
		for n := 1; n > 0; {
			var err error
			if n, err = server.TryWrite(block[total:]); err != nil {
				t.Fatal(err)
			}
			total += n
		}
		if total == 0 || total >= len(block) {
			t.Fatalf("TryWrite took %d of %d bytes; want some, and not all", total, len(block))
		}
		server.under.(*Mem).SetLimit(200_000)
		n, err := server.TryWrite(block[total:])
		if total+n != len(block) || err != nil {
			t.Fatalf("with room TryWrite took %d, %v; want the %d that were left", n, err, len(block)-total)
		}
		server.CloseWrite()
		if n, err := server.TryWrite(block); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("TryWrite behind CloseWrite = %d, %v; want net.ErrClosed", n, err)
		}
		if got, end := readAll(client); !bytes.Equal(got, block) || !errors.Is(end, io.EOF) {
			t.Errorf("%d bytes came, %v; want all %d", len(got), end, len(block))
		}
	})
}

// counted counts the calls that write to a socket, and their bytes.
type counted struct {
	Socket
	calls, bytes int
}

func (c *counted) note(n int, err error) (int, error) {
	c.calls, c.bytes = c.calls+1, c.bytes+n
	return n, err
}
func (c *counted) TryWrite(b []byte) (int, error)    { return c.note(c.Socket.TryWrite(b)) }
func (c *counted) WriteSome(v [][]byte) (int, error) { return c.note(c.Socket.WriteSome(v)) }

// recordOverhead is what a record adds: its header, the type of its content and the tag.
const recordOverhead = 5 + 1 + 16

func TestTLSPutsSmallFramesIntoOneRecord(t *testing.T) {
	inTLS(t, 1<<20, func(t *testing.T, server, client *TLS) {
		under := &counted{Socket: server.under}
		server.under, server.wire.under = under, under
		var frames [][]byte
		for i := range 50 {
			frames = append(frames, fmt.Appendf(nil, "frame%c", 'A'+i))
		}
		n, err := server.WriteSome(frames)
		if n != 300 || err != nil || under.calls != 1 || under.bytes != 300+recordOverhead {
			t.Errorf("WriteSome of 50 frames = %d, %v, by %d calls with %d bytes; want 300 in one call and one record of %d", n, err, under.calls, under.bytes, 300+recordOverhead)
		}
		server.CloseWrite()
		if got, _ := readAll(client); !bytes.Equal(got, bytes.Join(frames, nil)) {
			t.Errorf("%q came", got)
		}
	})
}

// What is encrypted cannot be overtaken any more: there is a bound, and a slow path has a lower one.
func TestTLSEncryptsNoMoreThanItsBound(t *testing.T) {
	inTLS(t, 1<<20, func(t *testing.T, server, _ *TLS) {
		block := pattern(300_000)
		for _, c := range []struct{ limit, want int }{{0, 64 << 10}, {16 << 10, 16 << 10}, {1, 4 << 10}, {1 << 20, 64 << 10}} {
			if c.limit > 0 {
				server.LimitUnsent(c.limit)
			}
			for what, v := range map[string][][]byte{"one frame": {block}, "a small one before it": {block[:10], block[10:]}} {
				if n, err := server.WriteSome(v); n != c.want || err != nil {
					t.Errorf("with a limit of %d WriteSome of %s = %d, %v; want %d", c.limit, what, n, err, c.want)
				}
			}
		}
	})
}

// TLS-006
func TestACutIsNoEnd(t *testing.T) {
	for _, c := range []struct {
		what string
		end  func(client *TLS)
		want error
	}{
		{"closed in order", func(client *TLS) { client.Close() }, io.EOF},
		{"ended in order", func(client *TLS) { client.CloseWrite() }, io.EOF},
		{"closed below, behind a record", func(client *TLS) { client.under.Close() }, ErrCut},
		{"closed below, in a record", func(client *TLS) {
			client.under.(*Mem).SetLimit(9)
			client.TryWrite([]byte("of which a part comes"))
			client.under.Close()
		}, ErrCut},
		{"reset", func(client *TLS) { client.Reset() }, syscall.ECONNRESET},
	} {
		inTLS(t, 1<<20, func(t *testing.T, server, client *TLS) {
			mustWrite(t, client, "data")
			if b, err := server.Read(NewPool(0, 4), 4); err != nil || string(b.Bytes()) != "data" {
				t.Fatalf("%s: Read = %v, %v; want data", c.what, b, err)
			}
			c.end(client)
			if got, end := readAll(server); len(got) > 0 || !errors.Is(end, c.want) {
				t.Errorf("%s: %q and %v; want %v", c.what, got, end, c.want)
			}
			if _, again := server.Read(NewPool(0, 4), 4); c.want == io.EOF && !errors.Is(again, io.EOF) {
				t.Errorf("%s: the read after the end = %v; want the end again", c.what, again)
			}
		})
	}
}

// What was changed on its way ends the stream, and the peer is told.
func TestARecordThatWasForgedEndsTheStream(t *testing.T) {
	inTLS(t, 1<<20, func(t *testing.T, server, client *TLS) {
		mustWrite(t, client, "good")
		mustWrite(t, client.under, "\x17\x03\x03\x00\x15forged, of the length")
		got, end := readAll(server)
		if string(got) != "good" || end == nil || errors.Is(end, io.EOF) || errors.Is(end, ErrCut) {
			t.Errorf("%q and %v; want what was before it, and an error", got, end)
		}
		server.Close()
		if _, end := readAll(client); !errors.Is(end, tls.AlertError(20)) {
			t.Errorf("its peer reads %v; want the alert bad_record_mac", end)
		}
	})
}

// Close does not wait long for a peer that does not read, and not at all where a write waits.
func TestCloseDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	inTLS(t, 30_000, func(t *testing.T, server, client *TLS) {
		server.LimitUnsent(16 << 10)
		for n := 1; n > 0; {
			n, _ = server.TryWrite(pattern(100_000))
		}
		begin := time.Now()
		server.Close()
		if took := time.Since(begin); took != lastAlert {
			t.Errorf("Close took %v; want %v", took, lastAlert)
		}
		if _, end := readAll(client); !errors.Is(end, syscall.ECONNRESET) {
			t.Errorf("the peer reads %v; want a reset", end)
		}
	})
	for what, end := range map[string]func(*TLS){"Close": func(s *TLS) { s.Close() }, "Reset": func(s *TLS) { s.Reset() }} {
		inTLS(t, 30_000, func(t *testing.T, server, client *TLS) {
			written := make(chan error, 1)
			go func() {
				for {
					if _, err := server.WriteSome([][]byte{pattern(100_000)}); err != nil {
						written <- err
						return
					}
				}
			}()
			synctest.Wait()
			begin := time.Now()
			end(server)
			if err := <-written; !errors.Is(err, net.ErrClosed) || time.Since(begin) > 0 {
				t.Errorf("%s: the write that waits returns %v after %v; want net.ErrClosed at once", what, err, time.Since(begin))
			}
			if _, err := server.TryWrite([]byte("more")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: TryWrite afterwards = %v; want net.ErrClosed", what, err)
			}
			if _, end := readAll(client); errors.Is(end, io.EOF) {
				t.Errorf("%s in the middle of a record is an end in order for the peer", what)
			}
		})
	}
}

// A socket that is full at the end still ends in order when the peer reads.
func TestCloseNotifyWaitsForALittleRoom(t *testing.T) {
	inTLS(t, 1<<20, func(t *testing.T, server, client *TLS) {
		mustWrite(t, server, "last words")
		server.under.(*Mem).SetLimit(len("last words") + recordOverhead) // nothing more fits
		closed := make(chan struct{})
		go func() { defer close(closed); server.Close() }()
		synctest.Wait()
		server.under.(*Mem).SetLimit(100)
		if got, end := readAll(client); string(got) != "last words" || !errors.Is(end, io.EOF) {
			t.Errorf("%q and %v; want the last words and the end", got, end)
		}
		<-closed
	})
}

// late is a socket whose second read waits until it may begin.
type late struct {
	Socket
	reads int
	may   chan struct{}
}

func (l *late) Read(pool *Pool, size int) (*Buf, error) {
	if l.reads++; l.reads == 2 {
		<-l.may
	}
	return l.Socket.Read(pool, size)
}

// What comes together with the end of the handshake is there for the first read.
func TestWhatComesWithTheHandshakeIsRead(t *testing.T) {
	configs()
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe(1 << 20)
		slow := &late{Socket: near, may: make(chan struct{})}
		server, client := ServerTLS(slow, serverConfig()), ClientTLS(far, clientConfig())
		shaken := make(chan error, 1)
		go func() { shaken <- server.Handshake(t.Context()) }()
		if err := client.Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, client, "early")
		synctest.Wait()
		close(slow.may)
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		if b, err := server.Read(NewPool(0, 16), 16); err != nil || string(b.Bytes()) != "early" {
			t.Errorf("Read = %v, %v; want what came with the handshake", b, err)
		}
	})
}

// A handshake that fails does so at both ends, each knows why, and no connection is left.
func TestHandshakesThatFail(t *testing.T) {
	alter := func(cfg *tls.Config, change func(*tls.Config)) *tls.Config {
		cfg = cfg.Clone()
		change(cfg)
		return cfg
	}
	server, client := configs()
	otherCA := certtest.NewCA()
	for _, c := range []struct {
		what           string
		server, client *tls.Config
		wantServer     error // the error of the server
		wantClient     error // of the client
	}{
		{"a client without ALPN", server, alter(client, func(c *tls.Config) { c.NextProtos = nil }), ErrNoProtocol, tls.AlertError(120)},
		{"a client with another ALPN", server, alter(client, func(c *tls.Config) { c.NextProtos = []string{"h2"} }), nil, tls.AlertError(120)},
		{"a client of TLS 1.2", server, alter(client, func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }), nil, tls.AlertError(70)},
		{"a server of TLS 1.2", alter(server, func(c *tls.Config) { c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12 }), client, nil, tls.AlertError(70)},
		{"a client that trusts another authority", server, alter(client, func(c *tls.Config) { c.RootCAs = otherCA.Pool() }), tls.AlertError(42), nil},
	} {
		both(t, func(t *testing.T, near, far Socket) {
			s, p := ServerTLS(near, c.server), ClientTLS(far, c.client)
			ended := make(chan error, 1)
			go func() { ended <- p.Handshake(t.Context()) }()
			serverErr, clientErr := s.Handshake(t.Context()), <-ended
			if serverErr == nil || c.wantServer != nil && !errors.Is(serverErr, c.wantServer) {
				t.Errorf("%s: the server says %v; want %v", c.what, serverErr, c.wantServer)
			}
			if clientErr == nil || c.wantClient != nil && !errors.Is(clientErr, c.wantClient) {
				t.Errorf("%s: the client says %v; want %v", c.what, clientErr, c.wantClient)
			}
			for _, end := range []Socket{near, far} {
				if _, err := end.Read(NewPool(0, 16), 16); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: a socket is left open: %v", c.what, err)
				}
			}
		})
	}
}

// A TLS server of another kind is known by its choice of protocol, whoever vouches for it.
func TestATLSServerThatIsAnothersIsNamed(t *testing.T) {
	server, client := configs()
	foreign := server.Clone()
	foreign.NextProtos = nil
	strict := client.Clone()
	strict.RootCAs = certtest.NewCA().Pool()
	pinned := client.Clone()
	pinned.InsecureSkipVerify, pinned.VerifyConnection = true, func(tls.ConnectionState) error { return errors.New("another key") }
	for what, cfg := range map[string]*tls.Config{"trusted": client, "not trusted": strict, "of another key": pinned} {
		synctest.Test(t, func(t *testing.T) {
			near, far := Pipe(1 << 20)
			go func() {
				conn := tls.Server(asConn{far.Stream()}, foreign)
				conn.Handshake()
				io.Copy(io.Discard, conn)
				far.Close()
			}()
			if err := ClientTLS(near, cfg).Handshake(t.Context()); !errors.Is(err, ErrNoProtocol) {
				t.Errorf("%s: %v; want ErrNoProtocol", what, err)
			}
		})
	}
}

// asConn is a net.Conn in memory.
type asConn struct{ Stream }

func (asConn) LocalAddr() net.Addr              { return nil }
func (asConn) RemoteAddr() net.Addr             { return nil }
func (asConn) SetDeadline(time.Time) error      { return nil }
func (asConn) SetReadDeadline(time.Time) error  { return nil }
func (asConn) SetWriteDeadline(time.Time) error { return nil }

func TestAPeerWithoutTLSIsNamed(t *testing.T) {
	for what, c := range map[string]struct {
		says  string
		begin string
	}{
		"SSH":             {"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_"},
		"another program": {"\x01\x10\x00\x00\x00\x00\x01\x05\x00\x00\x00\x00", "\x01\x10\x00\x00\x00\x00\x01\x05\x00\x00\x00\x00"},
	} {
		for role, shake := range map[string]func(*testing.T, Socket) error{
			"server": func(t *testing.T, s Socket) error { return ServerTLS(s, serverConfig()).Handshake(t.Context()) },
			"client": func(t *testing.T, s Socket) error { return ClientTLS(s, clientConfig()).Handshake(t.Context()) },
		} {
			configs()
			synctest.Test(t, func(t *testing.T) {
				near, far := Pipe(1 << 20)
				mustWrite(t, far, c.says)
				got := make(chan []byte, 1)
				go func() {
					all, _ := io.ReadAll(far.Stream())
					far.Close()
					got <- all
				}()
				err := shake(t, near)
				if e, ok := errors.AsType[*NotTLSError](err); !ok || string(e.Begin) != c.begin {
					t.Errorf("%s at a %s: %v; want a NotTLSError with %q", what, role, err, c.begin)
				}
				if all := <-got; role == "server" && string(all) != "\x15\x03\x03\x00\x02\x02\x0a" {
					t.Errorf("%s at a server reads % x; want the alert unexpected_message", what, all)
				}
			})
		}
	}
}

func TestTheEndOfItsContextEndsAHandshake(t *testing.T) {
	configs()
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe(1 << 20)
		reason := errors.New("it took too long")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, reason)
		defer cancel()
		begin := time.Now()
		if err := ServerTLS(near, serverConfig()).Handshake(ctx); !errors.Is(err, reason) || time.Since(begin) != 10*time.Second {
			t.Errorf("a silent peer: %v after %v; want the cause after 10 s", err, time.Since(begin))
		}
		if _, err := far.Read(NewPool(0, 16), 16); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer reads %v; want a reset", err)
		}
		near, far = Pipe(1 << 20)
		go far.Close()
		if err := ServerTLS(near, serverConfig()).Handshake(t.Context()); !errors.Is(err, ErrCut) {
			t.Errorf("a peer that goes away: %v; want ErrCut", err)
		}
	})
}

// BenchmarkBulk is one stream through a socket of the kernel, plain and encrypted.
func BenchmarkBulk(b *testing.B) {
	for _, kind := range []string{"plain", "tls"} {
		b.Run(kind, func(b *testing.B) {
			near, far := loopback(b)
			if kind == "tls" {
				server, client := ServerTLS(near, serverConfig()), ClientTLS(far, clientConfig())
				shaken := make(chan error, 1)
				go func() { shaken <- client.Handshake(b.Context()) }()
				if err := errors.Join(server.Handshake(b.Context()), <-shaken); err != nil {
					b.Fatal(err)
				}
				near, far = server, client
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				pool := NewPool(0, 512<<10)
				for {
					buf, err := near.Read(pool, 512<<10)
					if err != nil {
						return
					}
					buf.Release()
				}
			}()
			block := pattern(64 << 10)
			b.SetBytes(int64(len(block)))
			for b.Loop() {
				for rest := block; len(rest) > 0; {
					n, err := far.WriteSome([][]byte{rest})
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
			far.Close()
			<-done
			near.Close()
		})
	}
}
