package server

import (
	"net/netip"
	"strings"
	"testing"
)

// Each step is a tunnel that arrives (+name@address) or ends (-name); then a mapping with that client
// setting is served by want, or by nobody when want is empty.
func TestWhichTunnelServes(t *testing.T) {
	const a, b, c = "192.0.2.1", "192.0.2.2", "198.51.100.3"
	for _, test := range []struct {
		what   string
		steps  string
		client string
		want   string
	}{
		{"nobody while there is no tunnel", "", "", ""},
		{"the only one", "+1@" + a, "", "1"},
		{"nobody after it ended", "+1@" + a + " -1", "", ""},
		{"the newest from the same address", "+1@" + a + " +2@" + a, "", "2"},
		{"the older one again when the newest ends", "+1@" + a + " +2@" + a + " -2", "", "1"},
		{"the oldest of different addresses", "+1@" + a + " +2@" + b, "", "1"},
		{"the next when the oldest ends", "+1@" + a + " +2@" + b + " +3@" + c + " -1", "", "2"},
		{"no change when the one that left comes back", "+1@" + a + " +2@" + b + " -1 +3@" + a, "", "2"},
		{"the address that reconnects before its old tunnel ended", "+1@" + a + " +2@" + b + " +3@" + a, "", "3"},
		{"and still after the old tunnel ended", "+1@" + a + " +2@" + b + " +3@" + a + " -1", "", "3"},
		{"a matching address although another is older", "+1@" + a + " +2@" + b, b, "2"},
		{"nobody when no address matches", "+1@" + a + " +2@" + b, c, ""},
		{"an address in the CIDR", "+1@" + c + " +2@" + b, "192.0.2.0/24", "2"},
		{"the oldest address in the CIDR", "+1@" + c + " +2@" + b + " +3@" + a, "192.0.2.0/24", "2"},
		{"the newest of the oldest address in the CIDR", "+1@" + c + " +2@" + b + " +3@" + a + " +4@" + b, "192.0.2.0/24", "4"},
		{"an IPv6 client", "+1@" + a + " +2@2001:db8::5", "2001:db8::/32", "2"},
		{"everyone for the widest CIDR, of one family", "+1@2001:db8::5 +2@" + a, "0.0.0.0/0", "2"},
	} {
		var r registry
		live := map[string]*tunnel{}
		for step := range strings.FieldsSeq(test.steps) {
			if name, ended := strings.CutPrefix(step, "-"); ended {
				r.remove(live[name])
				continue
			}
			name, addr, _ := strings.Cut(step[1:], "@")
			live[name] = &tunnel{id: name, addr: netip.MustParseAddr(addr)}
			r.add(live[name])
		}
		var client netip.Prefix
		if test.client != "" {
			var err error
			if client, err = parseClient(test.client); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		if picked := r.pick(client); picked != nil {
			got = picked.id
		}
		if got != test.want {
			t.Errorf("%s: after %q pick(%q) = %q; want %q", test.what, test.steps, test.client, got, test.want)
		}
	}
}
