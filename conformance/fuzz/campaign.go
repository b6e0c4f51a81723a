package fuzz

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A Campaign tries sequences against a subject in one role until its time is over.
type Campaign struct {
	Subject engine.Subject
	Role    engine.Role
	For     time.Duration
	Seed    uint64
	Jobs    int
	First   bool      // end at the first finding
	RSS     int64     // resident octets of a subject that the suite starts; more is a finding
	Dir     string    // where replay files go
	Suite   string    // version, for the files
	Set     string    // requirement set, for the files
	Log     io.Writer // a line for each finding
	Tick    func(Summary)

	layout layout
	sum    Summary
	known  map[string]int // findings by signature
	done   []uint64       // the last sequences, oldest first
}

// A Summary is what a campaign did and found.
type Summary struct {
	Role      engine.Role
	Sequences int // that were judged
	Unjudged  int // the machine was too busy to tell
	Frames    int // that the suite sent
	Octets    int64
	Took      time.Duration
	MaxRSS    int64
	Findings  map[Kind]int
	Files     []string
	Note      string // what was left out
}

// A trial is one sequence while it is tried.
type trial struct {
	n     uint64
	seq   sequence
	stage Kind // what is looked at now
	rss   int64
}

// batch is how many sequences an instance of the subject sees at most.
const batch = 2000

// Run runs the campaign until its time is over or ctx ends. With an error the
// subject could not be reached.
func (c *Campaign) Run(ctx context.Context) (Summary, error) {
	begun := time.Now()
	c.sum = Summary{Role: c.Role, Findings: map[Kind]int{}}
	c.known = map[string]int{}
	defer func() { c.sum.Took = time.Since(begun) }()
	timed, cancel := context.WithCancel(ctx) // with a deadline a dial would time out before the context says why
	defer cancel()
	defer time.AfterFunc(c.For, cancel).Stop()
	if err := c.explore(timed); err != nil {
		return c.sum, err
	}
	var next uint64
	var left []uint64 // begun and not judged
	for timed.Err() == nil {
		for ; len(left) < batch; next++ {
			left = append(left, next)
		}
		found, err := c.some(timed, &left, begun)
		if err != nil && timed.Err() == nil {
			if c.sum.Sequences == 0 {
				return c.sum, err
			}
			c.sum.Note = "the subject could not be reached any more: " + err.Error()
			break
		}
		if found != nil {
			c.report(ctx, found)
			if c.First {
				break
			}
			if !c.Subject.Owned() && found.kind != Rule {
				c.sum.Note = "somebody has to start the subject again; the campaign ended early"
				break
			}
		}
	}
	c.sum.Took = time.Since(begun)
	return c.sum, nil
}

// runner is the engine's.
func (c *Campaign) runner() *engine.Runner {
	return &engine.Runner{Subject: c.Subject, Role: c.Role, Lookup: dialogue.Lookup, Seed: c.Seed, Jobs: c.Jobs}
}

// explore finds out what a server does with several tunnels.
func (c *Campaign) explore(ctx context.Context) error {
	c.layout = layout{role: c.Role}
	if c.Role == engine.Client {
		return nil
	}
	look := engine.Case{ID: aliveReq(c.Role), Variant: "explore", Role: c.Role, Run: func(t *engine.T) {
		a, b := t.Dial(), t.Dial()
		a.Barrier()
		b.Barrier()
		if c.layout.many = a.Ended() == engine.EndNone; !c.layout.many || t.At.Visitor == "" {
			return
		}
		t.Visitor()
		c.layout.unserved = !t.Meanwhile(time.Second, func() bool {
			_, c.layout.oldest = a.Peek(engine.AnyRequest())
			_, newest := b.Peek(engine.AnyRequest())
			return c.layout.oldest || newest
		})
	}}
	return c.runner().Run(ctx, []engine.Case{look}, func(engine.Result) {})
}

// some tries the sequences left, and takes those that were judged from them.
// It ends at the first finding that is new, or that the subject does not survive.
func (c *Campaign) some(ctx context.Context, left *[]uint64, begun time.Time) (*finding, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex // guards trials
	trials := map[string]*trial{}
	var cases []engine.Case
	for _, n := range *left {
		variant := fmt.Sprintf("sequence-%d", n)
		cases = append(cases, engine.Case{ID: aliveReq(c.Role), Variant: variant, Role: c.Role, Run: func(t *engine.T) {
			tr := &trial{n: n, seq: compose(c.Seed, n, c.layout)}
			mu.Lock()
			trials[variant] = tr
			mu.Unlock()
			tr.run(t, c.RSS)
		}})
	}
	var found *finding
	judged := map[uint64]bool{}
	err := c.runner().Run(ctx, cases, func(res engine.Result) {
		mu.Lock()
		tr := trials[res.Case.Variant]
		mu.Unlock()
		if tr == nil || res.Verdict == engine.NotRun || ctx.Err() != nil {
			return
		}
		judged[tr.n] = true
		if res.Verdict == engine.Inconclusive || res.Verdict == engine.SuiteError {
			c.sum.Unjudged++
			return
		}
		c.count(tr, res)
		if c.sum.Took = time.Since(begun); c.Tick != nil {
			c.Tick(c.sum)
		}
		if f := tr.judge(res, slices.Clone(c.done)); f != nil && found == nil {
			c.sum.Findings[f.kind]++
			if c.known[f.signature()]++; f.kind != Rule || c.known[f.signature()] == 1 {
				found = f
				stop()
			}
		}
		if c.done = append(c.done, tr.n); len(c.done) > history {
			c.done = c.done[1:]
		}
	})
	*left = slices.DeleteFunc(*left, func(n uint64) bool { return judged[n] })
	return found, err
}

// run tries the sequence and then looks at the subject.
func (tr *trial) run(t *engine.T, limit int64) {
	p := dialogue.NewPlayer(t, tr.seq.steps)
	for p.Next() {
	}
	if tr.stage = Harm; tr.seq.sentinel > 0 {
		insist(t, p, barrier(t.Case.Role, tr.seq.sentinel))
	}
	tr.stage = Hang
	insist(t, p, alive(t.Case.Role))
	var ok bool
	if tr.rss, ok = t.Memory(); ok && tr.rss > limit {
		tr.stage = Memory
		t.Fail("SEC-004", "the subject holds %d MiB, the limit is %d MiB", tr.rss>>20, limit>>20)
	}
}

// insist expects the steps to go well, at the third time at the latest: a
// subject on a busy machine may be late, one that hangs stays so.
func insist(t *engine.T, p *dialogue.Player, steps []spec.Step) {
	for range 2 {
		if t.Try(func() { p.Do(steps) }) {
			return
		}
	}
	p.Do(steps)
}

// count adds a sequence to the summary.
func (c *Campaign) count(tr *trial, res engine.Result) {
	c.sum.Sequences++
	c.sum.MaxRSS = max(c.sum.MaxRSS, tr.rss)
	for _, e := range res.Trace {
		switch e.Kind {
		case engine.Sent:
			c.sum.Frames++
			c.sum.Octets += int64(engine.HeaderLen + e.Size)
		case engine.SentRaw, engine.Wrote:
			c.sum.Octets += int64(e.Size)
		}
	}
}

// Write writes the summary for people.
func (s Summary) Write(w io.Writer) {
	fmt.Fprintf(w, "%s: %d sequences, %d frames, %.1f MiB in %s (%.1f sequences/s)", s.Role, s.Sequences, s.Frames,
		float64(s.Octets)/(1<<20), s.Took.Round(time.Second), float64(s.Sequences)/max(s.Took.Seconds(), 0.001))
	if s.MaxRSS > 0 {
		fmt.Fprintf(w, ", at most %d MiB resident", s.MaxRSS>>20)
	}
	fmt.Fprintln(w)
	if s.Unjudged > 0 {
		fmt.Fprintf(w, "%d more could not be judged: the machine was too busy\n", s.Unjudged)
	}
	if len(s.Findings) == 0 {
		fmt.Fprintln(w, "nothing found")
	}
	for _, k := range Kinds {
		if n := s.Findings[k]; n > 0 {
			fmt.Fprintf(w, "%-9s %d times: %s\n", k, n, k.words())
		}
	}
	for _, name := range s.Files {
		fmt.Fprintf(w, "    %s\n", name)
	}
	if s.Note != "" {
		fmt.Fprintln(w, s.Note)
	}
}
