package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Both programs go by what their files say now, and whoever is connected notices nothing.
func TestTheProgramsFollowTheirFiles(t *testing.T) {
	bin, dir := programs(t), t.TempDir()
	service, first, second := echoAll(t), freePort(t), freePort(t)
	serverFile, clientFile := filepath.Join(dir, "server.yaml"), filepath.Join(dir, "client.json")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "tunnel: {listen_port: 0}\napi: {listen_port: 0}\nvisitors: {listen_host: 127.0.0.1}\n"
	write(serverFile, rest+fmt.Sprintf("map: ['%d=%s']\n", first, service))
	write(clientFile, `{"log": {"level": "info"}}`)
	server := start(t, filepath.Join(bin, "adit-server"), "--config", serverFile, "--database.path", filepath.Join(dir, "m.db"))
	client := start(t, filepath.Join(bin, "adit-client"), "--config", clientFile, "--server", regexp.MustCompile(`tunnel=(\S+)`).FindStringSubmatch(server.line(t, "msg=ready"))[1])
	client.line(t, "msg=connected")
	visitor, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", first))
	if err != nil {
		t.Fatal(err)
	}
	defer visitor.Close()
	echoes := func(what string, c net.Conn) {
		t.Helper()
		c.SetDeadline(time.Now().Add(soon))
		io.WriteString(c, "x")
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	echoes("at first", visitor)

	write(serverFile, rest+fmt.Sprintf("map: [{port: %d, target_host: 127.0.0.1, target_port: %d, max_connections: 1}, '%d=%s']\n", first, service.(*net.TCPAddr).Port, second, service))
	server.line(t, `changed=[map]`)
	server.line(t, "mapping changed")
	server.line(t, "mapping created")
	echoes("a visitor that was there", visitor)
	other, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", second))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	echoes("a visitor of the new mapping", other)

	write(serverFile, "map: 5\n")
	if line := server.line(t, "cannot be used"); !strings.Contains(line, serverFile+":1: map: number where a list is expected") {
		t.Errorf("a broken file: %s", line)
	}
	write(serverFile, rest+"memory: 16777216\nlog: {level: debug}\n")
	server.line(t, "keys=[memory]")
	server.line(t, "mapping removed")
	if err := server.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	server.line(t, "changed=[]")
	visitor.Close()
	server.line(t, "level=DEBUG msg=\"visitor gone\"")
	echoes("a visitor whose mapping is no more", other)

	write(clientFile, `{"log": {"level": "debug"}, "allow": ["192.0.2.1"], "name": "workshop"}`)
	if err := client.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	client.line(t, `changed="[allow log.level]"`)
	client.line(t, "keys=[name]")
	echoes("after the client has read its file", other)
	other.Close()
	client.stop(t)
	server.stop(t)
}
