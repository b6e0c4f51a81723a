// Package daemon is what the two commands share: how they end, and how they log.
package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/adit-tunnel/adit/reference/config"
)

// Context ends at the first SIGTERM or SIGINT. The second one ends the process, with exit code 1.
func Context() context.Context {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2) // one to stop, one to end at once: neither is lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, stop, func() { os.Exit(1) })
	return ctx
}

// obey calls stop at the first signal, and end at the second. Giving the second back to the system would not
// do: one that comes at once is lost, and an interrupt is ignored where a shell started the program in the
// background. Context starts it; it ends with the process.
func obey(signals <-chan os.Signal, stop, end func()) {
	<-signals
	stop()
	<-signals
	end()
}

// Logger writes to standard error.
func Logger(l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		panic("internal error: unchecked log.level: " + err.Error())
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}
