package mapping

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// all is a request that sets every field.
const all = `{"port":10022,"target_host":"h","target_port":22,"use_tunnel":true,"client":"10.0.0.1","service":"ssh","key":"home","name":"n","allow":["192.0.2.0/24"],"deny":["192.0.2.7"],` +
	`"max_connections":3,"max_per_address":2,"idle_timeout":"10m","rate_up":"512KiB","rate_down":1048576,"proxy_protocol":"v2","network":"tcp","targets":["b:1"],"balance":"source_hash","health_check":"5s","host":"a.example.org","path":"/api","users":["ann"]}`

func TestDecodeReadsEveryField(t *testing.T) {
	var got Request
	if err := Decode([]byte(all), &got); err != nil {
		t.Fatal(err)
	}
	want := Request{Port: 10022, TargetHost: "h", TargetPort: new(22), UseTunnel: new(true), Client: "10.0.0.1", Service: "ssh", Key: "home", Name: "n", Options: Options{
		Allow: []string{"192.0.2.0/24"}, Deny: []string{"192.0.2.7"}, MaxConnections: 3, MaxPerAddress: 2,
		IdleTimeout: Duration(10 * time.Minute), RateUp: 512 << 10, RateDown: 1 << 20, ProxyProtocol: "v2", Network: "tcp",
		Targets: []string{"b:1"}, Balance: "source_hash", HealthCheck: Duration(5 * time.Second),
		Host: "a.example.org", Path: "/api", Users: []string{"ann"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decode = %+v; want %+v", got, want)
	}
	for _, f := range fieldsOf(reflect.ValueOf(&want).Elem()) {
		if f.value.IsZero() {
			t.Errorf("no value for %s is tried", f.name)
		}
	}
	text, err := json.Marshal(want.Options)
	var again Options
	if err == nil {
		err = Decode(text, &again)
	}
	if err != nil || !reflect.DeepEqual(again, want.Options) {
		t.Errorf("%s is read as %+v, %v; want what was written", text, again, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                            "this is JSON but not an object",
		`{"port":`:                      "this is not JSON: unexpected end",
		`{"prot":1}`:                    "prot is not a field; there are port, target_host,",
		`{"PORT":1}`:                    "PORT is not a field; there are port, target_host,",
		`{"port":1,"port":1}`:           "port is there twice; give it once",
		`{"port":"1"}`:                  "port must be a whole number, not a JSON string",
		`{"port":1.5}`:                  "port must be a whole number, not a JSON number 1.5",
		`{"target_port":"1"}`:           "target_port must be a whole number, not a JSON string",
		`{"use_tunnel":1}`:              "use_tunnel must be true or false, not a JSON number",
		`{"client":1}`:                  "client must be a string, not a JSON number",
		`{"allow":"h"}`:                 "allow must be a list of strings, not a JSON string",
		`{"allow":[1]}`:                 "allow must be a list of strings, not a JSON number",
		`{"idle_timeout":5}`:            "idle_timeout must be a string like 90s or 10m, not a JSON number",
		`{"idle_timeout":"5"}`:          `idle_timeout "5" is not a time like 90s or 10m`,
		`{"rate_up":"fast"}`:            `rate_up "fast" is not a number of bytes like 65536, 64KiB or 1MiB`,
		`{"rate_up":-1}`:                `rate_up "-1" is not a number of bytes like 65536, 64KiB or 1MiB`,
		`{"rate_down":"9999999999GiB"}`: `rate_down "9999999999GiB" is not a number of bytes like 65536, 64KiB or 1MiB`,
	} {
		err := Decode([]byte(text), new(Request))
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Invalid || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Decode(%s) = %v; want %s", text, err, want)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		options Options
		tunnel  bool
		want    string // "": it is accepted
	}{
		{Options{}, true, ""},
		{Options{Allow: []string{}}, true, "allow is empty; leave it out, or name addresses"},
		{Options{Deny: []string{"10.0.0.0/33"}}, true, `deny "10.0.0.0/33" is neither`},
		{Options{Allow: []string{"::1", "no"}}, true, `allow "no" is neither`},
		{Options{MaxConnections: -1}, true, "max_connections must be 1 to 1048576, or left out for no bound, not -1"},
		{Options{MaxConnections: 1 << 20, MaxPerAddress: 1 << 20}, true, ""},
		{Options{MaxConnections: 1<<20 + 1}, true, "max_connections must be"},
		{Options{MaxPerAddress: 1<<20 + 1}, true, "max_per_address must be"},
		{Options{RateUp: 1023}, true, "rate_up must be 1KiB to 1024GiB (a second), or left out for no bound, not 1023"},
		{Options{RateUp: 1024, RateDown: 1 << 40}, true, ""},
		{Options{RateDown: 1<<40 + 1}, true, "rate_down must be"},
		{Options{IdleTimeout: Duration(300 * time.Second)}, true, ""},
		{Options{IdleTimeout: Duration(300*time.Second - 1)}, true, "idle_timeout must be 5m0s to 744h0m0s through the tunnel, or left out for none, not 4m59"},
		{Options{Targets: []string{"h:2", "[::1]:2"}, Balance: "least_connections", HealthCheck: Duration(time.Second)}, false, ""},
		{Options{HealthCheck: Duration(time.Hour)}, false, ""},
		{Options{HealthCheck: Duration(time.Hour + 1)}, false, "health_check must be 1s to 1h0m0s"},
		{Options{HealthCheck: Duration(time.Second - 1)}, false, "health_check must be"},
		{Options{HealthCheck: Duration(time.Second)}, true, "health_check is for mappings that do not use the tunnel"},
		{Options{Targets: []string{"h:2"}}, true, "targets is for mappings that do not use"},
		{Options{Balance: "source_hash"}, true, "balance is for mappings that do not use"},
		{Options{Balance: "source_hash"}, false, "balance has no effect with one target"},
		{Options{Targets: []string{"h:2"}, Balance: "random"}, false, `balance "random" must be round_robin or least_connections or source_hash`},
		{Options{Targets: []string{}}, false, "targets is empty"},
		{Options{Targets: []string{"h"}}, false, `targets "h" is not HOST:PORT`},
		{Options{Targets: []string{"1.2.3:4"}}, false, `targets "1.2.3:4" is not HOST:PORT`},
		{Options{Targets: []string{"h:0"}}, false, `targets "h:0" is not`},
		{Options{Targets: []string{"h:65536"}}, false, `targets "h:65536" is not`},
		{Options{Targets: []string{"h:1"}}, false, "targets h:1 is there twice"},
		{Options{Targets: []string{"i:1", "i:01"}}, false, "targets i:1 is there twice"},
		{Options{Targets: []string{"i:1"}, Network: "udp"}, false, "targets needs network tcp"},
		{Options{Network: "tcp"}, true, ""},
		{Options{Network: "udp"}, false, ""},
		{Options{Network: "tcp+udp", ProxyProtocol: "v1"}, false, ""},
		{Options{Network: "sctp"}, false, `network "sctp" must be tcp, udp or tcp+udp`},
		{Options{Network: "udp"}, true, "network udp does not go through the tunnel"},
		{Options{Network: "tcp+udp"}, true, "network tcp+udp does not go through the tunnel"},
		{Options{Network: "udp", ProxyProtocol: "v1"}, false, "proxy_protocol needs network tcp"},
		{Options{ProxyProtocol: "v1"}, false, ""},
		{Options{ProxyProtocol: "3"}, false, `proxy_protocol "3" must be v1 or v2`},
		{Options{ProxyProtocol: "v2"}, true, "proxy_protocol is the client's to write"},
		{Options{IdleTimeout: Duration(time.Second)}, false, ""},
		{Options{IdleTimeout: Duration(time.Second - 1)}, false, "idle_timeout must be 1s to 744h0m0s, or left out for none, not 999"},
		{Options{IdleTimeout: Duration(744*time.Hour + 1)}, false, "idle_timeout must be"},
	} {
		rules := Rules{TunnelEnabled: true}
		m, err := rules.plan(Request{Port: 1, TargetHost: "h", UseTunnel: &c.tunnel, Options: c.options})
		switch {
		case c.want == "" && (err != nil || !reflect.DeepEqual(m.Options, c.options)):
			t.Errorf("plan(%+v) = %+v, %v; want the options", c.options, m.Options, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("plan(%+v) = %v; want %s", c.options, err, c.want)
		}
	}
}

// What was edited by hand in the store is looked at again before its port is bound.
func TestStoredOptionsAreCheckedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.store.rows = []Mapping{{ID: 1, Port: 1001, TargetHost: "h", TargetPort: 1, UseTunnel: true, Options: Options{Deny: []string{"x"}}}}
		if err := r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.List()[0]; s.Err == nil || !strings.HasPrefix(s.Err.Error(), "deny ") {
			t.Errorf("a mapping with a bad deny is served: %v; want it listed with the reason", s.Err)
		}
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1023": 1023, "1KiB": 1 << 10, "64 KiB": 64 << 10, "3MiB": 3 << 20, "2GiB": 2 << 30} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseSize(FormatSize(want)); err != nil || again != want {
			t.Errorf("FormatSize(%d) = %s", want, FormatSize(want))
		}
	}
	if got := FormatSize(1536); got != "1536" {
		t.Errorf("FormatSize(1536) = %s; want it without unit", got)
	}
}
