package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// answer is the time of the protocol's limits table within which a tunnel error closes the tunnel, and what
// a busy machine may add to it: the conformance suite measures the time itself.
const answer = 5*time.Second + soon

// attack is a stream of bytes from a bad peer.
type attack struct {
	name string
	data []byte
	req  string // the requirement that the log has to name when the tunnel closes, or any of several; "" when it stays open
}

// attacks are the bad streams for a role, "server" or "client".
func attacks(t *testing.T, role string) []attack {
	t.Helper()
	list := []attack{
		{"TLS greeting", tlsGreeting(t), "FRAME-002"},
		{"HTTP greeting", []byte("GET / HTTP/1.1\r\nHost: e2e\r\n\r\n"), "FRAME-002"},
		{"SSH greeting", []byte("SSH-2.0-OpenSSH_9.2\r\n"), "FRAME-002"},
		{"version 0", []byte{0, 5, 0, 0, 0, 0}, "FRAME-002"},
		{"version 2 after good frames", slices.Concat(frame(5), frame(0x80, 1, 2, 3), []byte{2, 5, 0, 0, 0, 0}), "FRAME-002"},
		{"KeepAlive of 1 byte", frame(5, 0), "FRAME-008"},
		{"Data without an ID", frame(3, 0, 0, 0), "FRAME-008"},
		{"Close of 5 bytes", frame(4, 0, 0, 0, 1, 0), "FRAME-008"},
		{"unknown types", slices.Concat(frame(0x06), frame(0x7f, 1), frame(0xff, make([]byte, 1<<20)...)), ""},
		{"Data and Close for IDs never used", slices.Concat(frame(3, 9, 9, 9, 9, 1, 2, 3), frame(4, 9, 9, 9, 8), frame(3, 0, 0, 0, 0)), ""},
	}
	for _, kind := range []byte{0, 1, 2, 3, 4, 5, 0x10, 0xff} {
		for _, length := range []uint32{1<<20 + 1, 1 << 31, 1<<32 - 1} {
			list = append(list, attack{fmt.Sprintf("type %#02x announces %d bytes", kind, length), header(kind, length), "FRAME-004"})
		}
	}
	if role == "server" {
		list = append(list,
			attack{"ConnectRequest to a server", frame(1, 0, 0, 0, 1, 0, 22), "OPEN-010"},
			attack{"ConnectResponse of 4 bytes", frame(2, 0, 0, 0, 1), "FRAME-008"},
			attack{"ConnectResponse for an ID never used", frame(2, 9, 9, 9, 9, 0), ""},
		)
	} else {
		port := portOf(t, service(t, echo)) // its connection stays, so that the ID is in use
		again := frame(1, 0, 0, 0, 1, byte(port>>8), byte(port))
		list = append(list,
			attack{"ConnectResponse to a client", frame(2, 0, 0, 0, 1, 0), "OPEN-011"},
			attack{"ConnectRequest twice for one ID", slices.Repeat(again, 2), "ID-004"},
			attack{"ConnectRequest of 5 bytes", frame(1, 0, 0, 0, 1, 0), "FRAME-008"},
			attack{"ConnectRequest whose host is too short", frame(1, 0, 0, 0, 1, 0, 22, 3, 'a', 'b'), "FRAME-008"},
			attack{"ConnectRequest for port 0", frame(1, 0, 0, 0, 1, 0, 0), ""},
			attack{"ConnectRequest for a host that forges a log line", frame(1, append([]byte{0, 0, 0, 1, 0, 22, 12}, "a\nlevel=ERR\x1b"...)...), ""},
			attack{"ConnectRequest for a host that the policy forbids", frame(1, append([]byte{0, 0, 0, 1, 0, 22, 9}, "192.0.2.1"...)...), ""},
		)
	}
	list = append(list, vectorAttacks(t, role)...)
	random := rand.New(rand.NewPCG(61, 62))
	for i := range 100 {
		data := make([]byte, 6+random.IntN(4000))
		for j := range data {
			data[j] = byte(random.Uint32())
		}
		data[0] |= 2 // never version 1
		list = append(list, attack{fmt.Sprintf("random bytes %d", i), data, "FRAME-002"})
	}
	return list
}

// vectorAttacks are the vectors that this role has to reject or to skip; dialogues take the conformance suite.
func vectorAttacks(t *testing.T, role string) []attack {
	t.Helper()
	var list []attack
	foreign := map[string]struct { // the type that only this role sends
		kind byte
		req  string
	}{"server": {1, "OPEN-010"}, "client": {2, "OPEN-011"}}[role]
	for v := range spec.Vectors("") {
		if v.Kind == "dialogue" || v.Role != role && v.Role != "both" || v.Error == nil {
			continue
		}
		a := attack{name: "vector " + v.ID, data: v.Octets.Bytes()}
		for _, chunk := range v.Chunks {
			a.data = append(a.data, chunk.Bytes()...)
		}
		if v.Error.Dies == "tunnel" {
			a.req = v.Error.Requirement
		}
		// Section 15 leaves the order of role and size free: a frame that breaks both may be called either.
		if a.req == "FRAME-008" && a.data[1] == foreign.kind {
			a.req += " " + foreign.req
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		t.Fatal("the vectors hold nothing malformed")
	}
	return list
}

func header(kind byte, length uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{1, kind}, length)
}

func frame(kind byte, payload ...byte) []byte {
	return append(header(kind, uint32(len(payload))), payload...)
}

// tlsGreeting is the first record of a TLS client.
func tlsGreeting(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go tls.Client(theirs, &tls.Config{ServerName: "e2e"}).HandshakeContext(t.Context())
	record := make([]byte, 5)
	if _, err := io.ReadFull(ours, record); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, binary.BigEndian.Uint16(record[3:]))
	if _, err := io.ReadFull(ours, rest); err != nil {
		t.Fatal(err)
	}
	return append(record, rest...)
}

// TestHostileClients attacks the server's tunnel port while a good client's visitor goes on.
func TestHostileClients(t *testing.T) {
	tun := openServer(t, []string{service(t, echo)}, "-debug") // every attack has its line
	tun.startClient(t)
	memory := tun.watchMemory(t)
	bystander := dial(t, tun.public[0])
	for i, a := range attacks(t, "server") {
		t.Run(a.name, func(t *testing.T) {
			mark := tun.server.log.mark()
			bad := tun.dialTunnel(t)
			bad.Write(a.data) // fails when the server has closed already
			if a.req == "" {
				wantAlive(t, bad)
			} else {
				wantClosed(t, bad)
				tun.server.log.waitAny(t, mark, strings.Fields(a.req))
			}
			bad.Close()
			if err := echoedOn(bystander, int64(i), 10_000, soon); err != nil {
				t.Fatalf("the bystander: %v", err)
			}
		})
	}
	boundMemory(t, memory, 1)
}

// dialTunnel connects to the tunnel port from another address than the good client's, so that the server
// keeps giving visitors to the good one.
func (tun *tunnel) dialTunnel(t *testing.T) *net.TCPConn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := dialer.Dial("tcp", loopback(tun.tunnelPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// wantClosed waits until the other side closes or resets, whatever it sends before.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(answer))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the tunnel is still open after %v", answer)
	}
}

// wantAlive sends a KeepAlive to a server and waits for the answer, after whatever it sent before.
func wantAlive(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(answer))
	c.Write(frame(5))
	wantFrame(t, c, frame(5))
}

// wantFrame reads frames until that one comes.
func wantFrame(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	for {
		got := make([]byte, 6)
		_, err := io.ReadFull(c, got)
		if err == nil {
			got = append(got, make([]byte, binary.BigEndian.Uint32(got[2:])&0xfffff)...)
			_, err = io.ReadFull(c, got[6:])
		}
		if err != nil {
			t.Fatalf("the frame % x did not come: %v", want, err)
		}
		if bytes.Equal(got, want) {
			return
		}
	}
}

// TestHostileServers attacks a client, which dials again each time, and serves a good server in the end.
func TestHostileServers(t *testing.T) {
	bin := needBinaries(t)
	fake := newFakeServer(t, bin, "-protocol", "core") // whose attacks these are
	fake.accept(t).Close()                             // its first tunnel, so that it is warm
	idle, _ := resident(t, fake.client)
	memory := []memoryWatch{{fake.client, idle}}
	for _, a := range attacks(t, "client") {
		t.Run(a.name, func(t *testing.T) {
			mark := fake.client.log.mark()
			c := fake.accept(t)
			defer c.Close()
			c.Write(a.data)
			if a.req != "" {
				wantClosed(t, c)
				fake.client.log.waitAny(t, mark, strings.Fields(a.req))
				return
			}
			c.SetDeadline(time.Now().Add(answer))
			c.Write(frame(3, 8, 8, 8, 8)) // Data for an ID never used: its Close is the barrier
			wantFrame(t, c, frame(4, 8, 8, 8, 8))
		})
	}
	boundMemory(t, memory, 1)

	c := fake.accept(t)
	port := portOf(t, service(t, echo))
	c.SetDeadline(time.Now().Add(soon))
	c.Write(frame(1, 0, 0, 0, 7, byte(port>>8), byte(port)))
	wantFrame(t, c, frame(2, 0, 0, 0, 7, 0))
	c.Write(frame(3, 0, 0, 0, 7, 'h', 'i'))
	wantFrame(t, c, frame(3, 0, 0, 0, 7, 'h', 'i'))
	for line := range bytes.Lines([]byte(fake.client.log.text())) {
		if bytes.HasPrefix(line, []byte("level=ERR")) || bytes.IndexByte(line, 0x1b) >= 0 {
			t.Errorf("SEC-005: a peer wrote into the log: %q", line)
		}
	}
}

// fakeServer is our end of a client's tunnels.
type fakeServer struct {
	l      *net.TCPListener
	client *process
}

// newFakeServer starts a client that dials us, again after some 10 ms whenever it lost us.
func newFakeServer(t *testing.T, bin string, args ...string) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", loopback(freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	client := start(t, "adit-client", syscall.SIGTERM, exec.Command(filepath.Join(bin, "adit-client"), append([]string{
		"-server", l.Addr().String(), "-redial_delay", "1ms", "-redial_most", "10ms", "-debug", // every attack has its line
	}, args...)...))
	return &fakeServer{l.(*net.TCPListener), client}
}

func (s *fakeServer) accept(t *testing.T) net.Conn {
	t.Helper()
	s.l.SetDeadline(time.Now().Add(soon))
	c, err := s.l.Accept()
	if err != nil {
		t.Fatalf("the client did not dial (again): %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
