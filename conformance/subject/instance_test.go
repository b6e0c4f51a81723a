//go:build unix

package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// parse makes a File; HELPER stands for this test binary in its helper role.
func parse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("test.yaml", []byte(strings.ReplaceAll(text, "HELPER", os.Args[0]+" helper")))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return f
}

func start(t *testing.T, f *File, o Options) *Instance {
	t.Helper()
	in, err := f.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := os.Stat(in.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder after Close: %v; want none", err)
		}
	})
	return in
}

// soon bounds what must happen at once, on a busy machine.
const soon = 20 * time.Second

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(soon):
		t.Fatalf("%s: did not happen within %v", what, soon)
	}
}

const pair = `
name: pair
server: {command: "HELPER listen {tunnel} {dir}", ready: {tcp: "{tunnel}"}}
client: {command: "HELPER listen {visitor} {target.port}", ready: {log: "^listening at .* hello$"}, env: {GREETING: hello}}
ready: {tcp: "{visitor}", within: 20s}
`

func TestServerAndClientAreStartedReadyAndEnded(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, pair), Options{})
	for _, p := range in.Processes() {
		if err := syscall.Kill(p.PID(), 0); err != nil || !p.Running() || p.Status() != "running" {
			t.Errorf("%s: signal 0 to %d: %v, status %s; want a running process", p.Name, p.PID(), err, p.Status())
		}
	}
	_, target, _ := net.SplitHostPort(in.At.Target)
	if got, want := in.Client.Log(1), fmt.Sprintf("listening at %s %s hello", in.At.Visitor, target); !slices.Equal(got, []string{want}) {
		t.Errorf("Log(1) = %q; want %q", got, want)
	}
	if err := in.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for _, p := range in.Processes() {
		if p.Status() != "exit status 0" || p.Log(1)[0] != "told to end" {
			t.Errorf("%s: %s, %q; want an orderly end", p.Name, p.Status(), p.Log(0))
		}
	}
}

// With keys each role is told where they are, and finds them, for its owner alone.
func TestKeysAreHandedToBothRoles(t *testing.T) {
	t.Parallel()
	f := parse(t, pair+"key: {server: \"--keys '{keys}'\", client: \"--key {key} {key.file} {visitor.host}\"}\n")
	in := start(t, f, Options{Keys: []string{"adit1:a:x", "adit1:b:y"}})
	keys, key := filepath.Join(in.Dir, "keys"), filepath.Join(in.Dir, "key")
	if got := in.Server.Log(1)[0]; !strings.HasSuffix(got, in.Dir+" --keys "+keys+" ") {
		t.Errorf("the server was started as %q", got)
	}
	if got := in.Client.Log(1)[0]; !strings.HasSuffix(got, " --key adit1:a:x "+key+" 127.0.0.1 hello") {
		t.Errorf("the client was started as %q", got)
	}
	hold := func(name, want string) {
		t.Helper()
		text, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		if err != nil || string(text) != want || info.Mode() != 0o600 {
			t.Errorf("%s has %q, %v, %v; want %q for its owner alone", name, text, info, err, want)
		}
	}
	hold(keys, "adit1:a:x\nadit1:b:y\n")
	hold(key, "adit1:a:x\n")
	if err := in.SetKeys([]string{"adit1:c:z"}); err != nil {
		t.Fatal(err)
	}
	hold(keys, "adit1:c:z\n")
	hold(key, "adit1:a:x\n")
	open := start(t, f, Options{})
	if _, err := os.Stat(filepath.Join(open.Dir, "keys")); !errors.Is(err, os.ErrNotExist) || strings.Contains(open.Server.Log(1)[0], "--keys") {
		t.Errorf("started open, the server is told of keys: %q, %v", open.Server.Log(1), err)
	}
	_, err := parse(t, pair).Start(t.Context(), Options{Keys: []string{"adit1:a:x"}})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "say in key.server how it is started") {
		t.Errorf("started with keys and no way to tell: %v", err)
	}
}

func TestOneRoleAloneAtAddressesOfTheCaller(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := parse(t, pair)
	at := Addrs{Tunnel: l.Addr().String(), Target: "127.0.0.1:7"}
	in := start(t, f, Options{Part: ClientOnly, At: at})
	if in.Server != nil || in.At.Tunnel != at.Tunnel || !strings.Contains(in.Client.Log(0)[0], " 7 hello") {
		t.Errorf("client alone: %+v, log %q", in, in.Client.Log(0))
	}
	_, err = parse(t, "{name: x, server: {command: HELPER listen}}").Start(t.Context(), Options{Part: ClientOnly})
	if err == nil || err.Error() != "subject x: has no client" {
		t.Errorf("ClientOnly without a client: %v", err)
	}
	server := parse(t, `{name: x, server: {command: "HELPER listen {tunnel}"}, client: {command: HELPER exit}, ready: {tcp: "{tunnel}"}}`)
	if in := start(t, server, Options{Part: ServerOnly}); in.Client != nil || !in.Server.Running() {
		t.Errorf("server alone: %+v", in)
	}
}

func TestManyInstancesAtATime(t *testing.T) {
	t.Parallel()
	f, err := Command("'" + os.Args[0] + "' helper listen {visitor} {addr}")
	if err != nil {
		t.Fatal(err)
	}
	f.Visitor = auto
	f.Client.Ready = &Ready{TCP: "{visitor}", Within: Duration(soon)}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { start(t, f, Options{Part: ClientOnly, At: Addrs{Tunnel: "127.0.0.1:9"}}) })
	}
	wg.Wait()
}

func TestAnEarlyEndIsReportedWithItsLastLines(t *testing.T) {
	t.Parallel()
	for name, ready := range map[string]string{"tcp": `tcp: "{tunnel}"`, "log": "log: never", "http": `http: "http://{tunnel}/"`} {
		_, err := parse(t, `{name: x, server: {command: HELPER exit now, ready: {`+ready+`, within: 20s}}}`).Start(t.Context(), Options{})
		ee, ok := errors.AsType[*ExitError](err)
		if !ok || ee.Process != "server" || ee.Status != "exit status 3" || !slices.Equal(ee.Log, []string{"the disk is full", "giving up"}) {
			t.Errorf("%s: Start: %v; want *ExitError, exit status 3, both lines", name, err)
		}
	}
}

func TestWhatIsNeverReadyIsReported(t *testing.T) {
	t.Parallel()
	for cond, want := range map[string]string{`tcp: "127.0.0.1:1"`: "tcp 127.0.0.1:1", "log: never": "log never", `http: "127.0.0.1:1/x"`: "http 127.0.0.1:1/x"} {
		f := parse(t, `{name: x, server: {command: "HELPER listen {tunnel}", ready: {tcp: "{tunnel}"}}, ready: {`+cond+`, within: 50ms}}`)
		_, err := f.Start(t.Context(), Options{})
		ne, ok := errors.AsType[*NotReadyError](err)
		if !ok || ne.Condition != want || ne.Within != 50*time.Millisecond || len(ne.Log) == 0 || !strings.HasPrefix(ne.Log[0], "server: listening at") {
			t.Errorf("%s: Start: %v; want *NotReadyError %s with the log", cond, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := parse(t, `{name: x, server: {command: HELPER stubborn, ready: {log: never}}}`).Start(ctx, Options{Grace: time.Millisecond})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Start, cancelled: %v; want context.Canceled", err)
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	_, err := parse(t, "{name: x, server: {command: ./no-such-program}}").Start(t.Context(), Options{})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "server cannot be started") {
		t.Errorf("Start of a missing program: %v", err)
	}
}

func TestAStubbornProcessIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, `{name: x, server: {command: HELPER stubborn, ready: {log: up, within: 20s}}}`), Options{Grace: 10 * time.Millisecond})
	in.Server.End(false)
	if got := in.Server.Status(); got != "signal: killed" {
		t.Errorf("status = %s; want signal: killed", got)
	}
}

func TestTheWholeGroupEndsWithItsLeader(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, `{name: x, server: {command: HELPER parent, ready: {log: "child [0-9]+", within: 20s}}}`), Options{Grace: soon})
	i := slices.IndexFunc(in.Server.Log(0), func(s string) bool { return strings.HasPrefix(s, "child ") })
	pid, err := strconv.Atoi(strings.TrimPrefix(in.Server.Log(0)[i], "child "))
	if err != nil {
		t.Fatal(err)
	}
	in.Server.End(false)
	gone := make(chan struct{})
	go waitGone(pid, gone)
	within(t, "end of the grandchild", gone)
}

// waitGone closes gone when no live process has the number; the test's deadline ends it at the latest.
func waitGone(pid int, gone chan struct{}) {
	defer close(gone)
	for range 2000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestAProcessIsEndedSuddenlyAndStartedAgainAtItsAddress(t *testing.T) {
	t.Parallel()
	in := start(t, parse(t, pair), Options{})
	if err := in.Server.Again(t.Context()); err == nil {
		t.Error("Again of a running process: no error")
	}
	exited := in.Server.Exited()
	in.Server.End(true)
	within(t, "end", exited)
	if in.Server.Status() != "signal: killed" || !in.Client.Running() {
		t.Errorf("server %s, client %s; want the server alone killed", in.Server.Status(), in.Client.Status())
	}
	if err := in.Server.Again(t.Context()); err != nil {
		t.Fatalf("Again: %v", err)
	}
	c, err := net.Dial("tcp", in.At.Tunnel)
	if err != nil {
		t.Fatalf("server after Again: %v", err)
	}
	c.Close()
	if n := len(in.Server.Log(0)); n != 2 {
		t.Errorf("log has %d lines; want one of each run", n)
	}
	in.Server.End(true)
	in.Client.End(false)
	if err := in.Server.Again(t.Context()); err != nil {
		t.Errorf("Again while the client is down: %v; want the server's own condition to decide", err)
	}
}

func TestPrepareRunsAfterBothAreUp(t *testing.T) {
	t.Parallel()
	const base = `{name: x, api: auto, server: {command: "HELPER serve {api}", ready: {http: "{api}/health", within: 20s}}, prepare: `
	start(t, parse(t, base+`"sh -c 'touch {dir}/made && test $A = 1'", env: {A: "1"}, version: "sh -c 'echo v1; echo more'"}`), Options{})
	_, err := parse(t, base+"HELPER exit}").Start(t.Context(), Options{})
	if ee, ok := errors.AsType[*ExitError](err); !ok || ee.Process != "prepare" || ee.Status != "exit status 3" {
		t.Errorf("Start with a failing prepare: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := parse(t, `{name: x, server: {command: HELPER silent}, prepare: HELPER stubborn}`).Start(ctx, Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start with a prepare that hangs: %v; want context.DeadlineExceeded", err)
	}
}

func TestVersionIsTheFirstLineOfItsCommand(t *testing.T) {
	t.Parallel()
	f := parse(t, `{name: x, server: {command: x}, version: "sh -c 'echo v1; echo more'"}`)
	if v, err := f.VersionOf(t.Context()); err != nil || v != "v1" {
		t.Errorf("VersionOf = %q, %v; want v1", v, err)
	}
	f.Version = "sh -c 'echo broken; exit 1'"
	if _, err := f.VersionOf(t.Context()); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("VersionOf of a failing command: %v; want its output", err)
	}
}

func TestAServerOfSomebodyElseIsNotStarted(t *testing.T) {
	t.Parallel()
	f, err := Address(Addrs{Tunnel: "h:1", Visitor: "h:2"})
	if err != nil {
		t.Fatal(err)
	}
	if in := start(t, f, Options{}); len(in.Processes()) != 0 || in.At.Visitor != "h:2" || in.At.Tunnel != "h:1" {
		t.Errorf("Start = %+v; want addresses alone", in)
	}
}

func TestTheLogKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	l := NewTail(2)
	fmt.Fprintf(l, "a\nb\r\nc")
	fmt.Fprintf(l, "c\n%s\nend", strings.Repeat("x", 2*maxLine))
	l.Flush()
	if got := l.Last(0); len(got) != 2 || len(got[0]) != maxLine || got[1] != "end" {
		t.Errorf("last(0) = %.20q; want a cut line and end", got)
	}
	if got := l.Last(1); !slices.Equal(got, []string{"end"}) {
		t.Errorf("last(1) = %q; want end", got)
	}
}

// An instance has its port until it is closed, and no longer.
func TestCloseGivesThePortsBack(t *testing.T) {
	t.Parallel()
	f, err := Command("sh -c 'exec sleep 600' {addr}")
	if err != nil {
		t.Fatal(err)
	}
	f.Visitor = auto
	in, err := f.Start(t.Context(), Options{Part: ClientOnly, At: Addrs{Tunnel: "127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(in.At.Visitor)
	port, _ := strconv.Atoi(text)
	if ours.give(port) {
		t.Errorf("port %d of an instance that runs is given again", port)
	}
	if err := in.Close(); err != nil || !ours.give(port) {
		t.Errorf("Close: %v; port %d is not given back", err, port)
	}
	ours.release(in.At)
}

// For each option of TLS each role is told where its files are, and finds them, for its owner alone.
func TestCertificatesAreHandedToBothRoles(t *testing.T) {
	t.Parallel()
	f := parse(t, pair+"tls: {server: \"{cert} {cert.key}\", client: \"{ca}\"}\ntls_pin: {client: \"{pin}\"}\n"+
		"tls_client_cert: {server: \"{client.ca}\"}\ntls_key: {server: \"{keys} {cert}\", client: \"{key} {pin}\"}\n")
	made := map[string]string{"cert": "C", "cert.key": "K", "ca": "A", "client.ca": "B"}
	for _, tt := range []struct {
		option, server, client string // arguments; in {dir} but for those in angle brackets
		part                   Part
		keys                   []string
	}{
		{"tls", "cert cert.key", "ca", Whole, nil},
		{"tls_pin", "", "<p1n>", ClientOnly, nil},
		{"tls_key", "keys cert", "<adit1:a:x> <p1n>", Whole, []string{"adit1:a:x"}},
	} {
		at := Addrs{}
		if tt.part == ClientOnly {
			at.Tunnel = "127.0.0.1:9"
		}
		in := start(t, f, Options{Part: tt.part, At: at, Option: tt.option, Keys: tt.keys, Files: made, Pin: "p1n"})
		want := func(args string) (words []string) {
			for _, w := range strings.Fields(args) {
				if value, ok := strings.CutPrefix(w, "<"); ok {
					words = append(words, strings.TrimSuffix(value, ">"))
				} else {
					words = append(words, filepath.Join(in.Dir, w))
				}
			}
			return words
		}
		for role, p := range map[string]*Process{tt.server: in.Server, tt.client: in.Client} {
			if p == nil {
				continue
			}
			if got := p.Command(); !strings.HasSuffix(got, strings.Join(want(role), " ")) {
				t.Errorf("%s: started as %q; want %q at its end", tt.option, got, want(role))
			}
		}
		for name, text := range made {
			file := filepath.Join(in.Dir, name)
			got, err := os.ReadFile(file)
			if info, _ := os.Stat(file); err != nil || string(got) != text || info.Mode() != 0o600 {
				t.Errorf("%s: %s has %q, %v; want %q for its owner alone", tt.option, name, got, err, text)
			}
		}
	}
	if got := f.Options("server"); !slices.Equal(got, []string{"tls", "tls_client_cert", "tls_key"}) {
		t.Errorf("a server's options are %q", got)
	}
	if got := f.Options("client"); !slices.Equal(got, []string{"tls", "tls_pin", "tls_key"}) {
		t.Errorf("a client's options are %q", got)
	}
	_, err := parse(t, pair).Start(t.Context(), Options{Option: "tls", Files: made})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "say in tls.server how it is started") {
		t.Errorf("started for an option that the file does not have: %v", err)
	}
}
