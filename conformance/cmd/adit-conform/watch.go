package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/watch"
)

// watchFlags are the flags of adit-conform watch.
type watchFlags struct {
	listen, to string
	pcap       string
	port       uint16
	jsonFile   string
	verbose    bool
}

func watchCommand() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch --listen ADDR --to ADDR | --pcap FILE",
		Short: "judge what passes between any client and any server",
		Long: `watch is a transparent proxy between a client and a server, or reads a capture of them, and charges every
violation of PROTOCOL.md that the wire shows for certain to the side that broke it. SIGINT ends it with a summary.

Exit codes: 0 no violation, 1 a MUST was broken, 2 wrong usage, 3 cannot listen, or the server was never reached.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	s := c.Flags()
	s.StringVar(&f.listen, "listen", "", "HOST:PORT to listen on for clients")
	s.StringVar(&f.to, "to", "", "HOST:PORT of the server")
	s.StringVar(&f.pcap, "pcap", "", "capture file to read, pcap or pcapng")
	s.Uint16Var(&f.port, "port", 9000, "the server's port in the capture")
	s.StringVar(&f.jsonFile, "json", "", "write the report as JSON to this file")
	s.BoolVarP(&f.verbose, "verbose", "v", false, "show frames as they pass")
	return c
}

func (f watchFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	live := f.listen != "" || f.to != ""
	switch {
	case live && f.pcap != "":
		return errors.New("--pcap: takes neither --listen nor --to")
	case !live && f.pcap == "":
		return errors.New("nothing to watch: give --listen and --to, or --pcap")
	case live && (f.listen == "" || f.to == ""):
		return errors.New("--listen and --to: give both")
	}
	read := f.relay
	if f.pcap != "" {
		read = f.capture
	}
	rep, err := read(ctx, stdout, stderr)
	if err != nil {
		return err
	}
	rep.WriteText(stdout)
	if f.jsonFile != "" {
		if err := rep.WriteJSON(f.jsonFile); err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	switch {
	case rep.Broken():
		return exitError(report.ExitFailed)
	case rep.Unreachable():
		return exitError(report.ExitUnreachable)
	}
	return nil
}

// relay is the proxy.
func (f watchFlags) relay(ctx context.Context, stdout, stderr io.Writer) (*watch.Report, error) {
	if _, _, err := net.SplitHostPort(f.to); err != nil {
		return nil, fmt.Errorf("--to: %w; give HOST:PORT", err)
	}
	addr, err := net.ResolveTCPAddr("tcp", f.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w; give HOST:PORT", err)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		fmt.Fprintf(stderr, "adit-conform: --listen: %v\n", err)
		return nil, exitError(report.ExitUnreachable)
	}
	fmt.Fprintf(stdout, "watching %s, server %s; SIGINT ends it with a summary\n", l.Addr(), f.to)
	return watch.Relay(ctx, l, watch.Options{To: f.to, Verbose: f.verbose, Log: stdout})
}

// capture reads a file.
func (f watchFlags) capture(_ context.Context, stdout, _ io.Writer) (*watch.Report, error) {
	file, err := os.Open(f.pcap)
	if err != nil {
		return nil, fmt.Errorf("--pcap: %w", err)
	}
	defer file.Close()
	rep, err := watch.ReadCapture(file, f.port, watch.Options{Verbose: f.verbose, Log: stdout})
	if err != nil {
		return nil, fmt.Errorf("--pcap %s: %w", f.pcap, err)
	}
	return rep, nil
}
