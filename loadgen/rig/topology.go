package rig

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Topology is everything that a scenario runs against.
type Topology struct {
	Routes     []record.Route
	Addrs      map[record.Route][]string // where visitors connect, in turn
	Subjects   []record.Subject
	Target     *control.Client
	Generators []*load.Remote
	Key        string // of the payload: new for each run, and known to its two ends alone

	scenario  *scenario.Scenario
	patience  time.Duration // longest wait for a path to carry its first packet
	files     uint64        // descriptors that a process may have
	launcher  *launcher
	direct    string // where the target takes connections; empty: out of reach
	links     map[record.Route][]*control.Client
	subjects  map[string]*subject.Instance // by name
	others    []*subject.Instance          // to be closed last
	processes []routed
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
	Patience time.Duration // longest wait for a path to carry its first packet

	Executable string // adit-load itself as a file; containers are made from it
	OpenFiles  uint64 // that a process may have: several share a role that needs more; 0: unknown
	Elsewhere  Elsewhere
}

// Start starts what the paths need. An error is a *StartError, and nothing is left running.
func Start(ctx context.Context, o Options) (*Topology, error) {
	t := &Topology{
		Key: rand.Text(), scenario: o.Scenario, patience: o.Patience, files: o.OpenFiles, Subjects: Describe(o.Subjects),
		subjects: map[string]*subject.Instance{}, links: map[record.Route][]*control.Client{}, Addrs: map[record.Route][]string{},
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
	if t.launcher, err = newLauncher(ctx, o); err != nil {
		return err
	}
	if err := t.far(ctx, o); err != nil {
		return err
	}
	if _, err := load.TargetReset.Ask(ctx, t.Target, load.NewBlock{Key: t.Key}); err != nil {
		return err
	}
	if err := t.near(ctx, o); err != nil {
		return err
	}
	t.Routes = record.Routes(o.Paths, t.Subjects)
	for _, r := range t.Routes {
		if t.Addrs[r], err = t.route(ctx, o, r); err != nil {
			return &StartError{r.Subject, err}
		}
		if err := t.carries(ctx, r); err != nil {
			return &StartError{r.Subject, fmt.Errorf("path %v: %w%s", r, err, t.LastLines(r))}
		}
		if err := t.owner(ctx, r); err != nil {
			return err
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
	t.Target, t.direct = control.NewClient("target", controlOf(in), t.launcher.token), in.At.Target
	return nil
}

// targetOf is the target's address, when a subject fixes it: all of them lead to the same target.
func targetOf(files []*subject.File) (at string, err error) {
	for _, f := range files {
		here := subject.Given(f.Target)
		if at != "" && here != "" && at != here {
			return "", fmt.Errorf("subject %s: target %s: another subject's is %s; write the same address in both, or auto", f.Name, here, at)
		}
		at = cmp.Or(at, here)
	}
	return at, nil
}

// near starts the generators, or finds those that run already.
func (t *Topology) near(ctx context.Context, o Options) error {
	addrs, token := o.Elsewhere.Generators, o.Elsewhere.Token
	if len(addrs) == 0 {
		token = t.launcher.token
		for range o.Scenario.Processes("generator", o.OpenFiles) {
			in, err := t.own(ctx, generatorDuty, record.Route{}, subject.Addrs{})
			if err != nil {
				return err
			}
			addrs = append(addrs, controlOf(in))
		}
	}
	for i, addr := range addrs {
		w, err := load.DialGenerator(ctx, fmt.Sprintf("generator %d", i+1), addr, token)
		if err != nil {
			return err
		}
		t.Generators = append(t.Generators, w)
	}
	return nil
}

// route starts what stands between the generators and the target on one route,
// and says where visitors connect, in turn. A link stands in the same place of all: behind whatever is measured, or in
// front of the target; for a tunnel between its client and its server.
func (t *Topology) route(ctx context.Context, o Options, r record.Route) (addrs []string, err error) {
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
				return nil, err
			}
			to = append(to, at)
		}
	}
	switch r.Path {
	case scenario.Direct:
		addrs = to
	case scenario.Relay:
		for i := range o.Scenario.Processes("relay", o.OpenFiles) {
			in, err := t.own(ctx, relayDuty, r, subject.Addrs{Target: to[i%len(to)]})
			if err != nil {
				return nil, err
			}
			addrs = append(addrs, in.At.Tunnel)
		}
	case scenario.Tunnel:
		options := subject.Options{At: subject.Addrs{Target: to[0]}}
		if linked {
			options.Line = func(ctx context.Context, server string) (string, error) { return t.link(ctx, r, server) }
		}
		if t.launcher.place != nil {
			place := *t.launcher.place
			place.Publish, place.Files, place.Limits = false, nil, map[string]subject.Limits{}
			for _, role := range []string{"server", "client"} {
				place.Limits[role] = limits(o.Scenario, role, o.OpenFiles)
			}
			options.Place = &place
		}
		in, err := o.Subjects[i].Start(ctx, options)
		if err != nil {
			return nil, err
		}
		addrs, t.subjects[r.Subject] = []string{in.At.Visitor}, in
		t.add(in, "", r)
		t.Subjects[i].Programs = programs(in)
		if t.Subjects[i].Version, err = o.Subjects[i].VersionOf(ctx); err != nil {
			return nil, err
		}
	}
	return addrs, nil
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
	t.links[r] = append(t.links[r], control.NewClient("link", controlOf(in), t.launcher.token))
	return in.At.Visitor, nil
}

// add takes in the processes of an instance; without a role they have their own names.
func (t *Topology) add(in *subject.Instance, role string, route record.Route) {
	for _, p := range in.Processes() {
		t.processes = append(t.processes, routed{p, cmp.Or(role, p.Name), route})
	}
}

// carries waits until one packet goes through a path and back: a visitor may
// be accepted, and reset, long before the tunnel stands. Each generator sends its own.
func (t *Topology) carries(ctx context.Context, r record.Route) error {
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for i, w := range t.Generators {
		g.Go(func() error { return t.probe(ctx, w, t.Addrs[r][0], load.Probes+uint64(i)<<32) })
	}
	return g.Wait()
}

// probe sends packets from one generator until one comes back.
func (t *Topology) probe(ctx context.Context, w *load.Remote, addr string, stream uint64) error {
	for ; ; stream++ {
		_, err := load.GeneratorProbe.Ask(ctx, w.Client, load.Path{Addr: addr, Key: t.Key, Stream: stream})
		if err == nil {
			return nil
		}
		if cause := load.Sleep(ctx, 20*time.Millisecond); cause != nil {
			if !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return fmt.Errorf("no packet came through to the target and back within %v: %w", t.patience, err)
		}
	}
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

// SetLink makes the route's links, if the scenario has any, as the cell wants
// them. Several share the rate evenly, as they share the connections.
func (t *Topology) SetLink(ctx context.Context, r record.Route, l scenario.Link) error {
	share := l
	share.Rate /= scenario.Bandwidth(max(len(t.links[r]), 1))
	for _, link := range t.links[r] {
		if _, err := LinkSet.Ask(ctx, link, share); err != nil {
			return err
		}
	}
	return nil
}

// Lead is how long before its start a load is announced, so that all generators know of it in time.
func (t *Topology) Lead() time.Duration {
	var off time.Duration
	for _, w := range t.Generators {
		off = max(off, w.Error)
	}
	return 20*time.Millisecond + 10*off
}

// Clocks are the generators, and how their clocks stand.
func (t *Topology) Clocks() (out []record.Clock) {
	for _, w := range t.Generators {
		out = append(out, record.Clock{Address: w.Addr, OffsetSeconds: w.Offset.Seconds(), WithinSeconds: w.Error.Seconds()})
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

// Ended says which process has ended by itself, how, and what it wrote last; nil when all run.
func (t *Topology) Ended() error {
	for _, p := range t.processes {
		if !p.Running() {
			return &StartError{p.route.Subject, fmt.Errorf("%s ended during the run: %s%s", strings.TrimSpace(p.route.Subject+" "+p.role), p.Status(), t.LastLines(p.route))}
		}
	}
	return nil
}

// owner makes sure that it is the subject that accepts a route's visitors, and notes what is known of that.
func (t *Topology) owner(ctx context.Context, r record.Route) error {
	in := t.subjects[r.Subject]
	if in == nil {
		return nil
	}
	i := slices.IndexFunc(t.Subjects, func(s record.Subject) bool { return s.Name == r.Subject })
	if t.Subjects[i].Owner = record.NotStarted; len(in.Processes()) == 0 {
		return nil
	}
	visitor, err := (&net.Dialer{Timeout: t.patience}).DialContext(ctx, "tcp", in.At.Visitor)
	var visitors []net.Conn // one in a network of containers may be out of reach
	if err == nil {
		defer visitor.Close()
		visitors = append(visitors, visitor)
	}
	err = in.Owner(ctx, visitors...)
	t.Subjects[i].Owner = record.Checked
	if errors.Is(err, errors.ErrUnsupported) {
		t.Subjects[i].Owner = err.Error()
		return nil
	}
	return t.lost(r, err)
}

// Owner says that another program than the subject has connections of a route, or that the subject has ended.
func (t *Topology) Owner(ctx context.Context, r record.Route) error {
	in := t.subjects[r.Subject]
	if in == nil {
		return nil
	}
	if err := in.Owner(ctx); !errors.Is(err, errors.ErrUnsupported) {
		return t.lost(r, err)
	}
	return nil
}

// lost is what Owner said of a route's subject; nil stays nil.
func (t *Topology) lost(r record.Route, err error) error {
	if _, ended := errors.AsType[*subject.ExitError](err); err == nil || ended {
		return t.Ended()
	}
	return &StartError{r.Subject, fmt.Errorf("subject %s: %w", r.Subject, err)}
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

// Close ends everything that was started: tunnels and links before the target.
func (t *Topology) Close() error {
	var errs []error
	for _, w := range t.Generators {
		w.Close()
	}
	for _, ls := range t.links {
		for _, l := range ls {
			l.Close()
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
	if t.launcher != nil {
		errs = append(errs, t.launcher.close())
	}
	return errors.Join(errs...)
}
