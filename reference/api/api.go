package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

//go:embed page.html
var page []byte

// Config tunes a server of the API. All fields but Allowed and Logger are required.
type Config struct {
	Mappings      Mappings
	Tunnels       func() []Tunnel  // those that are there now
	Bindings      func() []Binding // what clients have asked for and got
	TunnelEnabled bool
	Started       time.Time      // what statistics count from
	Allowed       []netip.Prefix // addresses that may use the API; empty: any (security.api.allowed_ips)
	Logger        *slog.Logger   // nil discards
}

// Mappings is what the API needs of a [mapping.Manager].
type Mappings interface {
	Create(ctx context.Context, q mapping.Request) (mapping.Mapping, error)
	Remove(ctx context.Context, port int) error
	List() []mapping.Status
}

// New returns an HTTP server for the API with bounded times, ready to Serve.
func New(cfg Config) *http.Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{cfg, http.NewCrossOriginProtection()}
	routes := map[string]map[string]http.HandlerFunc{
		"/api/mapping/create": {http.MethodPost: h.create},
		"/api/mapping/remove": {http.MethodPost: h.remove},
		"/api/mapping/list":   {http.MethodGet: h.list},
		"/api/stats":          {http.MethodGet: h.stats},
		"/health":             {http.MethodGet: h.health},
		"/":                   {http.MethodGet: h.page},
	}
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.route(w, r, routes)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
}

type handler struct {
	Config
	origins *http.CrossOriginProtection
}

// route answers every refusal with the envelope, which http.ServeMux does not.
func (h *handler) route(w http.ResponseWriter, r *http.Request, routes map[string]map[string]http.HandlerFunc) {
	if !h.allowed(r.RemoteAddr) {
		h.fail(w, r, &refusal{status: http.StatusForbidden, message: "your address is not in security.api.allowed_ips"})
		return
	}
	// A page of some other site, open in a browser on this machine, could otherwise post a mapping to loopback.
	if h.origins.Check(r) != nil {
		h.fail(w, r, &refusal{status: http.StatusForbidden, message: "a browser sent this for a page of another site; use a page of this server, or a program"})
		return
	}
	methods, ok := routes[r.URL.Path]
	if !ok {
		h.fail(w, r, &refusal{status: http.StatusNotFound, message: "no such path; there are /api/mapping/create, /api/mapping/remove, /api/mapping/list, /api/stats and /health"})
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	do, ok := methods[method]
	if !ok { // API-014
		allow := http.MethodPost
		if methods[http.MethodGet] != nil {
			allow = "GET, HEAD"
		}
		w.Header().Set("Allow", allow)
		h.fail(w, r, &refusal{status: http.StatusMethodNotAllowed, message: fmt.Sprintf("%s has no method %s; use %s", r.URL.Path, r.Method, w.Header().Get("Allow"))})
		return
	}
	do(w, r)
}

func (h *handler) allowed(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && mapping.Allows(h.Allowed, addr.Addr())
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) {
	var body createBody
	var m mapping.Mapping
	err := h.body(w, r, &body)
	if err == nil {
		var q mapping.Request
		if q, err = body.request(); err == nil {
			m, err = h.Mappings.Create(r.Context(), q)
		}
	}
	if e, ok := errors.AsType[*mapping.Error](err); ok && e.Field == "target_host" && body.TargetHost == nil && body.TargetIP != nil {
		err = &mapping.Error{Kind: e.Kind, Field: "target_ip", Reason: e.Reason} // as it was spelled
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// API-001.
	data := map[string]any{"port": m.Port, "target_ip": m.TargetHost, "target_port": m.TargetPort, "use_tunnel": m.UseTunnel}
	for name, text := range map[string]string{"client": m.Client, "service": m.Service, "key": m.Key, "name": m.Name} {
		if text != "" {
			data[name] = text
		}
	}
	h.ok(w, fmt.Sprintf("port %d is mapped", m.Port), data)
}

func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Port int `json:"port"`
	}
	err := h.body(w, r, &body)
	if err == nil && (body.Port < 1 || body.Port > 65535) {
		err = badRequest("port", "port must be 1 to 65535, not %d", body.Port)
	}
	if err == nil {
		err = h.Mappings.Remove(r.Context(), body.Port)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.ok(w, fmt.Sprintf("the mapping of port %d is removed", body.Port), map[string]any{"port": body.Port})
}

func (h *handler) list(w http.ResponseWriter, _ *http.Request) {
	rows := []row{}
	for _, s := range h.Mappings.List() {
		rows = append(rows, rowOf(s))
	}
	h.ok(w, fmt.Sprintf("%d mappings", len(rows)), map[string]any{ // API-009
		"mappings": rows, "count": len(rows), "use_tunnel": h.TunnelEnabled,
	})
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) {
	data := stats{
		Since: h.Started, Uptime: time.Since(h.Started).Seconds(),
		Mappings: []usage{}, Tunnels: append([]Tunnel{}, h.Tunnels()...), Bindings: append([]Binding{}, h.Bindings()...),
	}
	for _, s := range h.Mappings.List() {
		data.Mappings = append(data.Mappings, usageOf(s))
		data.All.add(s.Traffic)
	}
	h.ok(w, "traffic since the server started", data)
}

// API-010.
func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	profiles := map[string]int{}
	all := h.Tunnels()
	for _, t := range all {
		profiles[t.Profile]++
	}
	connected := h.TunnelEnabled && len(all) > 0
	answer(w, http.StatusOK, map[string]any{"status": "ok", "tunnel_enabled": h.TunnelEnabled, "tunnel_connected": connected, "tunnels": profiles})
}

func (h *handler) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	_, _ = w.Write(page)
}

// envelope is the shape of every answer but health's.
type envelope struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

func (h *handler) ok(w http.ResponseWriter, message string, data any) {
	answer(w, http.StatusOK, envelope{Success: true, Message: message, Data: data})
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
	h.Logger.Debug("api request refused", "method", r.Method, "path", r.URL.Path, "status", e.status, "field", e.field, "reason", e.message)
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
