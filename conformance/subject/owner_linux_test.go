package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	reusePort = func(_, _ string, raw syscall.RawConn) (err error) {
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}
}

// rival listens in this process, which stands for another program, until the test ends.
func rival(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{Control: reusePort}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wantStranger checks that the error names this process.
func wantStranger(t *testing.T, err error, at, says string) {
	t.Helper()
	stranger, ok := errors.AsType[*StrangerError](err)
	if self := fmt.Sprintf(" (process %d)", os.Getpid()); !ok || stranger.At != at || stranger.Says != says || !strings.HasSuffix(stranger.Holder, self) {
		t.Errorf("%v; want a stranger%s at %s: %s", err, self, at, says)
	}
}

func TestAnAddressThatIsTakenIsRefusedBeforeTheStart(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"tunnel":            `tunnel: "ADDR", server: {COMMAND, ready: {tcp: "{tunnel}"}}`,
		"visitor":           `visitor: "ADDR", server: {COMMAND}`,
		"api":               `api: "ADDR", server: {COMMAND, ready: {http: "{api}/health"}}`,
		"server.ready.tcp":  `server: {COMMAND, ready: {tcp: "ADDR"}}`,
		"server.ready.http": `server: {COMMAND, ready: {http: "http://ADDR/health"}}`,
	} {
		l := rival(t, "127.0.0.1:0")
		started := filepath.Join(t.TempDir(), "started")
		text = strings.NewReplacer("ADDR", l.Addr().String(), "COMMAND", `command: "sh -c 'touch `+started+`; exec sleep 600'"`).Replace(text)
		_, err := parse(t, "{name: sleep, "+text+"}").Start(t.Context(), Options{})
		wantStranger(t, err, what+" "+l.Addr().String(), "accepts connections before the subject is started; it is held by")
		if _, err := os.Stat(started); err == nil {
			t.Errorf("%s: the command was started all the same", what)
		}
	}
}

// An address that was free when it was chosen may be somebody else's by the time the subject starts: there are others.
func TestAFreeAddressThatWasTakenMeanwhileIsChosenAnew(t *testing.T) {
	t.Parallel()
	for taken := range addressTries + 1 {
		var chosen []string
		line := func(_ context.Context, server string) (string, error) {
			if chosen = append(chosen, server); len(chosen) <= taken {
				rival(t, server)
			}
			return server, nil
		}
		file := parse(t, `{name: x, server: {command: HELPER silent}, client: {command: HELPER silent}}`)
		in, err := file.Start(t.Context(), Options{Line: line, Grace: time.Millisecond})
		if want := taken + 1; taken < addressTries {
			if err != nil || len(chosen) != want || in.At.Tunnel != chosen[taken] {
				t.Errorf("%d taken: %v, chosen %v", taken, err, chosen)
			}
			if in != nil {
				_ = in.Close()
			}
			continue
		}
		wantStranger(t, err, "tunnel "+chosen[taken-1], "accepts connections before the subject is started; it is held by")
	}
}

// What the suite listens on itself, and where a mapping leads, need not be free.
func TestOtherAddressesMayBeTaken(t *testing.T) {
	t.Parallel()
	l := rival(t, "127.0.0.1:0").Addr().String()
	start(t, parse(t, `{name: x, target: "`+l+`", server: {command: HELPER silent}}`), Options{})
	start(t, parse(t, `{name: x, client: {command: HELPER silent}}`), Options{Part: ClientOnly, At: Addrs{Tunnel: l}})
	start(t, parse(t, `{name: x, visitor: "`+l+`", server: {command: HELPER silent}, client: {command: HELPER silent}}`), Options{Part: ClientOnly, At: Addrs{Tunnel: l}})
}

func dialTo(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWhoComesAfterTheStartIsAStranger(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, `{name: sleep, server: {command: HELPER stubborn, ready: {log: up, within: 20s}}}`), Options{Grace: time.Millisecond})
	if err := in.Owner(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("nobody listens: %v; want an UncheckedError", err)
	}
	l := rival(t, in.At.Tunnel)
	wantStranger(t, in.Owner(t.Context()), "tunnel "+in.At.Tunnel, listens)
	dialTo(t, in.At.Tunnel)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = l.Close()
	wantStranger(t, in.Owner(t.Context()), "tunnel "+in.At.Tunnel, accepted)
}

// Two may listen at one address, and the kernel chooses.
func TestWhoSharesAnAddressIsAStranger(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, `{name: x, server: {command: "HELPER share {tunnel}", ready: {tcp: "{tunnel}"}}}`), Options{Grace: time.Millisecond})
	if err := in.Owner(t.Context(), dialTo(t, in.At.Tunnel)); err != nil {
		t.Fatalf("alone: %v", err)
	}
	l := rival(t, in.At.Tunnel)
	wantStranger(t, in.Owner(t.Context()), "tunnel "+in.At.Tunnel, listens)
	_ = l.Close()
	if err := in.Owner(t.Context()); err != nil {
		t.Errorf("alone again: %v", err)
	}
}

// Where a server forks, changes its session or clears its environment its sockets are its own, and end with it.
func TestSocketsOfWhatTheSubjectStartsAreItsOwn(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"itself":                              `exec HELPER share {tunnel}`,
		"a child":                             `HELPER share {tunnel} & wait`,
		"an orphan of its session":            `(env -i HELPER share {tunnel} &); exec sleep 600`,
		"an orphan with a group of its own":   `set -m; (env -i HELPER share {tunnel} &); exec sleep 600`,
		"a daemon":                            `(setsid HELPER share {tunnel} &); exec sleep 600`,
		"a child that has left and forgotten": `setsid env -i HELPER share {tunnel} & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := start(t, parse(t, `{name: x, server: {command: "bash -c '`+line+`'", ready: {tcp: "{tunnel}", within: 20s}}}`), Options{Grace: time.Millisecond})
			c := dialTo(t, in.At.Tunnel)
			if err := in.Owner(t.Context(), c); err != nil {
				t.Errorf("Owner: %v", err)
			}
			pids := in.members()
			if err := in.Close(); err != nil {
				t.Error(err)
			}
			for _, pid := range pids {
				gone := make(chan struct{})
				go waitGone(pid, gone)
				within(t, fmt.Sprintf("end of process %d", pid), gone)
			}
		})
	}
}

func TestAProcessThatEndedOwnsNothing(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, `{name: x, server: {command: "HELPER listen {tunnel}", ready: {tcp: "{tunnel}"}}}`), Options{})
	in.Server.End(true)
	if _, ok := errors.AsType[*ExitError](in.Owner(t.Context())); !ok {
		t.Errorf("Owner: %v; want an ExitError", in.Owner(t.Context()))
	}
}

// Somebody else's client would serve in the place of the subject's.
func TestWhoDialsInPlaceOfTheClientIsAStranger(t *testing.T) {
	t.Parallel()
	l := rival(t, "127.0.0.1:0")
	at := l.Addr().String()
	in := start(t, parse(t, `{name: x, client: {command: "HELPER dial {tunnel}", ready: {log: dialled, within: 20s}}}`), Options{Part: ClientOnly, At: Addrs{Tunnel: at}})
	dialTo(t, at) // the run itself
	if err := in.Owner(t.Context()); err != nil {
		t.Errorf("alone: %v", err)
	}
	other := exec.Command(os.Args[0], "helper", "dial", at)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for range 3 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }() // one that nobody holds is closed by the garbage collector
	}
	stranger, ok := errors.AsType[*StrangerError](in.Owner(t.Context()))
	if !ok || stranger.At != "tunnel "+at || stranger.Says != dialled || !strings.Contains(stranger.Holder, fmt.Sprintf("(process %d)", other.Process.Pid)) {
		t.Errorf("Owner: %v; want process %d", stranger, other.Process.Pid)
	}
}

func TestALineOfTheKernelsTable(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]socket{
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100": {netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("0.0.0.0:0"), listening, "1000", "4711"},
		"   1: 0000000000000000FFFF00000100007F:2328 0000000000000000FFFF00000200A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0": {
			netip.MustParseAddrPort("127.0.0.1:9000"), netip.MustParseAddrPort("192.168.0.2:50000"), established, "0", "0",
		},
		"   2: B80D0120000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0": {
			netip.MustParseAddrPort("[2001:db8::1]:22"), netip.MustParseAddrPort("[::]:0"), listening, "0", "1",
		},
	} {
		if got, ok := parseSocket(line); !ok || got != want {
			t.Errorf("%q = %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "  sl  local_address rem_address   st", "   0: 0100:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1"} {
		if got, ok := parseSocket(line); ok {
			t.Errorf("%q = %+v; want nothing", line, got)
		}
	}
}

// Of several that listen only those count from which the kernel chooses.
func TestTheListenerThatFitsBestCounts(t *testing.T) {
	t.Parallel()
	on := func(inode string, addrs ...string) (out []socket) {
		for _, a := range addrs {
			out = append(out, socket{local: netip.MustParseAddrPort(a), state: listening, inode: inode})
		}
		return out
	}
	for _, tt := range []struct {
		at      string
		sockets []socket
		want    string // inodes of the claims
	}{
		{"127.0.0.1:9", on("1", "127.0.0.1:9"), "1"},
		{"127.0.0.1:9", slices.Concat(on("1", "127.0.0.1:9"), on("2", "0.0.0.0:9", "[::]:9")), "1"},
		{"127.0.0.1:9", slices.Concat(on("1", "0.0.0.0:9"), on("2", "[::]:9")), "1"},
		{"127.0.0.1:9", slices.Concat(on("1", "[::]:9"), on("2", "[::]:9")), "1 2"},
		{"127.0.0.1:9", on("1", "127.0.0.1:10", "127.0.0.2:9"), ""},
		{"[::1]:9", slices.Concat(on("1", "[::]:9"), on("2", "0.0.0.0:9")), "1"},
		{":9", slices.Concat(on("1", "127.0.0.1:9"), on("2", "0.0.0.0:9")), "1 2"},
		{"localhost:9", on("1", "127.0.0.1:9", "10.0.0.1:9"), "1"},
	} {
		var got []string
		for _, c := range claims(tt.sockets, locate(t.Context(), []ownAddr{{"x", tt.at}}), nil) {
			got = append(got, c.inode)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s of %+v: %q; want %q", tt.at, tt.sockets, got, tt.want)
		}
	}
}
