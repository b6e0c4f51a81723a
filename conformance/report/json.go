package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Schema is the version of the JSON file's shape. A field is added without a
// new version; one is never renamed or removed within a version.
const Schema = 1

// A File is the shape of the JSON file. Every other report is made from it.
type File struct {
	Schema       int                    `json:"schema"`
	Suite        string                 `json:"suite"`           // version of the suite
	Spec         string                 `json:"spec,omitempty"`  // text of PROTOCOL.md that the suite knows
	Requirements string                 `json:"requirement_set"` // what scores
	Subject      string                 `json:"subject"`
	Command      string                 `json:"command"`
	Started      time.Time              `json:"started"`
	TookMS       int64                  `json:"took_ms"`
	Seed         uint64                 `json:"seed"`
	Segmentation string                 `json:"segmentation,omitempty"` // on or off
	Host         Host                   `json:"host"`
	Selection    []string               `json:"selection,omitempty"` // --id; absent: everything
	Unreachable  []string               `json:"unreachable,omitempty"`
	Lost         []string               `json:"lost_log,omitempty"` // of a command that ended before it was ready
	Broken       string                 `json:"broken,omitempty"`
	Stopped      bool                   `json:"stopped,omitempty"`
	ExitCode     int                    `json:"exit_code"`
	Conclusion   string                 `json:"conclusion"` // the verdict of the run in words
	Counts       map[engine.Verdict]int `json:"counts"`     // of what scores
	Coverage     Coverage               `json:"coverage,omitzero"`
	Classes      []Class                `json:"classes"`
	Untested     []Untested             `json:"untested,omitempty"` // requirements without a case
	Results      []Entry                `json:"results"`
	Bundle       *Bundle                `json:"bundle,omitempty"` // of --bundle
}

// An Entry is one case in a File.
type Entry struct {
	Case     string           `json:"case"` // unique: ID/role, and /variant
	ID       string           `json:"id"`
	Variant  string           `json:"variant,omitempty"`
	Role     engine.Role      `json:"role"`
	Level    string           `json:"level"`
	Profile  string           `json:"profile"`
	Title    string           `json:"title"`
	Clause   string           `json:"clause"`
	Also     []string         `json:"also,omitempty"`
	Verdict  engine.Verdict   `json:"verdict"`
	Unscored string           `json:"unscored,omitempty"` // why it scores nothing, like "not in set 1.0"
	Reason   string           `json:"reason,omitempty"`
	Findings []engine.Finding `json:"findings,omitempty"`
	Notes    []string         `json:"notes,omitempty"`
	Closed   string           `json:"tunnel_closed,omitempty"` // by the subject: clean or reset
	Attempts int              `json:"attempts,omitempty"`
	TookMS   int64            `json:"took_ms"`
	LateMS   int64            `json:"worst_lateness_ms,omitempty"`
	Ports    []string         `json:"suite_addresses,omitempty"`
	Trace    []string         `json:"trace,omitempty"` // of everything but a pass
	Log      []string         `json:"subject_log,omitempty"`
}

// Charged reports whether a finding of the entry is charged to the requirement.
func (e Entry) Charged(req string) bool {
	for _, f := range e.Findings {
		if f.Req == req {
			return true
		}
	}
	return false
}

// File is the run in the shape of the JSON file.
func (r *Run) File() File {
	f := File{
		Schema: Schema, Suite: r.Suite, Spec: r.Spec, Requirements: r.Requirements, Untested: r.Untested, Subject: r.Subject, Command: r.Command,
		Started: r.Started, TookMS: r.Took.Milliseconds(), Seed: r.Seed, Segmentation: r.Segmentation, Host: r.Host, Selection: r.Selection,
		Unreachable: r.Unreachable, Lost: r.Lost, Broken: r.Broken, Stopped: r.Stopped, Results: []Entry{},
	}
	for _, res := range r.Results {
		c := res.Case
		e := Entry{
			Case: c.Name(), ID: c.ID, Variant: c.Variant, Role: c.Role, Level: c.Req.Level, Profile: c.Req.Profile,
			Title: c.Title, Clause: c.Req.Text, Also: c.Also, Verdict: res.Verdict, Unscored: c.Unscored, Reason: res.Reason,
			Findings: res.Findings, Notes: res.Notes, Closed: res.Closed, Attempts: res.Attempts,
			TookMS: res.Took.Milliseconds(), LateMS: res.Late.Milliseconds(), Ports: res.Ports,
		}
		if res.Verdict != engine.Pass {
			e.Log = res.Log
			for _, ev := range res.Trace {
				e.Trace = append(e.Trace, ev.String())
			}
		}
		f.Results = append(f.Results, e)
	}
	f.conclude()
	return f
}

// failures is the number of results that count against the subject.
func (f *File) failures() (n int) {
	for v, m := range f.Counts {
		if failed(v) {
			n += m
		}
	}
	return n
}

// conclude fills in what follows from the results.
func (f *File) conclude() {
	f.Counts = map[engine.Verdict]int{}
	for _, e := range f.Results {
		if e.Unscored == "" {
			f.Counts[e.Verdict]++
		}
	}
	f.Coverage = f.coverage()
	f.Classes = f.classes()
	f.ExitCode = f.exitCode()
	_, head, rest := f.conclusion()
	f.Conclusion = head + rest
}

// WriteJSON writes the report as JSON.
func (f File) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(f)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(r io.Reader) (File, error) {
	var f File
	dec := json.NewDecoder(r)
	if err := dec.Decode(&f); err != nil {
		return File{}, fmt.Errorf("conformance report: %w", err)
	}
	if f.Schema != Schema {
		return File{}, fmt.Errorf("conformance report: schema %d, this suite reads %d", f.Schema, Schema)
	}
	return f, nil
}
