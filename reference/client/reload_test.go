package client

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/spec/wire"
)

func publications(t *testing.T, texts ...string) Config {
	t.Helper()
	all, err := ParsePublications(texts, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return Config{Publish: all}
}

// On the tunnel that is there what is new is asked for, what is no more is given up, and nothing else is touched.
func TestOtherPublications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusing := func(n int, b wire.Bind) wire.Bound {
			if b.Port == 8082 {
				return wire.Bound{Code: wire.CodeInUse}
			}
			return wire.Bound{Port: b.Port}
		}
		servers, told, log := publishes(t, []string{"8080", "8081", "8082"}, time.Minute, func(c *Client, servers []*bindServer) {
			if got := fmt.Sprint(c.Status().Published); strings.Contains(got, ":8082") || !strings.Contains(got, ":8081") {
				t.Errorf("published at first: %s; want what the server has given alone", got)
			}
			if err := c.Reload(publications(t, "8081=82", "8083")); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			time.Sleep(time.Millisecond)
			if s := c.Status(); s.State != "connected" || s.Profile != "extended" || s.Error != "" || time.Since(s.Since) > time.Second ||
				fmt.Sprint(s.Published) != "[server.example:8081 leads to 127.0.0.1:82 server.example:8083 leads to 127.0.0.1:8083]" {
				t.Errorf("status = %+v", s)
			}
			for service, want := range map[string]string{"8081": "127.0.0.1:82", "8083": "127.0.0.1:8083", "8080": ""} {
				target, ok := c.publisher.target(service)
				if ok != (want != "") || ok && target.String() != want {
					t.Errorf("service %s leads to %v; want %q", service, target, want)
				}
			}
			servers[0].Part(session.ErrEnded, wire.CodeGeneral, "")
			time.Sleep(50 * time.Second) // the second has ended by itself, or not been there
			if s := c.Status(); s.State != "connected" || len(s.Published) != 2 {
				t.Errorf("status on the next tunnel = %+v", s)
			}
		}, refusing, refusing)
		var asked []uint16
		for _, s := range servers {
			for _, b := range s.asked {
				asked = append(asked, b.Port)
			}
		}
		if fmt.Sprint(asked) != "[8080 8081 8082 8083 8081 8083]" || fmt.Sprint(servers[0].gave) != "[1]" {
			t.Errorf("BINDs for %v, UNBINDs of %v; want one for the new port, none again for 8082, and one UNBIND, of the first", asked, servers[0].gave)
		}
		if len(told) != 3 || strings.Count(log, "no longer published: the configuration has changed") != 2 || strings.Contains(log, "the server has ended it") {
			t.Errorf("told %v, log %s", told, log)
		}
	})
}

func TestReloadOfAClient(t *testing.T) {
	c := New(Config{Server: "h:1", TargetHost: "127.0.0.1", DrainTimeout: time.Minute})
	policy, err := ParsePolicy([]string{"192.0.2.7"})
	var services Services
	if err == nil {
		err = services.ParseUnix([]string{"h:1=/x"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(Config{Policy: policy, Services: services, DrainTimeout: time.Second}); err != nil {
		t.Error(err)
	}
	if got := c.dialer.rules.Load(); len(got.policy.rules) != 1 || len(got.services.unix) != 1 || c.drainTimeout() != time.Second {
		t.Errorf("rules %+v, grace %v; want those of the new configuration", got, c.drainTimeout())
	}
	cfg := publications(t, "8080")
	cfg.Policy = policy
	if err := c.Reload(cfg); err == nil || !strings.Contains(err.Error(), "restart it") {
		t.Errorf("publishing after none = %v; want the remedy", err)
	}
	if _, err := c.dialer.resolve(t.Context(), "192.0.2.7", 1, false); err != nil {
		t.Errorf("what is allowed now: %v", err)
	}
	if err := c.Reload(Config{}); err != nil {
		t.Error(err)
	}
	if _, err := c.dialer.resolve(t.Context(), "192.0.2.7", 1, false); err == nil {
		t.Error("what is no more allowed is dialled")
	}
}
