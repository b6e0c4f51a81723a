package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Liars are whole subjects that are wrong in everything, by name. Each
// handles a socket, tunnel or visitor alike, until it ends.
var liars = map[string]func(net.Conn, Role, *rand.Rand){
	"liar-drop":   func(c net.Conn, _ Role, _ *rand.Rand) { _, _ = io.Copy(io.Discard, c) },
	"liar-echo":   func(c net.Conn, _ Role, _ *rand.Rand) { _, _ = io.Copy(c, c) },
	"liar-hang":   func(c net.Conn, _ Role, _ *rand.Rand) { hang(c) },
	"liar-close":  func(c net.Conn, _ Role, _ *rand.Rand) { _, _ = c.Read(make([]byte, headerSize)) },
	"liar-random": func(c net.Conn, _ Role, rng *rand.Rand) { babble(c, rng) },
	"liar-hello":  func(c net.Conn, role Role, _ *rand.Rand) { nod(c, role) },
}

// nod says HELLO when it is time to, answers every PING and KeepAlive, and does nothing else.
func nod(c net.Conn, role Role) {
	if role == Client {
		_, _ = c.Write(frame{typ: typeHello}.bytes())
	}
	in := bufio.NewReader(c)
	for {
		head := make([]byte, headerSize)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		payload := make([]byte, min(binary.BigEndian.Uint32(head[2:]), maxPayload))
		if _, err := io.ReadFull(in, payload); err != nil {
			return
		}
		var answer frame
		switch typ := head[1]; {
		case typ == typeHello && role == Server:
			answer = frame{typ: typeHello}
		case typ == typePing:
			answer = frame{typePong, payload}
		case typ == typeKeepAlive && role == Server:
			answer = frame{typ: typeKeepAlive}
		default:
			continue
		}
		if _, err := c.Write(answer.bytes()); err != nil {
			return
		}
	}
}

// hang reads nothing, for a minute.
func hang(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { return false }) // waits for the deadline, or Close
}

// babble answers whatever it reads with frames at random.
func babble(c net.Conn, rng *rand.Rand) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		id := uint32(rng.IntN(8))
		if n >= headerSize+4 && rng.IntN(2) == 0 {
			id = binary.BigEndian.Uint32(buf[headerSize:]) // often about what was just said
		}
		for range 1 + rng.IntN(3) {
			typ := byte(1 + rng.IntN(5))
			f := withID(typ, id, make([]byte, rng.IntN(9))...)
			switch typ {
			case typeResponse:
				f = withID(typ, id, byte(rng.IntN(4)))
			case typeClose:
				f = withID(typ, id)
			case typeKeepAlive:
				f = frame{typ: typ}
			}
			if _, err := c.Write(f.bytes()); err != nil {
				return
			}
		}
	}
}

// lie runs a liar until ctx ends: it accepts at addrs, or with a server dials that.
func lie(ctx context.Context, o Options, addrs ...string) error {
	handle, role := liars[o.Mutant], Server
	if o.Server != "" {
		role = Client
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	var n uint64
	serve := func(c net.Conn) {
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		handle(c, role, rand.New(rand.NewPCG(o.Seed, n)))
		stop()
		_ = c.Close()
	}
	if o.Server != "" {
		var d net.Dialer
		for ; ctx.Err() == nil; n++ {
			if c, err := d.DialContext(ctx, "tcp", o.Server); err == nil {
				serve(c)
			}
			rest(ctx, 50*time.Millisecond)
		}
		return nil
	}
	var listeners []net.Listener
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return err
		}
		listeners = append(listeners, l)
	}
	accept := func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serve(c) })
		}
	}
	for _, l := range listeners {
		wg.Go(func() { accept(l) })
	}
	<-ctx.Done()
	for _, l := range listeners {
		_ = l.Close()
	}
	return nil
}
