package server

import (
	"errors"
	"testing"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/store"
)

func TestPlanFillsInWhatWasOmitted(t *testing.T) {
	yes, no := true, false
	host, name, empty, port, cidr := "192.0.2.7", "db.example", "", 5432, "10.0.0.0/8"
	for _, c := range []struct {
		what         string
		enabled      bool // tunnel.enabled
		short        bool // tunnel.connect_request
		offset       int
		request      api.CreateRequest
		want         store.Mapping
		wrong        string // field at fault; want is not looked at then
		wrongMessage string // all of it, where the text matters
	}{
		{"the document's direct example", false, false, 10000, api.CreateRequest{Port: 10001, TargetIP: &host}, store.Mapping{Port: 10001, TargetHost: host, TargetPort: 10001}, "", ""},
		{"the document's SSH example", true, false, 10000, api.CreateRequest{Port: 10022}, store.Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}, "", ""},
		{"the document's HTTP example", true, false, 10000, api.CreateRequest{Port: 10080}, store.Mapping{Port: 10080, TargetHost: "127.0.0.1", TargetPort: 80, UseTunnel: true}, "", ""},
		{"a target behind the client", true, false, 10000, api.CreateRequest{Port: 10022, TargetHost: &name, TargetPort: &port}, store.Mapping{Port: 10022, TargetHost: name, TargetPort: port, UseTunnel: true}, "", ""},
		{"a direct mapping although the tunnel is on", true, false, 10000, api.CreateRequest{Port: 10022, TargetHost: &name, UseTunnel: &no}, store.Mapping{Port: 10022, TargetHost: name, TargetPort: 10022}, "", ""},
		{"both spellings, the same", true, false, 10000, api.CreateRequest{Port: 10022, TargetHost: &host, TargetIP: &host}, store.Mapping{Port: 10022, TargetHost: host, TargetPort: 22, UseTunnel: true}, "", ""},
		{"short form leaves the host to the client", true, true, 10000, api.CreateRequest{Port: 10022}, store.Mapping{Port: 10022, TargetPort: 22, UseTunnel: true}, "", ""},
		{"empty fields are omitted ones", true, false, 10000, api.CreateRequest{Port: 10022, TargetHost: &empty, Client: &empty}, store.Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}, "", ""},
		{"a client", true, false, 10000, api.CreateRequest{Port: 10022, Client: &cidr}, store.Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true, Client: cidr}, "", ""},
		{"no offset", true, false, 0, api.CreateRequest{Port: 10022}, store.Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 10022, UseTunnel: true}, "", ""},

		{"no port", true, false, 0, api.CreateRequest{}, store.Mapping{}, "port", ""},
		{"port 65536", true, false, 0, api.CreateRequest{Port: 65536}, store.Mapping{}, "port", ""},
		{"a port on the blacklist", true, false, 0, api.CreateRequest{Port: 3389}, store.Mapping{}, "port", ""},
		{"tunnel wanted and off", false, false, 0, api.CreateRequest{Port: 10022, UseTunnel: &yes}, store.Mapping{}, "use_tunnel", ""},
		{"direct without a target", false, false, 0, api.CreateRequest{Port: 10022}, store.Mapping{}, "target_host", ""},
		{"two targets", true, false, 0, api.CreateRequest{Port: 10022, TargetHost: &name, TargetIP: &host}, store.Mapping{}, "target_host", ""},
		{"a bad host", true, false, 0, api.CreateRequest{Port: 10022, TargetHost: ptr("no host")}, store.Mapping{}, "target_host", ""},
		{"a bad host in the older spelling", true, false, 0, api.CreateRequest{Port: 10022, TargetIP: ptr("1.2.3")}, store.Mapping{}, "target_ip", ""},
		{"target port 0", true, false, 0, api.CreateRequest{Port: 10022, TargetPort: ptr(0)}, store.Mapping{}, "target_port", "target_port must be 1 to 65535, not 0"},
		{"target port 65536", true, false, 0, api.CreateRequest{Port: 10022, TargetPort: ptr(65536)}, store.Mapping{}, "target_port", ""},
		{
			"an offset that leaves no port", true, false, 10022,
			api.CreateRequest{Port: 10022},
			store.Mapping{},
			"target_port",
			"target_port must be 1 to 65535: it was omitted, and port 10022 less tunnel.target_offset 10022 is 0; give target_port",
		},
		{"a bad client", true, false, 0, api.CreateRequest{Port: 10022, Client: ptr("300.1.2.3/99")}, store.Mapping{}, "client", ""},
		{"a client of a direct mapping", true, false, 0, api.CreateRequest{Port: 10022, TargetHost: &name, UseTunnel: &no, Client: &cidr}, store.Mapping{}, "client", ""},
	} {
		cfg := Config{TunnelEnabled: c.enabled, TargetOffset: c.offset, Blacklist: []int{22, 3389}}
		cfg.Session.ShortRequests = c.short
		got, err := cfg.plan(c.request)
		if c.wrong == "" {
			if err != nil || got != c.want {
				t.Errorf("%s: plan = %+v, %v; want %+v", c.what, got, err, c.want)
			}
			continue
		}
		refusal, ok := errors.AsType[*api.Error](err)
		if !ok || refusal.Field != c.wrong || refusal.Status/100 != 4 || c.wrongMessage != "" && refusal.Message != c.wrongMessage {
			t.Errorf("%s: plan = %+v; want a refusal of %s %q", c.what, err, c.wrong, c.wrongMessage)
		}
	}
}

func ptr[T any](v T) *T { return &v }
