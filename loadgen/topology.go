package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A topology is everything that a scenario runs against: the target, the
// relay and the subject, each a process of its own, started and ended through
// package subject.
type topology struct {
	target, relay *subject.Instance            // relay is nil when no path needs it
	subjects      map[string]*subject.Instance // by name
	control       *controller
	routes        []Route
	info          []SubjectInfo
	procs         []routed
}

// routed is a process, and on which route it is; an empty one is on all.
type routed struct {
	*subject.Process
	role  string
	route Route
}

// StartError says that the topology did not come up, or did not stay up.
type StartError struct{ Err error }

func (e *StartError) Error() string { return e.Err.Error() }

func (e *StartError) Unwrap() error { return e.Err }

// bring starts what the paths need. self is the command line, quoted, of
// adit-load itself.
func bring(ctx context.Context, s *Scenario, files []*subject.File, self string, within time.Duration) (*topology, error) {
	t := &topology{info: describe(files), subjects: map[string]*subject.Instance{}}
	if err := t.bring(ctx, s, files, self, within); err != nil {
		return nil, &StartError{errors.Join(err, t.close())}
	}
	return t, nil
}

func (t *topology) bring(ctx context.Context, s *Scenario, files []*subject.File, self string, within time.Duration) error {
	at, err := targetOf(files)
	if err != nil {
		return err
	}
	target := own("target", self+" target --listen {target} --control {tunnel}", "{target}")
	if t.target, err = target.Start(ctx, subject.Options{At: subject.Addrs{Target: at}}); err != nil {
		return err
	}
	t.add(t.target, "target", Route{})
	if t.control, err = dialController(ctx, t.target.At.Tunnel); err != nil {
		return err
	}
	to := subject.Options{At: subject.Addrs{Target: t.target.At.Target}}
	if slices.Contains(s.Paths, Relay) {
		if t.relay, err = own("relay", self+" relay --listen {tunnel} --to {target}", "{tunnel}").Start(ctx, to); err != nil {
			return err
		}
		t.add(t.relay, "relay", Route{Path: Relay})
	}
	var names []string
	for i, f := range files {
		names = append(names, f.Name)
		if !slices.Contains(s.Paths, Tunnel) {
			break
		}
		in, err := f.Start(ctx, to)
		if err != nil {
			return err
		}
		t.subjects[f.Name] = in
		t.add(in, "", Route{Tunnel, f.Name})
		if t.info[i].Version, err = f.VersionOf(ctx); err != nil {
			return err
		}
	}
	t.routes = s.routes(names)
	for _, r := range t.routes {
		if err := t.carries(ctx, r, uint64(s.Seed), within); err != nil {
			return fmt.Errorf("path %v: %w%s", r, err, t.lastLines(r))
		}
	}
	return nil
}

// describe is the subjects as their files give them, placeholders and all: where they ran is of no interest.
func describe(files []*subject.File) (out []SubjectInfo) {
	for _, f := range files {
		d := SubjectInfo{Name: f.Name}
		if f.Server != nil {
			d.Server = cmp.Or(f.Server.Command, f.Server.Address)
		}
		if f.Client != nil {
			d.Client = f.Client.Command
		}
		out = append(out, d)
	}
	return out
}

// targetOf is the target's address, when a subject fixes it: all of them lead to the same target.
func targetOf(files []*subject.File) (at string, err error) {
	for _, f := range files {
		here := fixed(f.Target)
		if at != "" && here != "" && at != here {
			return "", fmt.Errorf("subject %s: target %s: another subject's is %s; write the same address in both, or auto", f.Name, here, at)
		}
		at = cmp.Or(at, here)
	}
	return at, nil
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

// add takes in the processes of an instance; without a role they have their own names.
func (t *topology) add(in *subject.Instance, role string, route Route) {
	for _, p := range in.Processes() {
		t.procs = append(t.procs, routed{p, cmp.Or(role, p.Name), route})
	}
}

// addr is where the generator connects for a route.
func (t *topology) addr(r Route) string {
	switch r.Path {
	case Relay:
		return t.relay.At.Tunnel
	case Tunnel:
		return t.subjects[r.Subject].At.Visitor
	}
	return t.target.At.Target
}

// sampler follows the processes of a route, and this one.
func (t *topology) sampler(r Route) *sampler {
	roles, pids := []string{"generator"}, []int{os.Getpid()}
	for _, p := range t.procs {
		if p.route == r || p.route == (Route{}) {
			roles, pids = append(roles, p.role), append(pids, p.PID())
		}
	}
	return newSampler(roles, pids)
}

// carries waits until one packet goes through a path and back: a visitor may
// be accepted, and reset, long before the tunnel stands.
func (t *topology) carries(ctx context.Context, route Route, seed uint64, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r := newRing(seed)
	for stream := probeStreams; ; stream++ {
		err := probe(ctx, t.addr(route), r, stream)
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
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
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
func (t *topology) ended() *routed {
	for i := range t.procs {
		if !t.procs[i].Running() {
			return &t.procs[i]
		}
	}
	return nil
}

// lastLines is what the processes of a route wrote last, for an error message.
func (t *topology) lastLines(r Route) string {
	var b strings.Builder
	for _, p := range t.procs {
		if p.route != r {
			continue
		}
		for _, line := range p.Log(10) {
			fmt.Fprintf(&b, "\n    %s: %s", p.role, line)
		}
	}
	return b.String()
}

// close ends everything that was started, what carries before what it leads to.
func (t *topology) close() error {
	var errs []error
	if t.control != nil {
		errs = append(errs, t.control.c.Close())
	}
	for _, in := range append(slices.Collect(maps.Values(t.subjects)), t.relay, t.target) {
		if in != nil {
			errs = append(errs, in.Close())
		}
	}
	return errors.Join(errs...)
}
