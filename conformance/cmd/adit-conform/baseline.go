package main

import (
	"slices"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// loadBaseline reads the file of --baseline, if there is one.
func (f *runFlags) loadBaseline() (err error) {
	if f.baseline == "" {
		return nil
	}
	all := cases.All(cases.Lookup)
	f.known, err = report.LoadBaseline(f.baseline, func(id string) bool {
		_, ok := cases.Lookup(id)
		return ok || slices.ContainsFunc(all, func(c engine.Case) bool { return c.Selects(id) })
	})
	return err
}
