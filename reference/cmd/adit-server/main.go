// Command adit-server accepts tunnels from clients behind NAT, and visitors on mapped ports.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/adit-tunnel/adit/reference/cmd"
	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/logging"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/server"
	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/store"
	"github.com/adit-tunnel/adit/reference/web"
)

// version is set by the linker.
var version = "devel"

func main() {
	if len(os.Args) > 1 {
		switch command := os.Args[1]; command {
		case "keygen":
			os.Exit(keygen(os.Args[2:], os.Stdout, os.Stderr))
		case "apikey", "token":
			os.Exit(credential(command, os.Args[2:], os.Stdout, os.Stderr))
		case "doctor":
			os.Exit(doctor(os.Args[2:], os.Stdout, os.Stderr))
		case "schema":
			os.Exit(cmd.Print("adit-server", config.WriteServerSchema))
		case "ctl":
			os.Exit(ctl(os.Args[2:], os.Stdout, os.Stderr))
		}
	}
	os.Exit(cmd.Main("adit-server", version, config.LoadServer, run))
}

// run serves until ctx ends, and then until what is open has finished.
func run(ctx context.Context, cfg config.Server, log *logging.Log, reloads *cmd.Reloads[config.Server]) error {
	cfg.Log.Now = new(slog.LevelVar)
	cfg.Log.Now.Set(cfg.Log.Threshold())
	logger := log.Logger(cfg.Log.Logger)
	db, err := store.Open(cfg.Database.Path)
	if err != nil {
		return err
	}
	c := serverConfig(cfg, db, logger)
	c.Sockets = activation.Files(true)
	s, err := server.Listen(c)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	cmd.Ready(logger) // who connects now waits for Run
	var following sync.WaitGroup
	following.Go(func() {
		reloads.Follow(ctx, logger, func(next config.Server) error {
			cfg.Log.Now.Set(next.Log.Threshold())
			return s.Reload(serverConfig(next, db, logger))
		})
	})
	s.Run(ctx)
	following.Wait()
	return db.Close()
}

func serverConfig(c config.Server, db mapping.Store, logger *slog.Logger) server.Config {
	t := c.Tunnel.Timers
	return server.Config{
		Rules:                 c.Rules(),
		TunnelHost:            c.Tunnel.ListenHost,
		TunnelPort:            c.Tunnel.ListenPort,
		AllowedClients:        c.AllowedClients(),
		MaxTunnels:            c.Tunnel.MaxTunnels,
		Memory:                c.Memory,
		TLS:                   c.TLS,
		TLSEndsBefore:         c.Balanced,
		Keys:                  c.Ring,
		AuthOptional:          c.Open,
		AllowBind:             c.Tunnel.AllowBind,
		BindHold:              t.BindHold,
		APIHost:               c.API.ListenHost,
		APIPort:               c.API.ListenPort,
		Profiling:             c.API.Profiling,
		APIAllowed:            c.AllowedIPs(),
		Access:                c.Access,
		VisitorHost:           c.Visitors.ListenHost,
		TunnelProxies:         mapping.Prefixes(c.Tunnel.TrustedProxies),
		VisitorProxies:        mapping.Prefixes(c.Visitors.TrustedProxies),
		MaxVisitors:           c.Visitors.MaxConnections,
		MaxVisitorsPerAddress: c.Visitors.MaxPerAddress,
		WebListen:             c.Web.Listen,
		WebListenTLS:          c.Web.ListenTLS,
		MaxWeb:                c.Web.MaxConnections,
		MaxWebPerAddress:      c.Web.MaxPerAddress,
		Web: web.Config{
			Certificates:    certificates(c),
			Redirect:        c.Web.Redirect && c.Web.ListenTLS != "",
			Trusted:         mapping.Prefixes(c.Web.TrustedProxies),
			ResponseTimeout: c.Web.ResponseTimeout,
			Access:          c.VisitorKeys,
		},
		DialTimeout:  c.Direct.DialTimeout,
		MaxDirect:    c.Direct.MaxConnections,
		DrainTimeout: c.Shutdown.Grace,
		Store:        db,
		Maps:         c.Maps,
		Version:      version,
		Logger:       logger,
		Session: session.Config{
			Protocol:       session.ProtocolOf(c.Protocol),
			Agent:          "adit/" + version,
			ConnectTimeout: t.ConnectTimeout,
			DeadPeer:       t.DeadPeer,
			CloseDrain:     t.CloseDrain,
			CloseTotal:     t.CloseTotal,
			CloseStall:     t.CloseStall,
			CloseMost:      t.CloseMost,
			CloseWait:      t.CloseWait,
			StallLimit:     t.StallLimit,
			StallBudget:    t.StallBudget,
			StallWindow:    t.StallWindow,
			PauseSign:      t.PauseSign,
			FrameProgress:  t.FrameProgress,
			MaxQueue:       c.Tunnel.Queue,
			Window:         c.Tunnel.Window,
			Memory:         c.Tunnel.Memory,
			MaxConnections: c.Tunnel.MaxConnections,
		},
	}
}

// certificates are what visitors of the web are shown; nil: none come with TLS.
func certificates(c config.Server) *web.Certificates {
	switch a := c.Web.ACME; {
	case a.Enabled:
		return web.ByACME(a.Directory, a.Email, a.Cache, c.WebAuthorities)
	case c.WebPair != nil:
		return web.OfFiles(c.WebPair)
	}
	return nil
}
