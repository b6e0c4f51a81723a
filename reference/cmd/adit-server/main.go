// Command adit-server accepts tunnels from clients behind NAT, and visitors on mapped ports.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/daemon"
	"github.com/adit-tunnel/adit/reference/server"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/store"
)

// version is set by the linker.
var version = "devel"

func main() {
	cfg, err := config.LoadServer(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, config.ErrHelp):
		return
	case errors.Is(err, config.ErrVersion):
		fmt.Println("adit-server", version)
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "adit-server:", err)
		os.Exit(2)
	}
	if err := run(daemon.Context(), cfg); err != nil {
		fmt.Fprintln(os.Stderr, "adit-server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then until what is open has finished.
func run(ctx context.Context, cfg config.Server) error {
	mappings, err := store.Open(cfg.Database.Path)
	if err != nil {
		return err
	}
	s, err := server.Listen(serverConfig(cfg, mappings, daemon.Logger(cfg.Log)))
	if err != nil {
		return errors.Join(err, mappings.Close())
	}
	s.Run(ctx)
	return mappings.Close()
}

func serverConfig(c config.Server, mappings *store.Store, log *slog.Logger) server.Config {
	t := c.Tunnel.Timers
	return server.Config{
		TunnelEnabled:  c.Tunnel.Enabled,
		TunnelHost:     c.Tunnel.ListenHost,
		TunnelPort:     c.Tunnel.ListenPort,
		AllowedClients: c.AllowedClients(),
		MaxTunnels:     c.Tunnel.MaxTunnels,
		APIHost:        c.API.ListenHost,
		APIPort:        c.API.ListenPort,
		APIAllowed:     c.AllowedIPs(),
		VisitorHost:    c.Visitors.ListenHost,
		PortFrom:       c.PortRange.From,
		PortEnd:        c.PortRange.End,
		Blacklist:      c.Security.PortRange.Blacklist,
		TargetOffset:   c.Offset(),
		DialTimeout:    c.Direct.DialTimeout,
		MaxDirect:      c.Direct.MaxConnections,
		DrainTimeout:   cmp.Or(c.Shutdown.Grace, -1),
		Store:          mappings,
		Maps:           maps(c.Maps),
		Logger:         log,
		Session: session.Config{
			ConnectTimeout: t.ConnectTimeout,
			DeadPeer:       t.DeadPeer,
			CloseDrain:     t.CloseDrain,
			CloseTotal:     t.CloseTotal,
			CloseWait:      t.CloseWait,
			StallLimit:     t.StallLimit,
			StallBudget:    t.StallBudget,
			StallWindow:    t.StallWindow,
			FrameProgress:  t.FrameProgress,
			MaxQueue:       c.Tunnel.Queue,
			MaxConnections: c.Tunnel.MaxConnections,
			ShortRequests:  c.Tunnel.ConnectRequest == "short",
		},
	}
}

func maps(given []config.Map) []api.CreateRequest {
	var requests []api.CreateRequest
	for _, m := range given {
		r := api.CreateRequest{Port: m.Port}
		if m.TargetHost != "" {
			r.TargetHost, r.TargetPort = &m.TargetHost, &m.TargetPort
		}
		requests = append(requests, r)
	}
	return requests
}
