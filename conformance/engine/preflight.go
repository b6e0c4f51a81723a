package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A contact is what preflight learns about the way to the subject.
type contact struct {
	slack    atomic.Int64                // nanoseconds added to each deadline, for the length of the path
	taken    string                      // why visitors do not reach the suite; empty: they do
	tunnels  net.Listener                // of a client that somebody else starts: open until Run ends
	accepted atomic.Pointer[net.TCPConn] // its next tunnel, accepted before the case that takes it
	owner    owner
	stop     context.CancelCauseFunc // ends the run: there is nobody to go on with
}

// An owner is what is known of who answers at the subject's addresses.
type owner struct {
	mu  sync.Mutex
	own bool   // the subject did; guards below
	why string // why it cannot be told
}

// take notes what Running.Owner said. What remains is that it is not the subject.
func (o *owner) take(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.own = true
	case errors.Is(err, errors.ErrUnsupported):
		o.why = err.Error()
		err = nil
	}
	return err
}

// Owner reports, after Run, whether the subject itself was seen at its addresses, and if not, why that cannot be told.
func (r *Runner) Owner() (own bool, why string) {
	r.contact.owner.mu.Lock()
	defer r.contact.owner.mu.Unlock()
	return r.contact.owner.own, r.contact.owner.why
}

// preflight finds out whether anybody is there, and how long the path is. A
// server that is ready serves the first case too.
func (r *Runner) preflight(ctx context.Context) (Running, error) {
	if r.Role == Client {
		return nil, r.preflightClient(ctx)
	}
	how := r.setup(Case{With: r.With}, Endpoints{})
	how.Scenario = ""
	running, err := r.start(ctx, how)
	if err != nil {
		return nil, r.unreachable(running, err)
	}
	if err := r.reachable(ctx, running); err != nil {
		running.Stop()
		return nil, err
	}
	return running, nil
}

// starts is how often a server is started that ends before it is ready: a port
// that was free when it was chosen may be somebody else's by then. What is not ready in time
// on a machine that is too busy is started once more, too.
const starts = 2

// starting bounds how many instances start at a time: all cases that wait for timers begin together, and thirty
// interpreters that load on two processors are late, each of them.
var starting = make(chan struct{}, 2*runtime.NumCPU())

// start starts the subject.
func (r *Runner) start(ctx context.Context, s Setup) (running Running, err error) {
	select {
	case starting <- struct{}{}:
		defer func() { <-starting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for range starts {
		begun := time.Now()
		running, err = r.Subject.Start(ctx, s)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrDeclined) || errors.Is(err, ErrStranger) || late(err) && !r.mon.busy(begun) || r.Role == Client && !late(err) {
			break
		}
	}
	return running, err
}

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	return net.Listen("tcp", addr)
}

// UnreachableError says that a subject never became ready: TCP never
// connected, or its command ended before.
type UnreachableError struct {
	Subject string // or its visitor port
	Reason  error
	Log     []string // what its command last wrote
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s is unreachable: %v", e.Subject, e.Reason)
}

func (e *UnreachableError) Unwrap() error { return e.Reason }

func (r *Runner) unreachable(running Running, err error) error {
	return unreachable(r.Subject.Describe(), running, err)
}

func unreachable(what string, running Running, err error) error {
	ue := &UnreachableError{Subject: what, Reason: err}
	if running != nil {
		ue.Log = running.LogSince(time.Time{}, logLines)
	}
	return ue
}

// logLines is how much of the subject's log a failure shows.
const logLines = 30

// reachable makes sure that a server accepts tunnels and visitors, and
// measures how long the path to it is.
func (r *Runner) reachable(ctx context.Context, running Running) error {
	if r.Role == Client {
		return nil
	}
	at := running.Endpoints()
	for _, addr := range []string{at.Tunnel, at.Visitor} {
		if addr == "" {
			continue
		}
		visitor := addr == at.Visitor
		var owner error
		greet := func(conn net.Conn) {
			if visitor { // ended, as nobody serves it, so that no later case meets it
				_ = conn.SetReadDeadline(time.Now().Add(visitorEnd))
				_, _ = conn.Read(make([]byte, 1))
				return
			}
			owner = r.contact.owner.take(running.Owner(ctx, conn))
		}
		var rtt time.Duration
		_, err := r.mon.patiently(time.Now(), reachTime, func() (err error) {
			rtt, err = reach(ctx, addr, greet)
			return err
		})
		switch {
		case err != nil && visitor:
			return unreachable("visitor port "+addr+" of "+r.Subject.Describe(), running, fmt.Errorf("it must be a mapped port, which accepts visitors: %w", err))
		case err != nil:
			return r.unreachable(running, fmt.Errorf("no tunnel is accepted at %s: %w", addr, err))
		case owner != nil:
			return r.unreachable(running, owner)
		}
		r.contact.slack.CompareAndSwap(0, int64(calibrated(rtt)))
	}
	if !r.Subject.Owned() && at.Visitor != "" {
		why, err := alone(ctx, at, time.Duration(r.contact.slack.Load()))
		if err != nil && !r.Alone {
			return r.unreachable(running, err)
		}
		r.contact.taken = why
	}
	return nil
}

// calibrated is what a path with that round trip adds to every deadline.
func calibrated(rtt time.Duration) time.Duration { return 250*time.Millisecond + 4*rtt }

// visitorEnd is how long preflight's visitor waits to be ended.
const visitorEnd = time.Second

// reachTime is how long a subject that runs elsewhere may take to accept.
const reachTime = 5 * time.Second

// reach connects to addr once, does something with the connection, and says how long connecting took.
func reach(ctx context.Context, addr string, do func(net.Conn)) (time.Duration, error) {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		begun := time.Now()
		conn, err := d.DialContext(ctx, "tcp", addr)
		took := time.Since(begun)
		if err == nil {
			do(conn)
			_ = conn.Close()
		}
		if err == nil || errors.Is(err, syscall.ECONNRESET) { // a visitor that nobody serves is accepted, then reset
			return took, nil
		}
		retry := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			retry.Stop()
			return 0, tooLate{err}
		case <-retry.C:
		}
	}
}

// FirstClient is how long the suite waits for a client that somebody else starts.
const FirstClient = 2 * time.Minute

// firstDial is how long a client that the suite has just started may take to connect.
const firstDial = 15 * time.Second

// preflightClient waits for a client's first tunnel.
func (r *Runner) preflightClient(ctx context.Context) error {
	l, err := listen(r.Listen)
	if err != nil {
		return err
	}
	if !r.Subject.Owned() {
		r.contact.tunnels = l
	} else {
		defer l.Close()
	}
	target, err := listen(r.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	running, err := r.start(ctx, Setup{At: Endpoints{Tunnel: l.Addr().String(), Target: target.Addr().String()}})
	if err != nil {
		return r.unreachable(running, err)
	}
	defer running.Stop()
	var conn net.Conn
	waited := FirstClient
	if r.Subject.Owned() {
		waited, err = r.mon.patiently(time.Now(), firstDial, func() (err error) {
			conn, err = firstTunnel(ctx, l.(*net.TCPListener), running, firstDial)
			return err
		})
	} else {
		conn, err = firstTunnel(ctx, l.(*net.TCPListener), running, FirstClient)
	}
	if late(err) {
		err = fmt.Errorf("no client connected to %s within %s: %w", l.Addr(), waited, err)
	}
	if err != nil {
		return r.unreachable(running, err)
	}
	r.contact.slack.Store(int64(calibrated(0)))
	if r.Subject.Owned() {
		return conn.Close()
	}
	r.contact.accepted.Store(conn.(*net.TCPConn))
	return nil
}

// firstTunnel accepts a client's first tunnel, unless its process ends before.
func firstTunnel(ctx context.Context, l *net.TCPListener, running Running, within time.Duration) (net.Conn, error) {
	_ = l.SetDeadline(time.Time{})
	watch, cancel := context.WithTimeout(ctx, within)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() { interrupt(watch, running.Exited(), l) })
	conn, err := l.Accept()
	if err != nil && watch.Err() == nil {
		err = fmt.Errorf("its process ended before it connected: %s", running.Status())
	}
	return conn, err
}

// interrupt ends an Accept of l as soon as ctx or the process ends.
// firstTunnel starts it, and ends ctx when it has its answer.
func interrupt(ctx context.Context, exited <-chan struct{}, l *net.TCPListener) {
	select {
	case <-ctx.Done():
	case <-exited:
	}
	_ = l.SetDeadline(time.Unix(1, 0))
}

// awaitClient waits until a client that somebody else starts has dialled
// again: that is part of no case's time. A client that stays away fails the case.
func (r *Runner) awaitClient(ctx context.Context) {
	if r.contact.accepted.Load() != nil {
		return
	}
	if conn, err := acceptWithin(ctx, r.contact.tunnels, NextTunnel); err == nil {
		r.contact.accepted.Store(conn)
	}
}

// acceptWithin accepts one connection, until d has passed or ctx ends.
func acceptWithin(ctx context.Context, l net.Listener, d time.Duration) (*net.TCPConn, error) {
	tl := l.(*net.TCPListener)
	_ = tl.SetDeadline(time.Now().Add(d))
	ended := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		_ = tl.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	defer func() {
		if !release() { // the deadline of a later call must not be overwritten
			<-ended
		}
	}()
	return tl.AcceptTCP()
}

// hangUp closes what preflight left open.
func (r *Runner) hangUp() {
	if conn := r.contact.accepted.Swap(nil); conn != nil {
		_ = conn.Close()
	}
	if r.contact.tunnels != nil {
		_ = r.contact.tunnels.Close()
	}
}
