package rig

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Has reports whether an event has its place on a route: a link is on all of
// them, a server and a client on those whose subject was started here.
func (t *Topology) Has(r record.Route, e scenario.Event) bool {
	switch {
	case e.On("link"):
		return t.links[r] != nil
	case e.On("server"), e.On("client"):
		return t.process(r, e) != nil
	}
	return true
}

func (t *Topology) process(r record.Route, e scenario.Event) *subject.Process {
	in := t.subjects[r.Subject]
	switch {
	case in == nil || r.Path != scenario.Tunnel:
		return nil
	case e.On("server"):
		return in.Server
	}
	return in.Client
}

// Do lets an event happen to a link or a process of a route, and returns when
// it is over. usual is what the link is else.
func (t *Topology) Do(ctx context.Context, r record.Route, e scenario.Event, usual scenario.Link) error {
	long := time.Duration(e.For)
	switch e.Do {
	case scenario.LinkFreeze, scenario.LinkKill:
		outage := LinkFreeze
		if e.Do == scenario.LinkKill {
			outage = LinkKill
		}
		for _, l := range t.links[r] {
			if _, err := outage.Ask(ctx, l, Outage{For: long}); err != nil {
				return err
			}
		}
		return load.Sleep(ctx, long)
	case scenario.LinkSet:
		if err := t.SetLink(ctx, r, *e.To); err != nil {
			return err
		}
		return errors.Join(load.Sleep(ctx, long), t.SetLink(ctx, r, usual))
	}
	p := t.process(r, e)
	if strings.HasSuffix(e.Do, ".freeze") {
		if err := p.Freeze(); err != nil {
			return err
		}
		return errors.Join(load.Sleep(ctx, long), p.Thaw())
	}
	if strings.HasSuffix(e.Do, ".drain") {
		if err := drain(ctx, p, long); err != nil {
			return err
		}
	} else {
		p.End(strings.HasSuffix(e.Do, ".kill"))
		if err := load.Sleep(ctx, long); err != nil {
			return err
		}
	}
	if err := p.Again(ctx); err != nil {
		return &StartError{r.Subject, err}
	}
	return nil
}

// drain lets a process end in order, and ends it when it takes longer.
func drain(ctx context.Context, p *subject.Process, long time.Duration) error {
	late := time.NewTimer(long)
	defer late.Stop()
	p.Drain()
	select {
	case <-p.Exited():
	case <-late.C:
		p.End(true)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// Ready waits until a route carries packets, after its processes were started again.
func (t *Topology) Ready(ctx context.Context, r record.Route) error {
	if err := t.carries(ctx, r); err != nil {
		return &StartError{r.Subject, errors.Join(err, t.Ended())}
	}
	return nil
}

// Wire is the bytes that a route's links have carried so far; nil without a link.
func (t *Topology) Wire(ctx context.Context, r record.Route) (*record.Wire, error) {
	if t.links[r] == nil {
		return nil, nil
	}
	var n LinkCounted
	for _, l := range t.links[r] {
		one, err := LinkCount.Ask(ctx, l, control.None{})
		if err != nil {
			return nil, err
		}
		n.To, n.Back = n.To+one.To, n.Back+one.Back
	}
	if in := t.subjects[r.Subject]; r.Path == scenario.Tunnel && in.Client != nil { // who dials is the client, from behind
		n.To, n.Back = n.Back, n.To
	}
	return &record.Wire{Up: n.To, Down: n.Back}, nil
}

// Renew ends a route's subject, or relays, and starts them again, so that
// nothing is left of the load before.
func (t *Topology) Renew(ctx context.Context, r record.Route) error {
	var own []*subject.Process
	for _, p := range t.processes {
		if p.route == r && p.role != "link" && r.Path != scenario.Direct {
			own = append(own, p.Process)
		}
	}
	for _, p := range slices.Backward(own) {
		p.End(false)
	}
	for _, p := range own {
		if err := p.Again(ctx); err != nil {
			return &StartError{r.Subject, err}
		}
	}
	return t.Ready(ctx, r)
}
