package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

//go:embed page.html
var page []byte

// Config tunes a handler.
type Config struct {
	Control Controller     // required
	Allowed []netip.Prefix // addresses that may use the API; empty: any (security.api.allowed_ips)
	Logger  *slog.Logger   // nil discards
}

// NewServer returns an HTTP server for the API with bounded times, ready to Serve.
func NewServer(cfg Config) *http.Server {
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
		h.fail(w, r, &Error{Status: http.StatusForbidden, Message: "your address is not in security.api.allowed_ips"})
		return
	}
	// A page of some other site, open in a browser on this machine, could otherwise post a mapping to loopback.
	if h.origins.Check(r) != nil {
		h.fail(w, r, &Error{Status: http.StatusForbidden, Message: "a browser sent this for a page of another site; use a page of this server, or a program"})
		return
	}
	methods, ok := routes[r.URL.Path]
	if !ok {
		h.fail(w, r, &Error{Status: http.StatusNotFound, Message: "no such path; there are /api/mapping/create, /api/mapping/remove, /api/mapping/list, /api/stats and /health"})
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
		h.fail(w, r, &Error{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%s has no method %s; use %s", r.URL.Path, r.Method, w.Header().Get("Allow"))})
		return
	}
	do(w, r)
}

func (h *handler) allowed(remote string) bool {
	if len(h.Allowed) == 0 {
		return true
	}
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range h.Allowed {
		if p.Contains(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// mapping is a row in the document's shape, and our fields after it.
type mapping struct {
	ID         int64  `json:"id"`
	SourcePort int    `json:"source_port"`
	TargetIP   string `json:"target_ip"`
	TargetPort int    `json:"target_port"`
	CreatedAt  string `json:"created_at"`
	UseTunnel  bool   `json:"use_tunnel"`
	Client     string `json:"client,omitempty"`
	Active     int    `json:"active"`
	Error      string `json:"error,omitempty"`
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) {
	var req CreateRequest
	if err := h.body(w, r, &req); err != nil {
		h.fail(w, r, err)
		return
	}
	row, err := h.Control.Create(r.Context(), req)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	// API-001.
	h.ok(w, fmt.Sprintf("port %d is mapped", row.Port), map[string]any{
		"port": row.Port, "target_ip": row.TargetHost, "target_port": row.TargetPort, "use_tunnel": row.UseTunnel,
	})
}

func (h *handler) remove(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Port int `json:"port"`
	}
	err := h.body(w, r, &req)
	if err == nil && (req.Port < 1 || req.Port > 65535) {
		err = Errorf("port", "port must be 1 to 65535, not %d", req.Port)
	}
	if err == nil {
		err = h.Control.Remove(r.Context(), req.Port)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.ok(w, fmt.Sprintf("the mapping of port %d is removed", req.Port), map[string]any{"port": req.Port})
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	rows, err := h.Control.List(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	mappings := make([]mapping, len(rows))
	for i, row := range rows {
		mappings[i] = mapping{
			ID: row.ID, SourcePort: row.Port, TargetIP: row.TargetHost, TargetPort: row.TargetPort,
			CreatedAt: row.CreatedAt.Format(time.DateTime),
			UseTunnel: row.UseTunnel, Client: row.Client, Active: row.Active,
		}
		if row.Err != nil {
			mappings[i].Error = row.Err.Error() // API-016
		}
	}
	enabled, _ := h.Control.Health()
	h.ok(w, fmt.Sprintf("%d mappings", len(mappings)), map[string]any{ // API-009
		"mappings": mappings, "count": len(mappings), "use_tunnel": enabled,
	})
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Stats
		All totals `json:"all"`
	}{Stats: h.Control.Stats()}
	for _, m := range answer.Mappings {
		answer.All.add(m)
	}
	h.ok(w, "traffic since the server started", answer)
}

// API-010.
func (h *handler) health(w http.ResponseWriter, _ *http.Request) {
	enabled, connected := h.Control.Health()
	answer(w, http.StatusOK, map[string]any{"status": "ok", "tunnel_enabled": enabled, "tunnel_connected": enabled && connected})
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
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Status: http.StatusInternalServerError, Message: err.Error()}
		h.Logger.Error("api", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	data := map[string]any{}
	if e.Field != "" {
		data["field"] = e.Field
	}
	h.Logger.Debug("api request refused", "method", r.Method, "path", r.URL.Path, "status", e.Status, "field", e.Field, "reason", e.Message)
	answer(w, e.Status, envelope{Message: e.Message, Data: data})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
