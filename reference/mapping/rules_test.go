package mapping

import (
	"errors"
	"reflect"
	"testing"
)

func TestPlanFillsInWhatWasOmitted(t *testing.T) {
	const host, name, cidr = "192.0.2.7", "db.example", "10.0.0.0/8"
	for _, c := range []struct {
		what         string
		enabled      bool // tunnel.enabled
		short        bool // tunnel.connect_request
		offset       int
		request      Request
		want         Mapping
		wrong        string // field at fault; want is not looked at then
		wrongMessage string // all of it, where the text matters
	}{
		{"the document's direct example", false, false, 10000, Request{Port: 10001, TargetHost: host}, Mapping{Port: 10001, TargetHost: host, TargetPort: 10001}, "", ""},
		{"the document's SSH example", true, false, 10000, Request{Port: 10022}, Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true}, "", ""},
		{"the document's HTTP example", true, false, 10000, Request{Port: 10080}, Mapping{Port: 10080, TargetHost: "127.0.0.1", TargetPort: 80, UseTunnel: true}, "", ""},
		{"a target behind the client", true, false, 10000, Request{Port: 10022, TargetHost: name, TargetPort: new(5432)}, Mapping{Port: 10022, TargetHost: name, TargetPort: 5432, UseTunnel: true}, "", ""},
		{"a direct mapping although the tunnel is on", true, false, 10000, Request{Port: 10022, TargetHost: name, UseTunnel: new(false)}, Mapping{Port: 10022, TargetHost: name, TargetPort: 10022}, "", ""},
		{"short form leaves the host to the client", true, true, 10000, Request{Port: 10022}, Mapping{Port: 10022, TargetPort: 22, UseTunnel: true}, "", ""},
		{"a client", true, false, 10000, Request{Port: 10022, Client: cidr}, Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true, Client: cidr}, "", ""},
		{"no offset", true, false, 0, Request{Port: 10022}, Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 10022, UseTunnel: true}, "", ""},

		{"no port", true, false, 0, Request{}, Mapping{}, "port", ""},
		{"port 65536", true, false, 0, Request{Port: 65536}, Mapping{}, "port", ""},
		{"a port on the blacklist", true, false, 0, Request{Port: 3389}, Mapping{}, "port", ""},
		{"tunnel wanted and off", false, false, 0, Request{Port: 10022, UseTunnel: new(true)}, Mapping{}, "use_tunnel", ""},
		{"direct without a target", false, false, 0, Request{Port: 10022}, Mapping{}, "target_host", ""},
		{"a bad host", true, false, 0, Request{Port: 10022, TargetHost: "no host"}, Mapping{}, "target_host", ""},
		{"an address cut short", true, false, 0, Request{Port: 10022, TargetHost: "1.2.3"}, Mapping{}, "target_host", ""},
		{"target port 0", true, false, 0, Request{Port: 10022, TargetPort: new(0)}, Mapping{}, "target_port", "target_port must be 1 to 65535, not 0"},
		{"target port 65536", true, false, 0, Request{Port: 10022, TargetPort: new(65536)}, Mapping{}, "target_port", ""},
		{
			"an offset that leaves no port", true, false, 10022,
			Request{Port: 10022},
			Mapping{},
			"target_port",
			"target_port must be 1 to 65535: it was omitted, and port 10022 less tunnel.target_offset 10022 is 0; give target_port",
		},
		{"a bad client", true, false, 0, Request{Port: 10022, Client: "300.1.2.3/99"}, Mapping{}, "client", ""},
		{"a client of a direct mapping", true, false, 0, Request{Port: 10022, TargetHost: name, UseTunnel: new(false), Client: cidr}, Mapping{}, "client", ""},
	} {
		rules := Rules{TunnelEnabled: c.enabled, ShortRequests: c.short, TargetOffset: c.offset, Blacklist: []int{22, 3389}}
		got, err := Mapping{}, rules.usable(c.request.Port)
		if err == nil {
			got, err = rules.plan(c.request)
		}
		if c.wrong == "" {
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: plan = %+v, %v; want %+v", c.what, got, err, c.want)
			}
			continue
		}
		kind := Invalid
		if c.request.Port == 3389 {
			kind = Forbidden
		}
		refusal, ok := errors.AsType[*Error](err)
		if !ok || refusal.Field != c.wrong || refusal.Kind != kind || c.wrongMessage != "" && refusal.Error() != c.wrongMessage {
			t.Errorf("%s: plan = %+v; want a refusal of %s %q", c.what, err, c.wrong, c.wrongMessage)
		}
	}
}
