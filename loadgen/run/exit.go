package run

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/rig"
)

// Exit codes of adit-load.
const (
	ExitOK           = 0
	ExitInternal     = 1
	ExitUsage        = 2
	ExitLimits       = 3
	ExitStart        = 4
	ExitIntegrity    = 5
	ExitFailures     = 6
	ExitRegression   = 7 // of compare: worse than the old record
	ExitInconclusive = 8
	ExitInterrupted  = 130
)

// ExitCodes explains them to users.
const ExitCodes = `Exit codes: 0 all packets ok, 1 adit-load itself failed, 2 wrong usage or file, 3 a limit of the machine is too low
or was met (ports, descriptors), 4 a subject did not start or ended, or another program is at its address, 5 wrong bytes were received,
or some that the target did not send, 6 packets were not ok, or a
threshold was not met, 7 of several subjects one is significantly worse in something than the first, 8 a threshold could not be
judged, 130 interrupted (what was complete is written). Of several codes 5 wins, else the lowest that is not 0: after 3 and 4 the next scenario is measured, after 4
first the subjects that are left. A noisy or invalid row without a threshold on it is marked, and the code is 0; so is it when
nothing can be said about a subject: no threshold asked. A subject whose programs are not installed is not run, which is not a
failure as long as another one is.`

// An ExitError ends the program with a code, after a message unless Err is nil.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Usage is the error of who asked for something wrong; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{ExitUsage, err}
}

// exitOf gives an error of a run its exit code.
func exitOf(ctx context.Context, err error) *ExitError {
	if ctx.Err() != nil {
		return &ExitError{ExitInterrupted, errors.New("interrupted")}
	}
	if _, ok := errors.AsType[*LimitError](err); ok {
		return &ExitError{ExitLimits, err}
	}
	if e, ok := errors.AsType[*subject.NoEngineError](err); ok {
		return &ExitError{ExitLimits, fmt.Errorf("not run: %w", e)}
	}
	if _, ok := errors.AsType[*rig.StartError](err); ok {
		return &ExitError{ExitStart, err}
	}
	return &ExitError{ExitInternal, err}
}

// codeOf is the exit code of a scenario that ended with e; nil: it is complete.
func codeOf(rec *record.Record, e *ExitError) int {
	switch {
	case e == nil:
		return outcome(rec)
	case e.Code == ExitStart: // several subjects: the others have their outcome
		return worse(e.Code, outcome(rec))
	}
	return e.Code
}

// outcome is the exit code of a record.
func outcome(rec *record.Record) int {
	return map[record.Ending]int{
		record.EndedFaulty: ExitIntegrity, record.EndedStopped: ExitInterrupted, record.EndedStarved: ExitLimits,
		record.EndedFailed: ExitFailures, record.EndedMissed: ExitFailures, record.EndedWorse: ExitRegression, record.EndedUnjudged: ExitInconclusive,
	}[rec.Ending()]
}

// worse is the graver of two outcomes: integrity, limits, start, failures, regression, inconclusive, in this order.
func worse(a, b int) int {
	switch {
	case a == ExitOK || b == ExitOK:
		return max(a, b)
	case a == ExitIntegrity || b == ExitIntegrity:
		return ExitIntegrity
	}
	return min(a, b)
}

// show prints a record and saves it where the user wants it.
func (s *Session) show(rec *record.Record, tables io.Writer) error {
	fmt.Fprintln(tables, report.Console(rec, isTerminal(tables)))
	if len(rec.Comparison) > 0 {
		fmt.Fprintf(tables, "%s: comparison with %s\n%s\n", rec.Scenario.Name, rec.Subjects[0].Name, report.Comparison(rec.Comparison))
	}
	if s.Out == "" {
		return nil
	}
	dir, err := rec.Save(s.Out)
	if err == nil {
		_, err = report.Save(rec, dir)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Stderr, "written: %s\n", dir)
	all, _, err := record.Load(s.Out) // those of earlier runs, too
	if err != nil {
		fmt.Fprintf(s.Stderr, "index.html leads to none of them: %v\n", err)
		return nil
	}
	_, err = report.SaveIndex(all, s.Out)
	return err
}
