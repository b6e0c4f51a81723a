//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// At the limit of descriptors visitors are refused at once, the API and tunnels go on, and when the visitors have left
// everything is as before.
func TestAtTheDescriptorLimitOnlyVisitorsAreRefused(t *testing.T) {
	bin := programs(t)
	service := echoAll(t)
	public := freePort(t)
	server := start(t, "/bin/sh", "-c", `ulimit -n 64; exec "$@"`, "sh", filepath.Join(bin, "adit-server"),
		"-tunnel.listen_host", "127.0.0.1", "-tunnel.listen_port", "0", "-api.listen_port", "0", "-visitors.listen_host", "127.0.0.1",
		"-database.path", filepath.Join(t.TempDir(), "mappings.db"), "-map", fmt.Sprintf("%d=%s", public, service))
	ready := regexp.MustCompile(`tunnel=(\S+) api=(\S+)`).FindStringSubmatch(server.line(t, "msg=ready"))
	client := start(t, filepath.Join(bin, "adit-client"), "-server", ready[1])
	client.line(t, "msg=connected")

	served, refused := 0, 0
	var visitors []net.Conn
	for range 70 {
		c, err := visit(public)
		switch {
		case err == nil:
			served++
			visitors = append(visitors, c)
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET): // its byte may come too late for an end
			refused++
		default:
			t.Fatalf("visitor %d, with %d served: %v; want to be served or ended", served+refused+1, served, err)
		}
	}
	if served < 10 || refused < 10 {
		t.Errorf("%d visitors served, %d ended; want some of each", served, refused)
	}
	health := func(when string) {
		answer, err := (&http.Client{Timeout: soon}).Get("http://" + ready[2] + "/health")
		if err != nil {
			t.Errorf("/health %s: %v", when, err)
			return
		}
		answer.Body.Close()
	}
	health("at the limit")
	second := start(t, filepath.Join(bin, "adit-client"), "-server", ready[1])
	second.line(t, "msg=connected")
	for _, c := range visitors {
		c.Close()
	}
	deadline := time.Now().Add(soon)
	for {
		c, err := visit(public)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after they left: %v; want to be served again", err)
		}
	}
	health("afterwards")
}

// visit connects to a mapped port and wants its byte back.
func visit(port int) (net.Conn, error) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(soon))
	_, err = io.WriteString(c, "?")
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
