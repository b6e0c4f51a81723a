package certify

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// play runs the cases of all batches and gathers their results in run.
//
// The engine runs them: several at a time, each with deadlines of its own, and
// again when the machine was too busy to tell. Ginkgo, whose specs follow one
// another, only hosts: each case is an It of one suite, so that a certification
// is a test run like any other, and the It waits for the engine's result.
func (c *certification) play(ctx context.Context, batches []*batch, run *report.Run) {
	var all []engine.Case
	results := map[string]chan engine.Result{} // by case; each gets one result, whatever happens
	for _, b := range batches {
		all = append(all, b.cases...)
		for _, k := range b.cases {
			results[k.Name()] = make(chan engine.Result, 1)
		}
	}
	if len(all) == 0 {
		return
	}
	progress := report.NewProgress(c.Progress, len(all), c.Terminal)
	if batches[0].runner.Subject.Fixed() {
		progress.Say("the subject file gives addresses: one instance runs at a time, and this takes longer; auto gives each its own")
	}
	var mu sync.Mutex // guards run
	done := func(res engine.Result) {
		mu.Lock()
		defer mu.Unlock()
		res = c.known.Mark(res)
		progress.End(res)
		run.Add(res)
		results[res.Case.Name()] <- res
	}
	missed := func(b *batch, err error) {
		mu.Lock()
		defer mu.Unlock()
		run.Missed(err, c.Subject.Hint())
		if errors.Is(err, engine.ErrStranger) {
			b.stranger = errors.Unwrap(err)
			run.Disown(b.runner.Role, b.stranger)
		}
	}
	var workers sync.WaitGroup
	workers.Go(func() { c.work(ctx, batches, progress, done, missed) })
	host(all, results)
	workers.Wait()
	progress.Done()
}

// work runs the batches, together where the suite starts the subjects at addresses
// of their own; play starts it, and it ends when every case has its result.
func (c *certification) work(ctx context.Context, batches []*batch, progress *report.Progress, done func(engine.Result), missed func(*batch, error)) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	play := func(b *batch) {
		b.runner.Begin = progress.Begin
		if c.Verbose {
			b.runner.Live = progress.Live
		}
		if c.FailFast {
			b.runner.FailFast = stop
		}
		if err := b.runner.Run(ctx, b.cases, done); err != nil {
			missed(b, err)
		}
	}
	var together sync.WaitGroup
	defer together.Wait()
	for _, b := range batches {
		if s := b.runner.Subject; s.Owned() && !s.Fixed() {
			together.Go(func() { play(b) })
		} else {
			play(b)
		}
	}
}

// host is the Ginkgo suite. The reports are ours, so it stays silent.
func host(all []engine.Case, results map[string]chan engine.Result) {
	formatter.ColorableStdOut, formatter.ColorableStdErr = io.Discard, io.Discard
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.Timeout = 24 * time.Hour // the engine has deadlines of its own
	suite.FailOnEmpty = true
	for _, k := range all {
		ginkgo.It(k.Name()+" "+k.Title, labels(k), func() { settle(<-results[k.Name()]) })
	}
	ginkgo.RunSpecs(tester{}, "adit conformance", suite, reporter)
}

// tester is what RunSpecs needs of a testing.T.
type tester struct{}

func (tester) Fail() {}

// settle tells Ginkgo the outcome of a case.
func settle(res engine.Result) {
	switch res.Verdict {
	case engine.Pass, engine.PassNonstrict:
	case engine.NotApplicable, engine.NotRun:
		ginkgo.Skip(string(res.Verdict) + ": " + res.Reason)
	default:
		ginkgo.Fail(string(res.Verdict) + ": " + report.Headline(res))
	}
}
