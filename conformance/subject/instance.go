package subject

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// UnsupportedError says what the subject, or this system, does not support.
type UnsupportedError struct{ Feature string }

func (e *UnsupportedError) Error() string { return "not supported: " + e.Feature }

func (e *UnsupportedError) Unwrap() error { return errors.ErrUnsupported }

// Part says which processes of a subject Start starts.
type Part int

// Parts.
const (
	Whole      Part = iota // all that the file has
	ServerOnly             // the caller plays the client
	ClientOnly             // the caller plays the server, at Options.At.Tunnel
)

// Options say how to start a subject. The zero value starts all of it.
type Options struct {
	Part     Part
	At       Addrs             // addresses of the caller's own; they win over the file's
	Place    *Place            // where images run; nil: in the network of the host
	Line     Line              // what the client is to reach the server through; nil: nothing
	Option   string            // which of the file's options it is started for, by name; empty: key where there are Keys, else none
	Keys     []string          // as text; a server asks for one of them, a client has the first
	Files    map[string]string // of certificates and private keys, by the names of their placeholders
	Pin      string            // of the server's certificate
	Scenario string            // what a program finds in ADIT_SCENARIO: the case that it is started for
	LogLines int               // lines kept of each process; 0: 200
	Grace    time.Duration     // between SIGTERM and SIGKILL; 0: 5 s
}

func (o Options) logLines() int        { return cmp.Or(o.LogLines, 200) }
func (o Options) grace() time.Duration { return cmp.Or(o.Grace, 5*time.Second) }

// A Line is told where the server listens for the client before either is
// started, and says where the client is to connect instead.
type Line func(ctx context.Context, server string) (string, error)

// An Instance is one started subject.
type Instance struct {
	At     Addrs
	Dir    string   // {dir}; removed by Close
	Server *Process // nil when not started here
	Client *Process // nil when not started here

	Bind      [2]int       // ports that clients of the server may ask for; zero: none
	block     net.Listener // keeps them
	Published string       // where {tunnel} is reached from this machine, when Options.Place says that it shall be
	host      string       // the server's, in a Place
	listens   []ownAddr    // of the server
	dials     []ownAddr    // of the client: where it is to connect

	looking sync.Mutex
	known   map[birth]bool // what it had started when that was last looked at, also what is not seen to be its own any more
}

// Start starts an instance: server, client, prepare, each waited for until it
// is ready. With an error nothing is left running. Instances of one file may
// run at the same time when its addresses are auto.
func (f *File) Start(ctx context.Context, o Options) (*Instance, error) {
	server, client := f.Server, f.Client
	switch {
	case o.Part == ServerOnly && server == nil, o.Part == ClientOnly && client == nil:
		return nil, fmt.Errorf("subject %s: has no %s", f.Name, map[Part]string{ServerOnly: "server", ClientOnly: "client"}[o.Part])
	case o.Part == ServerOnly:
		client = nil
	case o.Part == ClientOnly:
		server = nil
	}
	if missing := f.Missing(); len(missing) > 0 {
		return nil, fmt.Errorf("subject %s: needs %s, which this machine does not have: install it, or add its folder to PATH", f.Name, strings.Join(missing, ", "))
	}
	host, free, err := o.Place.free()
	if err != nil {
		return nil, err
	}
	for range addressTries - 1 {
		in, err := f.startAt(ctx, host, free, server, client, o)
		if stranger, ok := errors.AsType[*StrangerError](err); !ok || !f.picked(stranger, o.At) {
			return in, err
		}
	}
	return f.startAt(ctx, host, free, server, client, o)
}

// addressTries is how often free addresses are chosen: another program may take one before the subject does.
const addressTries = 3

// picked reports whether the stranger is where Start chose the address.
func (f *File) picked(e *StrangerError, at Addrs) bool {
	return map[string]bool{
		"tunnel":  at.Tunnel == "" && f.Tunnel == auto,
		"visitor": at.Visitor == "" && f.Visitor == auto,
		"api":     at.API == "" && f.API == auto,
	}[e.what]
}

func (f *File) startAt(ctx context.Context, host string, free func(map[string]bool) (string, error), server, client *Role, o Options) (*Instance, error) {
	at, err := f.resolve(o.At, free)
	if err != nil {
		return nil, err
	}
	in := &Instance{At: at, host: host}
	if in.Dir, err = os.MkdirTemp("", "adit-subject-"); err != nil {
		ours.release(at)
		return nil, err
	}
	if err := f.start(ctx, in, server, client, o); err != nil {
		return nil, errors.Join(fmt.Errorf("subject %s: %w", f.Name, err), in.Close())
	}
	return in, nil
}

func (f *File) start(ctx context.Context, in *Instance, server, client *Role, o Options) error {
	if o.Option == optionPublish && server != nil {
		var err error
		if in.Bind, in.block, err = block(); err != nil {
			return err
		}
	}
	v := values{at: in.At, dir: in.Dir, here: f.here, bind: in.Bind}
	atClient, err := v, error(nil)
	if o.Line != nil && client != nil {
		if atClient.at.Tunnel, err = o.Line(ctx, in.At.Tunnel); err != nil {
			return err
		}
	}
	if in.Server, err = f.process("server", in.host, server, v, o); err != nil {
		return err
	}
	if in.Client, err = f.process("client", "", client, atClient, o); err != nil {
		return err
	}
	if in.Client != nil {
		in.dials = []ownAddr{{"tunnel", atClient.at.Tunnel}}
	}
	if in.Server != nil {
		if in.listens, err = v.listens(server); err != nil {
			return err
		}
		if o.Place == nil { // there every address is new
			if err := vacant(ctx, in.listens); err != nil {
				return err
			}
		}
	}
	if err := in.putFiles(o); err != nil {
		return err
	}
	procs := in.Processes()
	var whole *gate
	if o.Part != ClientOnly { // only the client's own condition can come true without a server
		if whole, err = v.gate(f.Ready, procs...); err != nil {
			return err
		}
	}
	hits := whole.lines()
	for _, p := range procs {
		if err := p.up(ctx); err != nil {
			return err
		}
	}
	if in.Server != nil {
		in.Published = in.Server.published()
	}
	if f.Prepare != "" && o.Part != ClientOnly {
		if err := f.prepare(ctx, v, o); err != nil {
			return err
		}
	}
	if err := whole.wait(ctx, hits); err != nil {
		return err
	}
	if err := in.Owner(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if whole == nil {
		return nil
	}
	for _, p := range procs {
		p.ready = whole.after(p.ready)
	}
	return nil
}

// after makes a process that is started again ready only when the whole is, if the rest of it runs.
func (g *gate) after(own func(context.Context, *Process) error) func(context.Context, *Process) error {
	return func(ctx context.Context, p *Process) error {
		hits := g.lines()
		if err := own(ctx, p); err != nil {
			return err
		}
		if slices.ContainsFunc(g.procs, func(p *Process) bool { return !p.Running() }) {
			return nil
		}
		return g.wait(ctx, hits)
	}
}

// process makes the process of a role, not started yet; nil for a role that runs elsewhere.
// host is its address in a Place; empty: any.
func (f *File) process(name, host string, r *Role, v values, o Options) (*Process, error) {
	if r == nil || r.Address != "" {
		return nil, nil
	}
	ready, what := r.Ready, program(nil)
	var err error
	if r.Image != nil {
		ready = cmp.Or(ready, &Ready{Log: imageReady})
		var at *placement
		if at, err = o.Place.placement(name, host, v.at); err == nil {
			what, err = f.container(name, r, v, o, at)
		}
	} else if o.Place != nil {
		return nil, &UnsupportedError{name + ".command in a network of containers: give the role an image"}
	} else {
		what, err = f.command(name, r, v, o)
	}
	if err != nil {
		return nil, err
	}
	p := newProcess(name, what, o)
	g, err := v.gate(ready, p)
	if err != nil {
		return nil, err
	}
	p.ready = func(ctx context.Context, p *Process) error {
		err := g.up(ctx, p)
		if err != nil && !p.Running() {
			return g.judgeDecline(ctx, p, o.Scenario, err)
		}
		return err
	}
	return p, nil
}

// command is the program of a role that has a command.
func (f *File) command(name string, r *Role, v values, o Options) (program, error) {
	argv, err := v.command(r.Command)
	if err != nil {
		return nil, fmt.Errorf("%s.command: %w", name, err)
	}
	more, err := f.appended(name, v, o)
	if err != nil {
		return nil, err
	}
	env, err := f.environment(contract(name, v, o.Scenario), r.Env, v)
	if err != nil {
		return nil, err
	}
	return command{append(argv, more...), env}, nil
}

// environment is env, then the file's variables, then the role's own.
func (f *File) environment(env []string, own map[string]string, v values) ([]string, error) {
	for _, vars := range []map[string]string{f.Env, own} {
		for _, k := range slices.Sorted(maps.Keys(vars)) {
			val, err := v.fill(vars[k])
			if err != nil {
				return nil, fmt.Errorf("env.%s: %w", k, err)
			}
			env = append(env, k+"="+val)
		}
	}
	return env, nil
}

// prepare runs the prepare command to its end, which must be a success.
func (f *File) prepare(ctx context.Context, v values, o Options) error {
	argv, err := v.command(f.Prepare)
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	env, err := f.environment([]string{mark(v.dir)}, nil, v)
	if err != nil {
		return err
	}
	p := newProcess("prepare", command{argv, env}, o)
	if err := p.start(ctx); err != nil {
		return err
	}
	defer p.wg.Wait()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case <-p.Exited():
	case <-ctx.Done():
		p.End(true)
		return fmt.Errorf("prepare: %s: %w%s", p.Command(), ctx.Err(), quoteLog(p.Log(0)))
	}
	if p.lastEnd().code != 0 {
		return fmt.Errorf("prepare failed: %w", p.exitError())
	}
	return nil
}

// Processes are the processes that were started here, the server first.
func (in *Instance) Processes() []*Process {
	return slices.DeleteFunc([]*Process{in.Server, in.Client}, func(p *Process) bool { return p == nil })
}

// Close ends the processes in order, the client first, with what they left behind, and removes Dir.
func (in *Instance) Close() error {
	var errs []error
	for _, p := range slices.Backward(in.Processes()) {
		errs = append(errs, p.close())
	}
	if len(errs) > 0 {
		in.sweep()
	}
	ours.release(in.At)
	if in.block != nil {
		errs = append(errs, in.block.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(in.Dir))...)
}

// VersionOf runs the version command and returns the first line that it writes; empty without one.
func (f *File) VersionOf(ctx context.Context) (string, error) {
	if f.Version == "" {
		return "", nil
	}
	argv, err := f.versionCommand()
	if err != nil {
		return "", fmt.Errorf("version: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("version: %s: %w: %s", strings.Join(argv, " "), err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}

// versionCommand fills in the version command; it runs without an instance.
func (f *File) versionCommand() ([]string, error) {
	if err := onlyHere("a version command", f.Version); err != nil {
		return nil, err
	}
	return values{here: f.here}.command(f.Version)
}
