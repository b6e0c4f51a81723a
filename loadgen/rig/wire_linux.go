package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A wire is a line that the kernel makes: two network namespaces, joined by a
// pair of interfaces, each with a token bucket filter (tc-tbf(8)). Nothing of
// it has a name outside of this process: it is gone when the process is.
type wire struct {
	host, near, far namespace
	listener        net.Listener // at the far end
}

// A namespace is one of the network, which exists as long as it is open.
type namespace struct{ *os.File }

// Addresses of the two ends: of the range for measuring, which nobody routes (RFC 2544).
const (
	nearAddr = "198.18.0.1/30"
	farAddr  = "198.18.0.2/30"
)

// newWire makes a wire without a limit.
func newWire() (w *wire, err error) {
	w = &wire{}
	defer func() {
		if err != nil {
			_ = w.Close()
			w, err = nil, noWire(err)
		}
	}()
	if w.host, err = current(); err != nil {
		return w, err
	}
	for _, n := range []*namespace{&w.near, &w.far} {
		if *n, err = w.unshare(); err != nil {
			return w, err
		}
	}
	far := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), w.far.Fd())
	err = w.in(w.near, func() error {
		return errors.Join(command("ip link add name near type veth peer name far netns "+far),
			command("ip address add "+nearAddr+" dev near"), command("ip link set near up"))
	})
	if err != nil {
		return w, err
	}
	return w, w.in(w.far, func() (err error) {
		if err = errors.Join(command("ip address add "+farAddr+" dev far"), command("ip link set far up")); err == nil {
			w.listener, err = net.Listen("tcp", strings.TrimSuffix(farAddr, "/30")+":0")
		}
		return err
	})
}

// current opens the namespace of the calling thread.
func current() (namespace, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	return namespace{f}, err
}

// unshare makes a namespace.
func (w *wire) unshare() (n namespace, err error) {
	err = w.in(w.host, func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a network namespace: %w", err)
		}
		n, err = current()
		return err
	})
	return n, err
}

// in calls f on a thread that is in a namespace: sockets that it makes, and
// programs that it starts, stay there.
func (w *wire) in(n namespace, f func() error) error {
	runtime.LockOSThread()
	if err := unix.Setns(int(n.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("a network namespace: %w", err)
	}
	err := f()
	if back := unix.Setns(int(w.host.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked: nobody else may get it
	}
	runtime.UnlockOSThread()
	return err
}

// command runs a program to its end.
func command(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// leastBurst is how many bytes a filter lets through at once at least; of
// more than a tick of the clock takes it would not reach its rate.
const (
	leastBurst = 32 << 10
	ticks      = 250 // a second
)

// set limits both ways to so many bits per second; 0: no limit. Up to bloat
// waits in front of the filter, and what comes then is lost.
func (w *wire) set(rate float64) error {
	for _, end := range []struct {
		in   namespace
		name string
	}{{w.near, "near"}, {w.far, "far"}} {
		err := w.in(end.in, func() error {
			if rate == 0 {
				return command("tc qdisc replace dev " + end.name + " root pfifo")
			}
			burst := max(leastBurst, int(rate/bits/ticks))
			return command(fmt.Sprintf("tc qdisc replace dev %s root tbf rate %sbit burst %d latency %dms",
				end.name, strconv.FormatFloat(rate, 'f', 0, 64), burst, bloat.Milliseconds()))
		})
		if err != nil {
			return noWire(err)
		}
	}
	return nil
}

// dial connects to the far end.
func (w *wire) dial(ctx context.Context) (c net.Conn, err error) {
	err = w.in(w.near, func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", w.listener.Addr().String())
		return err
	})
	return c, err
}

// Close removes it.
func (w *wire) Close() error {
	var errs []error
	if w.listener != nil {
		errs = append(errs, w.listener.Close())
	}
	for _, n := range []namespace{w.near, w.far, w.host} {
		if n.File != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}

func noWire(err error) error {
	return fmt.Errorf("backend tbf: %w: run as root, with ip and tc (package iproute2) and a kernel that has veth and tbf, or write backend: process", err)
}
