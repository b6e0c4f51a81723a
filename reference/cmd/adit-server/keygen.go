package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
)

// keygen makes a key, and prints how its client is started: that alone goes to out, for scripts. It returns the exit code,
// as cmd.Main does.
func keygen(args []string, out, notes io.Writer) int {
	name, c, err := config.LoadKeygen(args, out)
	return finish(err, out, notes, func() error { return makeKey(name, c, out, notes) })
}

// finish does what a subcommand was asked for, unless its arguments are wrong, and returns the exit code.
func finish(err error, out, notes io.Writer, do func() error) int {
	code := 2
	if err == nil {
		err, code = do(), 1
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
	_, _ = fmt.Fprintf(notes, "The key %s is in %s; a server that has this file takes it at once, one that was started without it has to be started again.\n"+
		"The line above starts the client, if it reaches this machine by that name. It is not shown again: whoever has it is this client.\n", name, c.Keys)
	return nil
}

// commandLine is how the client of a key is started.
func commandLine(key keys.Key, c config.Server) string {
	line := fmt.Sprintf("ADIT_KEY='%s' %s --server %s", key.Line(), client(os.Args[0]), net.JoinHostPort(hostFor(c.Tunnel.ListenHost), strconv.Itoa(c.Tunnel.ListenPort)))
	switch {
	case c.Plain:
		line += " --plain"
	case c.Balanced:
		line += " --tls_ends_before"
	}
	return line
}

// client is how the client is called where it lies beside this program, which was called so. An absolute name would be this
// machine's.
func client(server string) string {
	if dir, _ := filepath.Split(server); !filepath.IsAbs(server) {
		return dir + "adit-client"
	}
	return "adit-client"
}

// hostFor is where clients reach a server that listens on a host, as far as this machine knows.
func hostFor(listen string) string {
	if addr, err := netip.ParseAddr(listen); listen != "" && (err != nil || !addr.IsUnspecified()) {
		return listen
	}
	name, _ := os.Hostname()
	return cmp.Or(name, "SERVER")
}
