package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/link"
	"github.com/adit-tunnel/adit/loadgen/relay"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/target"
	"github.com/adit-tunnel/adit/loadgen/worker"
)

// listen opens the listeners of some flags; all or none.
func listen(addrs ...string) (out []net.Listener, err error) {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, o := range out {
				err = errors.Join(err, o.Close())
			}
			return nil, &exitError{exitInternal, err}
		}
		out = append(out, l)
	}
	return out, nil
}

// tokenFrom reads the token that requests must carry. Without a file a
// listener must be on loopback: whoever reaches it can make it send.
func tokenFrom(file, flag, listen string) (string, error) {
	if file == "" {
		host, _, err := net.SplitHostPort(listen)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			return "", &exitError{exitUsage, fmt.Errorf("%s %s: is not on loopback: give --token-file, a file with a secret that the leader has, too", flag, listen)}
		}
		return "", nil
	}
	b, err := os.ReadFile(file)
	token := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", &exitError{exitUsage, fmt.Errorf("--token-file: %w", err)}
	case len(token) < 16:
		return "", &exitError{exitUsage, fmt.Errorf("--token-file %s: holds %d characters, must be 16 or more", file, len(token))}
	}
	return token, nil
}

// ready says that a role can be used: its port may answer before, where somebody forwards it.
func ready(c *cobra.Command, listeners ...net.Listener) {
	var at []string
	for _, l := range listeners {
		at = append(at, l.Addr().String())
	}
	fmt.Fprintf(c.OutOrStdout(), "adit-load %s: ready at %s\n", c.Name(), strings.Join(at, ", "))
}

// beyond refuses an address that other machines reach, unless the user wants that.
func beyond(allowed bool, flag, listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); allowed || err == nil && ip != nil && ip.IsLoopback() {
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf("%s %s: is not on loopback: whoever reaches it can make it send; give --allow-remote if that is meant", flag, listen)}
}

func workerCommand() *cobra.Command {
	var addr, file string
	c := &cobra.Command{
		Use: "worker", Short: "a generator that a leader commands", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := tokenFrom(file, "--listen", addr)
			if err != nil {
				return err
			}
			ls, err := listen(addr)
			if err != nil {
				return err
			}
			w := worker.New(ls[0], token)
			ready(c, ls...)
			<-c.Context().Done()
			return w.Close()
		},
	}
	c.Flags().StringVar(&addr, "listen", "127.0.0.1:0", "address for the leader")
	c.Flags().StringVar(&file, "token-file", "", "file with the secret that the leader has, too; not needed on loopback")
	return c
}

func targetCommand() *cobra.Command {
	var data, ctl, file string
	remote := false
	c := &cobra.Command{
		Use: "target", Short: "the service at the far end: echo, sink and source", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := beyond(remote, "--listen", data); err != nil {
				return err
			}
			token, err := tokenFrom(file, "--control", ctl)
			if err != nil {
				return err
			}
			ls, err := listen(data, ctl)
			if err != nil {
				return err
			}
			t := target.New(ls[0], ls[1], token)
			ready(c, ls...)
			<-c.Context().Done()
			err = t.Close()
			fmt.Fprintf(c.OutOrStdout(), "adit-load target: %v\n", t.Total())
			return err
		},
	}
	c.Flags().StringVar(&data, "listen", "127.0.0.1:0", "address for the payload")
	c.Flags().BoolVar(&remote, "allow-remote", false, "let other machines reach it")
	c.Flags().StringVar(&ctl, "control", "127.0.0.1:0", "address for the leader")
	c.Flags().StringVar(&file, "token-file", "", "file with the secret that the leader has, too; not needed on loopback")
	return c
}

func relayCommand() *cobra.Command {
	var addr, to string
	c := &cobra.Command{
		Use: "relay", Short: "a plain one-hop TCP copy", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ls, err := listen(addr)
			if err != nil {
				return err
			}
			ready(c, ls...)
			return relay.Run(c.Context(), ls[0], to)
		},
	}
	c.Flags().StringVar(&addr, "listen", "127.0.0.1:0", "address to listen at")
	c.Flags().StringVar(&to, "to", "", "address to copy to")
	_ = c.MarkFlagRequired("to")
	return c
}

func linkCommand() *cobra.Command {
	var addr, to, ctl, file, backend string
	c := &cobra.Command{
		Use: "link", Short: "a line with delay and bandwidth; run starts it", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := tokenFrom(file, "--control", ctl)
			if err != nil {
				return err
			}
			ls, err := listen(addr, ctl)
			if err != nil {
				return err
			}
			var l *link.Link
			if backend == scenario.ByTBF {
				if l, err = link.NewTBF(ls[0], to, ls[1], token); err != nil {
					return &exitError{exitLimits, err}
				}
			} else {
				l = link.New(ls[0], to, ls[1], token)
			}
			ready(c, ls...)
			<-c.Context().Done()
			return l.Close()
		},
	}
	c.Flags().StringVar(&addr, "listen", "127.0.0.1:0", "address to listen at")
	c.Flags().StringVar(&to, "to", "", "address to copy to")
	c.Flags().StringVar(&ctl, "control", "127.0.0.1:0", "address for the leader")
	c.Flags().StringVar(&file, "token-file", "", "file with the secret that the leader has, too; not needed on loopback")
	c.Flags().StringVar(&backend, "backend", scenario.ByProcess, "what limits the rate: "+scenario.ByProcess+" or "+scenario.ByTBF)
	_ = c.MarkFlagRequired("to")
	return c
}
