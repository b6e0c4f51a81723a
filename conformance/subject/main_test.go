package subject

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
)

// TestMain runs the tests, or plays a process for them when the binary is
// started as one: subject.test helper WHAT ARG…
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		os.Exit(helper(os.Args[2], os.Args[3:]))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")          // else every helper built for the race detector takes a second to end
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true") // its image would be pulled; these tests look for leftovers themselves
	before := gleak.Goroutines()
	code := m.Run()
	g := gomega.NewGomega(func(message string, _ ...int) {
		fmt.Fprintln(os.Stderr, message)
		code = 1
	})
	g.Eventually(gleak.Goroutines).WithTimeout(5 * time.Second).ShouldNot(gleak.HaveLeaked(before))
	os.Exit(code)
}

// reusePort lets others listen at the same address, where the system has that.
var reusePort func(network, address string, c syscall.RawConn) error

// helper is what a started process does.
func helper(what string, args []string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch what {
	case "listen": // listens at the address until SIGTERM
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			fmt.Println(err)
			return 9
		}
		defer l.Close()
		fmt.Println("listening at", args[0], strings.Join(args[1:], " "), os.Getenv("GREETING"))
		<-term
		fmt.Println("told to end")
		return 0
	case "dial": // holds a connection
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return 9
		}
		defer c.Close()
		fmt.Println("dialled")
		<-term
		return 0
	case "share": // listens where others may listen, too, and holds what it accepts
		l, err := (&net.ListenConfig{Control: reusePort}).Listen(context.Background(), "tcp", args[0])
		if err != nil {
			fmt.Println(err)
			return 9
		}
		for {
			c, err := l.Accept()
			if err != nil {
				return 9
			}
			defer c.Close()
		}
	case "serve": // an HTTP server
		s := &http.Server{Addr: args[0], Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		go s.ListenAndServe()
		<-term
		return 0
	case "exit": // says something and fails
		fmt.Println("the disk is full")
		fmt.Fprint(os.Stderr, "giving up")
		return 3
	case "stubborn": // ignores SIGTERM
		fmt.Println("up")
		for range term {
			fmt.Println("no")
		}
	case "parent": // a child of the same group that outlives it, and holds its output
		child := exec.Command(os.Args[0], "helper", "stubborn")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 9
		}
		fmt.Println("child", child.Process.Pid)
		<-term
		return 0
	case "contract": // says what it was told
		for _, name := range args {
			fmt.Printf("%s=%s ", name, os.Getenv(name))
		}
		fmt.Println()
		<-term
		return 0
	case "picky": // knows one scenario
		if os.Getenv(scenario) != "known" {
			fmt.Println("no such scenario")
			return notSupported
		}
		fmt.Println("up")
		<-term
		return 0
	case "careless": // takes every scenario for its own, but for one
		if os.Getenv(scenario) == "known" {
			return notSupported
		}
		fmt.Println("up")
		<-term
		return 0
	case "status": // ends with it
		n, _ := strconv.Atoi(args[0])
		return n
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
		<-term
	}
	return 1
}
