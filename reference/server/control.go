package server

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
)

// The methods of api.Controller.
var _ api.Controller = (*Server)(nil)

// Create makes a mapping: bound and stored when it returns, or nothing of it left.
func (s *Server) Create(ctx context.Context, r api.CreateRequest) (api.Row, error) {
	row, err := s.cfg.plan(r)
	if err == nil {
		err = s.cfg.inRange(r.Port)
	}
	if err != nil {
		return api.Row{}, err
	}
	m, err := s.mappings.create(ctx, row, true)
	if err != nil {
		return api.Row{}, err
	}
	return m.apiRow(), nil
}

// Remove ends the mapping of port.
func (s *Server) Remove(ctx context.Context, port int) error { return s.mappings.remove(ctx, port) }

// List returns a row for each mapping.
func (s *Server) List(context.Context) ([]api.Row, error) {
	var rows []api.Row
	for _, m := range s.mappings.all() {
		rows = append(rows, m.apiRow())
	}
	return rows, nil
}

// Health says whether the tunnel is enabled, and whether a client is connected.
func (s *Server) Health() (enabled, connected bool) {
	return s.cfg.TunnelEnabled, len(s.registry.all()) > 0
}

// Stats returns the traffic so far, of mappings and of tunnels that are there now.
func (s *Server) Stats() api.Stats {
	stats := api.Stats{
		Since: s.started, Uptime: time.Since(s.started).Seconds(),
		Mappings: []api.MappingStats{}, Tunnels: []api.TunnelStats{},
	}
	for _, m := range s.mappings.all() {
		stats.Mappings = append(stats.Mappings, m.apiStats())
	}
	for _, t := range s.registry.all() {
		n := t.session.Stats()
		stats.Tunnels = append(stats.Tunnels, api.TunnelStats{
			Remote: t.remote.String(), Since: n.Start, Active: n.Active, Total: n.Opened + n.Failed, Failed: n.Failed,
			In: n.OctetsIn, Out: n.OctetsOut, KeepAlive: n.LastKeepAlive,
		})
	}
	return stats
}
