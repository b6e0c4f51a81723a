// Command adit-client keeps a tunnel to a server, and connects its visitors to services here.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/cmd"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/logging"
	"github.com/adit-tunnel/adit/reference/session"
)

// version is set by the linker.
var version = "devel"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "schema" {
		os.Exit(cmd.Print("adit-client", config.WriteClientSchema))
	}
	if len(os.Args) > 1 && os.Args[1] == "status" {
		os.Exit(showStatus(os.Args[2:], os.Stdout, os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "doctor" {
		os.Exit(doctor(os.Args[2:], os.Stdout, os.Stderr))
	}
	os.Exit(cmd.Main("adit-client", version, load, run))
}

func load(args []string, out io.Writer) (config.Client, error) {
	return config.LoadClient(args, out, func(key string, rules []string) (err error) {
		switch key {
		case "allow":
			_, err = client.ParsePolicy(rules)
		case "publish":
			_, err = client.ParsePublications(rules, "")
		case "unix":
			err = new(client.Services).ParseUnix(rules)
		case "proxy_protocol":
			err = new(client.Services).ParseProxyProtocol(rules)
		case "proxy":
			_, err = client.ParseProxy(rules[0], rules[1])
		}
		return err
	})
}

// run keeps a tunnel until ctx ends, and then until what is open has finished.
func run(ctx context.Context, c config.Client, log *logging.Log, reloads *cmd.Reloads[config.Client]) error {
	c.Log.Now = new(slog.LevelVar)
	c.Log.Now.Set(c.Log.Threshold())
	logger := log.Logger(c.Log.Logger)
	if c.KeyShows {
		logger.Warn("the key on the command line shows in the list of processes and in the shell's history; set ADIT_KEY, or name a file by --key_file")
	}
	if c.PasswordShows {
		logger.Warn("the proxy's password on the command line shows in the list of processes and in the shell's history; put it into the file, or into HTTPS_PROXY with --proxy env")
	}
	cfg, err := clientConfig(c, logger)
	if err == nil {
		cfg.Published = func(p client.Publication, address string) {
			if p.Named {
				address = "the name " + p.Service + ", to which a mapping of the server can lead,"
			}
			_, _ = fmt.Println(address, "leads to", p.Target)
		}
		runs := client.New(cfg)
		var following sync.WaitGroup
		if c.StatusSocket != "" {
			l, err := listenStatus(c.StatusSocket)
			if err != nil {
				return err
			}
			defer os.Remove(c.StatusSocket)
			context.AfterFunc(ctx, func() { l.Close() })
			following.Go(func() { serveStatus(l, runs.Status, logger) })
		}
		following.Go(func() {
			reloads.Follow(ctx, logger, func(next config.Client) error {
				c.Log.Now.Set(next.Log.Threshold())
				cfg, err := clientConfig(next, logger)
				return cmp.Or(err, runs.Reload(cfg))
			})
		})
		cmd.Ready(logger) // whether the server can be reached or not: the client goes on for ever
		runs.Run(ctx)
		following.Wait()
	}
	return err
}

func clientConfig(c config.Client, logger *slog.Logger) (client.Config, error) {
	policy, err := client.ParsePolicy(c.Allow)
	var services client.Services
	err = cmp.Or(err, services.ParseUnix(c.Unix), services.ParseProxyProtocol(c.ProxyProtocol))
	way, proxyErr := client.ParseProxy(c.Proxy, c.Server)
	err = cmp.Or(err, proxyErr)
	publish, publishErr := client.ParsePublications(c.Publish, c.TargetHost)
	err = cmp.Or(err, publishErr)
	return client.Config{
		Proxy:          way,
		Server:         c.Server,
		Policy:         policy,
		Services:       services,
		Publish:        publish,
		TLS:            c.Trust,
		TLSEndsBefore:  c.Balanced,
		TargetHost:     c.TargetHost,
		ConnectTimeout: c.ConnectTimeout,
		RetryFirst:     c.RedialDelay,
		RetryMost:      c.RedialMost,
		DrainTimeout:   c.Shutdown.Grace,
		Logger:         logger,
		Session: session.Config{
			Protocol:          session.ProtocolOf(c.Protocol),
			Agent:             "adit/" + version,
			Name:              c.Name,
			Key:               c.Auth,
			DialTimeout:       c.Timers.DialTimeout,
			KeepAliveInterval: c.Timers.KeepAliveInterval,
			DeadPeer:          c.Timers.DeadPeer,
			CloseDrain:        c.Timers.CloseDrain,
			CloseTotal:        c.Timers.CloseTotal,
			CloseStall:        c.Timers.CloseStall,
			CloseMost:         c.Timers.CloseMost,
			CloseWait:         c.Timers.CloseWait,
			StallLimit:        c.Timers.StallLimit,
			StallBudget:       c.Timers.StallBudget,
			StallWindow:       c.Timers.StallWindow,
			PauseSign:         c.Timers.PauseSign,
			FrameProgress:     c.Timers.FrameProgress,
			MaxQueue:          c.Queue,
			Window:            c.Window,
			Memory:            c.Memory,
			MaxConnections:    c.MaxConnections,
		},
	}, err
}
