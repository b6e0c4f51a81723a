package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// howToMeasure says what it takes to know more of an address than that it answers.
const howToMeasure = `This is all that can be seen of a service that is somebody else's. To measure speed and latency with every octet checked:
  adit-load try %s --target HOST:PORT    where HOST:PORT is the service behind it, on this machine: adit-load takes its place
  adit-load try %s --target-control …    where adit-load target runs there already`

func tryCommand(args []string) *cobra.Command {
	s := &run.Session{Command: rig.Quote(append([]string{"adit-load"}, args[1:]...)...), Tool: "adit-load " + version}
	target, name, times := "", "speed", 20
	c := &cobra.Command{
		Use: "try HOST:PORT", Short: "measure an address, without a file",
		Long: `try measures an address: the visitors' port of a tunnel, or of anything else that forwards TCP.

With --target the service behind it is adit-load's own, here, at an address to which the tunnel leads; with --target-control it is
one that runs there already (adit-load target). Then a scenario that is built in is run through the address, beside a direct
connection and a plain hop, with every octet checked: by default one connection, in short blocks.

Without either, the service is somebody else's, to which nothing is sent: try connects some times, one after the other, and says how
long that takes, how long until the service speaks, if it speaks first, and whether it is there at all: a tunnel takes visitors, and
resets them, when no service is behind it.

Exit codes: 0 all is well, 2 wrong usage, 6 a connection failed or was ended at once; with a target those of adit-load run.`,
		Example: `  adit-load try example.org:10022
  adit-load try example.org:10080 --target 127.0.0.1:8080 --allow-remote`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("try takes one address, host:port, not %d: like adit-load try 127.0.0.1:10022", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			addr := args[0]
			for flag, a := range map[string]string{"": addr, "--target ": target} {
				if err := subject.CheckAddr(a); err != nil && (flag == "" || a != "") {
					return run.Usage(fmt.Errorf("%s%q: %w", flag, a, err))
				}
			}
			if target == "" && s.Elsewhere.Target == "" {
				r := run.Reach(c.Context(), addr, times)
				fmt.Fprintf(c.OutOrStdout(), "%s: %v\n", addr, r)
				if len(r.Connected) > 0 {
					fmt.Fprintf(c.OutOrStdout(), howToMeasure+"\n", addr, addr)
				}
				if !r.Well() {
					return &run.ExitError{Code: run.ExitFailures}
				}
				return nil
			}
			file, gone, err := addressFile(addr, target)
			if err != nil {
				return &run.ExitError{Code: run.ExitInternal, Err: err}
			}
			defer gone()
			s.Subjects, s.Stdout, s.Stderr = []string{file}, c.OutOrStdout(), c.ErrOrStderr()
			return s.Run(c.Context(), []string{name})
		},
	}
	f := c.Flags()
	f.StringVar(&target, "target", "", "address on this machine to which the tunnel leads: adit-load listens there as the service")
	f.StringVar(&s.Elsewhere.Target, "target-control", "", "control address of a target that runs already behind the address")
	f.StringVar(&s.Elsewhere.Direct, "direct", "", "where generators reach that target without the tunnel")
	f.StringVar(&s.TokenFile, "token-file", "", "file with the secret of the control address")
	f.BoolVar(&s.AllowRemote, "allow-remote", false, "put load on an address beyond this machine")
	f.StringVar(&name, "scenario", name, "with a target: what is run, a file or one that is built in")
	f.StringVar(&s.Profile, "profile", scenario.Smoke, profileUsage)
	f.BoolVar(&s.Force, "force", false, "replace records that are in the folder of --out")
	f.StringVar(&s.Out, "out", "", "folder for the results, with a target (default: none are written)")
	f.IntVar(&times, "connects", times, "without a target: how often to connect")
	c.MarkFlagsMutuallyExclusive("target", "target-control")
	complete(c, "profile", scenario.Profiles)
	complete(c, "scenario", scenario.Builtin())
	_ = c.MarkFlagDirname("out")
	return c
}

// addressFile is a subject file of an address that somebody else runs; gone removes it.
func addressFile(addr, target string) (file string, gone func(), err error) {
	dir, err := os.MkdirTemp("", "adit-load-try-")
	if err != nil {
		return "", nil, err
	}
	gone = func() { _ = os.RemoveAll(dir) } // of a file of ours, in a folder for such
	text := fmt.Sprintf("name: %q\nserver: {address: %q}\nvisitor: %q\n", addr, addr, addr)
	if target != "" {
		text += fmt.Sprintf("target: %q\n", target)
	}
	file = filepath.Join(dir, "address.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		gone()
		return "", nil, err
	}
	return file, gone, nil
}
