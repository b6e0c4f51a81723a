package session

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// FuzzPeer feeds a session bytes of any kind, cut anywhere: it never panics, ends with the tunnel, and
// what it holds for the peer stays bounded.
func FuzzPeer(f *testing.F) {
	for _, server := range []bool{true, false} {
		for _, seed := range [][]byte{
			nil,
			[]byte("GET / HTTP/1.1\r\n"),
			{1, 3, 0, 0x10, 0, 0, 0, 0, 0, 0},
			slices.Concat(keepAlive(), data(0, "x"), closeFrame(0), data(5, ""), []byte{1, 0x80, 0, 0, 0, 2, 1, 2}),
			slices.Concat(response(0, 0), data(0, "hello"), response(1, 2), closeFrame(0)),
			slices.Concat(request(7, 22, "127.0.0.1"), shortRequest(8, 0), data(7, "x"), closeFrame(7), request(7, 22, "h")),
		} {
			f.Add(server, uint8(3), seed)
		}
	}
	f.Fuzz(func(t *testing.T, server bool, step uint8, bytes []byte) {
		cfg := Config{Role: Client, MaxConnections: 4, MaxQueue: 4096, StallLimit: time.Millisecond, Dial: dialMemory}
		if server {
			cfg.Role = Server
		}
		near, peer := sock.Pipe(1 << 20)
		s := New(near, cfg)
		for range 2 {
			if server {
				visitor, _ := sock.Pipe(16)
				if err := s.Open(Visitor{Socket: visitor, Target: home}); err != nil {
					t.Fatal(err)
				}
			}
		}
		go feed(peer.Stream(), bytes, int(step)+1)
		err := s.Run(context.Background())
		if _, violated := errors.AsType[*wire.Violation](err); err == nil || !violated && !errors.Is(err, io.EOF) {
			t.Fatalf("Run = %v; want io.EOF or a violation", err)
		}
		if s.Active() != 0 || len(s.ids.conns) != 0 {
			t.Fatalf("%d connections and %d IDs are left", s.Active(), len(s.ids.conns))
		}
		if s.queued.size+s.inFlight.size != 0 {
			t.Fatalf("%d bytes are left to write", s.queued.size+s.inFlight.size)
		}
	})
}

// dialMemory connects to a service that takes everything and says nothing.
func dialMemory(context.Context, Target) (sock.Socket, error) {
	near, _ := sock.Pipe(1 << 30)
	return near, nil
}

// feed writes bytes in steps and then ends the stream.
func feed(peer sock.Stream, bytes []byte, step int) {
	for part := range slices.Chunk(bytes, step) {
		if _, err := peer.Write(part); err != nil {
			break
		}
	}
	peer.CloseWrite()
}

// FuzzStranger is FuzzPeer for a side that asks for auth, or to which it is optional: whatever somebody says who has no key,
// nothing comes up that needs one, and a server says nothing first (AUTH-026).
func FuzzStranger(f *testing.F) {
	var vectors []byte // all frames, one behind the other, and each behind a HELLO
	for v := range spec.AuthVectors("frame") {
		vectors = append(vectors, v.Octets.Bytes()...)
		for _, side := range []uint8{0, 1, 2} {
			f.Add(side, uint8(1), v.Octets.Bytes())
			f.Add(side, uint8(7), append(hello(Client, 1), v.Octets.Bytes()...))
		}
	}
	f.Add(uint8(2), uint8(200), vectors)
	for side := range uint8(3) {
		server := side > 0
		auth := &wire.Auth{Scheme: wire.SchemeHMAC, KeyID: "home"}
		greeting := wire.AppendHello(nil, wire.Hello{Auth: auth}, server)
		for _, seed := range [][]byte{
			nil,
			greeting,
			wire.AppendAuth(slices.Clone(greeting), wire.Proof{}),
			wire.AppendAuthEmpty(slices.Clone(greeting)),
			slices.Concat(greeting, greeting),
			slices.Concat(greeting, goAway(wire.CodeDrain), keepAlive()),
			slices.Concat(hello(Client, 1), request(1, 22, "h")),
			slices.Concat(keepAlive(), openFrame(1), data(1, "x")),
		} {
			f.Add(side, uint8(3), seed)
		}
	}
	f.Fuzz(func(t *testing.T, side, step uint8, bytes []byte) {
		cfg, proven := withAuth(Client), false
		switch side % 3 {
		case 1:
			cfg = withAuth(Server)
		case 2:
			cfg = optional()
		}
		cfg.Dial = dialMemory
		cfg.Proven = func() error { proven = true; return nil }
		near, peer := sock.Pipe(1 << 20)
		s := New(near, cfg)
		if cfg.AuthOptional {
			visitor, _ := sock.Pipe(16)
			if err := s.Open(Visitor{Socket: visitor, Target: home}); !errors.Is(err, ErrNotUp) {
				t.Fatalf("Open before the first frame = %v; want ErrNotUp", err)
			}
		}
		go feed(peer.Stream(), bytes, int(step)+1)
		err := s.Run(context.Background())
		if _, up := s.Key(); up || proven && !cfg.AuthOptional || s.Stats().Opened+s.Stats().Failed > 0 || len(s.ids.conns) > 0 {
			t.Fatalf("the tunnel was up, or something was opened; Run = %v", err)
		}
	})
}
