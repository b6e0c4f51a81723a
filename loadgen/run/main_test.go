package run

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/adit-tunnel/adit/loadgen/internal/faulty"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// TestMain runs the tests, or plays a process for them when the binary is
// started as one: run.test helper WHAT --flag…
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && strings.HasSuffix(os.Args[1], "helper") {
		what := os.Args[2]
		if what == "worker" {
			what = strings.TrimSuffix(os.Args[1], "helper") + what // slow-helper worker
		}
		if err := helper(what, os.Args[3:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else every helper built for the race detector takes a second to end
	before := gleak.Goroutines()
	code := m.Run()
	g := gomega.NewGomega(func(message string, _ ...int) {
		fmt.Fprintln(os.Stderr, message)
		code = 1
	})
	g.Eventually(gleak.Goroutines).WithTimeout(5 * time.Second).ShouldNot(gleak.HaveLeaked(before))
	os.Exit(code)
}

// self is the command line that stands for adit-load in these tests.
func self() string { return os.Args[0] + " helper" }

// reusePort lets others listen at the same address, where the system has that.
var reusePort func(network, address string, c syscall.RawConn) error

// shared listens where others may listen, too.
func shared(ctx context.Context, addr string) (net.Listener, error) {
	return (&net.ListenConfig{Control: reusePort}).Listen(ctx, "tcp", addr)
}

func helper(what string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fs := flag.NewFlagSet(what, flag.ContinueOnError)
	listen, control, to := fs.String("listen", "", ""), fs.String("control", "", ""), fs.String("to", "", "")
	f := faulty.Relay{}
	fs.StringVar(&f.Kind, "fault", faulty.Nothing, "")
	fs.IntVar(&f.After, "after", 0, "")
	fs.BoolVar(&f.Back, "back", false, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	l, err := shared(ctx, *listen)
	if err != nil {
		return err
	}
	switch what {
	case "target":
		k, err := net.Listen("tcp", *control)
		if err != nil {
			return err
		}
		t := load.NewTarget(l, k, "")
		<-ctx.Done()
		return t.Close()
	case "slow-worker": // it has one processor, and shares it
		runtime.GOMAXPROCS(1)
		for range 4 {
			go func() {
				for ctx.Err() == nil {
				}
			}()
		}
		fallthrough
	case "worker":
		w := load.NewGenerator(l, "")
		<-ctx.Done()
		return w.Close()
	case "link":
		k, err := net.Listen("tcp", *control)
		if err != nil {
			return err
		}
		w, err := rig.NewLink(l, *to, k, "", scenario.ByProcess)
		if err != nil {
			return err
		}
		<-ctx.Done()
		return w.Close()
	case "relay":
		r := load.NewRelay(l, *to)
		<-ctx.Done()
		return r.Close()
	}
	f.To = *to
	return f.Serve(ctx, l)
}
