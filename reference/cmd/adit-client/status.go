package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/client"
	"github.com/adit-tunnel/adit/reference/config"
)

// statusTime bounds one answer.
const statusTime = 5 * time.Second

// listenStatus makes a socket at path that its owner alone can use. It is made elsewhere, so that nobody else has connected
// before its mode says so. What a client that was killed has left there is replaced.
func listenStatus(path string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, statusTime); err == nil {
		c.Close()
		return nil, fmt.Errorf("status_socket: another client answers at %s; give each a path of its own", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("status_socket: %s is there, and not a socket; move it away, or name another path", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".adit") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("status_socket: %w; name a path in a folder that can be written", err)
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.Listen("unix", made)
	if err != nil {
		return nil, fmt.Errorf("status_socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		l.Close()
		return nil, fmt.Errorf("status_socket: %w", err)
	}
	return l, nil
}

// serveStatus answers whoever connects with one line of JSON, until the listener is closed. run starts it.
func serveStatus(l net.Listener, status func() client.Status, log *slog.Logger) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Warn("no status", "error", err)
			time.Sleep(time.Second) // of descriptors there are none
			continue
		}
		c.SetDeadline(time.Now().Add(statusTime)) // fails only on a closed socket, as the next write does
		_ = json.NewEncoder(c).Encode(status())
		c.Close()
	}
}

// showStatus asks a client that runs on this machine, and returns the exit code: 1 where none answers.
func showStatus(args []string, out, notes io.Writer) int {
	fail := func(code int, err error) int {
		_, _ = fmt.Fprintf(notes, "adit-client status: %v\n", err)
		return code
	}
	asJSON := len(args) > 0 && args[0] == "--json"
	if asJSON {
		args = args[1:]
	}
	c, err := load(args, out)
	switch {
	case errors.Is(err, config.ErrHelp):
		return 0
	case err != nil:
		return fail(2, err)
	case c.StatusSocket == "":
		return fail(2, errors.New("status_socket is empty; give the path that the client has, by --status_socket, ADIT_STATUS_SOCKET or --config"))
	}
	conn, err := net.DialTimeout("unix", c.StatusSocket, statusTime)
	if err != nil {
		return fail(1, fmt.Errorf("no client answers at %s (%w); start one with that status_socket", c.StatusSocket, err))
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(statusTime)) // fails only on a closed socket, as the next read does
	var s client.Status
	if err := json.NewDecoder(io.LimitReader(conn, 1<<20)).Decode(&s); err != nil {
		return fail(1, fmt.Errorf("the answer did not arrive whole: %w", err))
	}
	if asJSON {
		_ = json.NewEncoder(out).Encode(s)
		return 0
	}
	show := func(what string, value any) { _, _ = fmt.Fprintf(out, "%-12s %v\n", what, value) }
	show("server", s.Server)
	show("state", fmt.Sprintf("%s since %s", s.State, s.Since.Local().Format(time.DateTime)))
	if s.Error != "" {
		show("last error", s.Error)
	}
	if s.Profile != "" {
		show("profile", fmt.Sprintf("%s, TLS %v", s.Profile, s.TLS))
	}
	if s.Key != "" {
		show("key", s.Key)
	}
	if s.RTT > 0 {
		show("round trip", fmt.Sprintf("%.1f ms", s.RTT))
	}
	show("connections", fmt.Sprintf("%d now, %d so far, %d failed", s.Connections, s.Opened, s.Failed))
	show("bytes", fmt.Sprintf("%d to services, %d from them", s.In, s.Out))
	if len(s.Published) > 0 {
		show("published", strings.Join(s.Published, "\n"+strings.Repeat(" ", 13)))
	}
	return 0
}
