package subject

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// StrangerError says that another program is where the subject should be.
type StrangerError struct {
	At     string // what is meant, like: visitor 127.0.0.1:10022
	Says   string // what was seen
	Holder string // who it is, as far as the system says
	what   string // which address that is
}

func (e *StrangerError) Error() string {
	return fmt.Sprintf("%s: %s %s, which this run did not start: end it, or choose another address (auto: a free one)", e.At, e.Says, e.Holder)
}

// UncheckedError says why it cannot be told who holds the sockets at a subject's addresses.
type UncheckedError struct{ Why string }

func (e *UncheckedError) Error() string { return "owner not checked: " + e.Why }

func (e *UncheckedError) Unwrap() error { return errors.ErrUnsupported }

// instanceVar is in the environment of all that an instance starts, so that
// what left its session is known all the same.
const instanceVar = "ADIT_INSTANCE"

// mark is that variable with the instance's value.
func mark(dir string) string { return instanceVar + "=" + filepath.Base(dir) }

// A birth tells a process from all others that have its number, before and after.
type birth struct {
	pid     int
	started string // when, in the kernel's ticks
}

// An ownAddr is an address that belongs to one process of an instance.
type ownAddr struct{ what, addr string }

func (a ownAddr) String() string { return a.what + " " + a.addr }

// listens are the addresses at which a server that is started here listens:
// those that it is told, and what says that it is ready. Where its target is
// need not be the subject's business.
func (v values) listens(server *Role) (out []ownAddr, err error) {
	out = []ownAddr{{"tunnel", v.at.Tunnel}, {"visitor", v.at.Visitor}, {"api", v.at.API}}
	if server.Ready != nil {
		tcp, err := v.fill(server.Ready.TCP)
		if err != nil {
			return nil, err
		}
		http, err := v.fill(server.Ready.HTTP)
		if err != nil {
			return nil, err
		}
		out = append(out, ownAddr{"server.ready.tcp", tcp}, ownAddr{"server.ready.http", hostPort(http)})
	}
	seen := map[string]bool{"": true}
	var once []ownAddr
	for _, a := range out {
		if !seen[a.addr] {
			once = append(once, a)
		}
		seen[a.addr] = true
	}
	return once, nil
}

// hostPort is the address that an http condition connects to; empty when there is none.
func hostPort(http string) string {
	if http == "" {
		return ""
	}
	if !strings.Contains(http, "://") {
		http = "http://" + http
	}
	u, err := url.Parse(http)
	switch {
	case err != nil:
		return ""
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// vacancyTime bounds the look at an address that should be free: one of this machine answers at once.
const vacancyTime = time.Second

// vacant refuses an address that accepts connections before the subject is
// started: whoever does would be certified, or measured, in its place.
func vacant(ctx context.Context, addrs []ownAddr) error {
	for _, a := range addrs {
		c, err := (&net.Dialer{Timeout: vacancyTime}).DialContext(ctx, "tcp", a.addr)
		if err == nil {
			itself := c.LocalAddr().String() == c.RemoteAddr().String() // a port that dials itself: nobody listens
			_ = c.Close()
			if itself {
				continue
			}
		} else if !errors.Is(err, syscall.ECONNRESET) { // which is how one that accepts may end it
			continue
		}
		return &StrangerError{At: a.String(), Says: "accepts connections before the subject is started; it is held by", Holder: holderOf(a.addr), what: a.what}
	}
	return nil
}

// acceptTime is how long a program may take to accept a connection.
const acceptTime = 5 * time.Second

// Owner finds out who holds the sockets at the instance's addresses: those that
// listen there, those that were accepted, conns among them, and those that were
// dialled to where its client connects. All have to be held by what the instance
// started: by the process or the session of a command, or a child of one, or what
// carries its ADIT_INSTANCE; of a container within its own network, too.
//
// nil says that they are, and that there are some. Else the error is a
// *StrangerError, an *ExitError, or an *UncheckedError where the system does not say.
func (in *Instance) Owner(ctx context.Context, conns ...net.Conn) error {
	for _, p := range in.Processes() {
		if !p.Running() {
			return p.exitError()
		}
	}
	return in.sockets(ctx, conns)
}
