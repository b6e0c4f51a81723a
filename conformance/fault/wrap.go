package fault

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/spec"
)

// foreignPeer makes subject files of somebody else's subject behind the proxy.
type foreignPeer struct {
	program string // adit-conform
	subject string // its subject file
	spec    *subject.File
}

func newForeign(program, name string) (source, error) {
	file, err := subject.Load(name)
	if err != nil {
		return nil, err
	}
	if !owned(file.Server) && !owned(file.Client) {
		return nil, fmt.Errorf("%s: self-check starts the subject anew for each mutant; give server.command or client.command", name)
	}
	return foreignPeer{program, name, file}, nil
}

func owned(r *subject.Role) bool { return r != nil && r.Address == "" }

func (s foreignPeer) extended() bool { return slices.Contains(s.spec.Capabilities, "ext") }

// mutants are the rewrites for the roles and the profiles that the subject has.
func (s foreignPeer) mutants() []Mutant {
	var out []Mutant
	for _, m := range Rewrites() {
		if req, _ := spec.Lookup(m.Req); req.Profile == "ext" && !s.extended() {
			continue
		}
		if m.Role == Server && owned(s.spec.Server) || m.Role == Client && owned(s.spec.Client) {
			out = append(out, m)
		}
	}
	return out
}

// liars need no subject: those of the scripted peer are enough.
func (foreignPeer) liars() []Liar { return nil }

func (s foreignPeer) file(role engine.Role, rewrite string, _ [2]int) string {
	flags := " --subject " + words(s.subject)
	if rewrite != "" {
		flags += " --rewrite " + rewrite
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\n", yamlString(filepath.Base(s.subject)+" behind the proxy"))
	if s.extended() {
		b.WriteString("capabilities: [ext]\n") // a drain is begun by a signal, which the proxy does not pass on
	}
	if role != Client && owned(s.spec.Server) {
		fmt.Fprintf(&b, "server:\n  command: %s\n  ready: {log: \"^proxy ready\", within: 30s}\n", yamlString(
			words(s.program)+" fault wrap-server --tunnel {tunnel} --visitor {visitor} --target {target}"+flags))
	}
	if role != Server && owned(s.spec.Client) {
		fmt.Fprintf(&b, "client:\n  command: %s\n", yamlString(words(s.program)+" fault wrap-client --server {tunnel} --target {target}"+flags))
	}
	return b.String()
}

func wrapServerCommand() *cobra.Command {
	var file, tunnel, visitor, target, rewrite string
	c := &cobra.Command{
		Use: "wrap-server", Short: "a subject's server behind a proxy that breaks one requirement", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, f, err := newProxy(file, rewrite, Server)
			if err != nil {
				return err
			}
			in, err := f.Start(c.Context(), subject.Options{Part: subject.ServerOnly, At: subject.Addrs{Visitor: visitor, Target: target}})
			if err != nil {
				return err
			}
			defer in.Close()
			p.dial = dialer(in.At.Tunnel)
			l, err := listen(tunnel)
			if err != nil {
				return fmt.Errorf("--tunnel %s: %w", tunnel, err)
			}
			fmt.Fprintln(c.OutOrStdout(), "proxy ready")
			return p.serve(c.Context(), l, in.Server)
		},
	}
	s := c.Flags()
	s.StringVar(&file, "subject", "", "subject file of the server")
	s.StringVar(&tunnel, "tunnel", "", "HOST:PORT to listen on for tunnels")
	s.StringVar(&visitor, "visitor", "", "HOST:PORT for visitors, the subject's own")
	s.StringVar(&target, "target", "", "HOST:PORT of the service that visitors are led to")
	s.StringVar(&rewrite, "rewrite", "", "what to do wrong (default: nothing)")
	for _, name := range []string{"subject", "tunnel", "visitor", "target"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func wrapClientCommand() *cobra.Command {
	var file, server, target, rewrite string
	c := &cobra.Command{
		Use: "wrap-client", Short: "a subject's client behind a proxy that breaks one requirement", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, f, err := newProxy(file, rewrite, Client)
			if err != nil {
				return err
			}
			p.dial = dialer(server)
			l, err := listen("127.0.0.1:0")
			if err != nil {
				return err
			}
			in, err := f.Start(c.Context(), subject.Options{Part: subject.ClientOnly, At: subject.Addrs{Tunnel: l.Addr().String(), Target: target}})
			if err != nil {
				_ = l.Close()
				return err
			}
			defer in.Close()
			return p.serve(c.Context(), l, in.Client)
		},
	}
	s := c.Flags()
	s.StringVar(&file, "subject", "", "subject file of the client")
	s.StringVar(&server, "server", "", "HOST:PORT of the server")
	s.StringVar(&target, "target", "", "HOST:PORT of the service")
	s.StringVar(&rewrite, "rewrite", "", "what to do wrong (default: nothing)")
	for _, name := range []string{"subject", "server", "target"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

// newProxy reads the flags that both roles have.
func newProxy(file, rewrite string, role engine.Role) (proxy, *subject.File, error) {
	p := proxy{role: string(role)}
	if rewrite != "" {
		var ok bool
		if p.rewrite, ok = findRewrite(rewrite, role); !ok {
			return p, nil, fmt.Errorf("--rewrite %s: a %s has no such rewrite", rewrite, role)
		}
	}
	f, err := subject.Load(file)
	return p, f, err
}

// serve runs the proxy until ctx ends or the subject does, whose end is the proxy's as well.
func (p proxy) serve(ctx context.Context, l *net.TCPListener, of *subject.Process) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- p.run(ctx, l) }() // ends with ctx, waited for below
	select {
	case err := <-done:
		return err
	case <-of.Exited():
		stop()
		<-done
		return fmt.Errorf("%s ended by itself: %q", of.Command(), of.Log(5))
	}
}

func dialer(addr string) func(context.Context) (*net.TCPConn, error) {
	return func(ctx context.Context) (*net.TCPConn, error) {
		var d net.Dialer
		sock, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return sock.(*net.TCPConn), nil
	}
}

func listen(addr string) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}
