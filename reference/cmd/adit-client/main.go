// Command adit-client keeps a tunnel to a server, and connects its visitors to services here.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/session"
)

// version is set by the linker.
var version = "devel"

func main() {
	cfg, err := config.LoadClient(os.Args[1:], os.Stdout, func(rules []string) error {
		_, err := client.ParsePolicy(rules)
		return err
	})
	var c *client.Client
	if err == nil {
		c, err = newClient(cfg)
	}
	switch {
	case errors.Is(err, config.ErrHelp):
		return
	case errors.Is(err, config.ErrVersion):
		fmt.Println("adit-client", version)
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "adit-client:", err)
		os.Exit(2)
	}
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2) // one to stop, one to end at once: neither is lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go obey(signals, stop, func() { os.Exit(1) })
	c.Run(ctx)
}

// obey calls stop at the first signal, and end at the second. Giving the second back to the system would not
// do: one that comes at once is lost, and an interrupt is ignored where a shell started the program in the
// background. main starts it; it ends with the process.
func obey(signals <-chan os.Signal, stop, end func()) {
	<-signals
	stop()
	<-signals
	end()
}

func newClient(c config.Client) (*client.Client, error) {
	policy, err := client.ParsePolicy(c.Allow)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Server:         c.Server,
		Policy:         policy,
		TargetHost:     c.TargetHost,
		ConnectTimeout: c.ConnectTimeout,
		RetryFirst:     c.RedialDelay,
		RetryMost:      c.RedialMost,
		DrainTimeout:   cmp.Or(c.Shutdown.Grace, -1),
		Logger:         logger(c.Log),
		Session: session.Config{
			DialTimeout:       c.Timers.DialTimeout,
			KeepAliveInterval: c.Timers.KeepAliveInterval,
			DeadPeer:          c.Timers.DeadPeer,
			CloseDrain:        c.Timers.CloseDrain,
			CloseTotal:        c.Timers.CloseTotal,
			CloseWait:         c.Timers.CloseWait,
			StallLimit:        c.Timers.StallLimit,
			StallBudget:       c.Timers.StallBudget,
			StallWindow:       c.Timers.StallWindow,
			FrameProgress:     c.Timers.FrameProgress,
			MaxQueue:          c.Queue,
			MaxConnections:    c.MaxConnections,
		},
	})
}

func logger(l config.Log) *slog.Logger {
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
