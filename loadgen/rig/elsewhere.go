package rig

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Elsewhere is what a run uses that runs already: here, or on other machines. Each address is host:port.
type Elsewhere struct {
	Generators []string // control ports of generators; none: they are started
	Target     string   // control port of the target; empty: it is started
	Direct     string   // where generators reach that target without a tunnel; empty: they cannot
	Token      string   // of these control ports
}

// A Given is an address that the user gave, and by which flag or key.
type Given struct {
	Flag, Addr string
	Control    bool // it is a control port
}

// Addrs are the addresses that are given.
func (e Elsewhere) Addrs() (out []Given) {
	for _, w := range e.Generators {
		out = append(out, Given{"--worker", w, true})
	}
	if e.Target != "" {
		out = append(out, Given{"--target-control", e.Target, true})
	}
	if e.Direct != "" {
		out = append(out, Given{"--direct", e.Direct, false})
	}
	return out
}

// Reach refuses addresses beyond this machine, those of subjects among them, unless they are allowed.
func (e Elsewhere) Reach(subjects []*subject.File, remote bool) error {
	given := e.Addrs()
	for _, f := range subjects {
		if f.Server != nil && f.Server.Address != "" {
			given = append(given, Given{Flag: "subject " + f.Name + ": server:", Addr: f.Server.Address})
			if f.Visitor != "" {
				given = append(given, Given{Flag: "subject " + f.Name + ": visitor:", Addr: f.Visitor})
			}
		}
	}
	for _, a := range given {
		here, err := isHere(a.Addr)
		if err != nil {
			return fmt.Errorf("%s %w", a.Flag, err)
		}
		if !here && !remote {
			return fmt.Errorf("%s %s: is beyond this machine: give --allow-remote if you may put load on it", a.Flag, a.Addr)
		}
	}
	return nil
}

// isHere reports whether an address is of this machine: whoever connects to it reaches nobody else.
func isHere(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return false, fmt.Errorf("%q must be host:port", addr)
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return false, err
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	for _, ip := range ips {
		here := ip.IsLoopback()
		for _, a := range own {
			n, ok := a.(*net.IPNet)
			here = here || ok && n.IP.Equal(ip)
		}
		if !here {
			return false, nil
		}
	}
	return true, nil
}

// Check says what keeps subjects, and what runs elsewhere, from being measured by a scenario together.
func (e Elsewhere) Check(s *scenario.Scenario, subjects []*subject.File) error {
	container := s.Runtime == scenario.Container
	if given := e.Addrs(); container && len(given) > 0 {
		return fmt.Errorf("%s: containers are in a network of their own, which nothing else is part of: leave it out, or take --runtime process", given[0].Flag)
	}
	if e.Direct != "" && e.Target == "" {
		return fmt.Errorf("--direct %s: is the data address of a target that runs already: give --target-control, too", e.Direct)
	}
	for _, f := range subjects {
		if container {
			if err := contained(f); err != nil {
				return err
			}
			continue
		}
		if f.Server != nil && f.Server.Address != "" && f.Visitor == "" {
			return fmt.Errorf("subject %s: visitor: is missing: say where visitors of the server at %s connect, like visitor: host:10022", f.Name, f.Server.Address)
		}
		if f.Server != nil && f.Server.Address != "" && f.Client == nil && s.Linked() {
			return fmt.Errorf("subject %s: runs already, both ends of it: the line of link: has no place between them: leave link: out of scenario %s", f.Name, s.Name)
		}
		if e.Target != "" && f.Server != nil && f.Server.Address == "" && subject.Given(f.Target) == "" && e.Direct == "" {
			return fmt.Errorf("subject %s: is to be started here, but nothing says where it reaches the target: give --direct, or target: host:port in its file", f.Name)
		}
	}
	for _, w := range e.Generators {
		here, err := isHere(w)
		if err != nil {
			return fmt.Errorf("--worker: %w", err)
		}
		if here {
			continue
		}
		if e.Direct != "" && s.Linked() && slices.Contains(s.Paths, scenario.Direct) {
			return fmt.Errorf("--worker %s: cannot reach the line of path direct, which would run here: leave link: out of scenario %s, or --direct", w, s.Name)
		}
		if e.Target == "" {
			return fmt.Errorf("--worker %s: cannot reach a target on the loopback of this machine: give --target-control, and the address in --direct if generators reach it", w)
		}
		for _, f := range subjects {
			if host, _, err := net.SplitHostPort(f.Visitor); err != nil || net.ParseIP(host).IsLoopback() {
				return fmt.Errorf("--worker %s: cannot reach visitor: %s of subject %s: name an address that it reaches", w, f.Visitor, f.Name)
			}
		}
	}
	return nil
}

// contained says what keeps a subject from running in a network of containers.
func contained(f *subject.File) error {
	for _, r := range []struct {
		name string
		role *subject.Role
	}{{"server", f.Server}, {"client", f.Client}} {
		if r.role != nil && r.role.Image == nil {
			return fmt.Errorf("subject %s: %s: runtime container needs an image, as scenarios/subjects/reference-container.yaml has; or take --runtime process", f.Name, r.name)
		}
	}
	for _, a := range []struct{ key, addr string }{{"tunnel", f.Tunnel}, {"visitor", f.Visitor}, {"target", f.Target}, {"api", f.API}} {
		if subject.Given(a.addr) != "" {
			return fmt.Errorf("subject %s: %s: %s: containers have addresses of their own: write auto", f.Name, a.key, a.addr)
		}
	}
	return nil
}

// Installed is the subjects whose programs this machine has; the others go into the record.
func Installed(subjects []*subject.File) (here []*subject.File, not []scenario.NotRun) {
	for _, f := range subjects {
		switch missing := f.Missing(); len(missing) {
		case 0:
			here = append(here, f)
		case 1:
			not = append(not, scenario.NotRun{Subject: f.Name, Reason: missing[0] + " is not installed"})
		default:
			not = append(not, scenario.NotRun{Subject: f.Name, Reason: strings.Join(missing, ", ") + " are not installed"})
		}
	}
	return here, not
}

// Paths are those of the scenario that can be run; the others go into the record.
func (e Elsewhere) Paths(s *scenario.Scenario) (paths []string, not []scenario.NotRun) {
	for _, p := range s.Paths {
		reason := ""
		switch {
		case p == scenario.Tunnel || e.Target == "":
		case e.Direct == "":
			reason = "nothing says where generators reach the target without a tunnel: give --direct HOST:PORT if they can"
		case p == scenario.Relay && len(e.Generators) > 0:
			reason = "the relay would run here, away from the generators"
		}
		if reason != "" {
			not = append(not, scenario.NotRun{Path: p, Reason: strings.TrimSpace(reason)})
			continue
		}
		paths = append(paths, p)
	}
	return paths, not
}
