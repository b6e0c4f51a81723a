package subject

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// A Place is where the containers of an instance run instead of in the network
// of the host, and within which limits.
type Place struct {
	Network *Network
	Limits  map[string]Limits // by role: server, client
	Files   map[string]string // by path: what each container finds there, besides its image
	Publish bool              // {tunnel} is reached from this machine, at Instance.Published
}

// Limits bound one container. A zero field is no limit.
type Limits struct {
	CPUs      float64
	Memory    int64 // bytes, swap included
	OpenFiles uint64
}

// A Network is one of the Docker engine's that containers have to themselves.
// Each container has an address of its own, known before the container is made.
type Network struct {
	Name string

	engine *engine
	mu     sync.Mutex
	last   netip.Addr // the newest that was given; guards below
	subnet netip.Prefix
}

// Engine says whether a Docker engine answers; if not, the error is a *NoEngineError.
func Engine(ctx context.Context) error {
	e, err := connect(ctx, "")
	if err != nil {
		return err
	}
	return e.Close()
}

// NewNetwork makes a network; it carries the label adit.subject with the owner
// as its value. Close removes it. Without an engine the error is a *NoEngineError.
func NewNetwork(ctx context.Context, owner string) (_ *Network, err error) {
	e, err := connect(ctx, owner)
	if err != nil {
		return nil, err
	}
	n := &Network{Name: "adit-" + strings.ToLower(rand.Text()), engine: e}
	if err := n.make(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("network of containers: %w", err), n.Close())
	}
	return n, nil
}

// make makes the network twice: the engine knows which addresses nobody uses,
// but lets containers choose theirs only where the network's were given to it.
func (n *Network) make(ctx context.Context) error {
	ctx, cancel := uninterrupted(ctx)
	defer cancel()
	api, o := n.engine.Client(), client.NetworkCreateOptions{Driver: "bridge", Labels: n.engine.labels()}
	if _, err := api.NetworkCreate(ctx, n.Name, o); err != nil {
		return err
	}
	is, err := api.NetworkInspect(ctx, n.Name, client.NetworkInspectOptions{})
	if err != nil {
		return err
	}
	for _, c := range is.Network.IPAM.Config {
		if c.Subnet.Addr().Is4() {
			n.subnet, n.last = c.Subnet, c.Subnet.Addr().Next() // the gateway's
		}
	}
	if !n.subnet.IsValid() {
		return errors.New("the engine gives it no IPv4 addresses")
	}
	if err := n.remove(ctx); err != nil {
		return err
	}
	o.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: n.subnet, Gateway: n.last}}}
	_, err = api.NetworkCreate(ctx, n.Name, o)
	return err
}

// host is an address that no other container has.
func (n *Network) host() (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.last.Next()
	if !n.subnet.Contains(next.Next()) { // the last is everybody's
		return "", fmt.Errorf("network %s has no address left in %v", n.Name, n.subnet)
	}
	n.last = next
	return next.String(), nil
}

// Close removes the network, which must be empty.
func (n *Network) Close() error {
	ctx, cancel := uninterrupted(context.Background())
	defer cancel()
	return errors.Join(n.remove(ctx), n.engine.Close())
}

func (n *Network) remove(ctx context.Context) error {
	_, err := n.engine.Client().NetworkRemove(ctx, n.Name, client.NetworkRemoveOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// A placement is a container's own part of a Place.
type placement struct {
	*Place
	host    string
	limits  Limits
	publish string // port, empty: none
}

// placement gives a container its own; nil in the host's network. Only the server
// is reached from outside.
func (p *Place) placement(role, host string, at Addrs) (*placement, error) {
	if p == nil {
		return nil, nil
	}
	s := &placement{Place: p, host: host, limits: p.Limits[role]}
	if host == "" {
		var err error
		if s.host, err = p.Network.host(); err != nil {
			return nil, err
		}
	}
	if p.Publish && role == "server" {
		_, s.publish, _ = net.SplitHostPort(at.Tunnel)
	}
	return s, nil
}

// free says how addresses that are auto are chosen: here, or at one host of the
// network, which is returned for the server to have.
func (p *Place) free() (host string, _ func(taken map[string]bool) (string, error), err error) {
	if p == nil {
		return "", freeAddr, nil
	}
	host, err = p.Network.host()
	port := firstPort
	return host, func(map[string]bool) (string, error) {
		port++
		return net.JoinHostPort(host, strconv.Itoa(port)), nil
	}, err
}
