package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// Each step is a tunnel that arrives (+name@address, or ~name@address when it sends no frame) or ends (-name); then a mapping with that client
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
		{"a silent one while there is no other", "~1@" + a, "", "1"},
		{"not a silent one from the same address", "+1@" + a + " ~2@" + a, "", "1"},
		{"not a silent one that came before", "~1@" + b + " +2@" + a, "", "2"},
		{"a silent one where no proven one matches", "+1@" + a + " ~2@" + b, b, "2"},
		{"a silent one when the proven one ended", "+1@" + a + " ~2@" + b + " -1", "", "2"},
		{"not by the time of a silent one from its address", "~1@" + b + " +2@" + a + " +3@" + b, "", "2"},
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
			if step[0] == '+' { // and ~ for one that stays silent
				r.prove(live[name], 0)
			}
		}
		got := ""
		if picked := r.pick(mapping.Mapping{Client: test.client}.Clients()); picked != nil {
			got = picked.id
		}
		if got != test.want {
			t.Errorf("%s: after %q pick(%q) = %q; want %q", test.what, test.steps, test.client, got, test.want)
		}
	}
}

func TestSilentTunnelsMakeRoomForEachOther(t *testing.T) {
	var r registry
	add := func(name, addr string) string {
		if evicted := r.add(&tunnel{id: name, addr: netip.MustParseAddr(addr)}); evicted != nil {
			return evicted.id
		}
		return ""
	}
	for i := range 8 {
		if got := add(fmt.Sprint("a", i), "192.0.2.1"); got != "" {
			t.Errorf("tunnel %d of one address: %q had to go; want nobody", i+1, got)
		}
	}
	if got := add("a8", "192.0.2.1"); got != "a0" {
		t.Errorf("the ninth of one address: %q had to go; want a0, its oldest", got)
	}
	for i := range 56 {
		if got := add(fmt.Sprint("b", i), fmt.Sprint("192.0.3.", i)); got != "" {
			t.Errorf("tunnel %d of all: %q had to go; want nobody", i+9, got)
		}
	}
	if got := add("c", "192.0.4.1"); got != "a1" {
		t.Errorf("the 65th of all: %q had to go; want a1, the oldest of the address with most", got)
	}
	if n := len(r.all()); n != 64 {
		t.Errorf("%d tunnels are there; want 64", n)
	}
}

// AUTH-016
func TestSeats(t *testing.T) {
	now := time.Now()
	r := registry{auth: true}
	add := func(name, addr string, age time.Duration) string {
		if evicted := r.add(&tunnel{id: name, addr: netip.MustParseAddr(addr), accepted: now.Add(-age)}); evicted != nil {
			return evicted.id
		}
		return ""
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q had to go; want %q", what, got, want)
		}
	}
	for i := range 32 {
		want("one of 32 of an address", add(fmt.Sprint("a", i), fmt.Sprintf("2001:db8::%x:1", i), 9*time.Second-time.Duration(i)), "")
	}
	want("one more, of the same 64 bits", add("a32", "2001:db8::ffff:2", 0), "a0")
	want("of the next 64 bits", add("b", "2001:db8:0:1::1", 0), "")
	for i := range 32 {
		want("one of 32 of an address", add(fmt.Sprint("c", i), "192.0.2.1", time.Second), "")
	}
	want("one more, and none is old enough", add("c32", "192.0.2.1", 0), "c32")
	for i := range 256 - 65 {
		want("one of 256 in all", add(fmt.Sprint("d", i), fmt.Sprint("198.51.100.", i), time.Second), "")
	}
	want("one more in all", add("e0", "203.0.113.1", 0), "a1")
	for i := range 30 {
		add(fmt.Sprint("f", i), "203.0.113.2", 0)
	}
	want("none is old enough in all", add("g", "203.0.113.3", 0), "g")
	if n := len(r.all()); n != 256 {
		t.Errorf("%d tunnels are there; want 256", n)
	}
	if r.pick(netip.Prefix{}) != nil {
		t.Error("a tunnel without proof serves (AUTH-001)")
	}
	for _, up := range r.all() {
		if up.id == "c1" {
			if err := r.prove(up, 0); err != nil || r.pick(netip.Prefix{}) != up {
				t.Errorf("prove = %v; want a tunnel that serves", err)
			}
		}
	}
	want("the one that is up holds no seat", add("h", "192.0.2.1", 0), "")
}

func TestProvenTunnelsAreBoundedApartFromSilentOnes(t *testing.T) {
	var r registry
	made := func(name string) *tunnel {
		made := &tunnel{id: name, addr: netip.MustParseAddr("192.0.2.1")}
		r.add(made)
		return made
	}
	first, second, third := made("1"), made("2"), made("3")
	for _, c := range []struct {
		t    *tunnel
		want bool
	}{{first, true}, {second, true}, {third, false}, {first, false}} {
		if err := r.prove(c.t, 2); (err == nil) != c.want {
			t.Errorf("prove(%s, 2) = %v; want success %v", c.t.id, err, c.want)
		}
	}
	if n, all := len(r.clients()), len(r.all()); n != 2 || all != 2 {
		t.Errorf("%d proven of %d; want 2 of 2", n, all)
	}
}
