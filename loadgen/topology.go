package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A topology is everything that a scenario runs against: the target, the
// relay and the subject, each a process of its own, started and ended through
// package subject.
type topology struct {
	target, relay, subject *subject.Instance // relay and subject are nil when no path needs them
	control                *controller
	info                   SubjectInfo
	procs                  []*subject.Process
	roles                  []string
}

// StartError says that the topology did not come up, or did not stay up.
type StartError struct{ Err error }

func (e *StartError) Error() string { return e.Err.Error() }

func (e *StartError) Unwrap() error { return e.Err }

// bring starts what the paths need. self is the command line, quoted, of
// adit-load itself.
func bring(ctx context.Context, s *Scenario, f *subject.File, self string, within time.Duration) (*topology, error) {
	t := &topology{info: describe(f)}
	if err := t.bring(ctx, s, f, self, within); err != nil {
		return nil, &StartError{errors.Join(err, t.close())}
	}
	return t, nil
}

func (t *topology) bring(ctx context.Context, s *Scenario, f *subject.File, self string, within time.Duration) error {
	var err error
	target := own("target", self+" target --listen {target} --control {tunnel}", "{target}")
	if t.target, err = target.Start(ctx, subject.Options{At: subject.Addrs{Target: fixed(f.Target)}}); err != nil {
		return err
	}
	t.add(t.target, "target")
	if t.control, err = dialController(ctx, t.target.At.Tunnel); err != nil {
		return err
	}
	for _, path := range s.Paths {
		switch path {
		case Relay:
			relay := own("relay", self+" relay --listen {tunnel} --to {target}", "{tunnel}")
			if t.relay, err = relay.Start(ctx, subject.Options{At: subject.Addrs{Target: t.target.At.Target}}); err != nil {
				return err
			}
			t.add(t.relay, "relay")
		case Tunnel:
			if t.subject, err = f.Start(ctx, subject.Options{At: subject.Addrs{Target: t.target.At.Target}}); err != nil {
				return err
			}
			t.add(t.subject, "")
			if t.info.Version, err = f.VersionOf(ctx); err != nil {
				return err
			}
		}
	}
	for _, path := range s.Paths {
		if err := t.carries(ctx, path, s.Seed, within); err != nil {
			return fmt.Errorf("path %s: %w%s", path, err, t.lastLines())
		}
	}
	return nil
}

// describe is the subject as its file gives it, placeholders and all: where it ran is of no interest.
func describe(f *subject.File) SubjectInfo {
	d := SubjectInfo{Name: f.Name}
	if f.Server != nil {
		d.Server = cmp.Or(f.Server.Command, f.Server.Address)
	}
	if f.Client != nil {
		d.Client = f.Client.Command
	}
	return d
}

// fixed is the address that a file names, if it names one.
func fixed(addr string) string {
	if addr == "auto" {
		return ""
	}
	return addr
}

// own describes a process of adit-load itself.
func own(name, command, ready string) *subject.File {
	return &subject.File{
		Name: name, Tunnel: "auto", Target: "auto",
		Server: &subject.Role{Command: command, Ready: &subject.Ready{TCP: ready}},
	}
}

func (t *topology) add(in *subject.Instance, role string) {
	for _, p := range in.Processes() {
		t.procs = append(t.procs, p)
		if role == "" {
			t.roles = append(t.roles, p.Name)
		} else {
			t.roles = append(t.roles, role)
		}
	}
}

// addr is where the generator connects for a path.
func (t *topology) addr(path string) string {
	switch path {
	case Relay:
		return t.relay.At.Tunnel
	case Tunnel:
		return t.subject.At.Visitor
	}
	return t.target.At.Target
}

// sampler follows every process, and this one.
func (t *topology) sampler() *sampler {
	pids := []int{os.Getpid()}
	for _, p := range t.procs {
		pids = append(pids, p.PID())
	}
	return newSampler(append([]string{"generator"}, t.roles...), pids)
}

// carries waits until one packet goes through a path and back: a visitor may
// be accepted, and reset, long before the tunnel stands.
func (t *topology) carries(ctx context.Context, path string, seed uint64, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r := newRing(seed)
	for stream := probeStreams; ; stream++ {
		err := probe(ctx, t.addr(path), r, stream)
		if err == nil {
			return nil
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return fmt.Errorf("no packet came through to the target and back within %v: %w", within, err)
		}
	}
}

// probeStreams is the first number of a probe's stream, far from those of the load.
const probeStreams = uint64(1) << 63

// probe sends one packet and waits for its echo.
func probe(ctx context.Context, addr string, r *ring, stream uint64) error {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	const size = 64
	packet := r.at(r.start(stream, up), 0, size)
	if _, err := c.Write(append(preface{PingPong, size, stream, r.seed}.bytes(), packet...)); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, size))
	return err
}

// ended is the first process that has ended by itself; nil when all run.
func (t *topology) ended() *subject.Process {
	for _, p := range t.procs {
		if !p.Running() {
			return p
		}
	}
	return nil
}

// lastLines is what the subject's processes wrote last, for an error message.
func (t *topology) lastLines() string {
	var b strings.Builder
	if t.subject != nil {
		for _, p := range t.subject.Processes() {
			for _, line := range p.Log(10) {
				fmt.Fprintf(&b, "\n    %s: %s", p.Name, line)
			}
		}
	}
	return b.String()
}

// close ends everything that was started.
func (t *topology) close() error {
	var errs []error
	if t.control != nil {
		errs = append(errs, t.control.c.Close())
	}
	for _, in := range []*subject.Instance{t.subject, t.relay, t.target} {
		if in != nil {
			errs = append(errs, in.Close())
		}
	}
	return errors.Join(errs...)
}
