// Command adit-load measures tunnels.
//
//	adit-load run FILE… [--subject FILE]… [--out DIR] [--profile smoke|ci|full] [--events FILE|-]
//	adit-load lint FILE…
//	adit-load plan FILE… [--json]
//	adit-load plan FILE --emit swarm|kubernetes [--image NAME]
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
)

// version is set when linking.
var version = "dev"

// Exit codes.
const (
	exitOK           = 0
	exitInternal     = 1   // adit-load itself failed
	exitUsage        = 2   // command line, scenario or subject file
	exitLimits       = 3   // the machine is too small: a limit must be raised
	exitStart        = 4   // the subject did not start, or ended during the run
	exitIntegrity    = 5   // wrong octets were received
	exitFailures     = 6   // packets were not ok, or a threshold was not met
	exitRegression   = 7   // something is significantly worse: than in the old record, or than the first subject
	exitInconclusive = 8   // what was to be known cannot be
	exitInterrupted  = 130 // stopped; the record covers what was complete
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once, and its processes with it
	code := execute(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitError ends the program with a code, after a message unless err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "adit-load", Short: "measures tunnels: every octet checked, beside a direct and a relayed connection",
		Version: version, SilenceErrors: true, SilenceUsage: true,
	}
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(args), lintCommand(), planCommand(), compareCommand(), reportCommand(), schemaCommand(),
		workerCommand(), targetCommand(), relayCommand(), linkCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	e, ok := errors.AsType[*exitError](err)
	if !ok {
		e = &exitError{exitUsage, fmt.Errorf("%w\nadit-load --help shows the commands", err)}
	}
	if e.err != nil {
		fmt.Fprintf(stderr, "adit-load: %v\n", e.err)
	}
	return e.code
}
