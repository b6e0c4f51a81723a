package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// Config tunes a server of the API. All fields but Refused, Keys, Draining, Allowed, Access and Logger are required.
type Config struct {
	Mappings      Mappings
	Tunnels       func() []Tunnel         // those that are there now
	Bindings      func() []Binding        // what clients have asked for and got
	Refused       func() map[string]int64 // tunnels that never were a client's, by why; nil: nobody counts
	TunnelEnabled bool
	Visits        func() []Visit // of all mappings
	Keys          Keys           // of clients; nil: none are asked for
	Events        *Events
	Draining      func() bool // the server takes nobody any more; nil: it does
	Version       string
	Started       time.Time             // what statistics count from
	Allowed       func() []netip.Prefix // addresses that may use the API now; nil or empty: any (security.api.allowed_ips)
	Access        *access.Guard         // who may use it; nil: everyone
	Logger        *slog.Logger          // nil discards
}

// Mappings is what the API needs of a [mapping.Manager].
type Mappings interface {
	Create(ctx context.Context, q mapping.Request) (mapping.Mapping, error)
	Remove(ctx context.Context, place string) error
	List() []mapping.Status
}

var noLog = slog.New(slog.DiscardHandler)

// New returns an HTTP server for the API with bounded times, ready to Serve.
func New(cfg Config) *http.Server {
	if cfg.Logger == nil {
		cfg.Logger = noLog
	}
	h := &handler{cfg, http.NewCrossOriginProtection(), newRequests(), newProcess()}
	return h.server(h.endpoints(), 30*time.Second)
}

// server answers requests for endpoints, each within a time.
func (h *handler) server(all map[string]endpoint, within time.Duration) *http.Server {
	return &http.Server{
		Handler:           promhttp.InstrumentHandlerCounter(h.requests, h.gate(h.routes(all))),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      within,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.Logger.Handler(), slog.LevelDebug),
	}
}

type handler struct {
	Config
	origins  *http.CrossOriginProtection
	requests *prometheus.CounterVec
	process  *prometheus.Registry // of the Go runtime and the process
}

// endpoint is what a path has, by method.
type endpoint map[string]action

// action answers a request, or says why not.
type action struct {
	role access.Role // that it takes; "": none
	do   func(w http.ResponseWriter, r *http.Request) error
}

// endpoints are all paths, as http.ServeMux reads them.
func (h *handler) endpoints() map[string]endpoint {
	return map[string]endpoint{
		"/api/mapping/create":      {http.MethodPost: {access.Operate, h.create}},
		"/api/mapping/remove":      {http.MethodPost: {access.Operate, h.remove}},
		"/api/mapping/list":        {http.MethodGet: {access.Read, h.list}},
		"/api/stats":               {http.MethodGet: {access.Read, h.stats}},
		"/health":                  {http.MethodGet: {"", h.health}},
		"/ready":                   {http.MethodGet: {"", h.ready}},
		"/metrics":                 {http.MethodGet: {access.Read, h.metrics()}},
		"/api/v1/mappings":         {http.MethodGet: {access.Read, h.v1List}, http.MethodPost: {access.Operate, h.v1Create}},
		"/api/v1/mappings/{place}": {http.MethodGet: {access.Read, h.v1Show}, http.MethodDelete: {access.Operate, h.v1Remove}},
		"/api/v1/clients":          {http.MethodGet: {access.Read, h.v1Clients}},
		"/api/v1/connections":      {http.MethodGet: {access.Read, h.v1Visits}},
		"/api/v1/keys":             {http.MethodGet: {access.Read, h.v1Keys}, http.MethodPost: {access.Operate, h.v1AddKey}},
		"/api/v1/keys/{name}":      {http.MethodDelete: {access.Operate, h.v1RemoveKey}},
		"/api/v1/statistics":       {http.MethodGet: {access.Read, h.stats}},
		"/api/v1/events":           {http.MethodGet: {access.Read, h.stream}},
		"/api/v1/openapi.yaml":     {http.MethodGet: {"", h.v1OpenAPI}},
		"/{$}":                     {http.MethodGet: {access.Read, h.page}},
	}
}

func (h *handler) routes(all map[string]endpoint) http.Handler {
	mux := http.NewServeMux()
	for path, e := range all {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, e) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, &refusal{status: http.StatusNotFound, message: "no such path; there are /api/mapping/create, /api/mapping/remove, /api/mapping/list, /api/stats, /health, /ready and /metrics, and those that /api/v1/openapi.yaml has"})
	})
	return mux
}

// gate refuses what no path may be asked: by address, and by what a browser says of where a request comes from.
func (h *handler) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !h.allowed(r.RemoteAddr):
			h.fail(w, r, forbidden("your address is not in security.api.allowed_ips"))
		// A page of some other site, open in a browser on this machine, could otherwise post a mapping to loopback.
		case h.origins.Check(r) != nil:
			h.fail(w, r, forbidden("a browser sent this for a page of another site; use a page of this server, or a program"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// serve answers every refusal with the envelope, which http.ServeMux does not.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	a, ok := e[method]
	if !ok { // API-014
		allow := slices.Sorted(maps.Keys(e))
		if e[http.MethodGet].do != nil {
			allow = append(allow, http.MethodHead)
		}
		w.Header().Set("Allow", strings.Join(allow, ", "))
		h.fail(w, r, &refusal{status: http.StatusMethodNotAllowed, message: fmt.Sprintf("%s has no method %s; use %s", r.URL.Path, r.Method, w.Header().Get("Allow"))})
		return
	}
	who, err := h.admit(w, r, a.role)
	if err == nil {
		err = a.do(w, r)
	}
	if err != nil {
		h.fail(w, r, err)
	} else if a.role == access.Operate && who.Name != "" {
		h.Logger.Info("API used", "by", who.Name, "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
}

func (h *handler) allowed(remote string) bool {
	if h.Allowed == nil {
		return true
	}
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && mapping.Allows(h.Allowed(), addr.Addr())
}

// envelope is the shape of every answer but health's.
type envelope struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

func ok(w http.ResponseWriter, message string, data any) error {
	answer(w, http.StatusOK, envelope{Success: true, Message: message, Data: data})
	return nil
}

// fail answers with the envelope (API-011) and the field at fault (API-012).
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := refusalOf(err)
	if e.status == http.StatusInternalServerError {
		h.Logger.Error("api", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	data := map[string]any{}
	if e.field != "" {
		data["field"] = e.field
	}
	level := slog.LevelDebug
	if e.status == http.StatusUnauthorized { // Unauthorized is the word that the source document's monitoring looks for
		level = slog.LevelWarn
	}
	h.Logger.Log(r.Context(), level, "API request refused: "+http.StatusText(e.status), "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "status", e.status, "field", e.field, "reason", e.message)
	answer(w, e.status, envelope{Message: e.message, Data: data})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
