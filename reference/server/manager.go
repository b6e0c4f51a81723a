package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/store"
)

// manager makes and removes mappings, at most one change of a port at a time. Safe for use from any number
// of goroutines.
type manager struct {
	cfg   *Config
	log   *slog.Logger
	visit func(*mapping, *net.TCPConn) // takes each visitor

	mu      sync.Mutex       // guards the following fields
	ports   map[int]*mapping // nil: a change of this port is under way
	changes sync.WaitGroup   // those under way; none begins once closed
	closed  bool
}

func newManager(cfg *Config, log *slog.Logger, visit func(*mapping, *net.TCPConn)) *manager {
	return &manager{cfg: cfg, log: log, visit: visit, ports: make(map[int]*mapping)}
}

// create binds row's port, stores the mapping if keep is set, and serves it. On failure nothing is left of
// it (API-004).
func (g *manager) create(ctx context.Context, row store.Mapping, keep bool) (*mapping, error) {
	if err := g.claim(row.Port); err != nil {
		return nil, err
	}
	m, err := g.build(row)
	if err == nil {
		m.attach(m.bind()) // API-002: success only when the port is bound
		err = m.bindErr
	}
	if err == nil && keep {
		// API-003: and only when the mapping is stored. A caller that went away leaves no doubt which.
		if m.row, err = g.cfg.Store.Create(context.WithoutCancel(ctx), row); err != nil {
			m.unlisten()
		}
	}
	if err != nil {
		g.settle(row.Port, nil)
		return nil, err
	}
	g.serve(m)
	m.log.Info("mapping created", "target", m.target(), "use_tunnel", m.row.UseTunnel, "id", m.row.ID)
	return m, nil
}

// restore serves a stored mapping. If its port cannot be bound now, it is kept and tried again (API-016).
func (g *manager) restore(row store.Mapping) error {
	if err := g.claim(row.Port); err != nil {
		return err
	}
	m, err := g.build(row)
	if err != nil {
		g.settle(row.Port, nil)
		return err
	}
	m.attach(m.bind())
	if m.bindErr != nil {
		m.log.Warn("mapping not served yet", "error", m.bindErr)
	}
	g.serve(m)
	return nil
}

// remove ends the mapping of port: deleted from the store and closed to new visitors when it returns
// (API-007). Visitors that came before go on.
func (g *manager) remove(ctx context.Context, port int) error {
	g.mu.Lock()
	m := g.ports[port]
	switch {
	case g.closed:
		g.mu.Unlock()
		return errStopping
	case m == nil: // API-008
		g.mu.Unlock()
		return &api.Error{Status: http.StatusNotFound, Field: "port", Message: fmt.Sprintf("port %d has no mapping; /api/mapping/list shows those there are", port)}
	}
	g.ports[port] = nil
	g.changes.Add(1)
	g.mu.Unlock()

	if m.row.ID != 0 {
		err := g.cfg.Store.Remove(context.WithoutCancel(ctx), port)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			g.settle(port, m)
			return err
		}
	}
	m.halt()
	g.settle(port, nil)
	m.log.Info("mapping removed")
	return nil
}

// claim reserves a port for a change.
func (g *manager) claim(port int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errStopping
	}
	if _, has := g.ports[port]; has { // API-005
		return &api.Error{Status: http.StatusConflict, Field: "port", Message: fmt.Sprintf("port %d has a mapping; remove that first, or use another port", port)}
	}
	g.ports[port] = nil
	g.changes.Add(1)
	return nil
}

// settle ends a change of port that leaves it with m, or without a mapping.
func (g *manager) settle(port int, m *mapping) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m == nil {
		delete(g.ports, port)
	} else {
		g.ports[port] = m
	}
	g.changes.Done()
}

// serve starts a mapping whose port is claimed.
func (g *manager) serve(m *mapping) {
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.done = stop, make(chan struct{})
	go m.serve(ctx)
	g.settle(m.row.Port, m)
}

// build makes the mapping of a row, not yet bound.
func (g *manager) build(row store.Mapping) (*mapping, error) {
	m := &mapping{row: row, live: make(map[*visit]struct{}), log: g.log.With("port", row.Port)}
	m.bind = func() (*net.TCPListener, error) {
		if err := g.cfg.notBlacklisted(row.Port); err != nil { // since it was stored
			return nil, err
		}
		return listen("port", g.cfg.VisitorHost, row.Port)
	}
	m.visit = func(conn *net.TCPConn) { g.visit(m, conn) }
	if row.Client == "" {
		return m, nil
	}
	var err error
	m.client, err = parseClient(row.Client)
	return m, err
}

// all returns the mappings in the order of their making.
func (g *manager) all() []*mapping {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []*mapping
	for _, m := range g.ports {
		if m != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *mapping) int {
		return cmp.Or(cmp.Compare(a.row.ID, b.row.ID), cmp.Compare(a.row.Port, b.row.Port))
	})
	return all
}

// close stops accepting visitors on every port; changes are refused from then on.
func (g *manager) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.changes.Wait()
	for _, m := range g.all() {
		m.halt()
	}
}
