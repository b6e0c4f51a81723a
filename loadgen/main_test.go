package loadgen

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
)

// TestMain runs the tests, or plays a process for them when the binary is
// started as one: loadgen.test helper WHAT --flag…
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		if err := helper(os.Args[2], os.Args[3:]); err != nil {
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

func helper(what string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fs := flag.NewFlagSet(what, flag.ContinueOnError)
	listen, control, to := fs.String("listen", "", ""), fs.String("control", "", ""), fs.String("to", "", "")
	fault, after := fs.String("fault", "", ""), fs.Int("after", 0, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	switch what {
	case "target":
		k, err := net.Listen("tcp", *control)
		if err != nil {
			return err
		}
		t := NewTarget(l, k)
		<-ctx.Done()
		return t.Close()
	case "relay":
		return RunRelay(ctx, l, *to)
	}
	f := &faulty{kind: *fault, after: *after, to: *to}
	context.AfterFunc(ctx, func() { os.Exit(0) })
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go f.relay(c)
	}
}

// faulty is a relay that does one thing wrong, once or for ever, after so many
// octets of a connection in the direction of the target.
type faulty struct {
	kind  string
	after int
	to    string

	once  sync.Once
	cross chan []byte
}

func (f *faulty) relay(a net.Conn) {
	b, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	go func() { io.Copy(a, b); a.Close() }()
	buf, done := make([]byte, 64<<10+64), 0
	for {
		n, err := a.Read(buf[:64<<10])
		if at := f.after - done; at >= 0 && at < n && n < at+64 { // enough octets behind it to tell what it is
			more, _ := io.ReadAtLeast(a, buf[n:], at+64-n)
			n += more
		}
		out := buf[:n]
		if at := f.after - done; at >= 0 && at < n {
			switch f.kind {
			case "corrupt":
				f.once.Do(func() { out[at] ^= 0x20 })
			case "lose":
				f.once.Do(func() { out = append(out[:at:at], out[at+1:]...) })
			case "double":
				f.once.Do(func() { out = append(out[:at+9:at+9], out[at:]...) })
			case "cross": // the first two connections that come here swap their octets
				f.once.Do(func() { f.cross = make(chan []byte) })
				mine := append([]byte(nil), out[at:]...)
				select {
				case f.cross <- mine:
					out = append(out[:at:at], <-f.cross...)
				case theirs := <-f.cross:
					f.cross <- mine
					out = append(out[:at:at], theirs...)
				}
			case "stall":
				select {}
			case "reset":
				a.(*net.TCPConn).SetLinger(0)
				a.Close()
				b.Close()
				return
			case "exit":
				os.Exit(7)
			}
		}
		done += n
		if _, werr := b.Write(out); err != nil || werr != nil {
			b.Close()
			return
		}
	}
}
