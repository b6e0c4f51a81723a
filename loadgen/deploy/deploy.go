// Package deploy writes what takes a scenario to many machines: the generators,
// the target and how their leader finds them, for an orchestrator that the user
// has. Nothing here talks to one.
//
//	deploy.go      Load: what is deployed, and the leader's command line
//	swarm.go       a stack file for Docker Swarm
//	kubernetes.go  objects for Kubernetes
package deploy

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/distribution/reference"
	"github.com/goccy/go-yaml"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Formats lists what Emit writes.
var Formats = []string{"swarm", "kubernetes"}

// A Source is a file that the leader is given.
type Source struct {
	Name string // path on this machine
	Data []byte
}

// A Load is a scenario as other machines are to run it.
type Load struct {
	Scenario *scenario.Scenario
	File     Source   // the scenario's
	Subjects []Source // tunnels that run already; none: a plain hop, which is deployed in their place
	Image    string   // of adit-load
	Profile  string   // times, as adit-load run takes them
}

// Emit writes the files of one of Formats. An error names what in the scenario,
// in a subject or of the image cannot go to other machines.
func (l *Load) Emit(format string) ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	switch format {
	case "swarm":
		return l.swarm()
	case "kubernetes":
		return l.kubernetes()
	}
	return nil, fmt.Errorf("%q must be one of %s", format, strings.Join(Formats, ", "))
}

func (l *Load) check() error {
	if _, err := reference.ParseNormalizedNamed(l.Image); err != nil {
		return fmt.Errorf("image %q: must be the name of an image, like registry.example/adit-load:1: %w", l.Image, err)
	}
	s := l.Scenario
	for _, c := range s.Cells {
		if !c.Link.Bare() {
			return fmt.Errorf("%s: link: runs beside the leader, where generators on other machines do not reach it: leave it out; the network between the machines is the line", l.File.Name)
		}
		for _, e := range c.Timeline {
			if e.On("server") || e.On("client") {
				return fmt.Errorf("%s: timeline: %s: needs a process that the leader has started, and the tunnel runs already: leave it out", l.File.Name, e.Do)
			}
		}
	}
	if s.Fresh {
		return fmt.Errorf("%s: fresh: needs processes that the leader has started, and the tunnel runs already: leave it out", l.File.Name)
	}
	for _, src := range l.Subjects {
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
const (
	dataPort    = ":7000"
	controlPort = ":7001"
)

// A role is one program of the deployment: adit-load with these arguments.
type role struct {
	name  string
	args  []string
	limit scenario.Limit
	ports []string // of dataPort and controlPort
}

// asked reports whether the leader asks it, so that it needs the token.
func (r role) asked() bool { return slices.Contains(r.ports, controlPort) }

// number is that of a port.
func number(port string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(port, ":")) // those above are
	return n
}

// roles are the generator, the target and, unless there are subjects, a hop to the target's name.
func (l *Load) roles(target, token string) (worker, far role, hop *role) {
	limit := l.Scenario.Limits
	secret := []string{"--token-file", token}
	worker = role{"worker", append([]string{"worker", "--listen", controlPort}, secret...), limit["generator"], []string{controlPort}}
	far = role{"target", append([]string{"target", "--listen", dataPort, "--control", controlPort, "--allow-remote"}, secret...), limit["target"], []string{dataPort, controlPort}}
	if len(l.Subjects) == 0 {
		hop = &role{"hop", []string{"relay", "--listen", dataPort, "--to", target + dataPort}, limit["relay"], []string{dataPort}}
	}
	return worker, far, hop
}

// subjects are the files that the user gave, or that of the hop.
func (l *Load) subjects(hop string) []Source {
	if len(l.Subjects) > 0 {
		return l.Subjects
	}
	return []Source{{"", fmt.Appendf(nil, `{name: plain hop, server: {address: "%s%s"}, visitor: "%[1]s%[2]s"}`+"\n", hop, dataPort)}}
}

// leader is the command line that measures: files are where it finds the scenario, then the subjects.
func (l *Load) leader(files []string, token, target string, workers []string) []string {
	args := []string{"run", files[0], "--profile", cmp.Or(l.Profile, "full"), "--runtime", scenario.Process}
	for _, f := range files[1:] {
		args = append(args, "--subject", f)
	}
	args = append(args, "--token-file", token, "--out", "/results", "--allow-remote", "--target-control", target+controlPort, "--direct", target+dataPort)
	for _, w := range workers {
		args = append(args, "--worker", w+controlPort)
	}
	return args
}

// legible reports whether text comes back from a YAML literal as it was, which ends all lines alike.
func legible(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}

// document begins with comments and holds YAML documents, whose texts of several lines are literals if wanted.
func document(literal bool, comment string, docs ...any) ([]byte, error) {
	var b bytes.Buffer
	for line := range strings.Lines(comment) {
		b.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
	for i, d := range docs {
		text, err := yaml.MarshalWithOptions(d, yaml.UseLiteralStyleIfMultiline(literal))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(text)
	}
	return b.Bytes(), nil
}

// carries says what the load goes through; near is how something gets to where it reaches the target.
func (l *Load) carries(target, near string) string {
	text := "The tunnel runs already. Its client must reach the target at " + target + dataPort + ": " + near + ".\n"
	if len(l.Subjects) == 0 {
		text = "In place of a tunnel there is a plain hop: give plan a --subject with server.address and visitor to measure a tunnel that runs.\n"
	}
	for _, r := range []string{"server", "client"} {
		if limit, ok := l.Scenario.Limits[r]; ok {
			text += fmt.Sprintf("limits.%s (%v) is not in here: set it where the tunnel runs.\n", r, limit)
		}
	}
	return text
}

// octets writes a size with a suffix for whole units.
func octets(n scenario.Size, mega, kilo, one string) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d%s", n>>20, mega)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d%s", n>>10, kilo)
	}
	return fmt.Sprintf("%d%s", n, one)
}

// quote writes a word so that a shell reads the same word.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
