package api

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
)

// longestProfile bounds ?seconds= of a profile or an execution trace.
const longestProfile = 5 * time.Minute

// NewProfiling returns an HTTP server for profiles and execution traces of the program, as go tool pprof and go tool trace read
// them. They show what is in its memory, so they take the role operate. Of cfg Allowed, Access and Logger count.
func NewProfiling(cfg Config) *http.Server {
	if cfg.Logger == nil {
		cfg.Logger = noLog
	}
	h := &handler{cfg, http.NewCrossOriginProtection(), newRequests(), nil}
	get := func(f http.HandlerFunc) endpoint {
		return endpoint{http.MethodGet: {access.Operate, func(w http.ResponseWriter, r *http.Request) error { f(w, r); return nil }}}
	}
	return h.server(map[string]endpoint{
		"/debug/pprof/{name...}": get(pprof.Index), // without the command line
		"/debug/pprof/profile":   get(pprof.Profile),
		"/debug/pprof/symbol":    get(pprof.Symbol),
		"/debug/pprof/trace":     get(pprof.Trace),
	}, longestProfile+30*time.Second)
}
