package codec

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/adit-tunnel/adit/conformance/report"
)

// Schema is the version of the JSON file's shape. A field is added without a
// new version; one is never renamed or removed within a version.
const Schema = 1

// A Verdict says how a program did with a vector.
type Verdict string

// Verdicts.
const (
	Pass   Verdict = "pass"
	Fail   Verdict = "fail"    // an answer is wrong, missing or no answer
	Ended  Verdict = "ended"   // the program ended instead of answering
	NotRun Verdict = "not-run" // it had failed too often before, or the run was interrupted
)

// A Report is the shape of the JSON file.
type Report struct {
	Schema   int                        `json:"schema"`
	Command  string                     `json:"command"`
	ExitCode int                        `json:"exit_code"`
	Counts   map[string]map[Verdict]int `json:"counts"` // by kind of vector
	Results  []Result                   `json:"results"`
}

// A Result is one vector.
type Result struct {
	Vector    string   `json:"vector"`
	Kind      string   `json:"kind"`
	Title     string   `json:"title"`
	Verdict   Verdict  `json:"verdict"`
	Questions int      `json:"questions"` // asked, up to the first that failed
	Finding   *Finding `json:"finding,omitempty"`
}

// A Finding is an answer that was not right.
type Finding struct {
	Request  string   `json:"request"` // its id
	Asks     string   `json:"asks"`
	Octets   string   `json:"octets,omitempty"` // to decode
	Expected string   `json:"expected"`
	Got      string   `json:"got"`
	Remedy   string   `json:"remedy"`
	Log      []string `json:"log,omitempty"` // last lines of standard error, of a program that was stopped
}

// kinds in their order: what is simple comes first.
var kinds = []string{"frame", "stream", "dialogue"}

// conclude fills in what follows from the results.
func (r *Report) conclude(interrupted bool) {
	r.Counts = map[string]map[Verdict]int{}
	for _, k := range kinds {
		r.Counts[k] = map[Verdict]int{}
	}
	for _, res := range r.Results {
		r.Counts[res.Kind][res.Verdict]++
	}
	switch {
	case r.count(Fail) > 0:
		r.ExitCode = report.ExitFailed
	case r.count(Ended) > 0:
		r.ExitCode = report.ExitUnreachable
	case interrupted:
		r.ExitCode = report.ExitInconclusive
	}
}

func (r *Report) count(v Verdict) (n int) {
	for _, k := range kinds {
		n += r.Counts[k][v]
	}
	return n
}

func (r *Report) questions(kind string) (n int) {
	for _, res := range r.Results {
		if kind == "" || res.Kind == kind {
			n += res.Questions
		}
	}
	return n
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// WriteText writes every finding, and then the table.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, res := range r.Results {
		f := res.Finding
		if f == nil {
			continue
		}
		fmt.Fprintf(&b, "%s  %s  %s\n", res.Verdict, res.Vector, res.Title)
		fmt.Fprintf(&b, "  asked     %s (%s)\n", f.Asks, f.Request)
		if f.Octets != "" {
			fmt.Fprintf(&b, "  bytes     %s\n", f.Octets)
		}
		fmt.Fprintf(&b, "  expected  %s\n  got       %s\n  remedy    %s\n", f.Expected, f.Got, f.Remedy)
		for _, l := range f.Log {
			fmt.Fprintf(&b, "  stderr    %s\n", l)
		}
		b.WriteByte('\n')
	}
	t := report.NewTable("vectors", "pass", "fail", "ended", "not run", "questions")
	for _, k := range kinds {
		n := r.Counts[k]
		t.AppendRow(table.Row{k, n[Pass], n[Fail], n[Ended], n[NotRun], r.questions(k)})
	}
	t.AppendFooter(table.Row{"all", r.count(Pass), r.count(Fail), r.count(Ended), r.count(NotRun), r.questions("")})
	fmt.Fprintf(&b, "%s\n\n%s\n", t.Render(), r.conclusion())
	_, err := io.WriteString(w, b.String())
	return err
}

// conclusion is the outcome in one line.
func (r *Report) conclusion() string {
	switch {
	case r.ExitCode == report.ExitCertified:
		return "every vector passed"
	case r.ExitCode == report.ExitInconclusive:
		return "interrupted"
	case r.questions("") == 1 && r.count(Ended) == 1:
		return "the program ended before its first answer: " + r.Command
	case r.count(NotRun) > 0:
		return fmt.Sprintf("%d of %d vectors passed; the program was given up, since it does not answer", r.count(Pass), len(r.Results))
	}
	return fmt.Sprintf("%d of %d vectors passed", r.count(Pass), len(r.Results))
}
