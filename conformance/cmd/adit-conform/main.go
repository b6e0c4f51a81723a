// Command adit-conform certifies tunnel servers, clients and control APIs
// against PROTOCOL.md.
//
//	adit-conform run --server HOST:PORT --visitor HOST:PORT
//	adit-conform run --client-cmd 'prog --server {addr}'
//	adit-conform run --listen ADDR
//	adit-conform run --subject FILE
//	adit-conform list [ID…]
//	adit-conform explain ID…
//	adit-conform codec --exec 'PROGRAM'
//	adit-conform watch --listen ADDR --to ADDR
//	adit-conform replay FILE --server HOST:PORT
//	adit-conform fuzz --server HOST:PORT --visitor HOST:PORT --for 10m
//	adit-conform report|diff|matrix|verify FILE.json…
//	adit-conform self-check
//	adit-conform fault server|client --mutant NAME
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/fault"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// version is set when linking; what go install built has its module's.
var version = "dev"

func init() {
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitError ends the program with a code; its message, if any, has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "adit-conform",
		Short:         "certifies tunnel servers and clients against PROTOCOL.md",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(subject.FlagError)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), replayCommand(), fuzzCommand(), listCommand(), explainCommand(), watchCommand(), schemaCommand(), codecCommand(stdout, stderr), fault.PeerCommand(stdout),
		fault.SelfCheckCommand(stdout, stderr, isTerminal(stderr), func(code int) error { return exitError(code) }))
	root.AddCommand(reportCommands()...)
	root.SetArgs(subject.TwoDashes(root, args))
	command, err := root.ExecuteContextC(ctx)
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if err != nil {
		shows := "its flags and examples"
		if command.HasSubCommands() {
			shows = "the commands"
		}
		fmt.Fprintf(stderr, "adit-conform: %v\n%s --help shows %s\n", err, command.CommandPath(), shows)
		return report.ExitUsage
	}
	return report.ExitCertified
}
