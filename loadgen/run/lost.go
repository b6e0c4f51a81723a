package run

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A LostError says that some of several subjects did not come up, or did not
// stay up; the others were measured to the end.
type LostError struct{ Subjects []*rig.StartError }

func (e *LostError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap is what became of each.
func (e *LostError) Unwrap() (errs []error) {
	for _, one := range e.Subjects {
		errs = append(errs, one)
	}
	return errs
}

// interrupts reports whether an error leaves a record incomplete.
func interrupts(err error) bool {
	_, lost := errors.AsType[*LostError](err)
	return err != nil && !lost
}

// The lost are subjects that a run goes on without.
type lost struct {
	rec    *record.Record
	left   int      // how many there still are
	rivals []string // whose loss is no error
	errs   []*rig.StartError
}

// start starts a topology, of those subjects that can be.
func (l *lost) start(ctx context.Context, o rig.Options) (*rig.Topology, error) {
	for {
		t, err := rig.Start(ctx, o)
		if err == nil {
			return t, nil
		}
		name := l.subject(ctx, err, "")
		if name == "" {
			return nil, err
		}
		o.Subjects = slices.DeleteFunc(o.Subjects, func(f *subject.File) bool { return f.Name == name })
	}
}

// subject is the one whose loss an error tells, when there are others to go on
// with; empty when the run has to end.
func (l *lost) subject(ctx context.Context, err error, when string) string {
	e, ok := errors.AsType[*rig.StartError](err)
	if !ok || e.Subject == "" || l.left < 2 || ctx.Err() != nil {
		return ""
	}
	l.left--
	if !slices.Contains(l.rivals, e.Subject) {
		l.errs = append(l.errs, e)
	}
	why, _, _ := strings.Cut(e.Error(), "\n")
	l.rec.NotRun = append(l.rec.NotRun, scenario.NotRun{Subject: e.Subject, Reason: when + why})
	return e.Subject
}

// with is an error, or if there is none that of the subjects that were lost.
func (l *lost) with(err error) error {
	if err == nil && len(l.errs) > 0 {
		return &LostError{l.errs}
	}
	return err
}
