// Package topology starts everything that a scenario runs against, each a
// process or in a container of its own: generators, the target, relays, links
// and subjects.
//
//	topology.go   Topology: what runs, and on which route
//	hands.go      how adit-load's own roles are started
//	elsewhere.go  what runs already, here or on other machines
package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/control"
	"github.com/adit-tunnel/adit/loadgen/link"
	"github.com/adit-tunnel/adit/loadgen/pace"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/worker"
)

// A Topology is everything that a scenario runs against.
type Topology struct {
	Routes   []record.Route
	Subjects []record.Subject
	Target   *control.Client
	Workers  []*worker.Remote

	scenario  *scenario.Scenario
	within    time.Duration // longest wait for a path to carry its first packet
	files     uint64        // descriptors that a process may have
	hands     *hands
	direct    string              // where the target takes connections; empty: out of reach
	relays    []*subject.Instance // nil when no path needs one
	links     map[record.Route][]*line
	subjects  map[string]*subject.Instance // by name
	others    []*subject.Instance          // to be closed last
	processes []routed
}

// A line is a link on one route, or one of several that share its connections.
type line struct {
	at      string // where to connect instead
	control *control.Client
}

// routed is a process, and on which route it is; an empty one is on all.
type routed struct {
	*subject.Process
	role  string
	route record.Route
}

// StartError says that the topology did not come up, or did not stay up.
type StartError struct {
	Subject string // whose processes did not; empty: others
	Err     error
}

func (e *StartError) Error() string { return e.Err.Error() }

func (e *StartError) Unwrap() error { return e.Err }

// Options say what is started, and how.
type Options struct {
	Scenario *scenario.Scenario
	Subjects []*subject.File
	Paths    []string      // those of the scenario that are run
	Self     string        // command line, quoted, of adit-load itself
	Within   time.Duration // longest wait for a path to carry its first packet

	Executable string // adit-load itself as a file; containers are made from it
	OpenFiles  uint64 // that a process may have: several share a role that needs more; 0: unknown
	Elsewhere  Elsewhere
}

// Start starts what the paths need. An error is a *StartError, and nothing is left running.
func Start(ctx context.Context, o Options) (*Topology, error) {
	t := &Topology{
		scenario: o.Scenario, within: o.Within, files: o.OpenFiles, Subjects: Describe(o.Subjects),
		subjects: map[string]*subject.Instance{}, links: map[record.Route][]*line{},
	}
	if err := t.start(ctx, o); err != nil {
		whose := ""
		if e, ok := errors.AsType[*StartError](err); ok {
			whose = e.Subject
		}
		return nil, &StartError{whose, errors.Join(err, t.Close())}
	}
	return t, nil
}

func (t *Topology) start(ctx context.Context, o Options) error {
	var err error
	if t.hands, err = newHands(ctx, o); err != nil {
		return err
	}
	if err := t.far(ctx, o); err != nil {
		return err
	}
	if err := t.near(ctx, o); err != nil {
		return err
	}
	var names []string
	for _, f := range o.Subjects {
		names = append(names, f.Name)
	}
	t.Routes = record.Routes(o.Paths, names)
	for _, r := range t.Routes {
		if err := t.route(ctx, o, r); err != nil {
			return &StartError{r.Subject, err}
		}
		if err := t.carries(ctx, r, o.Within); err != nil {
			return &StartError{r.Subject, fmt.Errorf("path %v: %w%s", r, err, t.LastLines(r))}
		}
	}
	return nil
}

// far starts the target, or finds the one that runs already.
func (t *Topology) far(ctx context.Context, o Options) error {
	if e := o.Elsewhere; e.Target != "" {
		t.Target, t.direct = control.NewClient("target", e.Target, e.Token), e.Direct
		return nil
	}
	at, err := targetOf(o.Subjects)
	if err != nil {
		return err
	}
	in, err := t.own(ctx, targetDuty, record.Route{}, subject.Addrs{Target: at})
	if err != nil {
		return err
	}
	t.Target, t.direct = control.NewClient("target", controlOf(in), t.hands.token), in.At.Target
	return nil
}

// near starts the generators, or finds those that run already.
func (t *Topology) near(ctx context.Context, o Options) error {
	addrs, token := o.Elsewhere.Workers, o.Elsewhere.Token
	if len(addrs) == 0 {
		token = t.hands.token
		for range o.Scenario.Processes("generator", o.OpenFiles) {
			in, err := t.own(ctx, generatorDuty, record.Route{}, subject.Addrs{})
			if err != nil {
				return err
			}
			addrs = append(addrs, controlOf(in))
		}
	}
	for i, addr := range addrs {
		w, err := worker.Dial(ctx, fmt.Sprintf("generator %d", i+1), addr, token)
		if err != nil {
			return err
		}
		t.Workers = append(t.Workers, w)
	}
	return nil
}

// route starts what stands between the generators and the target on one route.
// A link stands in the same place of all: behind whatever is measured, or in
// front of the target; for a tunnel between its client and its server.
func (t *Topology) route(ctx context.Context, o Options, r record.Route) error {
	to := []string{t.direct}
	linked := o.Scenario.Linked()
	i := slices.IndexFunc(o.Subjects, func(f *subject.File) bool { return f.Name == r.Subject })
	if linked && (r.Path != scenario.Tunnel || o.Subjects[i].Client == nil) {
		n := 1
		if r.Path != scenario.Tunnel {
			n = o.Scenario.Processes("link", o.OpenFiles)
		}
		to = nil
		for range n {
			at, err := t.link(ctx, r, t.direct)
			if err != nil {
				return err
			}
			to = append(to, at)
		}
	}
	switch r.Path {
	case scenario.Relay:
		for i := range o.Scenario.Processes("relay", o.OpenFiles) {
			in, err := t.own(ctx, relayDuty, r, subject.Addrs{Target: to[i%len(to)]})
			if err != nil {
				return err
			}
			t.relays = append(t.relays, in)
		}
	case scenario.Tunnel:
		options := subject.Options{At: subject.Addrs{Target: to[0]}}
		if linked {
			options.Line = func(ctx context.Context, server string) (string, error) { return t.link(ctx, r, server) }
		}
		if t.hands.place != nil {
			place := *t.hands.place
			place.Publish, place.Files, place.Limits = false, nil, map[string]subject.Limits{}
			for _, role := range []string{"server", "client"} {
				place.Limits[role] = limits(o.Scenario, role, o.OpenFiles)
			}
			options.Place = &place
		}
		in, err := o.Subjects[i].Start(ctx, options)
		if err != nil {
			return err
		}
		t.subjects[r.Subject] = in
		t.add(in, "", r)
		t.Subjects[i].Programs = programs(in)
		if t.Subjects[i].Version, err = o.Subjects[i].VersionOf(ctx); err != nil {
			return err
		}
	}
	return nil
}

// link starts a link to an address and says where to connect instead.
func (t *Topology) link(ctx context.Context, r record.Route, to string) (string, error) {
	duty := linkDuty
	if t.scenario.Link.Backend == scenario.ByTBF {
		duty.args += " --backend tbf"
	}
	in, err := t.own(ctx, duty, r, subject.Addrs{Target: to})
	if err != nil {
		return "", err
	}
	t.links[r] = append(t.links[r], &line{in.At.Visitor, control.NewClient("link", controlOf(in), t.hands.token)})
	return in.At.Visitor, nil
}

// Describe is the subjects as their files give them, placeholders and all: where they ran is of no interest.
func Describe(files []*subject.File) (out []record.Subject) {
	for _, f := range files {
		d := record.Subject{Name: f.Name}
		if f.Server != nil {
			d.Server = cmp.Or(f.Server.Command, f.Server.Address)
			if f.Server.Image != nil {
				d.Server = "image " + f.Server.Image.String()
			}
		}
		if f.Client != nil {
			d.Client = f.Client.Command
			if f.Client.Image != nil {
				d.Client = "image " + f.Client.Image.String()
			}
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

// add takes in the processes of an instance; without a role they have their own names.
func (t *Topology) add(in *subject.Instance, role string, route record.Route) {
	for _, p := range in.Processes() {
		t.processes = append(t.processes, routed{p, cmp.Or(role, p.Name), route})
	}
}

// Addrs are where visitors connect on a route, in turn.
func (t *Topology) Addrs(r record.Route) (out []string) {
	switch r.Path {
	case scenario.Relay:
		for _, in := range t.relays {
			out = append(out, in.At.Tunnel)
		}
		return out
	case scenario.Tunnel:
		return []string{t.subjects[r.Subject].At.Visitor}
	}
	for _, l := range t.links[r] {
		out = append(out, l.at)
	}
	if out == nil {
		return []string{t.direct}
	}
	return out
}

// SetLink makes the route's links, if the scenario has any, as the cell wants
// them. Several share the rate evenly, as they share the connections.
func (t *Topology) SetLink(ctx context.Context, r record.Route, l scenario.Link) error {
	for _, at := range t.links[r] {
		s := link.Settings{
			Delay: time.Duration(l.RTT) / 2, Jitter: time.Duration(l.Jitter), Rate: float64(l.Rate) / float64(len(t.links[r])),
			Stall: link.Stall{P: float64(l.Stall.P), Every: time.Duration(l.Stall.Every), For: time.Duration(l.Stall.For)},
		}
		if _, err := control.Ask[control.None](ctx, at.control, link.Set, s); err != nil {
			return err
		}
	}
	return nil
}

// Lead is how long before its start a load is announced, so that all generators know of it in time.
func (t *Topology) Lead() time.Duration {
	lead := 20 * time.Millisecond
	for _, w := range t.Workers {
		lead = max(lead, 20*time.Millisecond+10*w.Within)
	}
	return lead
}

// Clocks are the generators, and how their clocks stand.
func (t *Topology) Clocks() (out []record.Worker) {
	for _, w := range t.Workers {
		out = append(out, record.Worker{Address: w.Addr, OffsetSeconds: w.Offset.Seconds(), WithinSeconds: w.Within.Seconds()})
	}
	return out
}

// Sampler follows the processes of a route.
func (t *Topology) Sampler(r record.Route) *sample.Sampler {
	var roles []string
	var pids []int
	for _, p := range t.processes {
		if p.route == r || p.route == (record.Route{}) {
			roles, pids = append(roles, p.role), append(pids, p.PID())
		}
	}
	return sample.New(roles, pids)
}

// carries waits until one packet goes through a path and back: a visitor may
// be accepted, and reset, long before the tunnel stands. Each generator sends its own.
func (t *Topology) carries(ctx context.Context, r record.Route, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for i, w := range t.Workers {
		g.Go(func() error { return t.probe(ctx, w, t.Addrs(r)[0], probes+uint64(i)<<32, within) })
	}
	return g.Wait()
}

// probe sends packets from one generator until one comes back.
func (t *Topology) probe(ctx context.Context, w *worker.Remote, addr string, stream uint64, within time.Duration) error {
	for ; ; stream++ {
		_, err := control.Ask[control.None](ctx, w.Client, worker.Probe, worker.Path{Addr: addr, Seed: uint64(t.scenario.Seed), Stream: stream})
		if err == nil {
			return nil
		}
		if cause := pace.Sleep(ctx, 20*time.Millisecond); cause != nil {
			if !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return fmt.Errorf("no packet came through to the target and back within %v: %w", within, err)
		}
	}
}

// probes is the first number of a probe's stream, far from those of the load.
const probes = uint64(1) << 63

// Ended says which process has ended by itself, how, and what it wrote last; nil when all run.
func (t *Topology) Ended() error {
	for _, p := range t.processes {
		if !p.Running() {
			return &StartError{p.route.Subject, fmt.Errorf("%s ended during the run: %s%s", strings.TrimSpace(p.route.Subject+" "+p.role), p.Status(), t.LastLines(p.route))}
		}
	}
	return nil
}

// Drop ends a subject, and its routes are measured no more.
func (t *Topology) Drop(name string) error {
	in := t.subjects[name]
	delete(t.subjects, name)
	t.Routes = slices.DeleteFunc(t.Routes, func(r record.Route) bool { return r.Subject == name })
	t.processes = slices.DeleteFunc(t.processes, func(p routed) bool { return p.route.Subject == name }) // its links wait for Close
	return in.Close()
}

// LastLines is what the processes of a route wrote last, for an error message.
func (t *Topology) LastLines(r record.Route) string {
	var b strings.Builder
	for _, p := range t.processes {
		if p.route != r {
			continue
		}
		for _, line := range p.Log(10) {
			fmt.Fprintf(&b, "\n    %s: %s", p.role, line)
		}
	}
	return b.String()
}

// Close ends everything that was started, what carries before what it leads to.
func (t *Topology) Close() error {
	var errs []error
	for _, w := range t.Workers {
		w.Close()
	}
	for _, ls := range t.links {
		for _, l := range ls {
			l.control.Close()
		}
	}
	if t.Target != nil {
		t.Target.Close()
	}
	for _, in := range t.subjects {
		errs = append(errs, in.Close())
	}
	for _, in := range slices.Backward(t.others) {
		errs = append(errs, in.Close())
	}
	if t.hands != nil {
		errs = append(errs, t.hands.close())
	}
	return errors.Join(errs...)
}
