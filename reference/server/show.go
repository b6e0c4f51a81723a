package server

import (
	"fmt"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/keys"
)

// visits returns what the API shows of the visitors of this instant.
func (s *Server) visits() []api.Visit {
	all := []api.Visit{}
	for p := range s.ports.Range {
		all = append(all, p.(*port).visits()...)
	}
	return all
}

func (p *port) visits() []api.Visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []api.Visit
	for v := range p.live {
		all = append(all, v.show())
	}
	return all
}

func (v *visit) show() api.Visit {
	shown := api.Visit{
		ID: fmt.Sprintf("%016x", v.id), Port: v.terms.mapping.Port, Target: v.terms.mapping.Target(), Visitor: v.from.String(), Since: v.start,
		In: v.counts.ToService.Load(), Out: v.counts.ToVisitor.Load(),
	}
	if v.port.web != nil {
		shown.Host = v.terms.mapping.Place()
	}
	if t := v.tunnel.Load(); t != nil {
		shown.Client = t.id
	}
	return shown
}

// who is what events say of a client.
func (t *tunnel) who() api.Client {
	key, _ := t.session.Key()
	return api.Client{ID: t.id, Remote: t.remote.String(), Key: key.ID, Name: t.session.Stats().Name}
}

// keyring is the keys of clients as the API changes them: what it does holds at once.
type keyring struct {
	*keys.Ring
	server *Server
}

func (s *Server) keyring() api.Keys {
	if s.cfg.Keys == nil {
		return nil
	}
	return keyring{s.cfg.Keys, s}
}

func (k keyring) Add(id string) (string, error) {
	key, err := k.Ring.Add(id)
	k.server.refreshKeys()
	return key.Line(), err
}

func (k keyring) Remove(id string) error {
	err := k.Ring.Remove(id)
	k.server.refreshKeys() // which ends its tunnels
	return err
}
