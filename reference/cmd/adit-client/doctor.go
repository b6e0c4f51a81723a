package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	shared "github.com/adit-tunnel/adit/reference/cmd"
	"github.com/adit-tunnel/adit/reference/config"
)

// answerTime is how long the server may take to prove that it is one.
const answerTime = 10 * time.Second

// doctor looks for what keeps a client from its server, and returns the exit code: 1 for a fault, 2 for a configuration that
// cannot be meant.
func doctor(args []string, out, notes io.Writer) int {
	c, err := load(args, out)
	switch {
	case errors.Is(err, config.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(notes, "adit-client doctor: %v\n", err)
		return 2
	}
	d := &shared.Doctor{Out: out}
	d.Find("configuration", cmp.Or(c.File, "flags and environment alone"), nil)
	d.Machine(time.Now(), shared.Descriptors(), c.MaxConnections)
	c.Publish = nil // or a client that runs would lose its ports
	cfg, err := clientConfig(c, slog.New(slog.DiscardHandler))
	if err == nil && cfg.Proxy == nil {
		if !reachable(d, c.Server, c.ConnectTimeout) {
			return d.Code()
		}
	}
	if err == nil {
		err = client.New(cfg).Try(context.Background(), answerTime)
	}
	d.Find("tunnel", "the server "+c.Server+" takes this client", err)
	return d.Code()
}

// reachable looks for the server's name and port.
func reachable(d *shared.Doctor, server string, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	host, port, _ := net.SplitHostPort(server) // which the configuration has checked
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		err = fmt.Errorf("%w; look whether --server is right, and whether this machine can resolve other names (/etc/resolv.conf)", err)
	}
	d.Find("name", host+" is "+strings.Join(addrs, ", "), err)
	if err != nil {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	switch {
	case err == nil:
		conn.Close()
	case errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("%w: nobody listens at port %s; start adit-server there, look whether it listens beyond its own machine (tunnel= in its line ready), and whether --server names its tunnel port", err, port)
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		err = fmt.Errorf("no answer within %v: a firewall drops it, or the machine is off; allow TCP to port %s there, or go by --proxy", within, port)
	default:
		err = fmt.Errorf("%w; look whether this machine has a network", err)
	}
	d.Find("connection", "port "+port+" answers", err)
	return err == nil
}
