package server

// now is the configuration as Reload has left it.
func (s *Server) now() *Config { return s.current.Load() }

// Reload has the server go by what of cfg can change while it runs: who may come, how many and how fast, which ports can be
// mapped, and Maps. It counts for visitors, tunnels and requests from now on; nobody who is there is ended. The rest of cfg
// has no effect. An error says which of Maps are not served. Calls are not made at the same time.
func (s *Server) Reload(cfg Config) error {
	next := s.cfg
	next.Rules.TargetOffset, next.Rules.PortFrom, next.Rules.PortEnd, next.Rules.Blacklist = cfg.Rules.TargetOffset, cfg.Rules.PortFrom, cfg.Rules.PortEnd, cfg.Rules.Blacklist
	next.AllowedClients, next.TunnelProxies, next.MaxTunnels = cfg.AllowedClients, cfg.TunnelProxies, cfg.MaxTunnels
	next.AllowBind, next.BindHold = cfg.AllowBind, cfg.BindHold
	next.APIAllowed = cfg.APIAllowed
	next.VisitorProxies, next.MaxVisitors, next.MaxVisitorsPerAddress = cfg.VisitorProxies, cfg.MaxVisitors, cfg.MaxVisitorsPerAddress
	next.DialTimeout, next.MaxDirect, next.DrainTimeout = cfg.DialTimeout, cfg.MaxDirect, cfg.DrainTimeout
	next.Session.MaxConnections, next.Session.MaxQueue = cfg.Session.MaxConnections, cfg.Session.MaxQueue
	next.Session.Window, next.Session.Memory = cfg.Session.Window, cfg.Session.Memory
	s.current.Store(&next)
	s.visitors.bound(next.MaxVisitors, next.MaxVisitorsPerAddress)
	return s.mappings.Reload(next.Rules, cfg.Maps)
}
