package fault

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// through is both ends of a tunnel with the proxy between them: the suite, which dials, and the subject, a server.
func through(t *testing.T, name string) (suite, subject *net.TCPConn) {
	t.Helper()
	behind, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := proxy{role: "server", dial: dialer(behind.Addr().String())}
	if name != "" {
		var ok bool
		if p.rewrite, ok = findRewrite(name, Server); !ok {
			t.Fatalf("no rewrite %s", name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.run(ctx, front); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait(); _ = behind.Close() })
	if suite, err = dialer(front.Addr().String())(ctx); err != nil {
		t.Fatal(err)
	}
	if subject, err = behind.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{suite, subject} {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
	}
	return suite, subject
}

// Without a rewrite every octet passes, be it a frame or not, and so does the end of the stream.
func TestProxyPassesEverything(t *testing.T) {
	for name, octets := range map[string][]byte{
		"frames":             append(wire.Close(7).Bytes(), wire.KeepAlive().Bytes()...),
		"unknown type":       wire.Raw(foreign, []byte("abc")...).Bytes(),
		"half a header":      {1, 3},
		"half a payload":     {1, 3, 0, 0, 0, 9, 1, 2},
		"wrong version":      []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
		"oversize, and more": append([]byte{1, 3, 0xFF, 0, 0, 0}, make([]byte, 100_000)...),
		"a HELLO too long":   {1, 0x10, 0, 0, 0x10, 1},
		"nothing":            nil,
	} {
		suite, subject := through(t, "")
		for _, way := range []struct {
			from, to *net.TCPConn
		}{{suite, subject}, {subject, suite}} {
			if _, err := way.from.Write(octets); err != nil {
				t.Fatal(err)
			}
			_ = way.from.CloseWrite()
			got, err := io.ReadAll(way.to)
			if err != nil || !bytes.Equal(got, octets) {
				t.Errorf("%s: %d octets came of %d, %v", name, len(got), len(octets), err)
			}
		}
	}
}

// What a subject says through a rewrite, for what it and the suite send.
func TestRewritesDoWhatTheySay(t *testing.T) {
	ka := wire.KeepAlive()
	open := []wire.Frame{wire.Request(1, 80)} // from the subject
	success := wire.Response(1, wire.Success)
	for _, c := range []struct {
		rewrite       string
		subject       []wire.Frame // sends first
		suite         []wire.Frame // sends then
		atSuite, atIn []wire.Frame // what comes
	}{
		{"FRAME-009", nil, []wire.Frame{wire.Raw(foreign)}, []wire.Frame{wire.Raw(reserved)}, []wire.Frame{wire.Raw(foreign)}},
		{"FRAME-008", nil, []wire.Frame{wire.Raw(wire.TypeClose, 0), ka}, nil, []wire.Frame{ka}},
		{"ALIVE-002", []wire.Frame{ka, ka, ka}, nil, []wire.Frame{ka, ka}, nil},
		{"ALIVE-002-unasked", []wire.Frame{ka}, nil, []wire.Frame{ka, ka}, nil},
		{"OPEN-001", open, nil, []wire.Frame{wire.Request(1, 81)}, nil},
		{"OPEN-018", open, []wire.Frame{wire.Data(1, []byte("x")), success}, open, []wire.Frame{success}},
		{"XID-003", nil, []wire.Frame{wire.Hello(), wire.Fin(9), ka}, nil, []wire.Frame{wire.Hello(), ka}},
		{"RESET-002", []wire.Frame{wire.Open(4)}, []wire.Frame{wire.Reset(4, wire.CodeReset, "")}, []wire.Frame{wire.Open(4), wire.Reset(4, wire.CodeGeneral, "")}, []wire.Frame{wire.Reset(4, wire.CodeReset, "")}},
		{"FIN-003", []wire.Frame{wire.Open(4)}, []wire.Frame{wire.Fin(4), wire.Data(4, []byte("x")), ka}, []wire.Frame{wire.Open(4)}, []wire.Frame{wire.Fin(4), ka}},
		{"TLV-003", nil, []wire.Frame{wire.Hello(wire.U8(0x8000, 1), wire.U32(wire.TagWindow, 5))}, nil, []wire.Frame{wire.Hello(wire.U32(wire.TagWindow, 5))}},
		{"PING-001", []wire.Frame{wire.Pong(wire.Mark{1})}, nil, []wire.Frame{wire.Pong(wire.Mark{7: 1})}, nil},
		{"CLOSE-007", nil, []wire.Frame{wire.Close(9)}, []wire.Frame{wire.Close(9)}, []wire.Frame{wire.Close(9)}},
		{"DATA-003", open, []wire.Frame{success, wire.Data(1, nil)}, open, []wire.Frame{success, wire.Close(1)}},
	} {
		suite, subject := through(t, c.rewrite)
		send := func(to *net.TCPConn, frames []wire.Frame) {
			for _, f := range frames {
				if _, err := to.Write(f.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(at *net.TCPConn, who string, frames []wire.Frame) {
			for i, f := range frames {
				got, _, err := wire.Read(at)
				if err != nil || !bytes.Equal(got.Bytes(), f.Bytes()) {
					t.Errorf("%s: frame %d at the %s is % x (%v), want % x", c.rewrite, i, who, got.Bytes(), err, f.Bytes())
				}
			}
		}
		send(subject, c.subject)
		if len(c.suite) == 0 {
			_ = subject.CloseWrite()
		}
		n := min(len(c.subject), len(c.atSuite))
		want(suite, "suite", c.atSuite[:n])
		send(suite, c.suite)
		_ = suite.CloseWrite()
		want(subject, "subject", c.atIn)
		want(suite, "suite", c.atSuite[n:])
		if rest, err := io.ReadAll(subject); err != nil || len(rest) > 0 {
			t.Errorf("%s: % x came at the subject too much, %v", c.rewrite, rest, err)
		}
	}
}

func TestCutEndsBothSides(t *testing.T) {
	suite, subject := through(t, "FRAME-003")
	f := wire.Raw(wire.TypeData, make([]byte, wire.MaxPayload)...)
	if _, err := suite.Write(f.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{suite, subject} {
		if n, err := io.Copy(io.Discard, c); n > 0 || err != nil && isTimeout(err) {
			t.Errorf("%d octets came, %v", n, err)
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}
