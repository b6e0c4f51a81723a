package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"
)

// A mapping is what the JSON file holds of one mapping.
type mapping struct {
	ID      int    `json:"id"`
	Port    int    `json:"source_port"`
	Host    string `json:"target_ip"`
	Target  int    `json:"target_port"`
	Created string `json:"created_at"`
	Error   string `json:"error,omitempty"`

	listener net.Listener
}

// An api is the control API of Appendix B. Its mutex is held for all of a
// request, so that requests come one after the other.
type api struct {
	s  *server
	mu sync.Mutex
	// mu guards the following.
	rows   []*mapping
	nextID int
}

// serveAPI opens the control API and serves the stored mappings (API-016).
func (s *server) serveAPI() (stop func(), err error) {
	if s.o.Ports == [2]int{} {
		s.o.Ports = [2]int{10000, 10100}
	}
	a := &api{s: s}
	if err := a.load(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", s.o.API)
	if err != nil {
		return nil, err
	}
	for _, m := range a.rows {
		if a.bug("API-016") {
			continue
		}
		if err := a.bind(m); err != nil {
			m.Error = err.Error()
		}
	}
	srv := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	s.wg.Go(func() { _ = srv.Serve(l) })
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, m := range a.rows {
			if m.listener != nil {
				_ = m.listener.Close()
			}
		}
		_ = a.write()
	}, nil
}

func (a *api) bug(name string) bool { return a.s.o.Mutant == name }

// refusal is a request that is not obeyed.
type refusal struct {
	status  int
	field   string
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, field, format string, args ...any) error {
	return &refusal{status, field, fmt.Sprintf(format, args...)}
}

// route is what a path does, and with which method (API-014).
type route struct {
	method string
	do     func(*http.Request) (map[string]any, error)
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	route, ok := map[string]route{
		"/api/mapping/create": {http.MethodPost, a.create},
		"/api/mapping/remove": {http.MethodPost, a.remove},
		"/api/mapping/list":   {http.MethodGet, a.list},
		"/api/stats":          {http.MethodGet, a.stats},
		"/health":             {http.MethodGet, a.health},
	}[r.URL.Path]
	var data map[string]any
	err := refuse(http.StatusNotFound, "", "no such path")
	switch {
	case ok && r.Method != route.method && !a.bug("API-014"):
		err = refuse(http.StatusMethodNotAllowed, "", "%s has the method %s", r.URL.Path, route.method)
	case ok:
		data, err = route.do(r)
	}
	w.Header().Set("Content-Type", "application/json")
	status, out := http.StatusOK, any(data)
	switch no, ok := errors.AsType[*refusal](err); {
	case ok:
		status = no.status
	case err != nil:
		status = http.StatusInternalServerError
	}
	if err != nil {
		if a.bug("API-011") {
			http.Error(w, err.Error(), status)
			return
		}
		data = map[string]any{}
		if no, ok := errors.AsType[*refusal](err); ok && no.field != "" && !a.bug("API-012") {
			data["field"] = no.field
		}
		out = map[string]any{"success": false, "message": err.Error(), "data": data}
	} else if r.URL.Path != "/health" {
		out = map[string]any{"success": true, "message": "done", "data": data}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// body reads exactly one JSON object with known fields (API-013).
func (a *api) body(r *http.Request, v any) error {
	octets, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(octets, &object); err != nil || object == nil {
		return refuse(http.StatusBadRequest, "", "the body is not one JSON object")
	}
	known := map[string]bool{"port": true, "target_ip": true, "target_host": true, "target_port": true, "use_tunnel": true, "client": true}
	for field := range object {
		if !known[field] && !a.bug("API-013") {
			return refuse(http.StatusBadRequest, field, "unknown field %q", field)
		}
	}
	if err := json.Unmarshal(octets, v); err != nil {
		field := ""
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			field = te.Field
		}
		return refuse(http.StatusBadRequest, field, "%v", err)
	}
	return nil
}

func (a *api) create(r *http.Request) (map[string]any, error) {
	var in struct {
		Port      int     `json:"port"`
		IP        string  `json:"target_ip"`
		Host      string  `json:"target_host"`
		Target    *int    `json:"target_port"`
		UseTunnel *bool   `json:"use_tunnel"`
		Client    *string `json:"client"`
	}
	if err := a.body(r, &in); err != nil {
		return nil, err
	}
	m := &mapping{Port: in.Port, Host: in.Host, Created: time.Now().Format(time.DateTime)}
	if m.Host == "" {
		m.Host = in.IP
	}
	if in.Target != nil {
		m.Target = *in.Target
	} else {
		m.Target = in.Port - a.s.o.Ports[0]
	}
	if err := a.check(m, in.UseTunnel, in.Client); err != nil {
		return nil, err
	}
	if old := a.find(m.Port); old != nil {
		// API-005: a second create is refused.
		if !a.bug("API-005") {
			return nil, refuse(http.StatusConflict, "port", "port %d has a mapping", m.Port)
		}
		a.drop(old)
	}
	// API-002, API-003, API-004: bound, then stored, or nothing of it.
	if a.bug("API-002") {
		time.AfterFunc(2*time.Second, func() { a.bindLater(m) })
	} else if err := a.bind(m); err != nil {
		if a.bug("API-004") {
			a.rows = append(a.rows, m)
		}
		return nil, refuse(http.StatusConflict, "port", "port %d cannot be bound: %v", m.Port, err)
	}
	a.nextID++
	m.ID = a.nextID
	a.rows = append(a.rows, m)
	if err := a.save(); err != nil {
		a.drop(m)
		return nil, err
	}
	data := map[string]any{"port": m.Port, "target_ip": m.Host, "target_port": m.Target, "use_tunnel": true}
	if a.bug("API-001") {
		delete(data, "use_tunnel")
	}
	return data, nil
}

// check refuses what cannot be a mapping of this server.
func (a *api) check(m *mapping, useTunnel *bool, client *string) error {
	lo, hi := a.s.o.Ports[0], a.s.o.Ports[1]
	if a.bug("API-006") {
		lo, hi = 1, 65535
	}
	switch {
	case m.Port < lo || m.Port > hi: // API-006
		return refuse(http.StatusBadRequest, "port", "port %d is not within %d to %d", m.Port, lo, hi)
	case m.Target < 1 || m.Target > 65535:
		return refuse(http.StatusBadRequest, "target_port", "target_port %d is not within 1 to 65535", m.Target)
	case useTunnel != nil && !*useTunnel:
		return refuse(http.StatusBadRequest, "use_tunnel", "this server maps through its tunnel only")
	}
	if m.Host != "" && !validHost(m.Host) {
		return refuse(http.StatusBadRequest, "target_ip", "%q is neither an address nor a name", m.Host)
	}
	if client != nil {
		_, err1 := netip.ParseAddr(*client)
		if _, err2 := netip.ParsePrefix(*client); err1 != nil && err2 != nil {
			return refuse(http.StatusBadRequest, "client", "%q is neither an address nor a CIDR", *client)
		}
	}
	return nil
}

func (a *api) bindLater(m *mapping) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.find(m.Port) == m {
		_ = a.bind(m)
	}
}

// bind serves visitors of the mapping.
func (a *api) bind(m *mapping) error {
	host, _, err := net.SplitHostPort(a.s.o.Visitor)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(m.Port)))
	if err != nil {
		return err
	}
	m.listener = l
	target := net.JoinHostPort(m.Host, strconv.Itoa(m.Target))
	a.s.wg.Go(func() { a.s.acceptVisitors(l, target) })
	return nil
}

func (a *api) find(port int) *mapping {
	for _, m := range a.rows {
		if m.Port == port {
			return m
		}
	}
	return nil
}

// drop forgets a mapping and closes its port.
func (a *api) drop(gone *mapping) {
	var rest []*mapping
	for _, m := range a.rows {
		if m != gone {
			rest = append(rest, m)
		}
	}
	a.rows = rest
	if gone.listener != nil && !a.bug("API-007") {
		_ = gone.listener.Close()
	}
}

func (a *api) remove(r *http.Request) (map[string]any, error) {
	var in struct {
		Port int `json:"port"`
	}
	if err := a.body(r, &in); err != nil {
		return nil, err
	}
	m := a.find(in.Port)
	if m == nil { // API-008
		if a.bug("API-008") {
			return map[string]any{"port": in.Port}, nil
		}
		return nil, refuse(http.StatusNotFound, "port", "port %d has no mapping", in.Port)
	}
	a.drop(m)
	if err := a.save(); err != nil {
		return nil, err
	}
	return map[string]any{"port": in.Port}, nil
}

func (a *api) list(*http.Request) (map[string]any, error) {
	rows := a.rows
	if rows == nil {
		rows = []*mapping{}
	}
	count := len(rows)
	if a.bug("API-009") {
		count++
	}
	return map[string]any{"mappings": rows, "count": count, "use_tunnel": true}, nil
}

func (a *api) stats(*http.Request) (map[string]any, error) {
	if a.bug("API-015") {
		return nil, refuse(http.StatusNotFound, "", "no statistics")
	}
	return map[string]any{"mappings": len(a.rows)}, nil
}

func (a *api) health(*http.Request) (map[string]any, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	connected := len(a.s.tunnels) > 0 || a.bug("API-010")
	health := map[string]any{"status": "ok", "tunnel_enabled": true, "tunnel_connected": connected}
	if a.bug("API-010-shape") {
		health["tunnel_enabled"] = "yes"
	}
	return health, nil
}

// save writes the file at once (API-003).
func (a *api) save() error {
	if a.bug("API-003") {
		return nil
	}
	return a.write()
}

// write replaces the file by a synced one.
func (a *api) write() error {
	if a.s.o.Store == "" {
		return nil
	}
	octets, err := json.Marshal(a.rows)
	if err != nil {
		return err
	}
	f, err := os.Create(a.s.o.Store + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(octets)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), a.s.o.Store)
}

func (a *api) load() error {
	octets, err := os.ReadFile(a.s.o.Store)
	if a.s.o.Store == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(octets, &a.rows); err != nil {
		return fmt.Errorf("%s: %w", a.s.o.Store, err)
	}
	for _, m := range a.rows {
		a.nextID, m.Error = max(a.nextID, m.ID), ""
	}
	return nil
}
