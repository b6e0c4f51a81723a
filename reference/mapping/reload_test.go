package mapping

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"
)

// listenerOf is that of a port.
func (r *rig) listenerOf(number int) *port {
	return r.Manager.places[strconv.Itoa(number)].listener.(*port)
}

func TestReloadChangesWhatIsNotTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		rules := r.rulesNow()
		if _, err := r.Create(t.Context(), Request{Port: 1022}); err != nil {
			t.Fatal(err)
		}
		one := func(port int, o Options) Request { return Request{Port: port, TargetPort: new(22), Options: o} }
		first := []Request{one(1, Options{}), one(2, Options{}), one(3, Options{}), {Port: 4, TargetHost: "h", TargetPort: new(1), UseTunnel: new(false), Options: Options{Network: "udp"}}}
		if err := r.Reload(rules, first); err != nil {
			t.Fatal(err)
		}
		r.wantListed(t, "at first", 1, 2, 3, 4, 1022)
		same, changed, udp := r.listenerOf(1), r.listenerOf(2), r.listenerOf(4)
		made := r.List()[1].CreatedAt
		time.Sleep(time.Minute)
		r.ports.set(5, true)
		next := []Request{one(1, Options{}), one(2, Options{MaxConnections: 7}), one(5, Options{}), {Port: 4, TargetHost: "h", TargetPort: new(2), UseTunnel: new(false), Options: Options{Network: "udp"}}}
		if err := r.Reload(rules, next); err != nil {
			t.Fatal(err)
		}
		r.wantListed(t, "3 has gone, 5 has come, the stored one is there", 1, 2, 4, 5, 1022)
		if r.listenerOf(1) != same || len(same.now) != 0 {
			t.Errorf("a mapping that is the same was touched: %+v", same.now)
		}
		if r.listenerOf(2) != changed || len(changed.now) != 1 || changed.now[0].MaxConnections != 7 {
			t.Errorf("a mapping that has changed: %+v; want its port open, and 7", changed.now)
		}
		all := r.List()
		if all[1].MaxConnections != 7 || all[1].CreatedAt != made || all[3].Err == nil {
			t.Errorf("List = %+v; want 7, as old as before, and 5 waiting for its port", all)
		}
		if now := r.listenerOf(4); now == udp || now.closed == nil || all[2].TargetPort != 2 {
			t.Error("a mapping that cannot change did not begin anew")
		}
		r.ports.set(5, false)
		time.Sleep(time.Minute)
		if err := r.List()[3].Err; err != nil {
			t.Errorf("5 is not served once its port is free: %v", err)
		}
		if open := slices.Sorted(slices.Values(r.ports.open)); !slices.Equal(open, []int{1, 2, 4, 5, 1022}) {
			t.Errorf("ports %v are open", open)
		}
	})
}

func TestReloadGoesByOtherRules(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		rules := r.rulesNow()
		if err := r.Add(Request{Port: 1010, TargetPort: new(22)}); err != nil {
			t.Fatal(err)
		}
		rules.PortEnd, rules.Blacklist, rules.TargetOffset = 3000, []int{1667}, 100
		err := r.Reload(rules, []Request{{Port: 1667, TargetPort: new(1)}, {Port: 1010}})
		wantKind(t, "Reload with one that may not be", err, Forbidden, "port")
		if all := r.List(); len(all) != 1 || all[0].TargetPort != 910 {
			t.Errorf("List = %+v; want the other, by the new offset", all)
		}
		for port, kind := range map[int]Kind{1667: Forbidden, 3001: Invalid} {
			_, err := r.Create(t.Context(), Request{Port: port})
			wantKind(t, "Create against the new rules", err, kind, "port")
		}
		for _, port := range []int{1666, 3000} {
			if _, err := r.Create(t.Context(), Request{Port: port}); err != nil {
				t.Errorf("Create(%d) by the new rules = %v", port, err)
			}
		}
		before := r.List()
		wantKind(t, "Reload with a port that has a stored mapping", r.Reload(rules, []Request{{Port: 1010}, {Port: 3000}}), Conflict, "port")
		if after := r.List(); !reflect.DeepEqual(before, after) {
			t.Errorf("List = %+v; want %+v", after, before)
		}
	})
}
