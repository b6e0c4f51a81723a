package client

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

func TestParsePublications(t *testing.T) {
	for text, want := range map[string]Publication{
		"8080":                   {"8080", 8080, false, session.Target{Host: "h", Port: 8080}},
		"08080=22":               {"8080", 8080, false, session.Target{Host: "h", Port: 22}},
		"10080=web.lan:80":       {"10080", 10080, false, session.Target{Host: "web.lan", Port: 80}},
		"10080=[2001:db8::1]:80": {"10080", 10080, false, session.Target{Host: "2001:db8::1", Port: 80}},
		"0=22":                   {"any-22", 0, false, session.Target{Host: "h", Port: 22}},
		"0=Web.lan:80":           {"any-web-lan-80", 0, false, session.Target{Host: "Web.lan", Port: 80}},
		"ssh=22":                 {"ssh", 0, true, session.Target{Host: "h", Port: 22}},
		"65535":                  {"65535", 65535, false, session.Target{Host: "h", Port: 65535}},
	} {
		got, err := ParsePublications([]string{text}, "h")
		if err != nil || len(got) != 1 || got[0] != want || !wire.ValidLabel(got[0].Service) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	long, err := ParsePublications([]string{"0=" + strings.Repeat("a", 60) + ".example:80"}, "h")
	if err != nil || !wire.ValidLabel(long[0].Service) {
		t.Errorf("a long target: %+v, %v", long, err)
	}
	for text, words := range map[string]string{
		"": "neither", "0": "needs a target", "65536": "neither", "ssh": "neither", "SSH=22": "neither", "70000=22": "neither", "-1=22": "port", "8080=": "1 to 65535",
		"8080=0": "1 to 65535", "8080=web.lan": "1 to 65535", "8080=:80": "HOST:PORT", "8080=a b:80": "HOST:PORT", "ssh=22=23": "1 to 65535", "8080=h:65536": "1 to 65535",
	} {
		if got, err := ParsePublications([]string{text}, "h"); text != "-1=22" && (err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "10080=web.lan:80")) {
			t.Errorf("%q: %+v, %v; want an error with %q and an example", text, got, err, words)
		}
	}
	for _, twice := range [][]string{{"8080", "8080=22"}, {"0=22", "0=22"}, {"ssh=22", "ssh=23"}} {
		if got, err := ParsePublications(twice, "h"); err == nil || !strings.Contains(err.Error(), twice[1]) {
			t.Errorf("%q: %+v, %v; want the second refused", twice, got, err)
		}
	}
}

// bindServer is a server's end that answers BINDs as a test says.
type bindServer struct {
	*session.Session
	asked  []wire.Bind
	gave   []uint32 // bind IDs that were given up
	times  []time.Duration
	answer func(n int, b wire.Bind) wire.Bound
	begun  time.Time
}

func (s *bindServer) Bind(b wire.Bind) {
	s.asked, s.times = append(s.asked, b), append(s.times, time.Since(s.begun))
	v := s.answer(len(s.asked), b)
	v.ID = b.ID
	s.Bound(v)
}

func (s *bindServer) Unbind(id uint32) {
	s.gave = append(s.gave, id)
	s.Unbound(id, wire.CodeOK)
}

// publishes runs a client for a time with servers that answer BINDs, one for each of its tunnels; each ends when the next begins.
func publishes(t *testing.T, texts []string, run time.Duration, during func(c *Client, servers []*bindServer), answers ...func(n int, b wire.Bind) wire.Bound) (servers []*bindServer, told []string, log string) {
	t.Helper()
	all, err := ParsePublications(texts, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), run)
	defer cancel()
	c := New(Config{
		Server: "server.example:9000", TargetHost: "127.0.0.1", ConnectTimeout: soon, RetryFirst: 500 * time.Millisecond, RetryMost: 30 * time.Second, Publish: all,
		Published: func(p Publication, address string) { told = append(told, fmt.Sprint(p, " ", address)) },
		Logger:    slog.New(slog.NewTextHandler(&text, nil)), Session: session.Config{Grease: -1},
		DialServer: func(context.Context, string) (sock.Socket, error) {
			if len(servers) >= len(answers) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			near, far := sock.Pipe(1 << 20)
			s := &bindServer{answer: answers[len(servers)], begun: time.Now()}
			cfg := session.Config{Role: session.Server, Protocol: session.Auto, Grease: -1}
			if s.answer != nil {
				cfg.Binder = s
			}
			s.Session = session.New(far, cfg)
			servers = append(servers, s)
			go s.Run(ctx)
			return near, nil
		},
	})
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	if during != nil {
		synctest.Wait()
		during(c, servers)
	}
	<-done
	synctest.Wait() // for the last lines of the log
	return servers, told, text.String()
}

func given(port uint16) func(int, wire.Bind) wire.Bound {
	return func(int, wire.Bind) wire.Bound { return wire.Bound{Port: port} }
}

func TestPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, told, log := publishes(t, []string{"8080", "0=22", "db=5432"}, time.Minute, nil, func(n int, b wire.Bind) wire.Bound {
			if !b.HasPort {
				return wire.Bound{}
			}
			return wire.Bound{Port: max(b.Port, 10007)}
		})
		want := []wire.Bind{
			{ID: 1, Network: wire.NetworkTCP, Service: "8080", Port: 8080, HasPort: true},
			{ID: 2, Network: wire.NetworkTCP, Service: "any-22", HasPort: true},
			{ID: 3, Network: wire.NetworkTCP, Service: "db"},
		}
		if got := servers[0].asked; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("BINDs %+v; want %+v", got, want)
		}
		if want := "[port 8080 server.example:10007 any port server.example:10007 name db ]"; fmt.Sprint(told) != want {
			t.Errorf("told %v; want %s", told, want)
		}
		if !strings.Contains(log, "another port") {
			t.Errorf("nothing says that the port is another: %s", log)
		}
	})
}

// BIND-012: after in-use it asks again within 30 to 60 s, and after denied not.
func TestWhatIsAskedForAgain(t *testing.T) {
	for code, words := range map[wire.Code]string{wire.CodeInUse: "another client or mapping has it", wire.CodeTooMany: "publish less", wire.CodeDenied: "does not allow it", wire.CodeGeneral: "refuses it"} {
		synctest.Test(t, func(t *testing.T) {
			servers, told, log := publishes(t, []string{"8080"}, 10*time.Minute, nil, func(n int, b wire.Bind) wire.Bound {
				if n <= 3 {
					return wire.Bound{Code: code, Text: "because"}
				}
				return wire.Bound{Port: b.Port}
			})
			again := code == wire.CodeInUse || code == wire.CodeTooMany
			if s := servers[0]; again != (len(s.asked) == 4) || !again && len(s.asked) != 1 {
				t.Fatalf("%v: %d BINDs", code, len(s.asked))
			}
			for i := range len(servers[0].times) - 1 {
				if gap := servers[0].times[i+1] - servers[0].times[i]; gap < 30*time.Second || gap > 60*time.Second {
					t.Errorf("%v: %v between two BINDs; want 30 to 60 s", code, gap)
				}
			}
			if len(told) == 1 != again || !strings.Contains(log, words) || !strings.Contains(log, "because") {
				t.Errorf("%v: told %v, log %s; want %q and the reason in it", code, told, log, words)
			}
		})
	}
}

// BIND-009: on the next tunnel it asks for what it had, and for any port only if it had asked for that and gets in-use.
func TestTheNextTunnelIsAskedForTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, told, _ := publishes(t, []string{"8080", "0=22"}, 10*time.Minute, func(_ *Client, servers []*bindServer) {
			servers[0].Part(session.ErrEnded, wire.CodeGeneral, "")
		}, func(n int, b wire.Bind) wire.Bound { return wire.Bound{Port: []uint16{8080, 10007}[n-1]} }, func(n int, b wire.Bind) wire.Bound {
			if b.Port == 10007 {
				return wire.Bound{Code: wire.CodeInUse, Text: "because"}
			}
			if b.Port == 0 {
				return wire.Bound{Port: 10009}
			}
			return wire.Bound{Port: b.Port}
		})
		var ports []uint16
		for _, b := range servers[1].asked {
			ports = append(ports, b.Port)
		}
		if fmt.Sprint(ports) != "[8080 10007 0]" {
			t.Errorf("ports %v on the second tunnel; want 8080, 10007 and then any", ports)
		}
		if len(told) != 3 || told[2] != "any port server.example:10009" {
			t.Errorf("told %v; want the one that is another", told)
		}
	})
}

func TestWhatTheServerEnds(t *testing.T) {
	for code, words := range map[wire.Code]string{wire.CodeReplaced: "taken it over", wire.CodeDenied: "any more", wire.CodeGeneral: "has ended it"} {
		synctest.Test(t, func(t *testing.T) {
			servers, _, log := publishes(t, []string{"8080"}, 5*time.Minute, func(_ *Client, servers []*bindServer) { servers[0].Unbound(1, code) }, given(8080))
			if got, want := len(servers[0].asked), map[wire.Code]int{wire.CodeGeneral: 2}[code]; got != max(want, 1) {
				t.Errorf("%v: %d BINDs; want %d", code, got, max(want, 1))
			}
			if !strings.Contains(log, words) {
				t.Errorf("%v: log %s; want %q", code, log, words)
			}
		})
	}
}

func TestAServerWithoutTheOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, told, log := publishes(t, []string{"8080"}, 5*time.Minute, nil, nil, given(8080))
		if len(servers) != 2 || len(told) != 1 || !strings.Contains(log, "takes no requests for public ports") {
			t.Fatalf("%d tunnels, told %v: %s", len(servers), told, log)
		}
		if wait := servers[1].begun.Sub(servers[0].begun); wait < 30*time.Second || wait > 60*time.Second {
			t.Errorf("it dialled again after %v; want 30 to 60 s", wait)
		}
	})
}

// What is published need not be allowed, and nothing else is.
func TestPublishedTargetsNeedNoPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{answers: map[string]error{"192.0.2.7": nil}}
		d := n.dialer(t, "")
		d.published = func(service string) (session.Target, bool) { return session.Target{Host: "192.0.2.7", Port: 80}, true }
		if _, err := d.service(t.Context(), session.Target{Service: "web"}); err != nil {
			t.Errorf("a published service: %v", err)
		}
		if _, err := d.service(t.Context(), session.Target{Host: "192.0.2.7", Port: 80}); err == nil {
			t.Error("its address, as the server names it, is dialled without leave")
		}
	})
}
