package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

const (
	firstAcceptPause = 5 * time.Millisecond
	mostAcceptPause  = time.Second
)

// listen binds a port of host (empty: every address). Its error begins with the port, behind which key or
// field the caller says, and names the remedy.
func listen(host string, port int) (*net.TCPListener, error) {
	l, err := sock.Listen(net.JoinHostPort(host, strconv.Itoa(port)))
	return l, whyNot(port, "ss -ltnp", err)
}

// listenUDP does the same for datagrams.
func listenUDP(host string, port int) (*net.UDPConn, error) {
	c, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, whyNot(port, "ss -lunp", err)
	}
	return c.(*net.UDPConn), nil // what network "udp" gives
}

// whyNot explains why a port cannot be bound; look is the command that shows who has it.
func whyNot(port int, look string, err error) error {
	if err == nil {
		return nil
	}
	remedy := "look whether host and port are right"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "another program has it; stop that (" + look + " shows which), or choose another port"
	case errors.Is(err, syscall.EACCES):
		remedy = "ports below 1024 need privileges; give the program CAP_NET_BIND_SERVICE, or choose a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "this machine does not have that address; correct the host to listen on"
	}
	return fmt.Errorf("%d: cannot listen there: %s (%w)", port, remedy, err)
}

// acceptLoop gives every socket that l accepts to handle, until l is closed. An error that passes, such as too many open
// files when the reserve is used up, is logged, and waited out by pauses that grow: the peer stays in the kernel's queue.
func (s *Server) acceptLoop(l *net.TCPListener, log *slog.Logger, handle func(*net.TCPConn)) {
	pause := time.Duration(0)
	for {
		conn, err := s.reserve.accept(l)
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
