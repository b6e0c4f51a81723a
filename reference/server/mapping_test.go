package server

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/store"
)

// wantRefused fails unless err refuses a field with a status.
func wantRefused(t *testing.T, what string, err error, status int, field string) {
	t.Helper()
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Status != status || e.Field != field || e.Message == "" {
		t.Errorf("%s = %+v; want status %d for %q", what, err, status, field)
	}
}

func wantClosed(t *testing.T, what, addr string) {
	t.Helper()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("%s: %s still accepts", what, addr)
	}
}

func (r *running) ports(t *testing.T) []int {
	t.Helper()
	rows, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ports []int
	for _, row := range rows {
		ports = append(ports, row.Port)
	}
	return ports
}

func TestLifeOfAMapping(t *testing.T) {
	cfg := config(t)
	cfg.PortEnd = 65000
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	port := freePort(t)
	target, targetPort := "127.0.0.1", portOf(t, service(t, echo))
	request := api.CreateRequest{Port: port, TargetHost: &target, TargetPort: &targetPort}
	row, err := s.Create(t.Context(), request)
	if err != nil || row.ID == 0 || row.Port != port || row.TargetPort != targetPort || !row.UseTunnel || row.Err != nil || row.CreatedAt.IsZero() {
		t.Fatalf("Create = %+v, %v; want a row", row, err)
	}
	wantEcho(t, "once created", local(port))

	_, err = s.Create(t.Context(), request)
	wantRefused(t, "a second Create of the port", err, 409, "port") // API-005
	wantEcho(t, "after the second Create", local(port))
	_, err = s.Create(t.Context(), api.CreateRequest{Port: 65001})
	wantRefused(t, "Create outside of port_range", err, 400, "port") // API-006
	wantRefused(t, "Remove of another port", s.Remove(t.Context(), 65001), 404, "port")

	c := dial(t, local(port))
	wantEchoOn(t, "a visitor before Remove", c)
	if err := s.Remove(t.Context(), port); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "after Remove", local(port))
	wantEchoOn(t, "that visitor after Remove", c)
	wantRefused(t, "a second Remove", s.Remove(t.Context(), port), 404, "port") // API-008
	if ports := s.ports(t); len(ports) != 0 {
		t.Errorf("List after Remove has ports %v", ports)
	}
	if _, err = s.Create(t.Context(), request); err != nil {
		t.Errorf("Create after Remove = %v", err)
	}
	wantEcho(t, "created again", local(port))
}

// API-004: a create that fails leaves nothing behind.
func TestFailedCreateLeavesNothing(t *testing.T) {
	cfg := config(t)
	s := run(t, cfg)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(t, taken.Addr().String())
	_, err = s.Create(t.Context(), api.CreateRequest{Port: port})
	wantRefused(t, "Create of a port that another program has", err, 409, "port")
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 || len(s.ports(t)) != 0 {
		t.Errorf("stored %v, %v, listed %v; want nothing", stored, err, s.ports(t))
	}
	taken.Close()
	if _, err := s.Create(t.Context(), api.CreateRequest{Port: port}); err != nil {
		t.Errorf("Create once the port is free = %v", err)
	}

	cfg.Store.Close() // from now on nothing can be stored
	port = freePort(t)
	if _, err := s.Create(t.Context(), api.CreateRequest{Port: port}); err == nil {
		t.Error("Create succeeds although it cannot store")
	}
	wantClosed(t, "after a Create that could not be stored", local(port))
	if ports := s.ports(t); len(ports) != 1 {
		t.Errorf("List = %v; want the first mapping alone", ports)
	}
	if err := s.Remove(t.Context(), s.ports(t)[0]); err == nil || len(s.ports(t)) != 1 {
		t.Errorf("Remove = %v, listed %v; want a failure and the mapping as it was", err, s.ports(t))
	}
}

func TestOneOfManyCreatesOfAPortWins(t *testing.T) {
	s := run(t, config(t))
	port := freePort(t)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch _, err := s.Create(t.Context(), api.CreateRequest{Port: port}); {
			case err == nil:
				won.Add(1)
			default:
				wantRefused(t, "a losing Create", err, 409, "port")
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || !slices.Equal(s.ports(t), []int{port}) {
		t.Errorf("%d creates won, ports %v; want one", won.Load(), s.ports(t))
	}
}

// API-016: stored mappings are served again after a restart; one whose port is taken is kept, listed with
// its error, and served once the port is free.
func TestRestart(t *testing.T) {
	cfg := config(t)
	path := filepath.Join(t.TempDir(), "kept.db")
	cfg.Store = openStore(t, path)
	s := run(t, cfg)
	target := service(t, echo)
	direct := func(r *api.CreateRequest) { r.UseTunnel = ptr(false) }
	kept, lost := s.mapped(t, target, direct), s.mapped(t, target, direct)
	before, _ := s.List(t.Context())
	s.end(t)
	wantClosed(t, "after the end", kept)
	cfg.Store.Close()

	taken, err := net.Listen("tcp", lost)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Store = openStore(t, path)
	s = run(t, cfg)
	wantEcho(t, "a mapping after the restart", kept)
	rows, _ := s.List(t.Context())
	rows[0].Active = 0 // that visitor may be on its way out
	if len(rows) != 2 || rows[0] != before[0] || rows[1].Err == nil || rows[1].ID != before[1].ID {
		t.Errorf("List after the restart = %+v; want %+v, the second with an error", rows, before)
	}
	_, err = s.Create(t.Context(), api.CreateRequest{Port: portOf(t, lost)})
	wantRefused(t, "Create of a port whose mapping waits", err, 409, "port")

	taken.Close()
	eventually(t, "the port to be served", func() bool { rows, _ = s.List(t.Context()); return rows[1].Err == nil })
	wantEcho(t, "the mapping that waited", lost)
}

func TestAMappingThatWaitsCanBeRemoved(t *testing.T) {
	cfg := config(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := portOf(t, taken.Addr().String())
	if _, err := cfg.Store.Create(t.Context(), store.Mapping{Port: port, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}); err != nil {
		t.Fatal(err)
	}
	s := run(t, cfg)
	if err := s.Remove(t.Context(), port); err != nil {
		t.Errorf("Remove = %v", err)
	}
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 || len(s.ports(t)) != 0 {
		t.Errorf("stored %v, %v, listed %v; want nothing", stored, err, s.ports(t))
	}
}

func TestAStoredMappingOnTheBlacklistIsKeptAndNotServed(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	if _, err := cfg.Store.Create(t.Context(), store.Mapping{Port: port, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}); err != nil {
		t.Fatal(err)
	}
	cfg.Blacklist = []int{port}
	s := run(t, cfg)
	wantClosed(t, "a stored port on the blacklist", local(port))
	if rows, _ := s.List(t.Context()); len(rows) != 1 || rows[0].Err == nil {
		t.Errorf("List = %+v; want the mapping with an error", rows)
	}
}

func TestMapsOfTheCommandLine(t *testing.T) {
	cfg := config(t)
	cfg.PortFrom, cfg.PortEnd = 1, 2 // they bind the API, not the operator
	host, port, free := "127.0.0.1", portOf(t, service(t, echo)), freePort(t)
	cfg.Maps = []api.CreateRequest{{Port: free, TargetHost: &host, TargetPort: &port}}
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	wantEcho(t, "a mapping of -map", local(free))
	rows, _ := s.List(t.Context())
	if len(rows) != 1 || rows[0].ID != 0 || rows[0].CreatedAt.IsZero() {
		t.Errorf("List = %+v; want one row that is not stored", rows)
	}
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("stored %v, %v; want nothing", stored, err)
	}
	if err := s.Remove(t.Context(), free); err != nil {
		t.Errorf("Remove = %v", err)
	}
}

func TestListenFailsWithNothingLeft(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := portOf(t, taken.Addr().String())
	for what, c := range map[string]struct {
		change func(*Config)
		word   string
	}{
		"tunnel port taken": {func(c *Config) { c.TunnelPort = port }, "tunnel.listen_port"},
		"API port taken":    {func(c *Config) { c.APIPort = port }, "api.listen_port"},
		"map taken":         {func(c *Config) { c.Maps = append(c.Maps, api.CreateRequest{Port: port, TargetPort: ptr(22)}) }, "map"},
		"map unusable":      {func(c *Config) { c.Maps = append(c.Maps, api.CreateRequest{Port: 22}) }, "map"},
		"store unreadable":  {func(c *Config) { c.Store.Close() }, "database.path"},
	} {
		cfg := config(t)
		cfg.TunnelPort, cfg.APIPort = freePort(t), freePort(t)
		tunnel, mapped := local(cfg.TunnelPort), freePort(t)
		cfg.Maps = []api.CreateRequest{{Port: mapped, TargetPort: ptr(22)}}
		c.change(&cfg)
		s, err := Listen(cfg)
		if err == nil {
			s.unbind()
			t.Errorf("%s: Listen succeeds", what)
			continue
		}
		if !containsWord(err, c.word) {
			t.Errorf("%s: Listen = %q; want it to name %s", what, err, c.word)
		}
		if what != "tunnel port taken" {
			wantClosed(t, what, tunnel)
		}
		wantClosed(t, what, local(mapped))
	}
}

func TestDirectMappingsBoundTheirVisitors(t *testing.T) {
	cfg := config(t)
	cfg.TunnelEnabled, cfg.MaxDirect = false, 1
	s := run(t, cfg)
	first, second := s.mapped(t, service(t, echo), nil), s.mapped(t, service(t, echo), nil)
	c := dial(t, first)
	wantEchoOn(t, "the only visitor allowed", c)
	wantReset(t, "one beyond, of another mapping", second)
	c.CloseWrite()
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("half-close: %v", err)
	}
	c.Close()
	eventually(t, "the first visitor's end", func() bool { return s.direct.Active() == 0 })
	wantEcho(t, "once it went", second)
}
