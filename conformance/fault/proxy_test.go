package fault

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
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
		"frames":             append(withID(closing, 7).bytes(), frame{1, keepAlive, 0, nil}.bytes()...),
		"unknown type":       frame{1, foreign, 3, []byte("abc")}.bytes(),
		"half a header":      {1, 3},
		"half a payload":     {1, 3, 0, 0, 0, 9, 1, 2},
		"wrong version":      []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
		"oversize, and more": append([]byte{1, 3, 0xFF, 0, 0, 0}, make([]byte, 100_000)...),
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
	ka := frame{1, keepAlive, 0, nil}
	open := []frame{withID(request, 1, 0, 80)} // from the subject
	success := withID(response, 1, 0)
	for _, c := range []struct {
		rewrite       string
		subject       []frame // sends first
		suite         []frame // sends then
		atSuite, atIn []frame // what comes
	}{
		{"FRAME-009", nil, []frame{{1, foreign, 0, nil}}, []frame{{1, reserved, 0, nil}}, []frame{{1, foreign, 0, nil}}},
		{"FRAME-008", nil, []frame{{1, closing, 1, []byte{0}}, ka}, nil, []frame{ka}},
		{"ALIVE-002", []frame{ka, ka, ka}, nil, []frame{ka, ka}, nil},
		{"ALIVE-002-unasked", []frame{ka}, nil, []frame{ka, ka}, nil},
		{"OPEN-001", open, nil, []frame{withID(request, 1, 0, 81)}, nil},
		{"OPEN-018", open, []frame{withID(data, 1, 'x'), success}, open, []frame{success}},
		{"CLOSE-007", nil, []frame{withID(closing, 9)}, []frame{withID(closing, 9)}, []frame{withID(closing, 9)}},
		{"DATA-003", open, []frame{success, withID(data, 1)}, open, []frame{success, withID(closing, 1)}},
	} {
		suite, subject := through(t, c.rewrite)
		send := func(to *net.TCPConn, frames []frame) {
			for _, f := range frames {
				if _, err := to.Write(f.bytes()); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(at *net.TCPConn, who string, frames []frame) {
			for i, f := range frames {
				got, _, err := readFrame(at)
				if err != nil || !bytes.Equal(got.bytes(), f.bytes()) {
					t.Errorf("%s: frame %d at the %s is % x (%v), want % x", c.rewrite, i, who, got.bytes(), err, f.bytes())
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
	f := frame{1, data, maxPayload, make([]byte, maxPayload)}
	if _, err := suite.Write(f.bytes()); err != nil {
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
