package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/api"
)

const (
	firstAcceptPause = 5 * time.Millisecond
	mostAcceptPause  = time.Second
)

// listen binds a port of host (empty: every address). Its error names the field or key that says which
// port, and the remedy; to a caller of the API it is a conflict.
func listen(field, host string, port int) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err == nil {
		return l.(*net.TCPListener), nil // what network "tcp" gives
	}
	remedy := "look whether host and port are right"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "another program has it; stop that (ss -ltnp shows which), or choose another port"
	case errors.Is(err, syscall.EACCES):
		remedy = "ports below 1024 need privileges; give the program CAP_NET_BIND_SERVICE, or choose a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "this machine does not have that address; correct the host to listen on"
	}
	return nil, &api.Error{Status: http.StatusConflict, Field: field, Message: fmt.Sprintf("%s %d: cannot listen there: %s (%v)", field, port, remedy, err)}
}

// accept gives every socket that l accepts to handle, until l is closed. An error that passes, such as too
// many open files, is logged, and waited out by pauses that grow: the peer stays in the kernel's queue.
func accept(l *net.TCPListener, log *slog.Logger, handle func(*net.TCPConn)) {
	pause := time.Duration(0)
	for {
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			pause = 0
			handle(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			pause = min(max(2*pause, firstAcceptPause), mostAcceptPause)
			log.Error("cannot accept; if files are short, raise their limit (ulimit -n)", "listen", l.Addr(), "error", err, "pause", pause)
			time.Sleep(pause)
		}
	}
}
