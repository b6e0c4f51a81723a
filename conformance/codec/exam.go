package codec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// DefaultTimeout is how long a program has for one answer; the first one includes its start.
const DefaultTimeout = 10 * time.Second

// mishaps is how often a program that hangs, ends or answers nonsense is started anew.
const mishaps = 5

// Options says what is examined, and with what patience.
type Options struct {
	Command string        // run by sh -c
	Timeout time.Duration // for one answer; zero: DefaultTimeout
	Vectors []string      // patterns of names, like frame_size_*; none: all
	Ext     bool          // the frames of the Extended profile, too
}

// vectors are those of a kind, or all for "". Of the Extended profile there are the frames: what else its vectors show takes more than a codec.
func (o Options) vectors(kind string) iter.Seq[spec.Vector] {
	return func(yield func(spec.Vector) bool) {
		for v := range spec.Vectors(kind) {
			if !yield(v) {
				return
			}
		}
		if !o.Ext || kind != "" && kind != "frame" {
			return
		}
		for v := range spec.ExtVectors("frame") {
			if !yield(v) {
				return
			}
		}
	}
}

// selects reports whether the options name a vector.
func (o Options) selects(id string) bool {
	return len(o.Vectors) == 0 || slices.ContainsFunc(o.Vectors, func(pattern string) bool {
		ok, _ := path.Match(pattern, id) // Run refuses a pattern that is none
		return ok
	})
}

// check refuses patterns that select nothing.
func (o Options) check() error {
	for _, pattern := range o.Vectors {
		one, found := Options{Vectors: []string{pattern}}, false
		for v := range o.vectors("") {
			found = found || one.selects(v.ID)
		}
		if !found {
			return fmt.Errorf("%q selects no vector; name one, like frame_size_close_0, or several, like 'frame_size_*'", pattern)
		}
	}
	return nil
}

// An exam is one Run.
type exam struct {
	o       Options
	program *program // nil: to be started
	started int
	answers int // right or wrong ones
}

// A StartError says that the program cannot be started at all.
type StartError struct {
	Command string
	Err     error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("--exec %s: cannot be started: %v", e.Command, e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// Run asks a program for the golden vectors. The error is a wrong pattern of
// vectors, or a *StartError; what the program does wrong is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	e := &exam{o: o}
	defer func() {
		if e.program != nil {
			e.program.stop(false)
		}
	}()
	r := &Report{Schema: Schema, Command: o.Command}
	for _, kind := range kinds {
		for v := range o.vectors(kind) {
			if !o.selects(v.ID) {
				continue
			}
			res := Result{Vector: v.ID, Kind: v.Kind, Title: v.Title, Verdict: NotRun}
			if ctx.Err() == nil && e.goesOn() {
				var err error
				if res.Verdict, res.Questions, res.Finding, err = e.vector(ctx, v); err != nil {
					return nil, err
				}
			}
			r.Results = append(r.Results, res)
		}
	}
	r.conclude(ctx.Err() != nil)
	return r, nil
}

// goesOn reports whether there is a point in asking on: not after so many
// mishaps, nor when the first question already was one.
func (e *exam) goesOn() bool {
	return e.program != nil || e.started == 0 || e.answers > 0 && e.started < mishaps
}

// vector asks for one vector until an answer is wrong.
func (e *exam) vector(ctx context.Context, v spec.Vector) (Verdict, int, *Finding, error) {
	n := 0
	for q := range questions(v) {
		if e.program == nil {
			p, err := start(e.o.Command)
			if err != nil {
				return "", n, nil, &StartError{e.o.Command, err}
			}
			e.program, e.started = p, e.started+1
		}
		n++
		verdict, finding := e.ask(ctx, v, q)
		if verdict != Pass {
			return verdict, n, finding, nil
		}
	}
	return Pass, n, nil, nil
}

// ask asks one question.
func (e *exam) ask(ctx context.Context, v spec.Vector, q question) (Verdict, *Finding) {
	finding := func(got, remedy string) *Finding {
		return &Finding{Request: q.req.ID, Asks: q.asks, Octets: clip(q.octets), Expected: q.want.String(), Got: got, Remedy: remedy}
	}
	line, err := json.Marshal(q.req)
	if err != nil {
		panic("codec: internal error: " + err.Error())
	}
	// broken ends a program with which the conversation cannot go on.
	broken := func(verdict Verdict, got, remedy string) (Verdict, *Finding) {
		status := e.program.stop(verdict == Fail)
		if verdict == Ended {
			got += " (" + status + ")"
		}
		f := finding(got, remedy)
		f.Log = e.program.log.Last(logLines)
		e.program = nil
		return verdict, f
	}
	b, err := e.program.ask(ctx, append(line, '\n'), e.o.Timeout)
	switch {
	case errors.Is(err, errHangs):
		return broken(Fail, fmt.Sprintf("no answer within %v", e.o.Timeout),
			"flush standard output after each line, and read lines of 3 MiB; --timeout gives more time")
	case errors.Is(err, errEnded):
		return broken(Ended, "the program ended, or closed its standard output, without an answer",
			"answer malformed bytes with an error; end at the end of standard input and not before")
	case errors.Is(err, errLong):
		return broken(Fail, fmt.Sprintf("more than %d bytes without the end of a line", maxLine), "end each answer with a line feed")
	case err != nil: // interrupted
		return NotRun, nil
	}
	a, err := parseAnswer(b)
	if err != nil {
		return broken(Fail, fmt.Sprintf("%q: %v", cut(b), err),
			"write nothing to standard output but one JSON object a line; logs belong on standard error")
	}
	if a.ID != q.req.ID {
		return broken(Fail, fmt.Sprintf("an answer with the id %q", a.ID),
			"answer each request once, in order, and repeat its id")
	}
	e.answers++
	if !right(a, q.want) {
		return Fail, finding(a.String(), remedy(v, q))
	}
	return Pass, nil
}

// remedy is the rule that decides.
func remedy(v spec.Vector, q question) string {
	id := v.Requirements[0]
	switch {
	case q.want.Error != nil:
		id = q.want.Error.Requirement
	case len(q.req.Chunks) > 1, q.want.Rest > 0:
		id = "FRAME-006"
	}
	r, ok := spec.Lookup(id)
	if !ok {
		panic("codec: internal error: no requirement " + id)
	}
	s := r.ID + ": " + r.Text
	if v.Notes != "" {
		s += " (" + v.Notes + ")"
	}
	return s
}

// cut is the beginning of a line.
func cut(b []byte) string {
	if len(b) > 80 {
		return string(b[:80]) + "…"
	}
	return string(b)
}
