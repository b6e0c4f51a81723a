package watch

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adit-tunnel/adit/conformance/judge"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// Bounds of what is kept for the report; counts go on beyond them.
const (
	maxViolations = 1000
	maxAlike      = 3 // of one requirement, side and tunnel
	maxLost       = 100
)

// A Violation is one requirement broken by one side.
type Violation struct {
	Tunnel  int       `json:"tunnel"` // numbered from 1 in the order of their connecting
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // since the tunnel began
	Side    string    `json:"side"`    // who is charged: client or server
	Req     string    `json:"req"`
	Level   string    `json:"level"`
	Says    string    `json:"says"`
	Number  uint64    `json:"number"`           // of the frame among those of the side; of silence: of its last frame
	Frame   string    `json:"frame,omitempty"`  // absent for silence
	Octets  string    `json:"octets,omitempty"` // the frame's first ones
}

// A Count is how often a side broke a requirement.
type Count struct {
	Side  string `json:"side"`
	Req   string `json:"req"`
	Level string `json:"level"`
	Count int    `json:"count"`
}

// A Lost says that something was not judged, or only in part.
type Lost struct {
	Tunnel int    `json:"tunnel"`
	Why    string `json:"why"`
}

// findings are what was found about all tunnels.
type findings struct {
	lines   chan string // to whoever prints them; nil: nobody does
	missed  atomic.Uint64
	verbose bool

	frames, connections atomic.Uint64

	mu         sync.Mutex // guards the following
	tunnels    int
	counts     map[Count]int // Count.Count is 0
	alike      map[alike]int // only of the tunnels that live
	violations []Violation
	unseen     []Lost
	unseenMore int
}

// alike are violations that differ in their frames alone.
type alike struct {
	tunnel    int
	side, req string
}

func newFindings(verbose bool) *findings {
	return &findings{verbose: verbose, counts: map[Count]int{}, alike: map[alike]int{}}
}

// A tunnel is one tunnel that passes, shared by who reads its two directions and who looks at the clock.
type tunnel struct {
	n     int // from 1
	found *findings
	began time.Time

	mu    sync.Mutex // guards the following
	judge *judge.Tunnel
}

// open begins a tunnel.
func (r *findings) open(client, server string, now time.Time) *tunnel {
	r.mu.Lock()
	r.tunnels++
	t := &tunnel{n: r.tunnels, found: r, began: now}
	r.mu.Unlock()
	t.judge = judge.New(judge.Config{Judged: []judge.Side{judge.Server, judge.Client}, Found: t.charge, Saw: t.saw, Lost: t.lost}, now)
	r.say("%s  tunnel %d: %s connected to %s", stamp(now), t.n, client, server)
	return t
}

// tell tells the judge something.
func (t *tunnel) tell(what func(j *judge.Tunnel)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what(t.judge)
}

// saw counts a frame, and shows it.
func (t *tunnel) saw(side judge.Side, n uint64, f *wire.Frame, now time.Time) {
	t.found.frames.Add(1)
	if side == judge.Server && (f.Type == wire.TypeConnectRequest || f.Type == wire.TypeOpen) && f.Sound() {
		t.found.connections.Add(1)
	}
	if t.found.verbose {
		t.found.say("%s  tunnel %-3d %s-> %-6d %s", stamp(now), t.n, side, n, f)
	}
}

// charge enters a violation.
func (t *tunnel) charge(v judge.Violation) {
	req, ok := spec.Lookup(v.Req)
	if !ok {
		panic("watch: internal error: no requirement " + v.Req)
	}
	t.found.enter(Violation{
		Tunnel: t.n, At: v.At, Seconds: v.At.Sub(t.began).Seconds(), Side: v.Side.String(),
		Req: v.Req, Level: req.Level, Says: v.Says, Number: v.Number, Frame: v.Frame, Octets: v.Octets,
	})
}

// close ends a tunnel.
func (r *findings) close(t *tunnel, why string, now time.Time) {
	r.mu.Lock()
	for k := range r.alike {
		if k.tunnel == t.n {
			delete(r.alike, k)
		}
	}
	r.mu.Unlock()
	r.say("%s  tunnel %d: %s", stamp(now), t.n, why)
}

// enter enters a violation.
func (r *findings) enter(v Violation) {
	r.mu.Lock()
	r.counts[Count{Side: v.Side, Req: v.Req, Level: v.Level}]++
	k := alike{v.Tunnel, v.Side, v.Req}
	r.alike[k]++
	kept := r.alike[k] <= maxAlike && len(r.violations) < maxViolations
	if kept {
		r.violations = append(r.violations, v)
	}
	last := r.alike[k] == maxAlike
	r.mu.Unlock()
	if !kept {
		return
	}
	r.say("%s", v)
	if last {
		r.say("              more of %s by the %s of tunnel %d are only counted", v.Req, v.Side, v.Tunnel)
	}
}

// lost enters that a tunnel is not judged further.
func (t *tunnel) lost(why string) {
	r := t.found
	r.mu.Lock()
	if len(r.unseen) < maxLost {
		r.unseen = append(r.unseen, Lost{t.n, why})
	} else {
		r.unseenMore++
	}
	r.mu.Unlock()
	r.say("tunnel %d: %s, not judged", t.n, why)
}

// say hands a line to the printer. It never waits: lines that find no room are counted instead.
func (r *findings) say(format string, args ...any) {
	if r.lines == nil {
		return
	}
	select {
	case r.lines <- fmt.Sprintf(format, args...):
	default:
		r.missed.Add(1)
	}
}

// print writes lines until there are no more; whoever closes r.lines waits for it.
func (r *findings) print(w io.Writer) {
	for line := range r.lines {
		fmt.Fprintln(w, line)
		if n := r.missed.Swap(0); n > 0 {
			fmt.Fprintf(w, "… %d lines left out here: they came faster than they could be written\n", n)
		}
	}
}

// report is what was found so far.
func (r *findings) report() *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := &Report{
		Schema: 1, Tunnels: r.tunnels, Frames: r.frames.Load(), Connections: r.connections.Load(),
		Counts: []Count{}, Violations: slices.Clone(r.violations),
		NotJudged: slices.Clone(r.unseen), NotJudgedMore: r.unseenMore,
	}
	for c, n := range r.counts {
		c.Count = n
		rep.Counts = append(rep.Counts, c)
	}
	slices.SortFunc(rep.Counts, compareCounts)
	return rep
}

// String is a violation as a few lines for people.
func (v Violation) String() string {
	what := "VIOLATION"
	if v.Level != "MUST" {
		what = v.Level
	}
	s := fmt.Sprintf("%s  %s  %s by the %s of tunnel %d, %.3f s into it: %s", stamp(v.At), what, v.Req, v.Side, v.Tunnel, v.Seconds, v.Says)
	if v.Frame == "" {
		return s + fmt.Sprintf("\n              its last frame was number %d", v.Number)
	}
	return s + fmt.Sprintf("\n              its frame %d: %s\n              %s", v.Number, v.Frame, v.Octets)
}

func stamp(t time.Time) string { return t.Format("15:04:05.000") }
