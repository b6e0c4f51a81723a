// Command adit-client keeps a tunnel to a server, and connects its visitors to services here.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/daemon"
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
	c.Run(daemon.Context())
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
		Logger:         daemon.Logger(c.Log),
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
