package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/plan"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/topology"
)

func planCommand() *cobra.Command {
	var subjects []string
	var emit emission
	profile, asJSON := "", false
	c := &cobra.Command{
		Use: "plan FILE…", Short: "say what scenarios will take on this machine, and what of them it cannot run",
		Long: `plan says what scenarios will take on this machine, and what of them it cannot run.

With --emit it prints what takes one scenario to many machines: a stack file for Docker Swarm, or objects for Kubernetes, which
were never run. Each generator of "generators" is a task of one service, or a pod of one Indexed Job; limits are those of the
scenario. The comments at the top are the commands: image, secret, deployment, leader, and where the record is.
--subject files name tunnels that run already, by server.address and visitor; without one a plain hop stands in their place.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			if err := emit.check(c, files); err != nil {
				return &exitError{exitUsage, err}
			}
			if emit.format != "" {
				if err := emit.write(c.OutOrStdout(), files[0], subjects, profile); err != nil {
					return &exitError{exitUsage, err}
				}
				return nil
			}
			scenarios, err := load(files)
			if err != nil {
				return err
			}
			names := []string{"subject"}
			if len(subjects) > 0 {
				names = nil
			}
			var given []*subject.File
			for _, name := range subjects {
				f, err := subject.Load(name)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				given = append(given, f)
			}
			here, absent := topology.Installed(given)
			for _, f := range here {
				names = append(names, f.Name)
			}
			machine := sample.ReadEnvironment()
			plans := []*plan.Plan{}
			for _, s := range scenarios {
				if err := s.Apply(profile); err != nil {
					return &exitError{exitUsage, err}
				}
				p := plan.Of(s, names, machine)
				p.NotRun = append(p.NotRun, absent...)
				plans = append(plans, p)
			}
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(plans)
			}
			for _, p := range plans {
				fmt.Fprint(c.OutOrStdout(), p)
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&subjects, "subject", nil, "YAML file that describes what is measured; several to compare them (default: one)")
	c.Flags().StringVar(&profile, "profile", "full", "times: "+strings.Join(scenario.Profiles, ", "))
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	emit.flags(c)
	return c
}
