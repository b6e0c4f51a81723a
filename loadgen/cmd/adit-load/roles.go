package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/run"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// roleFlags are those of the processes that a run consists of; each has some of them.
type roleFlags struct {
	listen, control, to, tokenFile, backend string
	remote                                  bool
}

const tokenUsage = "file with the secret that the leader has, too; not needed on loopback"

func (f *roleFlags) add(c *cobra.Command, names ...string) *cobra.Command {
	fs := c.Flags()
	for _, name := range names {
		switch name {
		case "listen":
			fs.StringVar(&f.listen, "listen", "127.0.0.1:0", "address to listen at")
		case "control":
			fs.StringVar(&f.control, "control", "127.0.0.1:0", "address for the leader")
			fs.StringVar(&f.tokenFile, "token-file", "", tokenUsage)
		case "to":
			fs.StringVar(&f.to, "to", "", "address to copy to")
			_ = c.MarkFlagRequired("to")
		}
	}
	return c
}

// serve listens at some addresses, all or none, starts a role on them, says
// that it can be used (its port may answer before, where somebody forwards it),
// and ends it with the program.
func serve(c *cobra.Command, addrs []string, start func([]net.Listener) (io.Closer, error)) error {
	var ls []net.Listener
	var at []string
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, o := range ls {
				err = errors.Join(err, o.Close())
			}
			return &run.ExitError{Code: run.ExitInternal, Err: err}
		}
		ls, at = append(ls, l), append(at, l.Addr().String())
	}
	role, err := start(ls)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "adit-load %s: ready at %s\n", c.Name(), strings.Join(at, ", "))
	<-c.Context().Done()
	return role.Close()
}

func workerCommand() *cobra.Command {
	f := &roleFlags{}
	c := &cobra.Command{
		Use: "worker", Short: "a generator, which a leader commands", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := control.Token(f.tokenFile, "--listen", f.listen)
			if err != nil {
				return run.Usage(err)
			}
			return serve(c, []string{f.listen}, func(ls []net.Listener) (io.Closer, error) { return load.NewGenerator(ls[0], token), nil })
		},
	}
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "address for the leader")
	c.Flags().StringVar(&f.tokenFile, "token-file", "", tokenUsage)
	return c
}

func targetCommand() *cobra.Command {
	f := &roleFlags{}
	c := f.add(&cobra.Command{
		Use: "target", Short: "the service at the far end: echo, sink and source", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !f.remote && !control.IsLoopback(f.listen) {
				return run.Usage(fmt.Errorf("--listen %s: is not on loopback: whoever reaches it can make it send; give --allow-remote if that is meant", f.listen))
			}
			token, err := control.Token(f.tokenFile, "--control", f.control)
			if err != nil {
				return run.Usage(err)
			}
			var t *load.Target
			err = serve(c, []string{f.listen, f.control}, func(ls []net.Listener) (io.Closer, error) {
				t = load.NewTarget(ls[0], ls[1], token)
				return t, nil
			})
			if t != nil {
				fmt.Fprintf(c.OutOrStdout(), "adit-load target: %v\n", t.Total())
			}
			return err
		},
	}, "listen", "control")
	c.Flags().BoolVar(&f.remote, "allow-remote", false, "let other machines reach it")
	return c
}

func relayCommand() *cobra.Command {
	f := &roleFlags{}
	return f.add(&cobra.Command{
		Use: "relay", Short: "a plain one-hop TCP copy", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c, []string{f.listen}, func(ls []net.Listener) (io.Closer, error) { return load.NewRelay(ls[0], f.to), nil })
		},
	}, "listen", "to")
}

func linkCommand() *cobra.Command {
	f := &roleFlags{}
	c := f.add(&cobra.Command{
		Use: "link", Short: "a line with delay and bandwidth; run starts it", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := control.Token(f.tokenFile, "--control", f.control)
			if err != nil {
				return run.Usage(err)
			}
			return serve(c, []string{f.listen, f.control}, func(ls []net.Listener) (io.Closer, error) {
				l, err := rig.NewLink(ls[0], f.to, ls[1], token, f.backend)
				if err != nil {
					return nil, &run.ExitError{Code: run.ExitLimits, Err: err}
				}
				return l, nil
			})
		},
	}, "listen", "to", "control")
	c.Flags().StringVar(&f.backend, "backend", scenario.ByProcess, "what limits the rate: "+scenario.ByProcess+" or "+scenario.ByTBF)
	return c
}
