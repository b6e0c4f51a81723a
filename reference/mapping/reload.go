package mapping

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
)

func (g *Manager) rulesNow() Rules {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rules
}

// Reload has the manager go by other rules, and makes all the mappings that are not stored: those that are no more end, new ones
// are served, those that are not the same change, with their ports open if they can, and the others notice nothing. Visitors
// that came before go on. A port that cannot be bound now is tried again. The error says what cannot be a mapping.
func (g *Manager) Reload(rules Rules, all []Request) error {
	g.mu.Lock()
	g.rules = rules
	ended := map[string]bool{}
	for place, s := range g.places {
		if s != nil && s.ID == 0 {
			ended[place] = true
		}
	}
	g.mu.Unlock()
	var errs []error
	var wanted []Mapping
	for _, q := range all {
		m, err := rules.Plan(q)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		wanted = append(wanted, m)
		delete(ended, m.Place())
	}
	for _, place := range slices.Sorted(maps.Keys(ended)) {
		errs = append(errs, g.Remove(context.Background(), place))
	}
	for _, m := range wanted {
		errs = append(errs, g.become(m))
	}
	return errors.Join(errs...)
}

// become makes m the mapping of its place, unless that has a stored one.
func (g *Manager) become(m Mapping) error {
	s, err := g.take(m.Place())
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == NotFound {
		return g.serveLater(m)
	}
	if err != nil {
		return err
	}
	m.CreatedAt = s.CreatedAt
	switch {
	case s.ID != 0:
		g.settle(m.Place(), s)
		return Exists(m.Place())
	case reflect.DeepEqual(m, s.Mapping):
		g.settle(m.Place(), s)
		return nil
	}
	g.mu.Lock()
	l := s.listener
	g.mu.Unlock()
	if l != nil && l.Change(m) {
		g.mu.Lock()
		s.Mapping = m
		g.mu.Unlock()
		g.settle(m.Place(), s)
		s.log.Info("mapping changed", "target", m.Target(), "use_tunnel", m.UseTunnel)
		return nil
	}
	g.halt(s)
	g.settle(m.Place(), nil)
	return g.serveLater(m)
}

// serveLater serves m, as soon as its port can be bound.
func (g *Manager) serveLater(m Mapping) error {
	if err := g.claim(m.Place()); err != nil {
		return err
	}
	m.CreatedAt = now()
	l, err := g.bind(m)
	s := g.serve(m, l, err)
	if err != nil {
		s.log.Warn("mapping not served yet", "error", err)
	} else {
		s.log.Info("mapping created", "target", m.Target(), "use_tunnel", m.UseTunnel, "id", m.ID)
	}
	return nil
}
