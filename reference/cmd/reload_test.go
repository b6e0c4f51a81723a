package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/config"
)

func TestAFileThatChangesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		load := func() (config.Server, error) {
			return config.LoadServer([]string{"--config", file, "--tunnel.max_tunnels", "5"}, io.Discard)
		}
		write("tunnel: {listen_port: 1}\n")
		first, err := load()
		if err != nil {
			t.Fatal(err)
		}
		r := newReloads(first, load)
		var mu sync.Mutex
		var text bytes.Buffer
		var applied []config.Server
		var refuse error
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Follow(ctx, slog.New(slog.NewTextHandler(&locked{&mu, &text}, nil)), func(c config.Server) error {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, c)
				return refuse
			})
		}()
		// step is what the log and the program heard within a time.
		step := func(d time.Duration) (log string, n int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			log, n = text.String(), len(applied)
			text.Reset()
			applied = applied[len(applied):]
			return log, n
		}
		want := func(what string, d time.Duration, calls int, words ...string) {
			t.Helper()
			log, n := step(d)
			if n != calls {
				t.Errorf("%s: %d configurations were applied; want %d", what, n, calls)
			}
			if len(words) == 0 && log != "" {
				t.Errorf("%s: the log has %s; want nothing", what, log)
			}
			for _, w := range words {
				if !strings.Contains(log, w) {
					t.Errorf("%s: the log has %s; want %q", what, log, w)
				}
			}
		}
		want("nothing changes", time.Minute, 0)
		write("tunnel: {listen_port: 1}\nmap: ['10001=22']\n")
		want("before it is looked at", lookAtFile/2, 0)
		want("a mapping", lookAtFile, 1, "level=INFO", "read again", "changed=[map]")
		write("tunnel: {listen_port: 2, max_tunnels: 7}\nmap: ['10001=22']\n")
		want("a port, and a key that a flag has", 2*lookAtFile, 0, "level=WARN", "needs a restart", "keys=[tunnel.listen_port]", "changed=[]")
		write("tunnel: {listen_port: 2}\nmap: ['x']\n")
		want("a broken file", time.Minute, 0, "level=ERROR", "cannot be used", file+`:2: map: \"x\"`)
		r.hangUps <- syscall.SIGHUP
		want("SIGHUP with a broken file", 0, 0, "level=ERROR", file+":2: map")
		write("tunnel: {listen_port: 2}\nmap: ['10002=22']\n")
		mu.Lock()
		refuse = errors.New("port 10002 is taken")
		mu.Unlock()
		want("a mapping that cannot be", 2*lookAtFile, 1, "changed=[map]", "keys=[tunnel.listen_port]", "level=ERROR", "not all of the configuration", "port 10002 is taken")
		mu.Lock()
		refuse = nil
		mu.Unlock()
		r.hangUps <- syscall.SIGHUP
		want("SIGHUP without a change", 0, 0, "read again", "changed=[]")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		want("no file", time.Minute, 0, "cannot be used", "no such file")
		write("tunnel: {listen_port: 1}\n")
		want("the first file again", 2*lookAtFile, 1, "changed=[map]")
		stop()
		<-done
	})
	(*Reloads[config.Server])(nil).Follow(t.Context(), nil, nil) // returns at once
}

// locked is a writer under a lock.
type locked struct {
	mu *sync.Mutex
	to io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}
