package rig

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/distribution/reference"
	"github.com/goccy/go-yaml"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// An orchestrator is one that Emit writes files for: it is told where a program
// finds what, and how it writes a bound. Nothing here talks to one.
type orchestrator struct {
	file   string                      // its template: steps for people, and objects
	host   string                      // prefix of the names under which programs are reached
	token  string                      // where those that the leader asks find the secret
	leader string                      // where the leader finds it
	files  string                      // folder of the leader's files
	worker func(i int) string          // the name of a generator
	bounds func(scenario.Limit) string // in YAML; empty: none
}

var orchestrators = map[string]orchestrator{
	"swarm": {
		file: "stack.yaml.tmpl", token: "/run/secrets/token", leader: "/token", bounds: stackBounds,
		worker: func(i int) string { return fmt.Sprintf("worker-%d", i+1) }, // tasks count from 1
	},
	"kubernetes": {
		file: "kubernetes.yaml.tmpl", host: "adit-load-", token: "/token/token", leader: "/token/token", files: "/files", bounds: podBounds,
		worker: func(i int) string { return fmt.Sprintf("adit-load-worker-%d.adit-load-worker", i) }, // indexes from 0
	},
}

// Formats lists what Emit writes.
var Formats = []string{"swarm", "kubernetes"}

//go:embed *.yaml.tmpl
var templates embed.FS

// A Source is a file that the leader is given.
type Source struct {
	Name string // path on this machine
	Data []byte
}

// A Deployment is a scenario as other machines are to run it: the generators,
// the target and how their leader finds them.
type Deployment struct {
	Scenario *scenario.Scenario
	File     Source   // the scenario's
	Subjects []Source // tunnels that run already; none: a plain hop, which is deployed in their place
	Image    string   // of adit-load
	Profile  string   // times, as adit-load run takes them
}

// Emit writes the file of one of Formats: what to do, as comments, and YAML. An
// error names what in the scenario, in a subject or of the image cannot go to
// other machines.
func (d *Deployment) Emit(format string) ([]byte, error) {
	o, ok := orchestrators[format]
	if !ok {
		return nil, fmt.Errorf("%q must be one of %s", format, strings.Join(Formats, ", "))
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(template.FuncMap{"quote": Quote, "flow": flow}).ParseFS(templates, o.file)
	if err != nil {
		return nil, err
	}
	filled, err := d.fill(o)
	if err != nil {
		return nil, err
	}
	var steps, out bytes.Buffer
	if err := t.ExecuteTemplate(&steps, "steps", filled); err != nil {
		return nil, err
	}
	for line := range strings.Lines(steps.String()) {
		out.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
	err = t.ExecuteTemplate(&out, "objects", filled)
	return out.Bytes(), err
}

func (d *Deployment) check() error {
	if _, err := reference.ParseNormalizedNamed(d.Image); err != nil {
		return fmt.Errorf("image %q: must be the name of an image, like registry.example/adit-load:1: %w", d.Image, err)
	}
	for _, c := range d.Scenario.Cells {
		if !c.Link.Bare() {
			return fmt.Errorf("%s: link: runs beside the leader, where generators on other machines do not reach it: leave it out; the network between the machines is the line", d.File.Name)
		}
		for _, e := range c.Timeline {
			if e.On("server") || e.On("client") {
				return fmt.Errorf("%s: timeline: %s: needs a process that the leader has started, and the tunnel runs already: leave it out", d.File.Name, e.Do)
			}
		}
	}
	if d.Scenario.Fresh {
		return fmt.Errorf("%s: fresh: needs processes that the leader has started, and the tunnel runs already: leave it out", d.File.Name)
	}
	for _, src := range d.Subjects {
		f, err := subject.Parse(src.Name, src.Data)
		if err != nil {
			return err
		}
		if err := attached(f); err != nil {
			return fmt.Errorf("%s: %w", src.Name, err)
		}
	}
	return nil
}

// attached says what keeps a leader, in an image that holds adit-load alone, from measuring a subject.
func attached(f *subject.File) error {
	host, _, _ := net.SplitHostPort(f.Visitor)
	ip := net.ParseIP(host)
	switch {
	case f.Server == nil || f.Server.Address == "":
		return fmt.Errorf("server.address: is missing: the image of the leader holds no tunnel; start it elsewhere, and say where it is")
	case f.Client != nil:
		return fmt.Errorf("client: cannot be started: the image of the leader holds no tunnel; start it elsewhere, and leave it out")
	case f.Prepare != "" || f.Version != "":
		return fmt.Errorf("prepare, version: cannot be run: the image of the leader holds no other program; leave them out")
	case host == "" || ip.IsLoopback() || host == "localhost":
		return fmt.Errorf("visitor: %q must be where generators on other machines connect, like tunnel.example:10022", f.Visitor)
	}
	return nil
}

// Ports of the roles, each in a network namespace of its own.
var (
	dataPort    = port{"data", 7000}
	controlPort = port{"control", 7001}
)

type port struct {
	Name   string
	Number int
}

func (p port) String() string { return ":" + strconv.Itoa(p.Number) }

// A role is one program of the deployment: adit-load with these arguments.
type role struct {
	Name     string
	Image    string
	Replicas int
	Args     []string
	Ports    []port
	Bounds   string // in YAML; empty: none
}

// Asked reports whether the leader asks it, so that it needs the token.
func (r role) Asked() bool { return slices.Contains(r.Ports, controlPort) }

// Probe is the port that shows that it is ready; 0: none.
func (r role) Probe() int {
	if r.Asked() {
		return controlPort.Number
	}
	return 0
}

// A given is a file of the user, and where the leader finds it.
type given struct{ Name, At string }

// filled is what a template is filled in with.
type filled struct {
	*Deployment
	Generators int
	Worker     role
	Single     []role // the target and, unless there are subjects, a hop to it
	Leader     []string
	Keeper     string  // an image with tar, which keeps the record until it is fetched: that of adit-load has no other program
	Given      []given // the scenario, then the subjects
	HopFile    string  // subject file of the hop; empty: there are subjects
	Files      string  // the same files, as keys and values in YAML
}

// Roles are all of them, by name.
func (f *filled) Roles() []role {
	return slices.SortedFunc(slices.Values(append([]role{f.Worker}, f.Single...)), func(a, b role) int { return strings.Compare(a.Name, b.Name) })
}

// hopFile is the subject file of a hop.
func hopFile(host string) string {
	return fmt.Sprintf(`{name: plain hop, server: {address: "%s%s"}, visitor: "%[1]s%[2]s"}`, host, dataPort)
}

// fill says what an orchestrator is to run.
func (d *Deployment) fill(o orchestrator) (*filled, error) {
	n := int(d.Scenario.Generators)
	target := o.host + "target"
	secret := []string{"--token-file", o.token}
	start := func(name string, replicas int, limit string, ports []port, args ...string) role {
		return role{name, d.Image, replicas, append([]string{args[0], "--listen", ports[0].String()}, args[1:]...), ports, o.bounds(d.Scenario.Limits[limit])}
	}
	out := &filled{Deployment: d, Generators: n, Keeper: "busybox:1"}
	out.Worker = start("worker", n, "generator", []port{controlPort}, append([]string{"worker"}, secret...)...)
	out.Single = []role{start("target", 1, "target", []port{dataPort, controlPort}, append([]string{"target", "--control", controlPort.String(), "--allow-remote"}, secret...)...)}
	subjects := d.Subjects
	if len(subjects) == 0 {
		out.Single = append(out.Single, start("hop", 1, "relay", []port{dataPort}, "relay", "--to", target+dataPort.String()))
		out.HopFile = hopFile(o.host + "hop")
		subjects = []Source{{"hop.yaml", []byte(out.HopFile + "\n")}}
	}
	files := map[string]string{"scenario.yaml": string(d.File.Data)}
	out.Given = []given{{d.File.Name, o.files + "/scenario.yaml"}}
	out.Leader = []string{"run", out.Given[0].At, "--profile", cmp.Or(d.Profile, "full"), "--runtime", scenario.Process}
	for i, s := range subjects {
		name := fmt.Sprintf("subject-%d.yaml", i+1)
		files[name] = string(s.Data)
		out.Given = append(out.Given, given{s.Name, o.files + "/" + name})
		out.Leader = append(out.Leader, "--subject", o.files+"/"+name)
	}
	out.Leader = append(out.Leader, "--token-file", o.leader, "--out", "/results", "--allow-remote",
		"--target-control", target+controlPort.String(), "--direct", target+dataPort.String())
	for i := range n {
		out.Leader = append(out.Leader, "--worker", o.worker(i)+controlPort.String())
	}
	var err error
	out.Files, err = carry(files)
	return out, err
}

// carry writes files as keys and values of YAML, two columns in: they come back byte for byte.
func carry(files map[string]string) (string, error) {
	literal := true // which ends all lines alike
	for _, text := range files {
		literal = literal && !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
	}
	text, err := yaml.MarshalWithOptions(files, yaml.UseLiteralStyleIfMultiline(literal))
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if line != "\n" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String(), err
}

// Notes says what the load goes through; near is how something gets to where it reaches the target.
func (d *Deployment) Notes(target, near string) string {
	text := "The tunnel runs already. Its client must reach the target at " + target + dataPort.String() + ": " + near + ".\n"
	if len(d.Subjects) == 0 {
		text = "In place of a tunnel there is a plain hop: give plan a --subject with server.address and visitor to measure a tunnel that runs.\n"
	}
	for _, r := range []string{"server", "client"} {
		if limit, ok := d.Scenario.Limits[r]; ok {
			text += fmt.Sprintf("limits.%s (%v) is not in here: set it where the tunnel runs.\n", r, limit)
		}
	}
	return text
}

func stackBounds(l scenario.Limit) string {
	return bounds("cpus", strconv.FormatFloat(float64(l.CPUs), 'f', -1, 64), l, "M", "K", "B")
}

// podBounds are limits, which without requests are these, too; of a processor nothing finer than a thousandth is taken.
func podBounds(l scenario.Limit) string {
	return bounds("cpu", fmt.Sprintf("%dm", int(math.Ceil(float64(l.CPUs)*1000))), l, "Mi", "Ki", "")
}

// bounds writes a limit in YAML, its memory with a suffix for whole units.
func bounds(cpuKey, cpus string, l scenario.Limit, mega, kilo, one string) string {
	var parts []string
	if l.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%s: %q", cpuKey, cpus))
	}
	if n := l.Memory; n > 0 {
		memory := fmt.Sprintf("%d%s", n, one)
		switch {
		case n%(1<<20) == 0:
			memory = fmt.Sprintf("%d%s", n>>20, mega)
		case n%(1<<10) == 0:
			memory = fmt.Sprintf("%d%s", n>>10, kilo)
		}
		parts = append(parts, fmt.Sprintf("memory: %q", memory))
	}
	if parts == nil {
		return ""
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// flow writes a list of words in YAML, on one line.
func flow(words []string) (string, error) {
	text, err := json.Marshal(words)
	return strings.ReplaceAll(string(text), `","`, `", "`), err
}

// Quote joins words so that a shell reads the same words.
func Quote(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}
