package server

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// echoUDP is a service that sends datagrams back, with an exclamation mark.
func echoUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo(append(b[:n], '!'), from)
		}
	}()
	return c.LocalAddr().String()
}

// asks is the answer to a datagram from a local address; "": none comes.
func asks(t *testing.T, local, addr string, patience time.Duration) string {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(local)}}).Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("hello"))
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 100)
	n, _ := c.Read(b)
	return string(b[:n])
}

func TestAMappingOfUDP(t *testing.T) {
	cfg := config(t)
	cfg.MaxDirect = 2
	s := run(t, cfg)
	addr := s.mapped(t, echoUDP(t), direct(mapping.Options{Network: "udp", Deny: []string{"127.0.0.9"}}))
	for _, from := range []string{"127.0.0.1", "127.0.0.2"} {
		if got := asks(t, from, addr, soon); got != "hello!" {
			t.Errorf("%s hears %q; want hello!", from, got)
		}
	}
	asks(t, "127.0.0.9", addr, time.Millisecond)
	asks(t, "127.0.0.3", addr, time.Millisecond)
	eventually(t, "the account", func() bool {
		u := s.mappings.List()[0]
		return u.Drops["not-allowed"] == 1 && u.Drops["too-many"] == 1 && u.Active == 2 && u.Total == 2 && u.Failed == 0 && u.In == 10 && u.Out == 12
	})
	wantClosed(t, "TCP of a mapping of UDP", addr)
	port := s.mappings.List()[0].Port
	_, err := s.mappings.Create(t.Context(), mapping.Request{Port: port, TargetPort: new(1)})
	wantRefused(t, "a mapping of the same port", err, mapping.Conflict, "port")
	if err := s.mappings.Remove(t.Context(), strconv.Itoa(port)); err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Errorf("the port of a mapping that was removed is not free: %v", err)
	} else {
		c.Close()
	}
}

// A port of both networks leads to that of the target in either.
func TestAMappingOfTCPAndUDP(t *testing.T) {
	s := run(t, config(t))
	target := echoUDP(t)
	l, err := net.Listen("tcp", target)
	for range 20 { // somebody may have that number for TCP
		if err == nil {
			break
		}
		target = echoUDP(t)
		l, err = net.Listen("tcp", target)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			echo(c.(*net.TCPConn))
			c.Close()
		}
	}()
	addr := s.mapped(t, target, direct(mapping.Options{Network: "tcp+udp"}))
	wantEcho(t, "by TCP", addr)
	if got := asks(t, "127.0.0.1", addr, soon); got != "hello!" {
		t.Errorf("by UDP comes %q; want hello!", got)
	}
	port := freePort(t)
	taken, err := net.ListenPacket("udp", local(port))
	for range 20 {
		if err == nil {
			break
		}
		port = freePort(t)
		taken, err = net.ListenPacket("udp", local(port))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = s.mappings.Create(t.Context(), mapping.Request{Port: port, TargetHost: "127.0.0.1", UseTunnel: new(false), Options: mapping.Options{Network: "tcp+udp"}})
	wantRefused(t, "a port that another program has for UDP", err, mapping.Conflict, "port")
	if _, err := s.mappings.Create(t.Context(), mapping.Request{Port: port, TargetHost: "127.0.0.1", UseTunnel: new(false)}); err != nil {
		t.Errorf("that port by TCP alone = %v; what was bound before was not given back", err)
	}
}
