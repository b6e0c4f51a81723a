package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
)

// keygen makes a key, and prints how its client is started: that alone goes to out, for scripts. It returns the exit code,
// as cmd.Main does.
func keygen(args []string, out, notes io.Writer) int {
	name, c, err := config.LoadKeygen(args, out)
	code := 2
	if err == nil {
		err, code = makeKey(name, c, out, notes), 1
	}
	switch {
	case err == nil, errors.Is(err, config.ErrHelp):
		return 0
	case errors.Is(err, config.ErrVersion):
		_, _ = fmt.Fprintln(out, "adit-server", version)
		return 0
	}
	_, _ = fmt.Fprintf(notes, "adit-server: %v\n", err)
	return code
}

func makeKey(name string, c config.Keygen, out, notes io.Writer) error {
	key, err := keys.Add(c.Keys, name, c.Rights)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, commandLine(key, c.Server)); err != nil {
		return fmt.Errorf("the key %s is in %s, and could not be printed: %w", name, c.Keys, err)
	}
	_, _ = fmt.Fprintf(notes, "The key %s is in %s; a server that was started with --keys %s takes it at once, one that was not does not ask for keys.\n"+
		"The line above starts the client, if it reaches this machine by that name. It is not shown again: whoever has it is this client.\n", name, c.Keys, c.Keys)
	return nil
}

// commandLine is how the client of a key is started.
func commandLine(key keys.Key, c config.Server) string {
	line := fmt.Sprintf("ADIT_KEY='%s' adit-client --server %s", key.Line(), net.JoinHostPort(hostFor(c.Tunnel.ListenHost), strconv.Itoa(c.Tunnel.ListenPort)))
	if c.Security.Tunnel.EnableTLS {
		line += " --tls"
	}
	return line
}

// hostFor is where clients reach a server that listens on a host, as far as this machine knows.
func hostFor(listen string) string {
	if addr, err := netip.ParseAddr(listen); listen != "" && (err != nil || !addr.IsUnspecified()) {
		return listen
	}
	name, _ := os.Hostname()
	return cmp.Or(name, "SERVER")
}
