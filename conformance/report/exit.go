package report

import "github.com/adit-tunnel/adit/conformance/engine"

// Exit codes of adit-conform run.
const (
	ExitCertified    = 0 // every scored case passed, or its failure is known
	ExitFailed       = 1 // a scored case failed, whatever else happened
	ExitUsage        = 2 // wrong flags, arguments or subject file
	ExitUnreachable  = 3 // TCP never connected, or the command ended before it was ready
	ExitSuiteError   = 4 // the suite broke
	ExitNothing      = 5 // nothing was selected, or nothing selected could be scored
	ExitInconclusive = 6 // the machine was too busy to tell
)

// exitCode is the exit code that the run earns.
func (f *File) exitCode() int {
	n := f.Counts
	switch {
	case f.failures() > 0:
		return ExitFailed
	case n[engine.SuiteError] > 0 || f.Broken != "":
		return ExitSuiteError
	case len(f.Unreachable) > 0:
		return ExitUnreachable
	case n[engine.Inconclusive] > 0 || f.Stopped:
		return ExitInconclusive
	case n[engine.Pass]+n[engine.PassNonstrict]+n[Known] == 0:
		return ExitNothing
	}
	return ExitCertified
}
