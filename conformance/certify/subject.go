package certify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/conformance/wire"
)

// SubjectFlags name what is certified as a user does: by one of Server, Client,
// Listen and File.
type SubjectFlags struct {
	Server        string // HOST:PORT of a server that runs already
	Visitor       string // a mapped port of it
	VisitorTarget string // where the mapping leads; empty: not known
	API           string // URL of its control API; empty: it has none
	APIPorts      string // FIRST-LAST, the ports that the control API may map; empty: the usual ones

	Client string // command line of a client

	Listen string // where to wait for a client that somebody else starts
	Target string // where the suite's service listens for it

	File string // a subject file

	Extended bool // it claims the Extended profile; a subject file says so itself
}

// check refuses addresses that are none, and what has no meaning for the subject.
func (s SubjectFlags) check() error {
	if s.APIPorts != "" && s.Server != "" && s.API == "" {
		return errors.New("--api-ports needs --api, or a --subject that has one")
	}
	for _, at := range []struct{ flag, addr string }{
		{"--server", s.Server}, {"--visitor", s.Visitor}, {"--visitor-target", s.VisitorTarget}, {"--listen", s.Listen}, {"--target", s.Target},
	} {
		if at.addr == "" {
			continue
		}
		if err := subject.CheckAddr(at.addr); err != nil {
			return fmt.Errorf("%s %q: %w", at.flag, at.addr, err)
		}
	}
	return nil
}

// A Candidate is what is certified, in one of its roles.
type Candidate struct {
	Role    engine.Role
	Subject engine.Subject
	Fresh   bool // each case on an instance of its own

	Claims  map[string]string // beyond the role: capabilities by their first words
	Options []string          // of its subject file, by name, that say how it is started for a case
}

// Capabilities that the suite knows by their first word.
const (
	claimExt     = "ext"           // the Extended profile
	claimAuth    = "auth"          // its option of that name; always: it cannot be started without a key
	claimTLS     = "tls"           // TLS under a tunnel
	claimBind    = "bind"          // the option of that name
	claimPorts   = "api-ports"     // FIRST-LAST, which ports the control API may map
	claimDrain   = "drain"         // SIGTERM, by which it drains
	claimMemory  = "tunnel-memory" // so many octets, the limit of that name
	claimBinding = "binding"       // 1 or 2, the only one of TLS that it has
)

// always is the value of claimAuth of a subject that speaks with nobody but who has a key.
const always = "always"

// claims reports whether the candidate claims a capability.
func (c Candidate) claims(name string) bool {
	_, ok := c.Claims[name]
	return ok
}

// alwaysAsks reports whether the candidate cannot be started but with a key.
func (c Candidate) alwaysAsks() bool { return c.Claims[claimAuth] == always }

// speaks reports whether the candidate claims a profile. What no claim is needed for is Core, and a control API; both want a server that
// can be started open.
func (c Candidate) speaks(profile string) bool {
	if profile == "core" || profile == "api" {
		return !c.alwaysAsks()
	}
	return c.claims(profile)
}

// takes reports whether the case is about what the candidate claims, and shows it by nothing that it does not.
func (c Candidate) takes(k engine.Case) bool {
	return c.speaks(k.Profile()) && (!k.Extended() || c.claims(claimExt)) && (k.With&engine.WithKey == 0 || c.claims(claimAuth)) && (k.With&engine.WithTLS == 0 || c.claims(claimTLS)) && (k.With&engine.WithPublish == 0 || c.claims(claimBind))
}

// claims are capabilities by their first words. One that the suite does not know is for people.
func claims(capabilities []string) (map[string]string, error) {
	all := map[string]string{}
	for _, c := range capabilities {
		name, value, _ := strings.Cut(c, " ")
		if old, twice := all[name]; twice && old != value {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		all[name] = value
	}
	if _, ext := all[claimExt]; !ext {
		if _, auth := all[claimAuth]; auth {
			return nil, fmt.Errorf("%q needs %q: it is an option of that profile", claimAuth, claimExt)
		}
	}
	if _, bind := all[claimBind]; bind {
		if _, auth := all[claimAuth]; !auth {
			return nil, fmt.Errorf("%q needs %q: the suite shows by keys whose a port is", claimBind, claimAuth)
		}
	}
	if how := all[claimAuth]; how != "" && how != always {
		return nil, fmt.Errorf("%q must be \"auth\" or \"auth always\"", claimAuth+" "+how)
	}
	if _, tls := all[claimTLS]; tls && all[claimAuth] == always {
		return nil, fmt.Errorf("%q does not go with %q: its class has Core's, which wants a subject that can be started without a key", claimTLS, claimAuth+" "+always)
	}
	if how, ok := all[claimDrain]; ok && how != "SIGTERM" {
		return nil, fmt.Errorf("%q must be \"drain SIGTERM\"", claimDrain+" "+how)
	}
	if only, ok := all[claimBinding]; ok && only != "1" && only != "2" {
		return nil, fmt.Errorf("%q must be \"binding 1\" or \"binding 2\"", claimBinding+" "+only)
	}
	if n, ok := all[claimMemory]; ok {
		if _, err := strconv.ParseUint(n, 10, 40); err != nil {
			return nil, fmt.Errorf("%q must have a number of octets", claimMemory+" "+n)
		}
	}
	return all, nil
}

// Candidates is the subject in each role that it has, and its name for the certificate.
func (s SubjectFlags) Candidates(ctx context.Context) ([]Candidate, string, error) {
	all, name, err := s.candidates(ctx)
	for i := range all {
		if s.Extended {
			all[i].Claims = map[string]string{claimExt: ""}
		}
	}
	return all, name, err
}

func (s SubjectFlags) candidates(ctx context.Context) ([]Candidate, string, error) {
	if err := s.check(); err != nil {
		return nil, "", err
	}
	ports, err := portRange(s.APIPorts)
	if err != nil {
		return nil, "", fmt.Errorf("--api-ports %q: must be FIRST-LAST, like 10000-10100", s.APIPorts)
	}
	switch {
	case s.Server != "":
		e := elsewhere{"server " + s.Server, engine.Endpoints{
			Tunnel: s.Server, Visitor: s.Visitor, VisitorTarget: s.VisitorTarget, API: s.API, APIPorts: ports,
		}}
		return e.candidates(), e.name + ", visitors at " + s.Visitor, nil
	case s.Listen != "":
		e := elsewhere{"a client that connects to " + s.Listen, engine.Endpoints{}}
		return []Candidate{{Role: engine.Client, Subject: e}}, e.name, nil
	case s.Client != "":
		file, err := subject.Command(s.Client)
		if err != nil {
			return nil, "", fmt.Errorf("--client-cmd: %w", err)
		}
		return []Candidate{{Role: engine.Client, Subject: owned{file, subject.ClientOnly, ports}}}, s.Client, nil
	case s.File != "":
		return s.fromFile(ctx, ports)
	}
	return nil, "", errors.New("no subject: give one of --server with --visitor, --client-cmd, --listen and --subject")
}

// Hint is what may be wrong with a subject that could not be reached; empty: nothing that its flags show.
func (s SubjectFlags) Hint() string {
	if s.Client == "" || strings.Contains(s.Client, "{addr") || strings.Contains(s.Client, "{tunnel") || strings.Contains(s.Client, "ADIT_SERVER") {
		return ""
	}
	return "the command of --client-cmd has no {addr}, which the suite replaces with the address where it waits for the client"
}

// fromFile is the subject of a subject file, in each role that the file has.
func (s SubjectFlags) fromFile(ctx context.Context, ports [2]int) ([]Candidate, string, error) {
	file, err := subject.Load(s.File)
	if err != nil {
		return nil, "", err
	}
	name := file.Name
	if v, err := file.VersionOf(ctx); err != nil {
		return nil, "", err
	} else if v != "" {
		name += " (" + v + ")"
	}
	if file.Fresh {
		name += ", each case on a fresh instance"
	}
	able, err := claims(file.Capabilities)
	if err != nil {
		return nil, "", fmt.Errorf("%s: capabilities: %w", s.File, err)
	}
	if text, ok := able[claimPorts]; ok && ports[0] == 0 {
		if ports, err = portRange(text); err != nil {
			return nil, "", fmt.Errorf("%s: capabilities: %q must be %s FIRST-LAST", s.File, claimPorts+" "+text, claimPorts)
		}
	}
	if err := startable(file, able); err != nil {
		return nil, "", fmt.Errorf("%s: capabilities: %w", s.File, err)
	}
	var out []Candidate
	if server := file.Server; server != nil && server.Address != "" { // somebody else runs it
		e := elsewhere{file.Name, engine.Endpoints{Tunnel: server.Address, Visitor: file.Visitor, VisitorTarget: subject.Given(file.Target), API: apiURL(subject.Given(file.API)), APIPorts: ports}}
		out = e.candidates()
	} else if server != nil {
		o := owned{file, subject.ServerOnly, ports}
		out = append(out, Candidate{Role: engine.Server, Subject: o, Fresh: file.Fresh})
		if file.API != "" {
			out = append(out, Candidate{Role: engine.API, Subject: o, Fresh: file.Fresh})
		}
	}
	if file.Client != nil {
		out = append(out, Candidate{Role: engine.Client, Subject: owned{file, subject.ClientOnly, ports}, Fresh: file.Fresh})
	}
	for i := range out {
		out[i].Claims, out[i].Options = able, options(file, out[i].Role)
	}
	return out, name, nil
}

// options are the names of the options for which the file says how a role is started.
func options(file *subject.File, role engine.Role) []string {
	names := file.Options(string(role))
	if k := file.TLSKey; role == engine.Client && k != nil && k.Client != "" && !strings.Contains(k.Client, "{ca}") && !strings.Contains(k.Client, "{pin}") {
		names = append(names, engine.OptionAlone)
	}
	return names
}

// startable makes sure that the file says how the subject is started for what it claims.
func startable(file *subject.File, able map[string]string) error {
	_, auth := able[claimAuth]
	_, tls := able[claimTLS]
	_, bind := able[claimBind]
	for _, need := range []struct {
		claimed             bool
		claim, option, does string
	}{
		{auth, `"auth"`, "key", "asks for a key"},
		{tls, `"tls"`, "tls", "encrypts"},
		{auth && tls, `"auth" with "tls"`, "tls_key", "encrypts and asks for a key"},
		{bind, `"bind"`, "publish", "asks for a key and has the option bind"},
	} {
		for role, has := range map[string]bool{"server": file.Server != nil, "client": file.Client != nil} {
			if need.claimed && has && !slices.Contains(file.Options(role), need.option) {
				return fmt.Errorf("%s needs %s.%s, which says how a %s that %s is started", need.claim, need.option, role, role, need.does)
			}
		}
	}
	return nil
}

func apiURL(addr string) string {
	if addr == "" {
		return ""
	}
	return "http://" + addr
}

// portRange reads FIRST-LAST; an empty text is the zero range.
func portRange(s string) (ports [2]int, err error) {
	if s == "" {
		return ports, nil
	}
	first, last, _ := strings.Cut(s, "-")
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err := errors.Join(err1, err2); err != nil || a == 0 || b < a {
		return ports, fmt.Errorf("%q is no range of ports", s)
	}
	return [2]int{int(a), int(b)}, nil
}

// owned is a subject that the suite starts itself.
type owned struct {
	file  *subject.File
	part  subject.Part
	ports [2]int // that the control API may map
}

func (o owned) Owned() bool { return true }

func (o owned) Fixed() bool { return len(o.file.Fixed()) > 0 }

func (o owned) Describe() string {
	if o.part == subject.ClientOnly {
		return o.file.Name + " as client"
	}
	return o.file.Name + " as server"
}

func (o owned) Start(ctx context.Context, s engine.Setup) (engine.Running, error) {
	in, err := o.file.Start(ctx, subject.Options{
		Part: o.part, At: subject.Addrs{Tunnel: s.At.Tunnel, Target: s.At.Target}, Scenario: s.Scenario, Option: s.Option, Keys: asText(s.Keys), Files: s.Files, Pin: s.Pin,
	})
	if declined, ok := errors.AsType[*subject.DeclinedError](err); ok {
		return nil, fmt.Errorf("%w: %w", engine.ErrDeclined, declined)
	}
	if stranger, ok := errors.AsType[*subject.StrangerError](err); ok {
		return nil, fmt.Errorf("%w: %w", engine.ErrStranger, stranger)
	}
	if err != nil {
		return nil, err
	}
	process := in.Server
	if o.part == subject.ClientOnly {
		process = in.Client
	}
	return &instance{owned: o, in: in, Process: process}, nil
}

// instance is a started subject; its Process provides the methods of
// engine.Running that are not defined here.
type instance struct {
	*subject.Process
	owned owned
	in    *subject.Instance
}

func (i *instance) Endpoints() engine.Endpoints {
	at := engine.Endpoints{
		Tunnel: i.in.At.Tunnel, Visitor: i.in.At.Visitor, Target: i.in.At.Target,
		API: apiURL(i.in.At.API), APIPorts: i.owned.ports, BindPorts: i.in.Bind,
	}
	f := i.owned.file
	if i.owned.part == subject.ServerOnly && strings.Contains(f.Server.Command+f.Server.Args+f.Prepare, "{target") {
		at.VisitorTarget = i.in.At.Target // the mapping was told where it leads
	}
	return at
}

// Owner is that of the instance.
func (i *instance) Owner(ctx context.Context, conns ...net.Conn) error {
	err := i.in.Owner(ctx, conns...)
	if stranger, ok := errors.AsType[*subject.StrangerError](err); ok {
		return fmt.Errorf("%w: %w", engine.ErrStranger, stranger)
	}
	return err
}

// SetKeys gives a server other keys.
func (i *instance) SetKeys(keys []wire.Key) error { return i.in.SetKeys(asText(keys)) }

// asText are keys, one a line.
func asText(keys []wire.Key) (lines []string) {
	for _, k := range keys {
		lines = append(lines, k.Line())
	}
	return lines
}

func (i *instance) Stop() { _ = i.in.Close() }

// elsewhere is a subject that somebody else runs.
type elsewhere struct {
	name string
	at   engine.Endpoints
}

// candidates are a server, and its control API if it has one.
func (e elsewhere) candidates() []Candidate {
	out := []Candidate{{Role: engine.Server, Subject: e}}
	if e.at.API != "" {
		out = append(out, Candidate{Role: engine.API, Subject: e})
	}
	return out
}

func (e elsewhere) Start(context.Context, engine.Setup) (engine.Running, error) {
	return e, nil
}

func (e elsewhere) Describe() string               { return e.name }
func (elsewhere) Owned() bool                      { return false }
func (e elsewhere) Endpoints() engine.Endpoints    { return e.at }
func (elsewhere) Fixed() bool                      { return false }
func (elsewhere) Exited() <-chan struct{}          { return nil }
func (elsewhere) Status() string                   { return "" }
func (elsewhere) LogSince(time.Time, int) []string { return nil }
func (elsewhere) End(bool)                         {}
func (elsewhere) Again(context.Context) error      { return errors.ErrUnsupported }
func (elsewhere) Stop()                            {}

func (elsewhere) Owner(context.Context, ...net.Conn) error { return errors.ErrUnsupported }

// OfRole is the subject in a role; nil when it does not have that role.
func (s SubjectFlags) OfRole(ctx context.Context, role engine.Role) (engine.Subject, error) {
	candidates, _, err := s.Candidates(ctx)
	if i := slices.IndexFunc(candidates, func(one Candidate) bool { return one.Role == role }); i >= 0 {
		return candidates[i].Subject, nil
	}
	return nil, err
}

// files are the subject file and the programs that the suite started.
func (s SubjectFlags) files() (files []string, err error) {
	var file *subject.File
	switch {
	case s.Client != "":
		file, err = subject.Command(s.Client)
	case s.File != "":
		files = []string{s.File}
		file, err = subject.Load(s.File)
	default: // somebody else started it
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, program := range file.Programs() {
		name, err := exec.LookPath(strings.ReplaceAll(program, "{here}", filepath.Dir(s.File)))
		if err != nil {
			return nil, err
		}
		if name = filepath.Clean(name); !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	return files, nil
}
