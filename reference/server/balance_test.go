package server

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// Visitors of a mapping with several targets are shared out, do not notice one that goes, and its state is seen.
func TestAMappingOfSeveralTargets(t *testing.T) {
	cfg := config(t)
	log := &logged{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := run(t, cfg)
	name := func(text string) string { return service(t, func(c *net.TCPConn) { c.Write([]byte(text)) }) }
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	targets := []string{name("a"), name("b"), gone.Addr().String()}
	addr := s.mapped(t, targets[0], direct(mapping.Options{Targets: targets[1:], Balance: "round_robin", HealthCheck: mapping.Duration(time.Second)}))
	heard := ""
	for range 12 {
		heard += says(t, "127.0.0.1", addr, "")
	}
	if a, b := strings.Count(heard, "a"), strings.Count(heard, "b"); a+b != 12 || a < 4 || b < 4 {
		t.Errorf("visitors hear %q; want a and b about as often, and nobody the target that is gone", heard)
	}
	up := func() (all []bool) {
		for i, target := range s.mappings.List()[0].Targets {
			if target.Target != targets[i] {
				t.Errorf("target %d is %s; want %s", i, target.Target, targets[i])
			}
			all = append(all, target.Up)
		}
		return all
	}
	eventually(t, "the line of the check", func() bool { return strings.Contains(log.String(), `msg="target down: visitors go to others first"`) })
	if got := up(); !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("targets are up: %v; want the first two", got)
	}
	back, err := net.Listen("tcp", targets[2])
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	eventually(t, "the target that is back", func() bool { return strings.Contains(log.String(), `msg="target up again"`) })
}

// The hash is of the visitor's address.
func TestAVisitorKeepsItsTarget(t *testing.T) {
	s := run(t, config(t))
	var targets []string
	for _, text := range []string{"a", "b", "c", "d"} {
		targets = append(targets, service(t, func(c *net.TCPConn) { c.Write([]byte(text)) }))
	}
	addr := s.mapped(t, targets[0], direct(mapping.Options{Targets: targets[1:], Balance: "source_hash"}))
	all := map[string]bool{}
	for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9"} {
		first := says(t, from, addr, "")
		all[first] = true
		for range 4 {
			if got := says(t, from, addr, ""); got != first {
				t.Errorf("%s hears %q and then %q", from, first, got)
			}
		}
	}
	if len(all) < 2 {
		t.Errorf("all nine addresses hear %v", all)
	}
}
