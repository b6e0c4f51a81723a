package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/reference/session"
	"github.com/adit-tunnel/adit/reference/sock"
	"github.com/adit-tunnel/adit/spec/wire"
)

// network is what a dialer under test sees instead of the machine's.
type network struct {
	names   map[string][]string // what they resolve to
	answers map[string]error    // by address; nil: accepts, absent: never answers
	lookups int
	dialled []string
}

func (n *network) dialer(t *testing.T, rules string) *dialer {
	t.Helper()
	policy, err := ParsePolicy(strings.Fields(rules))
	if err != nil {
		t.Fatal(err)
	}
	d := newDialer(policy, Services{}, "127.0.0.1")
	d.lookup, d.connect = n.lookup, n.connect
	return d
}

func (n *network) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.lookups++
	texts, known := n.names[host]
	if !known {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var addrs []netip.Addr
	for _, text := range texts {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func (n *network) connect(ctx context.Context, address string) (*sock.TCP, error) {
	n.dialled = append(n.dialled, address)
	host, _, _ := net.SplitHostPort(address)
	err, answers := n.answers[host]
	if !answers {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return new(sock.TCP), nil
}

func TestRequestsAreDialledOrAnsweredWithTheReason(t *testing.T) {
	for _, c := range []struct {
		what    string
		rules   string
		host    string
		dialled string // addresses, in order
		status  wire.Status
	}{
		{"loopback", "", "127.0.0.1", "127.0.0.1:80", wire.StatusSuccess},
		{"a name for loopback", "", "localhost", "127.0.0.1:80", wire.StatusSuccess},
		{"no host: the client's own", "", "", "127.0.0.1:80", wire.StatusSuccess},
		{"an address outside of the policy is not dialled", "", "192.0.2.1", "", wire.StatusDenied},
		{"nor a name that leads there", "", "outside.example", "", wire.StatusDenied},
		{"an allowed address", "192.0.2.1", "192.0.2.1", "192.0.2.1:80", wire.StatusSuccess},
		{"a name that leads to an allowed address", "192.0.2.0/24", "outside.example", "192.0.2.1:80", wire.StatusSuccess},
		{"an allowed name", "outside.example:80", "outside.example", "192.0.2.1:80", wire.StatusSuccess},
		{"an allowed name at another port", "outside.example:81", "outside.example", "", wire.StatusDenied},
		{"of several addresses only those allowed", "", "mixed.example", "127.0.0.2:80", wire.StatusSuccess},
		{"the next address when one refuses", "*", "mixed.example", "203.0.113.1:80 127.0.0.2:80", wire.StatusSuccess},
		{"a name without address", "*", "nowhere.example", "", wire.StatusNotResolved},
		{"a name with an empty answer", "*", "empty.example", "", wire.StatusNotResolved},
		{"refused", "*", "203.0.113.1", "203.0.113.1:80", wire.StatusRefused},
		{"no route", "*", "203.0.113.2", "203.0.113.2:80", wire.StatusUnreachable},
		{"no route to the network", "*", "203.0.113.3", "203.0.113.3:80", wire.StatusUnreachable},
		{"out of descriptors", "*", "203.0.113.4", "203.0.113.4:80", wire.StatusTooMany},
		{"anything else", "*", "203.0.113.5", "203.0.113.5:80", wire.StatusGeneral},
		{"silence", "*", "203.0.113.6", "203.0.113.6:80", wire.StatusTimedOut},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{
				names: map[string][]string{
					"localhost": {"127.0.0.1"}, "outside.example": {"192.0.2.1"}, "mixed.example": {"203.0.113.1", "127.0.0.2"}, "empty.example": nil,
				},
				answers: map[string]error{
					"127.0.0.1": nil, "127.0.0.2": nil, "192.0.2.1": nil,
					"203.0.113.1": syscall.ECONNREFUSED, "203.0.113.2": syscall.EHOSTUNREACH, "203.0.113.3": syscall.ENETUNREACH,
					"203.0.113.4": syscall.EMFILE, "203.0.113.5": syscall.EACCES,
				},
			}
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			d := n.dialer(t, c.rules)
			host := c.host
			if host == "" {
				host = d.host
			}
			_, err := d.dial(ctx, host, 80, false)
			status := wire.StatusSuccess
			if err != nil {
				status = session.StatusOf(err)
			}
			if got := strings.Join(n.dialled, " "); status != c.status || got != c.dialled {
				t.Errorf("%s: dial(%q) with rules %q dialled %q, %v (%v); want %q, %v", c.what, c.host, c.rules, got, status, err, c.dialled, c.status)
			}
			if n.lookups > 1 { // SEC-003: resolved once
				t.Errorf("%s: %d lookups; want one at most", c.what, n.lookups)
			}
			if status == wire.StatusDenied && !strings.Contains(err.Error(), "-allow "+c.host+":80") {
				t.Errorf("%s: %q does not name the remedy", c.what, err)
			}
		})
	}
}

func TestAnAddressThatNeverAnswersLeavesTimeForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{names: map[string][]string{"two.example": {"192.0.2.9", "127.0.0.1"}}, answers: map[string]error{"127.0.0.1": nil}}
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := n.dialer(t, "two.example").dial(ctx, "two.example", 80, false); err != nil || time.Since(start) != 4*time.Second {
			t.Errorf("dial = %v after %v; want success after half of the time", err, time.Since(start))
		}
	})
}

func TestCancelledDialTriesNoOtherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{names: map[string][]string{"two.example": {"192.0.2.9", "127.0.0.1"}}, answers: map[string]error{"127.0.0.1": nil}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := n.dialer(t, "two.example").dial(ctx, "two.example", 80, false)
		if !errors.Is(err, context.Canceled) || !slices.Equal(n.dialled, []string{"192.0.2.9:80"}) {
			t.Errorf("dial = %v, dialled %v; want the first address only, cancelled", err, n.dialled)
		}
	})
}

func TestServiceAnswersWithAConnectedSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	d := newDialer(Policy{}, Services{}, "127.0.0.1")
	for _, host := range []string{"", "127.0.0.1", "::ffff:127.0.0.1"} {
		s, err := d.service(t.Context(), session.Target{Host: host, Port: port})
		if err != nil {
			t.Fatalf("service(%q) = %v", host, err)
		}
		s.Close()
	}
	l.Close()
	_, err = d.service(t.Context(), session.Target{Port: port})
	if session.StatusOf(err) != wire.StatusRefused {
		t.Errorf("service of a closed port = %v; want refused", err)
	}
}
