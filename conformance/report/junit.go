package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name       string          `xml:"name,attr"`
	Class      string          `xml:"classname,attr"`
	Time       string          `xml:"time,attr"`
	Properties *junitProps     `xml:"properties"`
	Failure    *junitText      `xml:"failure"`
	Error      *junitText      `xml:"error"`
	Skipped    *junitSkip      `xml:"skipped"`
	Out        *junitSystemOut `xml:"system-out"`
}

type junitProps struct {
	Property []junitProperty `xml:"property"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkip struct {
	Message string `xml:"message,attr"`
}

type junitSystemOut struct {
	Text string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit XML, one test suite for each class.
func (f File) WriteJUnit(w io.Writer) error {
	var doc junitSuites
	for _, class := range f.Classes {
		s := junitSuite{
			Name: class.Name, Timestamp: f.Started.UTC().Format("2006-01-02T15:04:05"),
			Properties: []junitProperty{
				{"subject", Clean(f.Subject)},
				{"suite", f.Suite},
				{"spec", f.Spec},
				{"requirement_set", f.Requirements},
				{"coverage", f.Coverage.String()},
				{"segmentation", f.Segmentation},
				{"seed", fmt.Sprint(f.Seed)},
				{"standing", class.Standing},
			},
		}
		var took int64
		for _, e := range f.Results {
			if e.class() != class.Name {
				continue
			}
			took += e.TookMS
			s.add(e)
		}
		s.Time = seconds(took)
		doc.Suites = append(doc.Suites, s)
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

// add turns one result into a test case, by the table of verdicts and sinks.
func (s *junitSuite) add(e Entry) {
	c := junitCase{Name: e.Case + " " + e.Title, Class: e.class() + "." + e.ID, Time: seconds(e.TookMS)}
	s.Tests++
	var text strings.Builder
	explain(&text, e, plain)
	body := Clean(text.String())
	if e.Unscored != "" {
		s.Skipped++
		c.Skipped = &junitSkip{Clean(e.Unscored + ": " + string(e.Verdict))}
		c.Out = &junitSystemOut{body}
		s.Cases = append(s.Cases, c)
		return
	}
	switch e.Verdict {
	case engine.Pass:
	case engine.PassNonstrict:
		c.Properties = &junitProps{[]junitProperty{{"verdict", string(e.Verdict)}}}
		c.Out = &junitSystemOut{body}
	case engine.Fail, engine.NotTestable, Stale:
		s.Failures++
		c.Failure = &junitText{Clean(e.Headline()), string(e.Verdict), body}
	case engine.Inconclusive, engine.SuiteError:
		s.Errors++
		c.Error = &junitText{Clean(e.Reason), string(e.Verdict), body}
	case engine.NotApplicable, engine.NotRun, Known:
		s.Skipped++
		c.Skipped = &junitSkip{Clean(string(e.Verdict) + ": " + e.Reason)}
	}
	s.Cases = append(s.Cases, c)
}

func seconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }

// Clean drops what XML and a terminal should not get.
func Clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == 0xFFFE || c == 0xFFFF {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}
