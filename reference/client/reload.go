package client

import (
	"errors"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
)

// errNotAsking is what a tunnel cannot begin to do.
var errNotAsking = errors.New("publish: this client was started without, and its tunnel cannot ask for ports; restart it")

// Reload has the client go by what of cfg can change while it runs: Policy, Services, Publish and DrainTimeout. It counts for
// requests from now on; no connection ends. The rest of cfg has no effect. Calls are not made at the same time.
func (c *Client) Reload(cfg Config) error {
	c.grace.Store(int64(cfg.DrainTimeout))
	c.dialer.rules.Store(&rules{cfg.Policy, cfg.Services})
	switch {
	case c.publisher != nil:
		c.publisher.change(cfg.Publish)
	case len(cfg.Publish) > 0:
		return errNotAsking
	}
	return nil
}

func (c *Client) drainTimeout() time.Duration { return time.Duration(c.grace.Load()) }

// change asks for what is new, and gives up what is no more to be published.
func (p *publisher) change(publish []Publication) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := map[string]*published{}
	for _, x := range p.all {
		before[x.Service] = x
	}
	p.all = nil
	for _, one := range publish {
		x, known := before[one.Service]
		if !known {
			x = &published{}
		}
		x.Publication = one
		p.all = append(p.all, x)
		delete(before, one.Service)
		if !known && p.tunnel != nil && !p.closed {
			p.tunnel.askLocked(x)
		}
	}
	p.setTargetsLocked()
	for _, x := range before {
		if x.wait != nil {
			x.wait.Stop()
		}
		if x.id != 0 && p.tunnel != nil && !p.closed {
			p.tunnel.session.Unbind(x.id)
		}
		p.log.Info("no longer published: the configuration has changed", "publish", x.Publication.String(), "target", x.Target.String())
	}
}

// setTargetsLocked tells sessions where services are; they ask under locks of their own.
func (p *publisher) setTargetsLocked() {
	targets := map[string]session.Target{}
	for _, x := range p.all {
		targets[x.Service] = x.Target
	}
	p.targets.Store(&targets)
}
