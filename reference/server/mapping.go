package server

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/adit-tunnel/adit/reference/api"
	"github.com/adit-tunnel/adit/reference/store"
)

const (
	firstBindRetry = 250 * time.Millisecond
	mostBindRetry  = 10 * time.Second
)

// mapping is a public port that is served, or waits for its port to become free.
type mapping struct {
	row    store.Mapping // ID 0: not stored
	client netip.Prefix  // row.Client; zero: any
	log    *slog.Logger

	bind  func() (*net.TCPListener, error)
	visit func(*net.TCPConn) // takes each visitor, without waiting
	stop  context.CancelFunc // ends serve
	done  chan struct{}      // closed when serve has ended

	mu       sync.Mutex       // guards the following fields
	listener *net.TCPListener // nil while the port cannot be bound
	bindErr  error            // why not
	live     map[*visit]struct{}
	total    int64 // visits begun, live ones included
	failed   int64 // of those that are over: ended by an error
	in, out  int64 // of those that are over: octets
}

// serve accepts visitors. While the port cannot be bound it tries again, after waits that grow. The manager
// starts it, halt ends it.
func (m *mapping) serve(ctx context.Context) {
	defer close(m.done)
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval = firstBindRetry, mostBindRetry
	l := m.bound()
	for l == nil {
		select {
		case <-time.After(waits.NextBackOff()):
		case <-ctx.Done():
			return
		}
		if m.attach(m.bind()); m.bound() != nil {
			l = m.bound()
			m.log.Info("mapping served: its port is free now")
		}
	}
	defer context.AfterFunc(ctx, m.unlisten)()
	accept(l, m.log, m.visit)
}

// halt stops accepting visitors, and returns when no more will come. Those that came go on.
func (m *mapping) halt() {
	m.stop()
	<-m.done
	m.unlisten() // what serve bound and did not come to accept from
}

func (m *mapping) bound() *net.TCPListener {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.listener
}

// attach takes the result of an attempt to bind.
func (m *mapping) attach(l *net.TCPListener, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listener, m.bindErr = l, err
}

func (m *mapping) unlisten() {
	if l := m.bound(); l != nil {
		l.Close() // a second time does no harm
	}
}

// begin enters a visit in the books, finish closes them on it.
func (m *mapping) begin(v *visit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total++
	m.live[v] = struct{}{}
}

func (m *mapping) finish(v *visit, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, v)
	m.in += v.counts.In.Load()
	m.out += v.counts.Out.Load()
	if err != nil {
		m.failed++
	}
}

// target is where the mapping leads, host:port.
func (m *mapping) target() string {
	return net.JoinHostPort(m.row.TargetHost, strconv.Itoa(m.row.TargetPort))
}

func (m *mapping) apiRow() api.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.row
	return api.Row{
		ID: r.ID, Port: r.Port, TargetHost: r.TargetHost, TargetPort: r.TargetPort, UseTunnel: r.UseTunnel,
		Client: r.Client, CreatedAt: r.CreatedAt, Err: m.bindErr, Active: len(m.live),
	}
}

func (m *mapping) apiStats() api.MappingStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := api.MappingStats{
		Port: m.row.Port, Target: m.target(), UseTunnel: m.row.UseTunnel,
		Active: len(m.live), Total: m.total, Failed: m.failed, In: m.in, Out: m.out,
	}
	for v := range m.live {
		s.In += v.counts.In.Load()
		s.Out += v.counts.Out.Load()
	}
	if m.bindErr != nil {
		s.Error = m.bindErr.Error()
	}
	return s
}
