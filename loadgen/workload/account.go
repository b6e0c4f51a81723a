package workload

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/series"
)

// What became of a packet that was not ok.
const (
	TimedOut   = "timeout"    // no progress within the scenario's timeout
	Reset      = "reset"      // the connection ended under it
	Refused    = "refused"    // no connection
	Corrupt    = "corrupt"    // wrong octets
	Unfinished = "unfinished" // neither at the end of the drain
)

// Outcomes lists them.
var Outcomes = []string{TimedOut, Reset, Refused, Corrupt, Unfinished}

// An account is what was not ok.
type account struct {
	mu          sync.Mutex // guards below
	ends        []End
	failedDials int64
	faults      []*payload.Fault
}

// An End is a packet that was not ok, and how far its stream had come.
type End struct {
	Stream uint64 `json:"stream,omitempty"` // 0: none
	How    string `json:"how"`
	Sent   int64  `json:"sent,omitempty"` // octets
	In     int64  `json:"in,omitempty"`   // octets received and right
}

// A Standing is a living stream at some instant.
type Standing struct {
	Stream  uint64 `json:"stream"`
	Sent    int64  `json:"sent"`
	In      int64  `json:"in"`
	Group   byte   `json:"group"`
	Echoes  bool   `json:"echoes,omitempty"`  // packets come back
	Waits   bool   `json:"waits,omitempty"`   // for the echo of a packet
	Overdue int64  `json:"overdue,omitempty"` // packets that were due and have not been sent
}

// A Result is what a crew found out, for the joining with those of other processes.
type Result struct {
	Seconds        float64          `json:"seconds"` // measured time
	OK             int64            `json:"ok"`      // packets, churn: connections, complete in that time
	Late           int64            `json:"late,omitempty"`
	Down           int64            `json:"down,omitempty"` // octets that came from the target, right, in that time; echoes apart
	Overdue        int64            `json:"overdue,omitempty"`
	Dials          int64            `json:"dials,omitempty"` // connections made, in all phases
	FailedConnects int64            `json:"failed_connects,omitempty"`
	Ends           []End            `json:"ends,omitempty"`
	Faults         []*payload.Fault `json:"faults,omitempty"`
	Service        hist.Part        `json:"service"`
	Response       hist.Part        `json:"response"`
	Lag            hist.Part        `json:"lag"`
	Wake           hist.Part        `json:"wake"` // how late the generator woke up, every 5 ms; with a rate
	Connect        hist.Part        `json:"connect"`
	First          hist.Part        `json:"first"`

	Slowest []Slow          `json:"slowest,omitempty"`
	Sockets []sample.Socket `json:"sockets,omitempty"` // of some connections, at the end of the measured time

	Series *series.Part `json:"series,omitempty"` // absent when the measured time was not over

	During hist.Part `json:"during"` // with a time line: response, without a rate service, of what was due in an event
	After  hist.Part `json:"after"`  // of what was due after all of them
	Lives  []Life    `json:"lives,omitempty"`
	Waits  []Wait    `json:"waits,omitempty"`
}

// leave forgets the connection and writes down why it ended.
func (w *visitor) leave(err error) {
	since := time.Duration(w.progress.Swap(0))
	conn, end, slow := w.part()
	if conn != nil {
		_ = conn.Close()
	}
	if err == nil || w.isGone() { // Close counts what was under way as unfinished
		w.witness.end(w.life, "", 0)
		return
	}
	defer func() { w.witness.end(w.life, end.How, since) }()
	end.How = Reset
	fault, corrupt := errors.AsType[*payload.Fault](err)
	_, dialling := errors.AsType[dialError](err)
	if dialling {
		w.life = nil
	}
	switch {
	case corrupt:
		end.How = Corrupt
	case slow, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		end.How = TimedOut
	case dialling:
		end.How = Refused
	}
	if end.How == TimedOut && w.Group.Rate > 0 && w.phase.Load() == measuring { // left out it would make the response look good
		took := max(w.now()-w.asked, w.Timeout)
		w.response.Record(w.id, took)
		w.witness.record(w.id, w.now()-took, took)
	}
	w.account.mu.Lock()
	defer w.account.mu.Unlock()
	if dialling {
		w.failedDials++
		w.ends = append(w.ends, End{How: end.How})
		return
	}
	w.ends = append(w.ends, end)
	if corrupt {
		w.faults = append(w.faults, fault)
	}
}

// part takes the connection away from the visitor.
func (w *visitor) part() (conn net.Conn, end End, slow bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn, slow, end.Stream, end.Sent = w.conn, w.slow, w.stream, w.sent.Load()
	if w.in != nil {
		end.In = w.in.Load()
	}
	w.conn, w.stream = nil, 0
	return conn, end, slow
}

// hangUp ends a connection that is done with.
func (w *visitor) hangUp(reset bool) {
	conn, _, _ := w.part()
	if conn == nil {
		return
	}
	w.witness.close(w.life)
	w.life = nil
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cutWhenGone closes a connection when the crew ends, until the function that it returns is called.
func (w *visitor) cutWhenGone(c net.Conn) func() bool {
	return context.AfterFunc(w.ctx, func() { _ = c.Close() })
}

// Stand is how every living stream stands.
func (c *Crew) Stand() []Standing {
	var out []Standing
	for _, w := range c.visitors {
		w.mu.Lock()
		id, in, alive := w.stream, w.in, w.conn != nil
		w.mu.Unlock()
		if alive {
			echoes := c.Group.Echoes()
			out = append(out, Standing{
				Stream: id, Sent: w.sent.Load(), In: in.Load(), Group: c.Index,
				Echoes: echoes, Waits: echoes && w.progress.Load() != 0, Overdue: w.overdue(),
			})
		}
	}
	return out
}

// socketsAsked is how many connections of a crew the kernel is asked about:
// all of 10,000 would be a load of their own.
const socketsAsked = 16

// askSockets asks the kernel about some of the living connections, spread evenly.
func (c *Crew) askSockets() {
	every := max(len(c.visitors)/socketsAsked, 1)
	for i := 0; i < len(c.visitors) && len(c.sockets) < socketsAsked; i += every {
		w := c.visitors[i]
		w.mu.Lock()
		conn, stream := w.conn, w.stream
		w.mu.Unlock()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			continue // between two connections
		}
		if s, ok := sample.ReadSocket(tcp); ok {
			s.Stream = stream
			c.sockets = append(c.sockets, s)
		}
	}
}

// A timing goes into a part of a result.
type timing struct {
	out *hist.Part
	of  hist.Timing
}

// Result is to be asked for after Close.
func (c *Crew) Result() (*Result, error) {
	r := &Result{
		Seconds: time.Duration(c.took.Load()).Seconds(), OK: c.ok.Load(), Late: c.late.Load(),
		Down: c.within.Load() - c.before.Load(), Dials: int64(c.next.Load()), FailedConnects: c.failedDials, Ends: c.ends, Faults: c.faults, Sockets: c.sockets, Series: c.series,
	}
	for _, w := range c.visitors {
		r.Overdue += w.overdue()
		r.Slowest = append(r.Slowest, w.slowest...)
	}
	timings := []timing{{&r.Service, c.service}, {&r.Response, c.response}, {&r.Lag, c.lag}, {&r.Wake, c.wake}, {&r.Connect, c.connect}, {&r.First, c.first}}
	if s := c.witness; s != nil {
		timings = append(timings, timing{&r.During, s.during}, timing{&r.After, s.after})
		r.Lives, r.Waits = s.seen()
	}
	for _, d := range timings {
		var err error
		if *d.out, err = d.of.Part(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Octets is the payload of everything that was ok and came back.
func (r *Result) Octets(g *scenario.Group) int64 {
	n := r.OK * int64(g.Size)
	if g.Mode == scenario.Churn {
		n *= int64(g.Packets)
	}
	return n
}
