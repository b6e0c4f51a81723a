package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func planCommand() *cobra.Command {
	var subjects []string
	var profile, format, image string
	asJSON := false
	c := &cobra.Command{
		Use: "plan SCENARIO…", Short: "say what scenarios will take on this machine, and what of them it cannot run",
		Long: `plan says what scenarios will take on this machine, and what of them it cannot run.

With --emit it prints what takes one scenario to many machines: a stack file for Docker Swarm, or objects for Kubernetes, which
were never run. Each generator of "generators" is a task of one service, or a pod of one Indexed Job; limits are those of the
scenario. The comments at the top are the commands: image, secret, deployment, leader, and where the record is.
--subject files name tunnels that run already, by server.address and visitor; without one a plain hop stands in their place.`,
		Example: `  adit-load plan high-concurrency
  adit-load plan concurrency --emit swarm >stack.yaml`,
		Args: someScenarios, ValidArgsFunction: scenarioNames,
		RunE: func(c *cobra.Command, files []string) error {
			if !c.Flags().Changed("emit") {
				if c.Flags().Changed("image") {
					return run.Usage(fmt.Errorf("--image %s: belongs to --emit: add it, like --emit swarm", image))
				}
				plans, err := run.Plans(files, subjects, profile)
				if err != nil {
					return err
				}
				if asJSON {
					out := json.NewEncoder(c.OutOrStdout())
					out.SetIndent("", "  ")
					return out.Encode(plans)
				}
				for _, p := range plans {
					fmt.Fprint(c.OutOrStdout(), p)
				}
				if len(plans) > 1 {
					fmt.Fprint(c.OutOrStdout(), scenario.InAll(plans))
				}
				return nil
			}
			switch {
			case !slices.Contains(rig.Formats, format):
				return run.Usage(fmt.Errorf("--emit %s", subject.OneOf(format, rig.Formats)))
			case len(files) != 1:
				return run.Usage(fmt.Errorf("--emit %s: takes one scenario, not %d: emit each by itself", format, len(files)))
			}
			text, err := run.Emit(files[0], subjects, profile, format, image)
			if err != nil {
				return run.Usage(err)
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().StringArrayVar(&subjects, "subject", nil, "YAML file that describes what is measured; several to compare them (default: one)")
	c.Flags().StringVar(&profile, "profile", "full", profileUsage)
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().StringVar(&format, "emit", "", "instead print the file that takes one scenario to many machines: "+strings.Join(rig.Formats, " or "))
	c.Flags().StringVar(&image, "image", "adit-load:"+version, "with --emit: name of the image of adit-load")
	c.MarkFlagsMutuallyExclusive("emit", "json")
	complete(c, "profile", scenario.Profiles)
	complete(c, "emit", rig.Formats)
	_ = c.RegisterFlagCompletionFunc("subject", yamlFiles)
	return c
}
