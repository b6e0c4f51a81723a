package main

import (
	"io"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/formatter"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// labels are what --label-filter and Ginkgo select by.
func labels(c engine.Case) ginkgo.Labels {
	return ginkgo.Labels{"id: " + c.ID, "level: " + c.Req.Level, "role: " + string(c.Role), "profile: " + c.Req.Profile}
}

// A board is where the engine's workers leave results and the specs pick them up.
type board map[string]chan engine.Result

func newBoard(cases []engine.Case) board {
	b := board{}
	for _, c := range cases {
		b[c.Name()] = make(chan engine.Result, 1)
	}
	return b
}

// post leaves a result. It never blocks: a case has one result.
func (b board) post(res engine.Result) { b[res.Case.Name()] <- res }

// tester is what RunSpecs needs of a testing.T.
type tester struct{}

func (tester) Fail() {}

// host runs the cases as one Ginkgo suite: each case is an It that waits for
// the engine's result, which comes for every case, stopped or not. The
// reports are ours, so Ginkgo stays silent.
func host(cases []engine.Case, b board) {
	formatter.ColorableStdOut, formatter.ColorableStdErr = io.Discard, io.Discard
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.Timeout = 24 * time.Hour // the engine has deadlines of its own
	suite.FailOnEmpty = true
	for _, c := range cases {
		ginkgo.It(c.Name()+" "+c.Title, labels(c), func() { settle(<-b[c.Name()]) })
	}
	ginkgo.RunSpecs(tester{}, "adit conformance", suite, reporter)
}

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
