package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/process"

	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// played says, in the environment, that the test binary is to be adit-load, or
// with "faulty" as its first argument the subject, with "slow" a generator.
const played = "ADIT_LOAD_TEST"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(played) == "":
		os.Setenv("GORACE", "atexit_sleep_ms=0") // else every process that is built for the race detector takes a second to end
		os.Exit(m.Run())
	case len(os.Args) > 1 && os.Args[1] == "faulty":
		if err := playFaulty(os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case len(os.Args) > 1 && os.Args[1] == "slow":
		if err := playSlow(os.Args[2]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	default:
		main()
	}
}

// playSlow is a generator that has one processor, and shares it with what never stops.
func playSlow(listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	for range 4 {
		go func() {
			for ctx.Err() == nil {
			}
		}()
	}
	w := load.NewGenerator(l, "")
	<-ctx.Done()
	return w.Close()
}

// playFaulty is a subject of one process; it notes every connection in a file.
func playFaulty(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r := faulty.Relay{}
	fs := flag.NewFlagSet("faulty", flag.ContinueOnError)
	fs.StringVar(&r.Kind, "fault", faulty.Nothing, "")
	fs.IntVar(&r.After, "after", 300_000, "")
	fs.BoolVar(&r.Back, "back", false, "")
	fs.StringVar(&r.To, "to", "", "")
	fs.Float64Var(&r.Burn, "burn", 0, "")
	listen, notes, noise := fs.String("listen", "", ""), fs.String("notes", "", ""), fs.String("noise", "", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	if *noise != "" {
		f, err := os.Create(*noise)
		if err != nil {
			return err
		}
		defer f.Close()
		r.Note = func(offset int64) { fmt.Fprintln(f, offset) }
	}
	return r.Serve(ctx, noting{l, *notes})
}

// noting is a listener that adds an byte to a file for every connection.
type noting struct {
	net.Listener
	file string
}

func (n noting) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f, ferr := os.OpenFile(n.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if ferr == nil {
		_, ferr = f.WriteString("x")
		ferr = errors.Join(ferr, f.Close())
	}
	return c, ferr
}

// A bench is a folder with a scenario and a subject, for one run of adit-load.
type bench struct {
	t   *testing.T
	dir string
}

// newBench makes a scenario of the given text, measured on a subject with the given flags.
func newBench(t *testing.T, text, flags string) *bench {
	b := &bench{t, t.TempDir()}
	b.write("x.yaml", "# why?\nscenario: x\nwarmup: 20ms\ntimeout: 5s\ndrain: 1m\n"+text+"\n")
	b.write("subject.yaml", fmt.Sprintf("name: faulty\nserver: {command: %q, ready: {tcp: \"{visitor}\"}}\n",
		os.Args[0]+" faulty --notes "+b.path("notes")+" "+flags+" --listen {visitor} --to {target}"))
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// args is the command line of the run.
func (b *bench) args() []string {
	return []string{"run", b.path("x.yaml"), "--subject", b.path("subject.yaml"), "--out", b.path("out")}
}

// command is a run of adit-load as a process of its own.
func (b *bench) command(name string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	cmd := exec.CommandContext(b.t.Context(), name, args...)
	cmd.Env = append(os.Environ(), played+"=1", "TMPDIR="+b.dir) // one that is killed leaves its folders
	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// record reads what the run has written.
func (b *bench) record() *record.Record {
	b.t.Helper()
	records, _, err := record.Load(b.path("out"))
	if err != nil || len(records) != 1 {
		b.t.Fatalf("%d records, %v; want one", len(records), err)
	}
	return records[0]
}

// adit-load is told nothing about the fault that is in the subject.
func TestTheRecordNamesTheFaultOfASubject(t *testing.T) {
	for _, tt := range []struct {
		name, flags, load string
		code              int
		kind, seen        string
	}{
		{"nothing is wrong", "", "{mode: pingpong, connections: 2, size: 1KiB}", run.ExitOK, "", ""},
		{"an octet is changed on the way there", "--fault corrupt", "{mode: upload, connections: 2, size: 64KiB}", run.ExitIntegrity, payload.Corrupted, "target"},
		{"an octet is changed on the way back", "--fault corrupt --back", "{mode: download, connections: 2, size: 64KiB}", run.ExitIntegrity, payload.Corrupted, "generator"},
		{"an octet is lost on the way there", "--fault lose", "{mode: pingpong, connections: 2, size: 1KiB}", run.ExitIntegrity, payload.Lost, "target"},
		{"an octet is lost on the way back", "--fault lose --back", "{mode: both, connections: 1, size: 64KiB}", run.ExitIntegrity, payload.Lost, "generator"},
		{"two streams are crossed on the way there", "--fault cross", "{mode: pingpong, connections: 2, size: 1KiB}", run.ExitIntegrity, payload.Crossed, "target"},
		{"two streams are crossed on the way back", "--fault cross --back", "{mode: download, connections: 2, size: 64KiB}", run.ExitIntegrity, payload.Crossed, "generator"},
		{"connections are reset", "--fault reset", "{mode: pingpong, connections: 1, size: 1KiB}", run.ExitFailures, payload.Undelivered, "target"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, "measure: 500ms\nload: "+tt.load, tt.flags)
			cmd, stdout, stderr := b.command(os.Args[0], b.args()...)
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != tt.code {
				t.Fatalf("exit code %d, %v; want %d\n%s%s", cmd.ProcessState.ExitCode(), err, tt.code, stdout, stderr)
			}
			if want := "written: " + b.path("out/x") + "\n"; stderr.String() != want {
				t.Errorf("stderr in a pipe = %q; want %q", stderr, want)
			}
			var faults []*payload.Fault
			for _, block := range b.record().Blocks {
				found := append(block.Faults, block.Undelivered...)
				if faults = append(faults, found...); block.Path != scenario.Tunnel && len(found) > 0 {
					t.Errorf("path %v, which is right: %v", block.Route, found)
				}
			}
			if tt.kind == "" {
				if len(faults) > 0 {
					t.Errorf("faults %v; want none", faults)
				}
				return
			}
			if len(faults) == 0 {
				t.Fatalf("no faults; want %s", tt.kind)
			}
			f := faults[0]
			const where = 300_000 // the preface is among them on the way there
			if f.Kind != tt.kind || f.Seen != tt.seen || f.Stream == 0 || f.Offset > where+12 || tt.code == run.ExitIntegrity && f.Offset < where-32 {
				t.Errorf("fault %+v; want %s, seen by the %s at offset %d or so", f, tt.kind, tt.seen, where)
			}
			if !strings.Contains(stdout.String(), f.Error()) {
				t.Errorf("the console does not say %q:\n%s", f, stdout)
			}
		})
	}
}

func TestExitCodesOfRunsThatDoNotCome(t *testing.T) {
	const load = "load: {mode: pingpong, connections: 500, size: 1KiB}"
	b := newBench(t, load, "--fault nonsense")
	cmd, _, stderr := b.command(os.Args[0], b.args()...)
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != run.ExitStart || !strings.Contains(stderr.String(), `fault "nonsense"`) {
		t.Errorf("a subject that ends: exit code %d, %s; want %d with its last words", cmd.ProcessState.ExitCode(), stderr, run.ExitStart)
	}
	b.write("next.yaml", "# and now?\nscenario: next\npaths: [direct]\nmeasure: 20ms\nload: {mode: pingpong, connections: 1, size: 1KiB}\n")
	cmd, stdout, _ := b.command(os.Args[0], append(b.args(), b.path("next.yaml"))...)
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != run.ExitStart || !strings.Contains(stdout.String(), "and now?") {
		t.Errorf("exit code %d, %s; want %d, and the next scenario measured", cmd.ProcessState.ExitCode(), stdout, run.ExitStart)
	}
	b = newBench(t, load, "")
	cmd, _, stderr = b.command("sh", append([]string{"-c", `ulimit -n 300 && exec "$@"`, "sh", os.Args[0]}, b.args()...)...)
	_ = cmd.Run()
	if cmd.ProcessState.ExitCode() != run.ExitLimits || !strings.Contains(stderr.String(), "ulimit -Hn 564") {
		t.Errorf("too few files: exit code %d, %s; want %d and the remedy", cmd.ProcessState.ExitCode(), stderr, run.ExitLimits)
	}
}

func TestUsageErrorsSayWhatToDo(t *testing.T) {
	b := newBench(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nspeed: 1", "")
	b.write("y.yaml", "# why?\nscenario: y\nload: {mode: pingpong, connections: 1, size: 1KiB}\n")
	x, y, sub := b.path("x.yaml"), b.path("y.yaml"), b.path("subject.yaml")
	for _, tt := range []struct {
		args string
		want string
	}{
		{"run", "run what? Name a scenario, a file or one that is built in (adit-load scenarios lists them), like adit-load run speed"},
		{"fly", `unknown command "fly"`},
		{"run --fast " + y, "unknown flag: --fast"},
		{"run nowhere.yaml", "nowhere.yaml"},
		{"run " + y + " " + x, x + `:7: unknown key "speed"`},
		{"lint " + x, x + `:7: unknown key "speed"`},
		{"run " + y + " --profile quick --subject " + sub, `--profile "quick" must be one of smoke, ci, full`},
		{"run " + y + " --subject nowhere.yaml", "nowhere.yaml"},
		{"run " + y + " " + y + " --subject " + sub, y + ": scenario: y is the name of " + y + ", too; give each another name"},
		{"run " + y + " --subject " + sub + " --subject " + sub, "name: faulty is the name of " + sub + ", too; give each another name"},
		{"run " + y + " --subject " + sub + " --out " + y + "/results", "/results: cannot hold results: "},
		{"report " + b.dir, "holds no record.json"},
		{"schema subject", `schema "subject": must be scenario, record or event`},
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load"}, strings.Fields(tt.args)...), &stdout, &stderr)
		if code != run.ExitUsage || !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("adit-load %s: exit code %d, %q; want %d and %q", tt.args, code, stderr.String(), run.ExitUsage, tt.want)
		}
	}
	for _, args := range []string{"lint " + y, "plan " + y, "schema", "schema record", "schema event", "run --help"} {
		var stdout, stderr bytes.Buffer
		if code := execute(t.Context(), append([]string{"adit-load"}, strings.Fields(args)...), &stdout, &stderr); code != run.ExitOK || stderr.Len() > 0 {
			t.Errorf("adit-load %s: exit code %d, %q", args, code, stderr.String())
		}
	}
}

// However a run is ended, nothing that it started is left; unless it is
// killed, what was complete is written.
func TestNothingIsLeftOfARunThatIsEnded(t *testing.T) {
	hup := make(chan os.Signal, 1) // where the tests run under nohup, which a run respects, children hear hang-ups all the same
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			b := newBench(t, "measure: 50ms\nrepeat: 1000\nload: {mode: pingpong, connections: 1, size: 1KiB}", "")
			cmd, _, stderr := b.command(os.Args[0], b.args()...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, "the third repetition runs", func() bool {
				notes, _ := os.ReadFile(b.path("notes")) // a few to see whether and by whom it is served, two a repetition
				return len(notes) >= 12
			})
			me, err := process.NewProcess(int32(cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			children, err := me.Children()
			if err != nil || len(children) != 4 {
				t.Fatalf("children %v, %v; want target, generator, relay and subject", children, err)
			}
			_ = cmd.Process.Signal(sig)
			_ = cmd.Wait()
			for _, c := range children {
				until(t, fmt.Sprintf("process %d ends", c.Pid), func() bool {
					status, err := c.Status()
					return err != nil || status[0] == process.Zombie
				})
			}
			if sig == syscall.SIGKILL {
				return
			}
			if code := cmd.ProcessState.ExitCode(); code != run.ExitInterrupted || !strings.HasSuffix(stderr.String(), "adit-load: interrupted\n") {
				t.Errorf("exit code %d, %s; want %d", code, stderr, run.ExitInterrupted)
			}
			if r := b.record(); !r.Interrupted || len(r.Blocks) < 6 || r.Failed() != 0 {
				t.Errorf("interrupted %v, %d blocks, %d failed packets; want what was complete", r.Interrupted, len(r.Blocks), r.Failed())
			}
		})
	}
}

// until waits for something that another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
