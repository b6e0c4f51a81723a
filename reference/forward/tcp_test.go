package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/sock"
)

// listen is a loopback listener that ends with the test.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func forwarded(t *testing.T, ctx context.Context, f *TCP, target net.Addr, header ...byte) (visitor *net.TCPConn, result <-chan error) {
	t.Helper()
	return forwardedBy(t, ctx, f, target, Options{Header: header})
}

func forwardedBy(t *testing.T, ctx context.Context, f *TCP, target net.Addr, o Options) (visitor *net.TCPConn, result <-chan error) {
	t.Helper()
	visitor, near := pair(t)
	visitor.SetDeadline(time.Now().Add(soon))
	done := make(chan error, 1)
	go func() {
		done <- f.Forward(ctx, socket(t, near), NewPool(PoolConfig{Targets: []string{target.String()}}), new(sock.Counts), o)
	}()
	return visitor, done
}

func TestForwardReachesTheTarget(t *testing.T) {
	l := listen(t)
	visitor, result := forwarded(t, t.Context(), new(TCP), l.Addr())
	service, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(service, "welcome")
	service.Close()
	if got, err := io.ReadAll(visitor); string(got) != "welcome" || err != nil {
		t.Errorf("visitor read %q, %v; want the greeting and the end", got, err)
	}
	visitor.Close()
	want(t, "Forward", result, nil)
}

func TestTheHeaderComesFirst(t *testing.T) {
	l := listen(t)
	visitor, result := forwarded(t, t.Context(), new(TCP), l.Addr(), []byte("header ")...)
	service, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(visitor, "visitor")
	visitor.CloseWrite()
	if got, err := io.ReadAll(service); string(got) != "header visitor" || err != nil {
		t.Errorf("the target reads %q, %v; want the header and what the visitor says", got, err)
	}
	service.Close()
	want(t, "Forward", result, nil)
}

func TestVisitorIsResetWhen(t *testing.T) {
	closed := listen(t)
	closed.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		tcp    *TCP
		o      Options
		target error
	}{
		"the target refuses":         {t.Context(), new(TCP), Options{}, syscall.ECONNREFUSED},
		"the dial takes too long":    {t.Context(), new(TCP), Options{DialTimeout: time.Nanosecond}, os.ErrDeadlineExceeded},
		"the dial is given up":       {ended, new(TCP), Options{}, context.Canceled},
		"too many visitors are open": {t.Context(), busy(t), Options{Max: 1}, ErrBusy},
	} {
		t.Run(name, func(t *testing.T) {
			visitor, result := forwardedBy(t, c.ctx, c.tcp, closed.Addr(), c.o)
			wantReset(t, "visitor", visitor)
			select {
			case err := <-result:
				// A dial timeout is a net.Error of its own.
				if ne, ok := errors.AsType[net.Error](err); !errors.Is(err, c.target) && !(c.target == os.ErrDeadlineExceeded && ok && ne.Timeout()) {
					t.Errorf("Forward = %v; want %v", err, c.target)
				}
			case <-time.After(soon):
				t.Fatal("Forward still runs")
			}
		})
	}
}

// busy is a forwarder whose only place is taken until the test ends.
func busy(t *testing.T) *TCP {
	t.Helper()
	l := listen(t)
	f := new(TCP)
	visitor, result := forwarded(t, context.Background(), f, l.Addr()) // cleanup runs after t.Context ends
	service, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		service.Close()
		visitor.Close()
		want(t, "the first Forward", result, nil)
		if n := f.Active(); n != 0 {
			t.Errorf("Active() = %d after the end; want 0", n)
		}
	})
	return f
}
