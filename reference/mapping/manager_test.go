package mapping

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a Store in memory, which fails while broken is set.
type shelf struct {
	mu     sync.Mutex
	rows   []Mapping
	lastID int64
	broken error
}

func (s *shelf) Create(_ context.Context, m Mapping) (Mapping, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return Mapping{}, s.broken
	}
	s.lastID++
	m.ID = s.lastID
	s.rows = append(s.rows, m)
	return m, nil
}

func (s *shelf) Remove(_ context.Context, place string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.rows)
	s.rows = slices.DeleteFunc(s.rows, func(m Mapping) bool { return m.Place() == place })
	if s.broken == nil && len(s.rows) == before {
		return Missing(place)
	}
	return s.broken
}

func (s *shelf) List(context.Context) ([]Mapping, error) { return slices.Clone(s.rows), s.broken }

// ports is where a manager under test listens. Closing a port takes closing, and Serve goes on for lasting.
type ports struct {
	mu               sync.Mutex
	taken            map[int]bool // by another program
	open             []int
	closing, lasting time.Duration
	binding          time.Duration // what it takes to bind a port
}

type port struct {
	*ports
	number int
	fixed  bool      // it cannot change
	now    []Mapping // that it has changed to
	closed chan struct{}
	once   sync.Once
}

func (p *ports) listen(m Mapping) (Listener, error) {
	number := m.Port
	p.mu.Lock()
	binding := p.binding
	p.mu.Unlock()
	time.Sleep(binding)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[number] || number != 0 && slices.Contains(p.open, number) {
		return nil, refuse(Conflict, "port", "%d: another program has it", number)
	}
	p.open = append(p.open, number)
	return &port{ports: p, number: number, fixed: m.UDP(), closed: make(chan struct{})}, nil
}

func (p *ports) set(number int, taken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[number] = taken
}

func (p *port) Serve() { <-p.closed; time.Sleep(p.lasting) }
func (p *port) Change(m Mapping) bool {
	if !p.fixed {
		p.now = append(p.now, m)
	}
	return !p.fixed
}

func (p *port) Traffic() Traffic { return Traffic{Total: int64(p.number)} }

func (p *port) Close() {
	p.once.Do(func() {
		close(p.closed)
		time.Sleep(p.closing)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open = slices.DeleteFunc(p.open, func(n int) bool { return n == p.number })
	})
}

// rig is a manager with what surrounds it.
type rig struct {
	*Manager
	store *shelf
	ports *ports
}

// bubble runs a test of a manager in time that passes only while everybody waits.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{store: &shelf{}, ports: &ports{taken: map[int]bool{}}}
		r.start()
		test(t, r)
		r.Close()
		if len(r.ports.open) > 0 {
			t.Errorf("after Close ports %v are open", r.ports.open)
		}
	})
}

func (r *rig) start() {
	rules := Rules{TunnelEnabled: true, PortFrom: 1000, PortEnd: 2000, Blacklist: []int{1666}}
	r.Manager = NewManager(rules, r.store, r.ports.listen, slog.New(slog.DiscardHandler))
}

func wantKind(t *testing.T, what string, err error, kind Kind, field string) {
	t.Helper()
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != kind || e.Field != field {
		t.Errorf("%s = %+v; want a refusal of kind %d for %q", what, err, kind, field)
	}
}

// wantListed fails unless the ports of List are these, in this order.
func (r *rig) wantListed(t *testing.T, what string, want ...int) {
	t.Helper()
	var got []int
	for _, s := range r.List() {
		got = append(got, s.Port)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: List has ports %v; want %v", what, got, want)
	}
}

func TestCreateListRemove(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, port := range []int{1022, 1011} {
			m, err := r.Create(t.Context(), Request{Port: port, TargetPort: new(22)})
			if err != nil || !reflect.DeepEqual(m, r.store.rows[len(r.store.rows)-1]) || m.CreatedAt != time.Now().Truncate(time.Second) {
				t.Fatalf("Create = %+v, %v; want the stored mapping, made now", m, err)
			}
		}
		if err := r.Add(Request{Port: 1, TargetPort: new(22)}); err != nil { // outside of the range: the operator's own
			t.Fatal(err)
		}
		r.wantListed(t, "in the order of their making, unstored ones first", 1, 1022, 1011)
		if s := r.List()[1]; s.Total != 1022 || s.Err != nil || s.ID != 1 {
			t.Errorf("status = %+v; want the listener's traffic and the store's ID", s)
		}
		_, err := r.Create(t.Context(), Request{Port: 1022})
		wantKind(t, "a second Create", err, Conflict, "port")
		wantKind(t, "a second Add", r.Add(Request{Port: 1022, TargetPort: new(1)}), Conflict, "port")
		for port, kind := range map[int]Kind{999: Invalid, 2001: Invalid, 1666: Forbidden} { // API-006
			_, err := r.Create(t.Context(), Request{Port: port, TargetPort: new(22)})
			wantKind(t, "Create of a port that may not be mapped", err, kind, "port")
		}
		_, err = r.Create(t.Context(), Request{Port: 80, TargetPort: new(0)})
		wantKind(t, "Create with two faults: the port's comes first", err, Invalid, "port")
		for _, port := range []int{1000, 2000} {
			if _, err := r.Create(t.Context(), Request{Port: port}); err != nil {
				t.Errorf("Create at the edge of the range: %v", err)
			}
			if err := r.Remove(t.Context(), strconv.Itoa(port)); err != nil {
				t.Error(err)
			}
		}
		wantKind(t, "Remove of a port without mapping", r.Remove(t.Context(), "1999"), NotFound, "port")
		for _, port := range []int{1022, 1} {
			if err := r.Remove(t.Context(), strconv.Itoa(port)); err != nil {
				t.Errorf("Remove(%d) = %v", port, err)
			}
		}
		wantKind(t, "a second Remove", r.Remove(t.Context(), "1022"), NotFound, "port")
		r.wantListed(t, "after two Removes", 1011)
		if len(r.store.rows) != 1 || !slices.Equal(r.ports.open, []int{1011}) {
			t.Errorf("after two Removes the store has %v, ports %v are open; want 1011 alone", r.store.rows, r.ports.open)
		}
	})
}

// API-007: when Remove returns the port is closed, and its last visitor has come.
func TestRemoveWaitsForThePort(t *testing.T) {
	for _, c := range []struct{ closing, lasting, want time.Duration }{
		{3 * time.Second, 0, 3 * time.Second},
		{0, 3 * time.Second, 3 * time.Second},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			if _, err := r.Create(t.Context(), Request{Port: 1022}); err != nil {
				t.Fatal(err)
			}
			r.ports.closing, r.ports.lasting = c.closing, c.lasting
			start := time.Now()
			go func() { // meanwhile the port is nobody's
				time.Sleep(time.Second)
				_, err := r.Create(t.Context(), Request{Port: 1022})
				wantKind(t, "Create during a Remove", err, Conflict, "port")
				r.wantListed(t, "during a Remove")
			}()
			if err := r.Remove(t.Context(), "1022"); err != nil || time.Since(start) != c.want {
				t.Errorf("Remove of a port that takes %v to close and %v to serve = %v after %v; want %v", c.closing, c.lasting, err, time.Since(start), c.want)
			}
			if _, err := r.Create(t.Context(), Request{Port: 1022}); err != nil {
				t.Errorf("Create after Remove = %v", err)
			}
		})
	}
}

// API-004: a create that fails leaves nothing behind; so does a remove that fails not remove half.
func TestFailedChangesLeaveAllAsItWas(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.ports.set(1022, true)
		_, err := r.Create(t.Context(), Request{Port: 1022})
		wantKind(t, "Create of a port that another program has", err, Conflict, "port")
		if len(r.store.rows) != 0 {
			t.Errorf("stored %v; want nothing", r.store.rows)
		}
		r.ports.set(1022, false)
		if _, err := r.Create(t.Context(), Request{Port: 1022}); err != nil {
			t.Errorf("Create once the port is free = %v", err)
		}
		r.store.broken = errors.New("disk on fire")
		if _, err := r.Create(t.Context(), Request{Port: 1023}); !errors.Is(err, r.store.broken) {
			t.Errorf("Create = %v; want the store's error", err)
		}
		if err := r.Remove(t.Context(), "1022"); !errors.Is(err, r.store.broken) {
			t.Errorf("Remove = %v; want the store's error", err)
		}
		r.wantListed(t, "after failures", 1022)
		if !slices.Equal(r.ports.open, []int{1022}) {
			t.Errorf("ports %v are open; want the first mapping's alone", r.ports.open)
		}
	})
}

// API-016: stored mappings are served again; those that cannot be are kept, listed with the reason, and
// served once they can.
func TestRestore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		for _, port := range []int{1001, 1002, 1666} {
			r.store.rows = append(r.store.rows, Mapping{ID: int64(port), Port: port, TargetHost: "h", TargetPort: 1, UseTunnel: true})
		}
		r.store.rows = append(r.store.rows, Mapping{ID: 9000, Port: 1003, UseTunnel: true, Client: "edited by hand"})
		r.ports.set(1002, true)
		if err := r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantListed(t, "restored", 1001, 1002, 1666, 1003)
		if all := r.List(); all[0].Err != nil || all[1].Err == nil || all[2].Err == nil || all[3].Err == nil {
			t.Errorf("List = %+v; want the first served, the others with the reason why not", all)
		}
		_, err := r.Create(t.Context(), Request{Port: 1002})
		wantKind(t, "Create of a port whose mapping waits", err, Conflict, "port")
		time.Sleep(time.Hour)
		r.ports.set(1002, false)
		time.Sleep(15 * time.Second) // the longest wait, varied at random
		if s := r.List()[1]; s.Err != nil || s.Total != 1002 {
			t.Errorf("status once its port is free = %+v; want it served", s)
		}
		if err := r.Remove(t.Context(), "1666"); err != nil {
			t.Errorf("Remove of a mapping that waits = %v", err)
		}
		r.wantListed(t, "without the one that waited", 1001, 1002, 1003)
		r.store.broken = errors.New("disk on fire")
		r.Close()
		r.start()
		if err := r.Restore(t.Context()); !errors.Is(err, r.store.broken) {
			t.Errorf("Restore = %v; want the store's error", err)
		}
	})
}

func TestNothingChangesAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		if _, err := r.Create(t.Context(), Request{Port: 1022}); err != nil {
			t.Fatal(err)
		}
		r.ports.closing = time.Second
		start := time.Now()
		r.Close()
		if time.Since(start) != time.Second {
			t.Errorf("Close took %v; want it to wait for the port, 1 s", time.Since(start))
		}
		_, err := r.Create(t.Context(), Request{Port: 1023})
		wantKind(t, "Create", err, Unavailable, "")
		wantKind(t, "Add", r.Add(Request{Port: 1023, TargetPort: new(1)}), Unavailable, "")
		wantKind(t, "Remove", r.Remove(t.Context(), "1022"), Unavailable, "")
		if len(r.store.rows) != 1 {
			t.Errorf("stored: %v; want the mapping still", r.store.rows)
		}
	})
}

// A port that is bound for a mapping which was removed meanwhile is given back.
func TestAPortBoundTooLateIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.store.rows = []Mapping{{ID: 1, Port: 1002, TargetHost: "h", TargetPort: 1, UseTunnel: true}}
		r.ports.set(1002, true)
		if err := r.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.ports.set(1002, false)
		r.ports.mu.Lock()
		r.ports.binding = time.Hour
		r.ports.mu.Unlock()
		time.Sleep(time.Minute) // it is being bound
		if err := r.Remove(t.Context(), "1002"); err != nil {
			t.Errorf("Remove = %v", err)
		}
		if len(r.ports.open) > 0 {
			t.Errorf("ports %v are open", r.ports.open)
		}
	})
}
