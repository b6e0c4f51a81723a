package api

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

//go:embed page.html
var page []byte

// makeMapping makes the mapping that a body asks for.
func (h *handler) makeMapping(w http.ResponseWriter, r *http.Request) (mapping.Mapping, error) {
	var body createBody
	var m mapping.Mapping
	err := h.body(w, r, &body)
	if err == nil {
		var q mapping.Request
		if q, err = body.request(); err == nil {
			m, err = h.Mappings.Create(r.Context(), q)
		}
	}
	if e, ok := errors.AsType[*mapping.Error](err); ok && e.Field == "target_host" && body.TargetHost == "" && body.TargetIP != "" {
		err = &mapping.Error{Kind: e.Kind, Field: "target_ip", Reason: e.Reason} // as it was spelled
	}
	if err == nil {
		h.Events.Send("mapping.created", func() any { return placed(m.Place(), map[string]any{"target": m.Target(), "use_tunnel": m.UseTunnel}) })
	}
	return m, err
}

// removeMapping ends the mapping of a place.
func (h *handler) removeMapping(r *http.Request, place string) error {
	err := h.Mappings.Remove(r.Context(), place)
	if err == nil {
		h.Events.Send("mapping.removed", func() any { return placed(place, map[string]any{}) })
	}
	return err
}

// placed adds a place to data: as its port, or as its host and path.
func placed(place string, data map[string]any) map[string]any {
	if port, err := strconv.Atoi(place); err == nil {
		data["port"] = port
		return data
	}
	host, path, _ := strings.Cut(place, "/")
	if data["host"] = host; path != "" {
		data["path"] = "/" + path
	}
	return data
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	m, err := h.makeMapping(w, r)
	if err != nil {
		return err
	}
	// API-001.
	data := placed(m.Place(), map[string]any{"target_ip": m.TargetHost, "target_port": m.TargetPort, "use_tunnel": m.UseTunnel})
	for name, text := range map[string]string{"client": m.Client, "service": m.Service, "key": m.Key, "name": m.Name} {
		if text != "" {
			data[name] = text
		}
	}
	return ok(w, mapped(m), data)
}

func (h *handler) remove(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Port int    `json:"port"`
		Host string `json:"host"`
		Path string `json:"path"`
	}
	err := h.body(w, r, &body)
	if err == nil && body.Host == "" && (body.Port < 1 || body.Port > 65535) {
		err = badRequest("port", "port must be 1 to 65535, not %d", body.Port)
	}
	place := mapping.Request{Port: body.Port, Options: mapping.Options{Host: body.Host, Path: body.Path}}.Place()
	if err == nil {
		err = h.removeMapping(r, place)
	}
	if err != nil {
		return err
	}
	return ok(w, fmt.Sprintf("the mapping of port %d is removed", body.Port), map[string]any{"port": body.Port})
}

func (h *handler) list(w http.ResponseWriter, _ *http.Request) error {
	rows := []row{}
	for _, s := range h.Mappings.List() {
		rows = append(rows, rowOf(s))
	}
	return ok(w, fmt.Sprintf("%d mappings", len(rows)), map[string]any{ // API-009
		"mappings": rows, "count": len(rows), "use_tunnel": h.TunnelEnabled,
	})
}

func (h *handler) stats(w http.ResponseWriter, _ *http.Request) error {
	data := stats{
		Since: h.Started, Uptime: time.Since(h.Started).Seconds(),
		Mappings: []usage{}, Tunnels: append([]Tunnel{}, h.Tunnels()...), Bindings: append([]Binding{}, h.Bindings()...),
		Process: h.processNow(),
	}
	if h.Refused != nil {
		data.Refused = h.Refused()
	}
	for _, s := range h.Mappings.List() {
		data.Mappings = append(data.Mappings, usageOf(s))
		data.All.add(s.Traffic)
	}
	return ok(w, "traffic since the server started", data)
}

// API-010.
func (h *handler) health(w http.ResponseWriter, _ *http.Request) error {
	profiles := map[string]int{}
	all := h.Tunnels()
	for _, t := range all {
		profiles[t.Profile]++
	}
	connected := h.TunnelEnabled && len(all) > 0
	answer(w, http.StatusOK, map[string]any{"status": "ok", "tunnel_enabled": h.TunnelEnabled, "tunnel_connected": connected, "tunnels": profiles})
	return nil
}

// ready answers 200 while the server takes visitors and clients, and 503 while it stops. Before it listens nobody answers.
func (h *handler) ready(w http.ResponseWriter, _ *http.Request) error {
	if h.Draining != nil && h.Draining() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
	} else {
		answer(w, http.StatusOK, map[string]string{"status": "ready"})
	}
	return nil
}

func (h *handler) page(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	_, _ = w.Write(page)
	return nil
}
