package api

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
)

// openapi describes /api/v1; tests compare it with the handlers.
//
//go:embed openapi.yaml
var openapi []byte

// Keys are the keys of clients.
type Keys interface {
	IDs() []string
	Add(id string) (line string, err error) // the key as text
	Remove(id string) error
}

// Visit is one visitor of a mapped port.
type Visit struct {
	ID      string    `json:"id"` // in the log
	Port    int       `json:"port,omitempty"`
	Host    string    `json:"host,omitempty"` // in the place of the port, with the path
	Target  string    `json:"target"`
	Visitor string    `json:"visitor"`
	Client  string    `json:"client,omitempty"` // ID of the tunnel that serves it
	Since   time.Time `json:"since"`
	In      int64     `json:"octets_in"`
	Out     int64     `json:"octets_out"`
}

// mappingShape is a mapping, and what its visitors did.
type mappingShape struct {
	Port       int       `json:"port,omitempty"` // 0: it has a host
	TargetHost string    `json:"target_host"`
	TargetPort int       `json:"target_port"`
	UseTunnel  bool      `json:"use_tunnel"`
	Client     string    `json:"client,omitempty"`
	Service    string    `json:"service,omitempty"`
	Key        string    `json:"key,omitempty"`
	Name       string    `json:"name,omitempty"`
	Stored     bool      `json:"stored"` // it comes back after a restart
	CreatedAt  time.Time `json:"created_at"`
	mapping.Options
	traffic
	Error string `json:"error,omitempty"` // why its port is not served
}

func mappingShapeOf(s mapping.Status) mappingShape {
	return mappingShape{
		Port: s.Port, TargetHost: s.TargetHost, TargetPort: s.TargetPort, UseTunnel: s.UseTunnel, Client: s.Client, Service: s.Service, Key: s.Key, Name: s.Name,
		Stored: s.ID != 0, CreatedAt: s.CreatedAt, Options: s.Options, traffic: traffic(s.Traffic), Error: ErrorText(s.Err),
	}
}

// keyShape is a key of clients, without its secret.
type keyShape struct {
	Name    string `json:"name"`
	Clients int    `json:"clients"` // that have proven it and are connected
}

func (h *handler) v1List(w http.ResponseWriter, _ *http.Request) error {
	all := []mappingShape{}
	for _, s := range h.Mappings.List() {
		all = append(all, mappingShapeOf(s))
	}
	return ok(w, fmt.Sprintf("%d mappings", len(all)), map[string]any{"mappings": all})
}

func (h *handler) v1Create(w http.ResponseWriter, r *http.Request) error {
	m, err := h.makeMapping(w, r)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/mappings/"+url.PathEscape(m.Place()))
	answer(w, http.StatusCreated, envelope{true, mapped(m), mappingShapeOf(mapping.Status{Mapping: m})})
	return nil
}

// mapped says what was made.
func mapped(m mapping.Mapping) string { return called(m.Place()) + " is mapped" }

func (h *handler) v1Show(w http.ResponseWriter, r *http.Request) error {
	place, err := placeOf(r)
	if err != nil {
		return err
	}
	for _, s := range h.Mappings.List() {
		if s.Place() == place {
			return ok(w, "the mapping of "+called(place), mappingShapeOf(s))
		}
	}
	return mapping.Missing(place)
}

func (h *handler) v1Remove(w http.ResponseWriter, r *http.Request) error {
	place, err := placeOf(r)
	if err == nil {
		err = h.removeMapping(r, place)
	}
	if err != nil {
		return err
	}
	return ok(w, "the mapping of "+called(place)+" is removed", placed(place, map[string]any{}))
}

// placeOf is the place that a path names: a port, or a host and what follows it, with %2F for its slashes.
func placeOf(r *http.Request) (string, error) {
	place := r.PathValue("place")
	port, err := strconv.Atoi(place)
	if host, _, _ := strings.Cut(place, "/"); host == "*" || mapping.ValidHost(strings.TrimPrefix(host, "*.")) {
		return place, nil
	}
	if err != nil || port < 1 || port > 65535 {
		return "", badRequest("port", "port must be 1 to 65535, not %q", place)
	}
	return strconv.Itoa(port), nil
}

// called is a place in a sentence.
func called(place string) string {
	if _, err := strconv.Atoi(place); err == nil {
		return "port " + place
	}
	return place
}

func (h *handler) v1Clients(w http.ResponseWriter, _ *http.Request) error {
	all := append([]Tunnel{}, h.Tunnels()...)
	return ok(w, fmt.Sprintf("%d clients", len(all)), map[string]any{"clients": all})
}

// mostVisits bounds an answer; how many there are stands beside it.
const mostVisits = 1000

func (h *handler) v1Visits(w http.ResponseWriter, _ *http.Request) error {
	all := append([]Visit{}, h.Visits()...)
	slices.SortFunc(all, func(a, b Visit) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	count := len(all)
	return ok(w, fmt.Sprintf("%d connections", count), map[string]any{"count": count, "connections": all[:min(count, mostVisits)]})
}

// errNoKeys refuses what a server that asks for no keys cannot do.
var errNoKeys = &refusal{status: http.StatusConflict, message: "this server asks clients for no keys; start it with --keys FILE, which adit-server keygen NAME makes"}

func (h *handler) v1Keys(w http.ResponseWriter, _ *http.Request) error {
	if h.Keys == nil {
		return errNoKeys
	}
	users := map[string]int{}
	for _, t := range h.Tunnels() {
		users[t.Key]++
	}
	all := []keyShape{}
	for _, id := range h.Keys.IDs() {
		all = append(all, keyShape{id, users[id]})
	}
	return ok(w, fmt.Sprintf("%d keys", len(all)), map[string]any{"keys": all})
}

func (h *handler) v1AddKey(w http.ResponseWriter, r *http.Request) error {
	if h.Keys == nil {
		return errNoKeys
	}
	var body struct {
		Name string `json:"name"`
	}
	if err := h.body(w, r, &body); err != nil {
		return err
	}
	line, err := h.Keys.Add(body.Name)
	if err != nil {
		return keyRefusal(err)
	}
	h.Events.Send("key.added", func() any { return map[string]string{"name": body.Name} })
	answer(w, http.StatusCreated, envelope{true, "this is the key of " + body.Name + ", which is not shown again: start the client with ADIT_KEY", map[string]any{"name": body.Name, "key": line}})
	return nil
}

func (h *handler) v1RemoveKey(w http.ResponseWriter, r *http.Request) error {
	if h.Keys == nil {
		return errNoKeys
	}
	name := r.PathValue("name")
	if err := h.Keys.Remove(name); err != nil {
		return keyRefusal(err)
	}
	h.Events.Send("key.removed", func() any { return map[string]string{"name": name} })
	return ok(w, "the key of "+name+" is removed, and its tunnels are ended", map[string]any{"name": name})
}

// keyRefusal is an error of package keys as HTTP.
func keyRefusal(err error) error {
	for is, status := range map[error]int{keys.ErrName: http.StatusBadRequest, keys.ErrTaken: http.StatusConflict, keys.ErrNoKey: http.StatusNotFound} {
		if errors.Is(err, is) {
			return &refusal{status, "name", err.Error()}
		}
	}
	return err
}

func (h *handler) v1OpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openapi)
	return nil
}
