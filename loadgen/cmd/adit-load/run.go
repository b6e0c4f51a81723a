package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func runCommand(args []string) *cobra.Command {
	s := &run.Session{Command: rig.Quote(append([]string{"adit-load"}, args[1:]...)...), Tool: "adit-load " + version}
	c := &cobra.Command{
		Use:   "run SCENARIO…",
		Short: "measure scenarios and write a record, its tables, plots and page for each",
		Long: `run measures scenarios, files or those that are built in (adit-load scenarios), one after the other. On a terminal it shows what runs; in a pipe it is silent until a scenario
is complete. --events writes a JSON line for each plan, phase (connect, warmup, measure, drain), interval (half a second: rates, and
percentiles of the block so far), fault, cell and verdict.

` + run.ExitCodes,
		Example: `  adit-load run speed --out /tmp/load
  adit-load run my-scenario.yaml --subject old.yaml --subject new.yaml`,
		Args: someScenarios, ValidArgsFunction: scenarioNames,
		RunE: func(c *cobra.Command, files []string) error {
			s.Stdout, s.Stderr = c.OutOrStdout(), c.ErrOrStderr()
			return s.Run(c.Context(), files)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&s.Subjects, "subject", nil, "YAML file that describes what is measured; several to compare them (default: the reference of this repository, from its root, or beside adit-load)")
	f.StringArrayVar(&s.Rivals, "rival", nil, "YAML file of a subject that is measured beside them: that it is slower, fails or ends is an answer, and changes no exit code unless its bytes are wrong")
	f.StringVar(&s.Runtime, "runtime", "", "where the roles run: "+strings.Join(scenario.Runtimes, " or ")+" (default: as the scenario says)")
	f.StringArrayVar(&s.Elsewhere.Generators, "worker", nil, "control address of a generator that runs already; several share the load")
	f.StringVar(&s.Elsewhere.Target, "target-control", "", "control address of a target that runs already, for a tunnel that does")
	f.StringVar(&s.Elsewhere.Direct, "direct", "", "where generators reach that target without a tunnel")
	f.StringVar(&s.TokenFile, "token-file", "", "file with the secret of these control addresses")
	f.StringArrayVar(&s.Certificates, "certificate", nil, "bundle that adit-conform run --bundle wrote of a subject (default: it is uncertified)")
	f.BoolVar(&s.AllowRemote, "allow-remote", false, "put load on addresses beyond this machine")
	f.StringVar(&s.Out, "out", "", "folder for the results, one folder in it for each scenario (default: none are written)")
	f.BoolVar(&s.Force, "force", false, "replace records that are in that folder")
	f.StringVar(&s.Profile, "profile", "full", profileUsage)
	f.StringVar(&s.Events, "events", "", "file for what happens, as JSON Lines while it happens (adit-load schema event); - is stdout, and the tables go to stderr")
	complete(c, "profile", scenario.Profiles)
	complete(c, "runtime", scenario.Runtimes)
	_ = c.RegisterFlagCompletionFunc("subject", yamlFiles)
	_ = c.RegisterFlagCompletionFunc("rival", yamlFiles)
	_ = c.MarkFlagDirname("out")
	return c
}

var profileUsage = "times: " + strings.Join(scenario.Profiles, ", ") + " (full: as in the file)"

// complete lets a shell complete the values of a flag.
func complete(c *cobra.Command, flag string, values []string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails for a flag that is not there
}

// someScenarios refuses a command line without any.
func someScenarios(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s what? Name a scenario, a file or one that is built in (adit-load scenarios lists them), like adit-load %s speed", c.Name(), c.Name())
	}
	return nil
}

// scenarioNames lets a shell complete those that are built in, and else files.
func scenarioNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return scenario.Builtin(), cobra.ShellCompDirectiveDefault
}

// yamlFiles lets a shell complete names of YAML files.
func yamlFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
