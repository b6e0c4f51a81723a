package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/store"
)

// wantRefused fails unless err refuses a field.
func wantRefused(t *testing.T, what string, err error, kind mapping.Kind, field string) {
	t.Helper()
	if e, ok := errors.AsType[*mapping.Error](err); !ok || e.Kind != kind || e.Field != field || e.Reason == "" {
		t.Errorf("%s = %+v; want a refusal of kind %d for %q", what, err, kind, field)
	}
}

func wantClosed(t *testing.T, what, addr string) {
	t.Helper()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Errorf("%s: %s still accepts", what, addr)
	}
}

func (r *running) ports() []int {
	var ports []int
	for _, row := range r.mappings.List() {
		ports = append(ports, row.Port)
	}
	return ports
}

// A mapping that was stored while the tunnel was on waits for no client: the log says what is off.
func TestAMappingThroughATunnelThatIsOffIsExplained(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	stored := mapping.Mapping{Port: port, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true, CreatedAt: time.Now()}
	if _, err := cfg.Store.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	cfg.Rules.TunnelEnabled = false
	var mu sync.Mutex
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil))
	run(t, cfg)
	wantReset(t, "a visitor", local(port))
	eventually(t, "a line that says that the tunnel is off", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(log.String(), "the tunnel, which is off; set tunnel.enabled")
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestLifeOfAMapping(t *testing.T) {
	cfg := config(t)
	cfg.Rules.PortEnd = 65000
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	port := freePort(t)
	target, targetPort := "127.0.0.1", portOf(t, service(t, echo))
	request := mapping.Request{Port: port, TargetHost: target, TargetPort: &targetPort}
	m, err := s.mappings.Create(t.Context(), request)
	if err != nil || m.ID == 0 || m.Port != port || m.TargetPort != targetPort || !m.UseTunnel || m.CreatedAt.IsZero() {
		t.Fatalf("Create = %+v, %v; want a mapping", m, err)
	}
	wantEcho(t, "once created", local(port))

	_, err = s.mappings.Create(t.Context(), request)
	wantRefused(t, "a second Create of the port", err, mapping.Conflict, "port") // API-005
	wantEcho(t, "after the second Create", local(port))
	_, err = s.mappings.Create(t.Context(), mapping.Request{Port: 65001})
	wantRefused(t, "Create outside of port_range", err, mapping.Invalid, "port") // API-006
	wantRefused(t, "Remove of another port", s.mappings.Remove(t.Context(), strconv.Itoa(65001)), mapping.NotFound, "port")

	c := dial(t, local(port))
	wantEchoOn(t, "a visitor before Remove", c)
	if err := s.mappings.Remove(t.Context(), strconv.Itoa(port)); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, "after Remove", local(port))
	wantEchoOn(t, "that visitor after Remove", c)
	wantRefused(t, "a second Remove", s.mappings.Remove(t.Context(), strconv.Itoa(port)), mapping.NotFound, "port") // API-008
	if ports := s.ports(); len(ports) != 0 {
		t.Errorf("List after Remove has ports %v", ports)
	}
	if _, err = s.mappings.Create(t.Context(), request); err != nil {
		t.Errorf("Create after Remove = %v", err)
	}
	wantEcho(t, "created again", local(port))
}

// API-007: when Remove returns the kernel has closed the port, so that somebody else can have it.
func TestARemovedPortIsFreeAtOnce(t *testing.T) {
	cfg := config(t)
	cfg.Logger = slog.New(slog.DiscardHandler)
	s := run(t, cfg)
	port := freePort(t)
	for range 200 {
		if err := s.mappings.Add(mapping.Request{Port: port, TargetPort: new(22)}); err != nil {
			t.Fatal(err)
		}
		if err := s.mappings.Remove(t.Context(), strconv.Itoa(port)); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			t.Fatalf("after Remove: %v", err)
		}
		l.Close()
	}
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
	_, err = s.mappings.Create(t.Context(), mapping.Request{Port: port})
	wantRefused(t, "Create of a port that another program has", err, mapping.Conflict, "port")
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 || len(s.ports()) != 0 {
		t.Errorf("stored %v, %v, listed %v; want nothing", stored, err, s.ports())
	}
	taken.Close()
	if _, err := s.mappings.Create(t.Context(), mapping.Request{Port: port}); err != nil {
		t.Errorf("Create once the port is free = %v", err)
	}

	cfg.Store.(*store.Store).Close() // from now on nothing can be stored
	port = freePort(t)
	if _, err := s.mappings.Create(t.Context(), mapping.Request{Port: port}); err == nil {
		t.Error("Create succeeds although it cannot store")
	}
	wantClosed(t, "after a Create that could not be stored", local(port))
	if ports := s.ports(); len(ports) != 1 {
		t.Errorf("List = %v; want the first mapping alone", ports)
	}
	if err := s.mappings.Remove(t.Context(), strconv.Itoa(s.ports()[0])); err == nil || len(s.ports()) != 1 {
		t.Errorf("Remove = %v, listed %v; want a failure and the mapping as it was", err, s.ports())
	}
}

func TestOneOfManyCreatesOfAPortWins(t *testing.T) {
	s := run(t, config(t))
	port := freePort(t)
	var won atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch _, err := s.mappings.Create(t.Context(), mapping.Request{Port: port}); {
			case err == nil:
				won.Add(1)
			default:
				wantRefused(t, "a losing Create", err, mapping.Conflict, "port")
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || !slices.Equal(s.ports(), []int{port}) {
		t.Errorf("%d creates won, ports %v; want one", won.Load(), s.ports())
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
	direct := func(r *mapping.Request) { r.UseTunnel = new(false) }
	kept, lost := s.mapped(t, target, direct), s.mapped(t, target, direct)
	before := s.mappings.List()
	s.end(t)
	wantClosed(t, "after the end", kept)
	cfg.Store.(*store.Store).Close()

	taken, err := net.Listen("tcp", lost)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg.Store = openStore(t, path)
	s = run(t, cfg)
	wantEcho(t, "a mapping after the restart", kept)
	rows := s.mappings.List()
	if len(rows) != 2 || !reflect.DeepEqual(rows[0].Mapping, before[0].Mapping) || rows[1].Err == nil || rows[1].ID != before[1].ID {
		t.Errorf("List after the restart = %+v; want %+v, the second with an error", rows, before)
	}
	_, err = s.mappings.Create(t.Context(), mapping.Request{Port: portOf(t, lost)})
	wantRefused(t, "Create of a port whose mapping waits", err, mapping.Conflict, "port")

	taken.Close()
	eventually(t, "the port to be served", func() bool { rows = s.mappings.List(); return rows[1].Err == nil })
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
	if _, err := cfg.Store.Create(t.Context(), mapping.Mapping{Port: port, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}); err != nil {
		t.Fatal(err)
	}
	s := run(t, cfg)
	if err := s.mappings.Remove(t.Context(), strconv.Itoa(port)); err != nil {
		t.Errorf("Remove = %v", err)
	}
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 || len(s.ports()) != 0 {
		t.Errorf("stored %v, %v, listed %v; want nothing", stored, err, s.ports())
	}
}

func TestAStoredMappingOnTheBlacklistIsKeptAndNotServed(t *testing.T) {
	cfg := config(t)
	port := freePort(t)
	if _, err := cfg.Store.Create(t.Context(), mapping.Mapping{Port: port, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}); err != nil {
		t.Fatal(err)
	}
	cfg.Rules.Blacklist = []int{port}
	s := run(t, cfg)
	wantClosed(t, "a stored port on the blacklist", local(port))
	if rows := s.mappings.List(); len(rows) != 1 || rows[0].Err == nil {
		t.Errorf("List = %+v; want the mapping with an error", rows)
	}
}

func TestMapsOfTheCommandLine(t *testing.T) {
	cfg := config(t)
	cfg.Rules.PortFrom, cfg.Rules.PortEnd = 1, 2 // they bind the API, not the operator
	host, port, free := "127.0.0.1", portOf(t, service(t, echo)), freePort(t)
	cfg.Maps = []mapping.Request{{Port: free, TargetHost: host, TargetPort: &port}}
	s := run(t, cfg)
	s.connect(t, "127.0.0.1")
	wantEcho(t, "a mapping of -map", local(free))
	rows := s.mappings.List()
	if len(rows) != 1 || rows[0].ID != 0 || rows[0].CreatedAt.IsZero() {
		t.Errorf("List = %+v; want one row that is not stored", rows)
	}
	if stored, err := cfg.Store.List(t.Context()); err != nil || len(stored) != 0 {
		t.Errorf("stored %v, %v; want nothing", stored, err)
	}
	if err := s.mappings.Remove(t.Context(), strconv.Itoa(free)); err != nil {
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
		"API for everyone":  {func(c *Config) { c.APIHost = "" }, "security.api.enable_auth"},
		"map taken":         {func(c *Config) { c.Maps = append(c.Maps, mapping.Request{Port: port, TargetPort: new(22)}) }, "map"},
		"map unusable":      {func(c *Config) { c.Maps = append(c.Maps, mapping.Request{Port: 22}) }, "map"},
		"store unreadable":  {func(c *Config) { c.Store.(*store.Store).Close() }, "database.path"},
	} {
		cfg := config(t)
		cfg.TunnelPort, cfg.APIPort = freePort(t), freePort(t)
		tunnel, mapped := local(cfg.TunnelPort), freePort(t)
		cfg.Maps = []mapping.Request{{Port: mapped, TargetPort: new(22)}}
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
	cfg.Rules.TunnelEnabled, cfg.MaxDirect = false, 1
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
