package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstBindRetry = 250 * time.Millisecond
	mostBindRetry  = 10 * time.Second
)

var errClosed = &Error{Kind: Unavailable, Reason: "the server is stopping"}

// Manager makes and removes mappings, at most one change of a place at a time. Its methods may be called at
// the same time from any number of goroutines.
type Manager struct {
	store  Store
	listen ListenFunc
	log    *slog.Logger

	mu      sync.Mutex // guards the following fields
	rules   Rules
	places  map[string]*served // nil: a change of this place is under way
	changes sync.WaitGroup     // those under way; none begins once closed
	closed  bool
}

// served is a mapping that accepts visitors, or waits for its port to become free.
type served struct {
	Mapping
	log  *slog.Logger
	stop context.CancelFunc // ends run's waiting
	done chan struct{}      // closed when run has ended

	listener Listener // nil while the port cannot be bound; guarded by Manager.mu, as is err
	err      error    // why not
}

// NewManager returns a manager without mappings.
func NewManager(rules Rules, store Store, listen ListenFunc, log *slog.Logger) *Manager {
	return &Manager{rules: rules, store: store, listen: listen, log: log, places: make(map[string]*served)}
}

// Create makes a mapping: bound, stored and served when it returns, or nothing of it left (API-004).
func (g *Manager) Create(ctx context.Context, q Request) (Mapping, error) {
	// The port first: what is omitted is derived from it.
	rules := g.rulesNow()
	if q.Host == "" {
		if err := rules.Allows(q.Port); err != nil {
			return Mapping{}, err
		}
	}
	m, err := rules.plan(q)
	if err != nil {
		return Mapping{}, err
	}
	return g.create(m, func(m Mapping) (Mapping, error) {
		// A caller that goes away leaves no doubt whether the mapping is stored.
		return g.store.Create(context.WithoutCancel(ctx), m)
	})
}

// Add makes a mapping that lives as long as the manager: bound and served when it returns, not stored.
func (g *Manager) Add(q Request) error {
	rules := g.rulesNow()
	m, err := rules.Plan(q)
	if err == nil {
		_, err = g.create(m, func(m Mapping) (Mapping, error) { return m, nil })
	}
	return err
}

func (g *Manager) create(m Mapping, keep func(Mapping) (Mapping, error)) (Mapping, error) {
	if err := g.claim(m.Place()); err != nil {
		return Mapping{}, err
	}
	m.CreatedAt = now()
	l, err := g.bind(m) // API-002: success only when the port is bound
	if err != nil {
		g.settle(m.Place(), nil)
		return Mapping{}, err
	}
	kept, err := keep(m) // API-003: and only when the mapping is stored
	if err != nil {
		l.Close()
		g.settle(m.Place(), nil)
		return Mapping{}, err
	}
	s := g.serve(kept, l, nil)
	s.log.Info("mapping created", "target", kept.Target(), "use_tunnel", kept.UseTunnel, "id", kept.ID)
	return kept, nil
}

// now is when a mapping is made.
func now() time.Time { return time.Now().Truncate(time.Second) }

// Restore serves the stored mappings. One whose port cannot be bound now is kept and tried again (API-016).
func (g *Manager) Restore(ctx context.Context) error {
	all, err := g.store.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := g.claim(m.Place()); err != nil {
			return fmt.Errorf("stored mapping: %w", err)
		}
		l, err := g.bind(m)
		if s := g.serve(m, l, err); err != nil {
			s.log.Warn("mapping not served yet", "error", err)
		}
	}
	return nil
}

// Remove ends the mapping of a place: deleted from the store and closed to new visitors when it returns
// (API-007). Visitors that came before go on.
func (g *Manager) Remove(ctx context.Context, place string) error {
	s, err := g.take(place)
	if err != nil {
		return err
	}
	if s.ID != 0 {
		err := g.store.Remove(context.WithoutCancel(ctx), place)
		if e, ok := errors.AsType[*Error](err); err != nil && !(ok && e.Kind == NotFound) {
			g.settle(place, s)
			return err
		}
	}
	g.halt(s)
	g.settle(place, nil)
	s.log.Info("mapping removed")
	return nil
}

// Has reports whether a port has a mapping, or is about to have one.
func (g *Manager) Has(port int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, has := g.places[strconv.Itoa(port)]
	return has
}

// List returns the mappings in the order of their making.
func (g *Manager) List() []Status {
	var all []Status
	var listeners []Listener
	g.mu.Lock()
	for _, s := range g.places {
		if s != nil {
			all = append(all, Status{Mapping: s.Mapping, Err: s.err})
			listeners = append(listeners, s.listener)
		}
	}
	g.mu.Unlock()
	for i, l := range listeners {
		if l != nil {
			all[i].Traffic = l.Traffic()
		}
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Place(), b.Place()))
	})
	return all
}

// Close stops accepting visitors on every port. Changes are refused from then on.
func (g *Manager) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.changes.Wait()
	for _, s := range g.places { // nobody changes it any more
		g.halt(s)
	}
}

// claim reserves a place for a change.
func (g *Manager) claim(place string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosed
	}
	if _, has := g.places[place]; has {
		return Exists(place)
	}
	g.places[place] = nil
	g.changes.Add(1)
	return nil
}

// take reserves a place that has a mapping for a change of that.
func (g *Manager) take(place string) (*served, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.places[place]
	switch {
	case g.closed:
		return nil, errClosed
	case s == nil:
		return nil, Missing(place)
	}
	g.places[place] = nil
	g.changes.Add(1)
	return s, nil
}

// settle ends a change of a place that leaves it with s, or without a mapping.
func (g *Manager) settle(place string, s *served) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s == nil {
		delete(g.places, place)
	} else {
		g.places[place] = s
	}
	g.changes.Done()
}

// bind binds the port of m. It checks what may have changed since m was stored.
func (g *Manager) bind(m Mapping) (Listener, error) {
	rules := g.rulesNow()
	if err := cmp.Or(rules.notBlacklisted(m.Port), m.check()); err != nil {
		return nil, err
	}
	return g.listen(m)
}

// serve starts a mapping whose port is claimed. Without a listener it waits for its port: err says why.
func (g *Manager) serve(m Mapping, l Listener, err error) *served {
	ctx, stop := context.WithCancel(context.Background())
	s := &served{
		Mapping: m, log: g.log.With(m.Attr()), stop: stop, done: make(chan struct{}),
		listener: l, err: err,
	}
	go g.run(ctx, s, l)
	g.settle(m.Place(), s)
	return s
}

// run accepts the visitors of s. While the port cannot be bound it tries again, after waits that grow. serve
// starts it, halt ends it.
func (g *Manager) run(ctx context.Context, s *served, l Listener) {
	defer close(s.done)
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = firstBindRetry, mostBindRetry
	for l == nil {
		select {
		case <-time.After(waits.NextBackOff()):
		case <-ctx.Done():
			return
		}
		var err error
		l, err = g.bind(s.Mapping)
		g.mu.Lock()
		s.listener, s.err = l, err
		g.mu.Unlock()
		switch {
		case err != nil:
		case ctx.Err() != nil: // halt may not have seen it
			l.Close()
			return
		default:
			s.log.Info("mapping served: its port is free now")
		}
	}
	l.Serve()
}

// halt stops accepting visitors, and returns when no more will come. Those that came go on.
func (g *Manager) halt(s *served) {
	s.stop()
	g.mu.Lock()
	l := s.listener
	g.mu.Unlock()
	if l != nil {
		l.Close()
	}
	<-s.done
}
