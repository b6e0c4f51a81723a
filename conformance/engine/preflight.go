package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// preflight finds out whether anybody is there, and how long the path is.
func (r *Runner) preflight(ctx context.Context) (Running, error) {
	if r.Role == Client {
		return nil, r.preflightClient(ctx)
	}
	running, err := r.start(ctx, "", Endpoints{})
	if err != nil {
		return nil, r.unreachable(running, err)
	}
	if err := r.reachable(ctx, running); err != nil {
		running.Stop()
		return nil, err
	}
	return running, nil
}

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
		rtt, err := reach(ctx, addr, visitor)
		switch {
		case err != nil && visitor:
			return unreachable("visitor port "+addr+" of "+r.Subject.Describe(), running, fmt.Errorf("it must be a mapped port, which accepts visitors: %w", err))
		case err != nil:
			return r.unreachable(running, fmt.Errorf("no tunnel is accepted at %s: %w", addr, err))
		}
		r.slack.CompareAndSwap(0, int64(calibrated(rtt)))
	}
	if !r.Subject.Owned() && at.Visitor != "" {
		why, err := alone(ctx, at, time.Duration(r.slack.Load()))
		if err != nil {
			return r.unreachable(running, err)
		}
		r.taken = why
	}
	return nil
}

// calibrated is what a path with that round trip adds to every deadline.
func calibrated(rtt time.Duration) time.Duration { return 250*time.Millisecond + 4*rtt }

// visitorEnd is how long preflight's visitor waits to be ended.
const visitorEnd = time.Second

// reachTime is how long a subject that runs elsewhere may take to accept.
const reachTime = 5 * time.Second

// reach connects to addr once and says how long that took. A visitor waits
// until it is ended, as nobody serves it, so that no later case meets it.
func reach(ctx context.Context, addr string, visitor bool) (time.Duration, error) {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		begun := time.Now()
		conn, err := d.DialContext(ctx, "tcp", addr)
		took := time.Since(begun)
		if err == nil {
			if visitor {
				_ = conn.SetReadDeadline(begun.Add(visitorEnd))
				_, _ = conn.Read(make([]byte, 1))
			}
			_ = conn.Close()
		}
		if err == nil || errors.Is(err, syscall.ECONNRESET) { // a visitor that nobody serves is accepted, then reset
			return took, nil
		}
		retry := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			retry.Stop()
			return 0, err
		case <-retry.C:
		}
	}
}

// preflightClient waits for a client's first tunnel.
func (r *Runner) preflightClient(ctx context.Context) error {
	l, err := listen(r.Listen)
	if err != nil {
		return err
	}
	if !r.Subject.Owned() {
		r.tunnels = l
	} else {
		defer l.Close()
	}
	target, err := listen(r.Target)
	if err != nil {
		return err
	}
	defer target.Close()
	running, err := r.start(ctx, "", Endpoints{Tunnel: l.Addr().String(), Target: target.Addr().String()})
	if err != nil {
		return r.unreachable(running, err)
	}
	defer running.Stop()
	within := FirstClient
	if r.Subject.Owned() {
		within = firstDial
	}
	watch, cancel := context.WithTimeout(ctx, within)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() { interrupt(watch, running.Exited(), l.(*net.TCPListener)) })
	conn, err := l.Accept()
	if err != nil {
		err = fmt.Errorf("no client connected to %s within %s", l.Addr(), within)
		if watch.Err() == nil {
			err = fmt.Errorf("its process ended before it connected: %s", running.Status())
		}
		return r.unreachable(running, err)
	}
	r.slack.Store(int64(calibrated(0)))
	if r.Subject.Owned() {
		return conn.Close()
	}
	r.early.Store(conn.(*net.TCPConn))
	return nil
}

// awaitClient waits until a client that somebody else starts has dialled
// again: that is part of no case's time. A client that stays away fails the case.
func (r *Runner) awaitClient(ctx context.Context) {
	if r.early.Load() != nil {
		return
	}
	if conn, err := acceptWithin(ctx, r.tunnels, RedialDelay+Answer); err == nil {
		r.early.Store(conn)
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
	if conn := r.early.Swap(nil); conn != nil {
		_ = conn.Close()
	}
	if r.tunnels != nil {
		_ = r.tunnels.Close()
	}
}

// FirstClient is how long the suite waits for a client that somebody else starts.
const FirstClient = 2 * time.Minute

// interrupt ends an Accept of l as soon as ctx or the process ends.
// preflightClient starts it, and ends ctx when it has its answer.
func interrupt(ctx context.Context, exited <-chan struct{}, l *net.TCPListener) {
	select {
	case <-ctx.Done():
	case <-exited:
	}
	_ = l.SetDeadline(time.Unix(1, 0))
}
