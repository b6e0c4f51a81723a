package subject

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// NotReadyError says which condition did not come true in time.
type NotReadyError struct {
	Condition string // like tcp 127.0.0.1:20001
	Within    time.Duration
	Last      error    // the last attempt's; nil for a line of the log
	Log       []string // last lines of the processes
}

func (e *NotReadyError) Error() string {
	last := ""
	if e.Last != nil {
		last = fmt.Sprintf(" (%v)", e.Last)
	}
	return fmt.Sprintf("not ready within %v: %s%s%s", e.Within, e.Condition, last, quoteLog(e.Log))
}

func (e *NotReadyError) Unwrap() error { return e.Last }

// Timeout says that nothing is known to be wrong but the time.
func (*NotReadyError) Timeout() bool { return true }

// A gate is a Ready with its placeholders filled in, and the processes that it
// concerns: a line of any of them, and none of them may end.
type gate struct {
	tcp, http string
	log       *regexp.Regexp
	within    time.Duration
	procs     []*Process
}

func (v values) gate(r *Ready, procs ...*Process) (*gate, error) {
	if r == nil {
		return nil, nil
	}
	g := &gate{within: cmp.Or(time.Duration(r.Within), 10*time.Second), procs: procs}
	var err error
	if g.tcp, err = v.fill(r.TCP); err != nil {
		return nil, err
	}
	if g.http, err = v.fill(r.HTTP); err != nil {
		return nil, err
	}
	if r.Log != "" {
		g.log, err = regexp.Compile(r.Log)
	}
	return g, err
}

// up starts a process and waits until all conditions hold.
func (g *gate) up(ctx context.Context, p *Process) error {
	hits := g.lines()
	if err := p.start(ctx); err != nil {
		return err
	}
	return g.wait(ctx, hits)
}

// lines begins to watch the logs; it is called before what writes them is started.
func (g *gate) lines() []<-chan struct{} {
	if g == nil || g.log == nil {
		return nil
	}
	hits := make([]<-chan struct{}, len(g.procs))
	for i, p := range g.procs {
		hits[i] = p.log.watch(g.log)
	}
	return hits
}

// wait waits until all conditions hold; hits is what lines returned.
func (g *gate) wait(ctx context.Context, hits []<-chan struct{}) error {
	if g == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.within)
	defer cancel()
	if len(hits) > 0 {
		if err := g.watch(ctx, hits); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name, at string
		try      func(context.Context, string) error
	}{{"tcp", g.tcp, tryTCP}, {"http", g.http, tryHTTP}} {
		if c.at == "" {
			continue
		}
		if err := g.poll(ctx, c.name+" "+c.at, c.at, c.try); err != nil {
			return err
		}
	}
	return nil
}

// watch waits for a line in any of the logs.
func (g *gate) watch(ctx context.Context, hits []<-chan struct{}) error {
	first, other := hits[0], (<-chan struct{})(nil)
	if len(hits) > 1 {
		other = hits[1]
	}
	select {
	case <-first:
	case <-other:
	case <-g.exited(0):
		return g.procs[0].exitError()
	case <-g.exited(1):
		return g.procs[1].exitError()
	case <-ctx.Done():
		return g.notReady(ctx, "log "+g.log.String(), nil)
	}
	return nil
}

// poll tries until it works: no event tells that a foreign process listens.
func (g *gate) poll(ctx context.Context, condition, at string, try func(context.Context, string) error) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var last error
	for {
		select {
		case <-pause.C:
		case <-g.exited(0):
			return g.procs[0].exitError()
		case <-g.exited(1):
			return g.procs[1].exitError()
		case <-ctx.Done():
			return g.notReady(ctx, condition, last)
		}
		if err := try(ctx, at); err == nil {
			return nil
		} else if ctx.Err() == nil {
			last = err
		}
		pause.Reset(10 * time.Millisecond)
	}
}

// exited is the end of the process with index i; nil when there is none.
func (g *gate) exited(i int) <-chan struct{} {
	if i >= len(g.procs) {
		return nil
	}
	return g.procs[i].Exited()
}

func (g *gate) notReady(ctx context.Context, condition string, last error) error {
	if err := context.Cause(ctx); err != context.DeadlineExceeded {
		return err // the caller gave up
	}
	e := &NotReadyError{Condition: condition, Within: g.within, Last: last}
	for _, p := range g.procs {
		for _, line := range p.Log(0) {
			e.Log = append(e.Log, p.Name+": "+line)
		}
	}
	return e
}

// probeEnd is how long a probe waits to see its own connection ended.
const probeEnd = 2 * time.Second

// tryTCP connects, ends its side and reads until the other side has ended too: a probe that a program
// still has in its accept queue could later be taken for a visitor.
func tryTCP(ctx context.Context, addr string) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(probeEnd))
	_, _ = io.Copy(io.Discard, c)
	return nil
}

func tryHTTP(ctx context.Context, url string) error {
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answers %s", resp.Status)
	}
	return nil
}
