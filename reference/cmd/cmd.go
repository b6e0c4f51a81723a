// Package cmd is what the two commands below it share: how they begin, are told to stop, and end.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/logging"
)

// Main loads a configuration from the command line and runs a program with it, and with those that its file has later. It returns
// the exit code: 0 at the end of run, 2 for a command line or file that cannot be meant, 1 for one that cannot be done.
func Main[C config.Program](program, version string, load func(args []string, out io.Writer) (C, error), run func(context.Context, C, *logging.Log, *Reloads[C]) error) int {
	signal.Ignore(syscall.SIGPIPE) // a log that is closed stops nothing
	log := logging.New(logging.Stderr())
	defer log.Close(lastWords)
	cfg, err := load(os.Args[1:], os.Stdout)
	code := 2
	if err == nil {
		reloads := follow(cfg, func() (C, error) { return load(os.Args[1:], io.Discard) })
		err, code = run(untilSignal(program, log, reloads == nil), cfg, log, reloads), 1
	}
	switch {
	case err == nil, errors.Is(err, config.ErrHelp):
		return 0
	case errors.Is(err, config.ErrVersion):
		fmt.Println(program, version)
		return 0
	}
	fmt.Fprintf(log, "%s: %v\n", program, err)
	return code
}

// Print is a command of a program that prints something, and no more. It returns the exit code.
func Print(program string, write func(io.Writer) error) int {
	if len(os.Args) > 2 {
		fmt.Fprintf(os.Stderr, "%s %s: %q is an argument, and it has none; leave that out\n", program, os.Args[1], os.Args[2])
		return 2
	}
	if err := write(os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", program, os.Args[1], err)
		return 1
	}
	return 0
}

// lastWords bounds the wait for a log that nobody reads, at the end of the program.
const lastWords = time.Second

// untilSignal ends at the first SIGTERM or SIGINT, and if it is to hang up at SIGHUP. The second one ends the process, with exit
// code 1.
func untilSignal(program string, log *logging.Log, hangUp bool) context.Context {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2) // one to stop, one to end at once: neither is lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if hangUp && !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go obey(signals, stop, func(second os.Signal) {
		fmt.Fprintf(log, "%s: ended at once by a second signal (%v); connections that were open are reset\n", program, second)
		log.Close(lastWords)
		os.Exit(1)
	})
	return ctx
}

// obey calls stop at the first signal, and end at the second. Giving the second back to the system would not
// do: one that comes at once is lost, and an interrupt is ignored where a shell started the program in the
// background. untilSignal starts it; it ends with the process.
func obey(signals <-chan os.Signal, stop func(), end func(second os.Signal)) {
	<-signals
	stop()
	end(<-signals)
}
