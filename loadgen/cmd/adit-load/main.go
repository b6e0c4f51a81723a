// Command adit-load measures tunnels.
//
//	adit-load run SCENARIO… [--subject FILE]… [--out DIR] [--profile smoke|ci|full] [--events FILE|-]
//	adit-load try HOST:PORT [--target HOST:PORT]
//	adit-load scenarios [NAME]
//	adit-load lint SCENARIO…
//	adit-load plan SCENARIO… [--json]
//	adit-load plan SCENARIO --emit swarm|kubernetes [--image NAME]
//	adit-load compare OLD NEW
//	adit-load report DIR
//	adit-load worker --listen ADDR --token-file FILE
//	adit-load target --listen ADDR --control ADDR
//	adit-load relay --to ADDR
//	adit-load schema [scenario|record|event]
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/run"
)

// version is set when linking.
var version = "dev"

func main() {
	end := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	if signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		end = end[:2]
	}
	ctx, stop := signal.NotifyContext(context.Background(), end...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once, and its processes with it
	code := execute(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "adit-load", Short: "measures tunnels: every byte checked, beside a direct and a relayed connection",
		Version: version, SilenceErrors: true, SilenceUsage: true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(runCommand(args), tryCommand(args), scenariosCommand(), lintCommand(), planCommand(), compareCommand(), reportCommand(), schemaCommand(),
		workerCommand(), targetCommand(), relayCommand(), linkCommand())
	root.SetFlagErrorFunc(subject.FlagError)
	root.SetArgs(subject.TwoDashes(root, args[1:]))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return run.ExitOK
	}
	e, ok := errors.AsType[*run.ExitError](err)
	if !ok {
		e = &run.ExitError{Code: run.ExitUsage, Err: fmt.Errorf("%w\nadit-load --help shows the commands", err)}
	}
	if e.Err != nil {
		fmt.Fprintf(stderr, "adit-load: %v\n", e.Err)
	}
	return e.Code
}
