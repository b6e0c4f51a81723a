package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/topology"
)

// A placement says where the roles of a run are.
type placement struct {
	runtime   string
	there     topology.Elsewhere
	tokenFile string
	remote    bool
	bundles   []string
}

func (p *placement) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.runtime, "runtime", "", "where the roles run: "+strings.Join(scenario.Runtimes, " or ")+" (default: as the scenario says)")
	c.Flags().StringArrayVar(&p.there.Workers, "worker", nil, "control address of a generator that runs already; several share the load")
	c.Flags().StringVar(&p.there.Target, "target-control", "", "control address of a target that runs already, for a tunnel that does")
	c.Flags().StringVar(&p.there.Direct, "direct", "", "where generators reach that target without a tunnel")
	c.Flags().StringVar(&p.tokenFile, "token-file", "", "file with the secret of these control addresses")
	c.Flags().StringArrayVar(&p.bundles, "certificate", nil, "bundle that adit-conform run --bundle wrote of a subject (default: it is uncertified)")
	c.Flags().BoolVar(&p.remote, "allow-remote", false, "put load on addresses beyond this machine")
}

// apply makes the flags those of the scenarios.
func (p *placement) apply(scenarios []*scenario.Scenario) error {
	if p.runtime != "" && !slices.Contains(scenario.Runtimes, p.runtime) {
		return &exitError{exitUsage, fmt.Errorf("--runtime %q: must be one of %s", p.runtime, strings.Join(scenario.Runtimes, ", "))}
	}
	for _, s := range scenarios {
		if p.runtime != "" {
			s.Runtime = p.runtime
		}
		if n := len(p.there.Workers); n > 0 {
			s.Generators = scenario.Count(n)
		}
	}
	return nil
}

// certificates reads the bundles, each of one of the subjects.
func (p *placement) certificates(subjects []*subject.File) (out []*record.Bundle, err error) {
	for _, name := range p.bundles {
		b, err := record.LoadBundle(name)
		if err == nil && !slices.ContainsFunc(subjects, func(f *subject.File) bool { return b.Of(f.Name) }) {
			err = fmt.Errorf("%s: is of %q, which is the name of none of the subjects", name, b.Subject)
		}
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("--certificate: %w", err)}
		}
		out = append(out, b)
	}
	return out, nil
}

// subjects are the files that the user gave, or the reference of this repository.
func (p *placement) subjects(given []string, scenarios []*scenario.Scenario) []string {
	switch {
	case given != nil:
		return given
	case slices.ContainsFunc(scenarios, func(s *scenario.Scenario) bool { return s.Runtime != scenario.Container }):
		return []string{"scenarios/subjects/reference.yaml"}
	}
	return []string{"scenarios/subjects/reference-container.yaml"}
}

// elsewhere checks what runs already against the scenarios and subjects.
func (p *placement) elsewhere(scenarios []*scenario.Scenario, subjects []*subject.File) (topology.Elsewhere, error) {
	fail := func(err error) (topology.Elsewhere, error) { return topology.Elsewhere{}, &exitError{exitUsage, err} }
	var err error
	given := p.there.Addrs()
	for _, a := range given {
		if a[0] == "--direct" { // no control port
			continue
		}
		if p.there.Token, err = tokenFrom(p.tokenFile, a[0], a[1]); err != nil {
			return topology.Elsewhere{}, err
		}
	}
	for _, f := range subjects {
		if f.Server != nil && f.Server.Address != "" {
			given = append(given, [2]string{"subject " + f.Name + ": server:", f.Server.Address})
			if f.Visitor != "" {
				given = append(given, [2]string{"subject " + f.Name + ": visitor:", f.Visitor})
			}
		}
	}
	for _, a := range given {
		here, err := topology.Here(a[1])
		if err != nil {
			return fail(fmt.Errorf("%s %w", a[0], err))
		}
		if !here && !p.remote {
			return fail(fmt.Errorf("%s %s: is beyond this machine: give --allow-remote if you may put load on it", a[0], a[1]))
		}
	}
	for _, s := range scenarios {
		if err := p.there.Check(s, subjects); err != nil {
			return fail(err)
		}
	}
	return p.there, nil
}
