package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/onsi/ginkgo/v2/reporters"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// WriteJUnit writes the report as JUnit XML, one test suite for each class. The
// shape of the file is Ginkgo's; its own writer knows neither classes nor the
// properties of a run, and the results of a run alone, not of a JSON report.
func (f File) WriteJUnit(w io.Writer) error {
	doc := reporters.JUnitTestSuites{Time: milliseconds(f.TookMS).Seconds()}
	for _, class := range f.Classes {
		s := reporters.JUnitTestSuite{
			Name: class.Name, Timestamp: f.Started.UTC().Format("2006-01-02T15:04:05"),
			Properties: reporters.JUnitProperties{Properties: []reporters.JUnitProperty{
				{Name: "subject", Value: Clean(f.Subject)},
				{Name: "suite", Value: f.Suite},
				{Name: "spec", Value: f.Spec},
				{Name: "requirement_set", Value: f.Requirements},
				{Name: "coverage", Value: f.Coverage.String()},
				{Name: "segmentation", Value: f.Segmentation},
				{Name: "seed", Value: fmt.Sprint(f.Seed)},
				{Name: "standing", Value: class.Standing},
			}},
		}
		var took int64
		for _, e := range f.Results {
			if e.class() == class.Name {
				addCase(&s, e)
				took += e.TookMS
			}
		}
		s.Time = milliseconds(took).Seconds()
		doc.Tests, doc.Failures, doc.Errors, doc.Disabled = doc.Tests+s.Tests, doc.Failures+s.Failures, doc.Errors+s.Errors, doc.Disabled+s.Skipped
		doc.TestSuites = append(doc.TestSuites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// addCase turns one result into a test case; its status is the verdict, if that scores.
func addCase(s *reporters.JUnitTestSuite, e Entry) {
	c := reporters.JUnitTestCase{
		Name: e.Case + " " + e.Title, Classname: e.class() + "." + e.ID, Status: string(e.Verdict), Time: milliseconds(e.TookMS).Seconds(),
	}
	var text strings.Builder
	explain(&text, e, plain)
	body := Clean(text.String())
	switch {
	case e.Unscored != "":
		s.Skipped++
		c.Status = "unscored"
		c.Skipped = &reporters.JUnitSkipped{Message: Clean(e.Unscored + ": " + string(e.Verdict))}
		c.SystemOut = body
	case e.Verdict == engine.PassNonstrict:
		c.Properties = &reporters.JUnitProperties{Properties: []reporters.JUnitProperty{{Name: "verdict", Value: string(e.Verdict)}}}
		c.SystemOut = body
	case fails(e.Verdict):
		s.Failures++
		c.Failure = &reporters.JUnitFailure{Message: Clean(e.Headline()), Type: string(e.Verdict), Description: body}
	case e.Verdict == engine.Inconclusive, e.Verdict == engine.SuiteError:
		s.Errors++
		c.Error = &reporters.JUnitError{Message: Clean(e.Reason), Type: string(e.Verdict), Description: body}
	case e.Verdict != engine.Pass:
		s.Skipped++
		c.Skipped = &reporters.JUnitSkipped{Message: Clean(string(e.Verdict) + ": " + e.Reason)}
	}
	s.Tests++
	s.TestCases = append(s.TestCases, c)
}
