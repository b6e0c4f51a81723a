package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// An injection is a fault in a process that adit-load runs with, or one in the
// generator, and what the record has to say. adit-load is told nothing.
type injection struct {
	name  string
	flags string // of the subject
	slow  bool   // the generator is
	text  string // of the scenario
	code  int    // of adit-load
	found string // code of the only finding; of a slow generator there is none
	check func(t *testing.T, b *bench, r *record.Record)
}

const where = 400<<10 + 500 // in the middle of a packet of 1 KiB

var injections = []injection{
	{
		name:  "a stall of 5 ms",
		flags: fmt.Sprintf("--fault pause --after %d", where+payload.PrefaceSize),
		text:  "load: {mode: pingpong, connections: 2, size: 1KiB}\nwarmup: 0s\nmeasure: 500ms\nrepeat: 8",
		found: record.Stall,
		check: func(t *testing.T, _ *bench, r *record.Record) {
			f := r.Findings[0]
			if f.Offset > where || f.Offset+1024 <= where || f.Stream == 0 {
				t.Errorf("%+v; want a stream, and the packet with octet %d", f, where)
			}
		},
	},
	{
		name:  "corruption of 1 %",
		flags: "--fault noise --noise NOISE",
		text:  "load: {mode: upload, connections: 2, size: 4KiB}\nmeasure: 500ms",
		code:  run.ExitIntegrity, found: record.Corrupted,
		check: func(t *testing.T, b *bench, r *record.Record) {
			data, err := os.ReadFile(b.path("noise"))
			if err != nil {
				t.Fatal(err)
			}
			injected, n := strings.Fields(string(data)), 0
			for _, block := range r.All() {
				for _, f := range block.Faults {
					n++
					if place := strconv.FormatInt(f.Offset+payload.PrefaceSize, 10); f.Stream == 0 || !slices.Contains(injected, place) {
						t.Errorf("%v; want an octet that was changed", f)
					}
				}
			}
			if f := r.Findings[0]; n < 2 || f.Stream == 0 || f.Offset == 0 {
				t.Errorf("%d faults, %+v; want several, with stream and offset", n, f)
			}
		},
	},
	{
		name:  "a lost octet",
		flags: fmt.Sprintf("--fault lose --after %d", where+payload.PrefaceSize),
		text:  "load: {mode: pingpong, connections: 2, size: 1KiB}\nwarmup: 0s\nmeasure: 500ms",
		code:  run.ExitIntegrity, found: record.Lost,
		check: at(payload.Fault{Kind: payload.Lost, Octets: 1, Direction: payload.Up, Seen: "target"}),
	},
	{
		name:  "a crossed stream",
		flags: fmt.Sprintf("--fault cross --back --after %d", where),
		text:  "load: {mode: pingpong, connections: 2, size: 1KiB}\nwarmup: 0s\nmeasure: 500ms",
		code:  run.ExitIntegrity, found: record.Crossed,
		check: func(t *testing.T, b *bench, r *record.Record) {
			at(payload.Fault{Kind: payload.Crossed, Direction: payload.Down, Seen: "generator"})(t, b, r)
			if f := r.Blocks[0].Faults[0]; f.Other == 0 || f.Other == f.Stream {
				t.Errorf("%v; want the other stream", f)
			}
		},
	},
	{
		name: "a slow generator",
		slow: true,
		text: "load: {mode: pingpong, connections: 8, size: 64B, rate: 20/s}\nlink: {rtt: 100ms}\nmeasure: 1500ms\nrepeat: 2",
	},
	{
		name:  "a leak of 1 KiB a connection",
		flags: "--fault leak --after -1",
		text:  "load: {mode: churn, connections: 4, size: 64B, resets: 100%}\nmeasure: 300ms\nrepeat: 12",
		found: record.Leak,
		check: func(t *testing.T, _ *bench, r *record.Record) {
			if f := r.Findings[0]; f.Role != "server" || f.Subject != "faulty" || !strings.Contains(f.Detail, "octets of memory") {
				t.Errorf("%+v; want memory of the server", f)
			}
		},
	},
}

// at checks that the first fault is the one at the place where it was put. The
// bytes behind a lost one may be right by chance.
func at(want payload.Fault) func(*testing.T, *bench, *record.Record) {
	return func(t *testing.T, _ *bench, r *record.Record) {
		f, got := r.Findings[0], *r.Blocks[0].Faults[0]
		if f.Stream != got.Stream || f.Offset != got.Offset || got.Stream == 0 || got.Offset < where || got.Offset > where+12 {
			t.Errorf("%+v, %v; want a stream, and offset %d", f, &got, where)
		}
		if got.Stream, got.Offset, got.Other = 0, 0, 0; got != want {
			t.Errorf("%+v; want %+v", got, want)
		}
	}
}

// What is wrong with a target, a relay or a generator is named in the record, by
// reason, stream and place. The same without it is clean.
func TestAnInjectedFaultIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes: make load-faults")
	}
	for _, in := range injections {
		t.Run(in.name, func(t *testing.T) {
			if in.found == record.Leak && raceEnabled {
				t.Skip("the race detector itself keeps about 1 KiB of each connection: make load-faults does without")
			}
			b, r, code := in.run(t, true)
			if codes := codesOf(r); code != in.code || !slices.Equal(codes, slices.DeleteFunc([]string{in.found}, func(s string) bool { return s == "" })) {
				t.Fatalf("exit code %d, found %q; want %d, %q", code, codes, in.code, in.found)
			}
			if late(r) != in.slow {
				t.Errorf("late generator: %v; want %v", late(r), in.slow)
			}
			if in.check != nil {
				in.check(t, b, r)
			}
			for range faulty.Clean() {
				if _, r, code := in.run(t, false); code != run.ExitOK || len(r.Findings) > 0 || in.slow && late(r) {
					t.Errorf("without it: exit code %d, findings %s, %+v", code, details(r), r.Validity)
				}
			}
		})
	}
}

// details is what was found, in words.
func details(r *record.Record) (out []string) {
	for _, f := range r.Findings {
		out = append(out, f.Code+" "+f.Detail)
	}
	return out
}

// codesOf is what was found.
func codesOf(r *record.Record) (out []string) {
	for _, f := range r.Findings {
		out = append(out, f.Code)
	}
	return out
}

// late reports whether the generator is said to be late on the path of the subject.
func late(r *record.Record) bool {
	return slices.ContainsFunc(r.Validity.Reasons, func(v record.Reason) bool {
		return v.Code == record.GeneratorLate && v.Path == scenario.Tunnel
	})
}

// run runs adit-load, and whatever it measures, as processes of their own.
func (in *injection) run(t *testing.T, ill bool) (*bench, *record.Record, int) {
	t.Helper()
	flags := "--fault nothing"
	if ill && in.flags != "" {
		flags = in.flags
	}
	b := newBench(t, "", "")
	b.write("subject.yaml", fmt.Sprintf("name: faulty\nserver: {command: %q, ready: {tcp: \"{visitor}\"}}\n",
		os.Args[0]+" faulty --notes "+b.path("notes")+" "+strings.ReplaceAll(flags, "NOISE", b.path("noise"))+" --listen {visitor} --to {target}"))
	b.write("x.yaml", "# Is anything wrong?\nscenario: x\npaths: [tunnel]\ntimeout: 10s\n"+in.text+"\n")
	args := b.args()
	if in.slow {
		args = append(args, "--worker", b.worker(ill))
	}
	cmd, stdout, stderr := b.command(os.Args[0], args...)
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	if code != run.ExitOK && (!ill || code != in.code) {
		t.Logf("%s%s", stdout, stderr)
	}
	return b, b.record(), code
}

// worker starts a generator, and says where it listens for its leader.
func (b *bench) worker(slow bool) string {
	b.t.Helper()
	var l net.Listener
	until(b.t, "a port is free", func() bool { // those of connections that have just ended are not
		var err error
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err == nil
	})
	addr := l.Addr().String()
	_ = l.Close()
	args := []string{"worker", "--listen", addr}
	if slow {
		args = []string{"slow", addr}
	}
	cmd, _, _ := b.command(os.Args[0], args...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	until(b.t, "the generator listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr
}
