package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	shared "github.com/adit-tunnel/adit/reference/cmd"
)

func TestDoctor(t *testing.T) {
	serve := func(text string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(c, text)
				c.Close()
			}
		})
		t.Cleanup(func() { l.Close(); all.Wait() })
		return l.Addr().String()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	key := "adit1:home:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	for _, c := range []struct {
		what string
		args []string
		code int
		want []string
	}{
		{"nobody listens", []string{"--server", closed.Addr().String()}, 1, []string{"ok     clock: ", "ok     descriptors: ", "ok     name: 127.0.0.1", "FAULT  connection: ", "nobody listens", "1 faults"}},
		{"no such name", []string{"--server", "no.such.host.invalid:9000"}, 1, []string{"FAULT  name: ", "look whether --server is right"}},
		{"another program", []string{"--server", serve("HTTP/1.1 400 Bad Request\r\n\r\n")}, 1, []string{"ok     connection: ", "FAULT  tunnel: ", "it speaks HTTP"}},
		{"another program, over TLS", []string{"--server", serve("HTTP/1.1 400 Bad Request\r\n\r\n"), "--key", key}, 1, []string{"FAULT  tunnel: ", "it speaks HTTP"}},
		{"too few descriptors", []string{"--server", closed.Addr().String(), "--max_connections", "1048576"}, 1, []string{"FAULT  descriptors: ", "raise the limit", "2 faults"}},
		{"a wrong configuration", []string{"--server", "nowhere"}, 2, []string{"adit-client doctor: flag --server: "}},
	} {
		var out bytes.Buffer
		code := doctor(c.args, &out, &out)
		for _, want := range c.want {
			if code != c.code || !strings.Contains(out.String(), want) {
				t.Errorf("%s: %d\n%s\nwant %d and %q", c.what, code, &out, c.code, want)
			}
		}
	}
}

func TestAWrongClock(t *testing.T) {
	var out bytes.Buffer
	d := &shared.Doctor{Out: &out}
	d.Machine(time.Unix(1000, 0), 0, 1)
	if code := d.Code(); code != 1 || !strings.Contains(out.String(), "FAULT  clock: it shows 1970-01-01") || !strings.Contains(out.String(), "timedatectl") {
		t.Errorf("%d\n%s", code, &out)
	}
}
