package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// A roleSubject is what is certified in one role.
type roleSubject struct {
	role    engine.Role
	subject engine.Subject
	fresh   bool // each case on an instance of its own
}

// subjects is what the flags name, role by role, and its name for the certificate.
func (f *runFlags) subjects(ctx context.Context) ([]roleSubject, string, error) {
	ports, err := f.portRange()
	if err != nil {
		return nil, "", err
	}
	switch {
	case f.server != "":
		e := elsewhere{"server " + f.server, engine.Endpoints{
			Tunnel: f.server, Visitor: f.visitor, VisitorTarget: f.visitorTarget, API: f.api, APIPorts: ports,
		}}
		out := []roleSubject{{role: engine.Server, subject: e}}
		if f.api != "" {
			out = append(out, roleSubject{role: engine.API, subject: e})
		}
		return out, e.name + ", visitors at " + f.visitor, nil
	case f.listen != "":
		e := elsewhere{"a client that connects to " + f.listen, engine.Endpoints{}}
		return []roleSubject{{role: engine.Client, subject: e}}, e.name, nil
	case f.clientCmd != "":
		file, err := subject.Command(f.clientCmd)
		if err != nil {
			return nil, "", fmt.Errorf("--client-cmd: %w", err)
		}
		return []roleSubject{{role: engine.Client, subject: owned{file, subject.ClientOnly, ports}}}, f.clientCmd, nil
	}
	return f.fromFile(ctx, ports)
}

// fromFile is the subject of a subject file, in each role that the file has.
func (f *runFlags) fromFile(ctx context.Context, ports [2]int) ([]roleSubject, string, error) {
	file, err := subject.Load(f.subject)
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
	for _, c := range file.Capabilities {
		if text, ok := strings.CutPrefix(c, apiPorts); ok && ports[0] == 0 {
			if ports, err = parseRange(text); err != nil {
				return nil, "", fmt.Errorf("%s: capabilities: %q must be %sFIRST-LAST", f.subject, c, apiPorts)
			}
		}
	}
	var out []roleSubject
	if s := file.Server; s != nil && s.Address != "" { // somebody else runs it
		e := elsewhere{file.Name, engine.Endpoints{Tunnel: s.Address, Visitor: file.Visitor, VisitorTarget: known(file.Target), API: apiURL(known(file.API)), APIPorts: ports}}
		out = append(out, roleSubject{role: engine.Server, subject: e})
		if e.at.API != "" {
			out = append(out, roleSubject{role: engine.API, subject: e})
		}
	} else if s != nil {
		server := owned{file, subject.ServerOnly, ports}
		out = append(out, roleSubject{engine.Server, server, file.Fresh})
		if file.API != "" {
			out = append(out, roleSubject{engine.API, server, file.Fresh})
		}
	}
	if file.Client != nil {
		out = append(out, roleSubject{engine.Client, owned{file, subject.ClientOnly, ports}, file.Fresh})
	}
	return out, name, nil
}

// apiPorts is the capability that says which ports the control API may map.
const apiPorts = "api-ports "

// known is an address of a subject file, unless it is left to the suite.
func known(addr string) string {
	if addr == "auto" {
		return ""
	}
	return addr
}

func apiURL(addr string) string {
	if addr == "" {
		return ""
	}
	return "http://" + addr
}

// owned is a subject that the suite starts itself.
type owned struct {
	file  *subject.File
	part  subject.Part
	ports [2]int // that the control API may map
}

func (o owned) Owned() bool { return true }

func (o owned) Describe() string {
	if o.part == subject.ClientOnly {
		return o.file.Name + " as client"
	}
	return o.file.Name + " as server"
}

func (o owned) Start(ctx context.Context, scenario string, at engine.Endpoints) (engine.Running, error) {
	in, err := o.file.Start(ctx, subject.Options{Part: o.part, At: subject.Addrs{Tunnel: at.Tunnel, Target: at.Target}, Scenario: scenario})
	if declined, ok := errors.AsType[*subject.DeclinedError](err); ok {
		return nil, fmt.Errorf("%w: %w", engine.ErrDeclined, declined)
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

// instance is a started subject; the engine's Running but for these methods is its Process.
type instance struct {
	*subject.Process
	owned owned
	in    *subject.Instance
}

func (i *instance) Endpoints() engine.Endpoints {
	at := engine.Endpoints{
		Tunnel: i.in.At.Tunnel, Visitor: i.in.At.Visitor, Target: i.in.At.Target,
		API: apiURL(i.in.At.API), APIPorts: i.owned.ports,
	}
	f := i.owned.file
	if i.owned.part == subject.ServerOnly && strings.Contains(f.Server.Command+f.Server.Args+f.Prepare, "{target") {
		at.VisitorTarget = i.in.At.Target // the mapping was told where it leads
	}
	return at
}

func (i *instance) Stop() { _ = i.in.Close() }

// elsewhere is a subject that somebody else runs.
type elsewhere struct {
	name string
	at   engine.Endpoints
}

func (e elsewhere) Start(context.Context, string, engine.Endpoints) (engine.Running, error) {
	return e, nil
}

func (e elsewhere) Describe() string            { return e.name }
func (elsewhere) Owned() bool                   { return false }
func (e elsewhere) Endpoints() engine.Endpoints { return e.at }
func (elsewhere) Exited() <-chan struct{}       { return nil }
func (elsewhere) Status() string                { return "" }
func (elsewhere) Log(int) []string              { return nil }
func (elsewhere) End(bool)                      {}
func (elsewhere) Again(context.Context) error   { return errors.ErrUnsupported }
func (elsewhere) Stop()                         {}
