//go:build unix

package subject

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/client"
)

// place is a network for one test, with limits for the server.
func place(t *testing.T, e *engine, limits Limits) *Place {
	t.Helper()
	n, err := NewNetwork(t.Context(), e.subject)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close of the network: %v", err)
		}
		if _, err := e.Client().NetworkInspect(context.Background(), n.Name, client.NetworkInspectOptions{}); err == nil {
			t.Errorf("network %s is still there", n.Name)
		}
	})
	return &Place{Network: n, Limits: map[string]Limits{"server": limits}, Publish: true, Files: map[string]string{"/greeting": "hello"}}
}

func TestContainersInANetworkOfTheirOwnHaveAddressesAndLimits(t *testing.T) {
	t.Parallel()
	e, name := docker(t)
	p := place(t, e, Limits{CPUs: 0.5, Memory: 64 << 20, OpenFiles: 1000})
	in := start(t, image(t, name, folder(t), "serve {dir}", "dial"), Options{Place: p})
	for _, at := range []string{in.At.Tunnel, in.At.Visitor, in.At.Target} {
		if a, err := netip.ParseAddrPort(at); err != nil || !p.Network.subnet.Contains(a.Addr()) {
			t.Errorf("address %s, %v; want one of %v", at, err, p.Network.subnet)
		}
	}
	if got := in.Server.Log(1)[0]; got != "Ready at "+in.At.Tunnel {
		t.Errorf("the server says %q; want that it listens at %s", got, in.At.Tunnel)
	}
	for _, at := range []string{in.Published, in.At.Tunnel} {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatalf("%s from the host: %v", at, err)
		}
		if err := in.Owner(t.Context(), c); err != nil {
			t.Errorf("Owner, of a connection to %s: %v", at, err)
		}
		c.Close()
	}
	if !strings.HasPrefix(in.Server.Image(), "sha256:") {
		t.Errorf("Image = %q; want its ID", in.Server.Image())
	}
	is, err := e.Client().ContainerInspect(t.Context(), in.Server.program.(*container).made.ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if h := is.Container.HostConfig; h.NanoCPUs != 5e8 || h.Memory != 64<<20 || h.Ulimits[0].Hard != 1000 {
		t.Errorf("limits: %d, %d, %v; want what was asked for", h.NanoCPUs, h.Memory, h.Ulimits)
	}
	file, err := e.Client().CopyFromContainer(t.Context(), is.Container.ID, client.CopyFromContainerOptions{SourcePath: "/greeting"})
	if err != nil {
		t.Fatalf("/greeting: %v", err)
	}
	file.Content.Close()
}

func TestACommandDoesNotRunInANetworkOfContainers(t *testing.T) {
	t.Parallel()
	e, name := docker(t)
	_, err := parse(t, "{name: "+name+", server: {command: "+os.Args[0]+"}}").Start(t.Context(), Options{Place: place(t, e, Limits{})})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "give the role an image") {
		t.Errorf("Start: %v; want errors.ErrUnsupported and the remedy", err)
	}
}
