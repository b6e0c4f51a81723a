package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// Schema is the version of the JSON file's shape. A field is added without a
// new version; one is never renamed or removed within a version.
const Schema = 1

// About is what a run was about, and what kept it from an end.
type About struct {
	Suite        string    `json:"suite"`           // version of the suite
	Spec         string    `json:"spec,omitempty"`  // text of PROTOCOL.md that the suite knows, like 1.1
	Requirements string    `json:"requirement_set"` // what scores, like 1.0
	Subject      string    `json:"subject"`         // an address, a command, a name
	Command      string    `json:"command"`         // the command line that repeats the run
	Started      time.Time `json:"started"`
	TookMS       int64     `json:"took_ms"`
	Seed         uint64    `json:"seed"`
	Segmentation string    `json:"segmentation,omitempty"` // on or off
	Owner        Owner     `json:"owner,omitempty"`
	OwnerWhy     string    `json:"owner_why,omitempty"` // of an owner that is not checked, or another program
	Host         Host      `json:"host"`
	Selection    []string  `json:"selection,omitempty"`   // of --id and --label-filter; absent: everything
	NotClaimed   []string  `json:"not_claimed,omitempty"` // classes of the set that the subject does not claim
	Unreachable  []string  `json:"unreachable,omitempty"` // why there was nobody to talk to, one for each role
	Lost         []string  `json:"lost_log,omitempty"`    // the last lines of a command that ended before it was ready
	Broken       string    `json:"broken,omitempty"`      // why the suite could not run at all
	Stopped      bool      `json:"stopped,omitempty"`     // the run was interrupted
}

// An Owner says whether what answered at the subject's addresses was the subject.
type Owner string

// Owners.
const (
	OwnerChecked   Owner = "checked"           // it was what the run had started
	OwnerElsewhere Owner = "not started by us" // a subject by address, or one that dials in
	OwnerUnknown   Owner = "not checked"       // the system does not say
	OwnerStranger  Owner = "another program"
)

// Host describes the machine of the suite.
type Host struct {
	OS    string        `json:"os"`
	Arch  string        `json:"arch"`
	CPUs  int           `json:"cpus"`
	Go    string        `json:"go"`
	Worst time.Duration `json:"worst_lateness_ns"` // of the suite's own timers
}

// A Run is a run while it goes on; its File is what is written.
type Run struct {
	About
	Untested []Untested
	Results  []engine.Result
}

// Add adds one result.
func (r *Run) Add(res engine.Result) {
	r.Results = append(r.Results, res)
	r.Host.Worst = max(r.Host.Worst, res.Late)
}

// Missed adds why a role could not be reached, and what may be wrong if that shows.
func (r *Run) Missed(err error, hint string) {
	ue, ok := errors.AsType[*engine.UnreachableError](err)
	if !ok {
		r.Broken = err.Error()
		return
	}
	why := ue.Error()
	if hint != "" {
		why += "; " + hint
	}
	r.Unreachable = append(r.Unreachable, why)
	r.Lost = append(r.Lost, ue.Log...)
}

// Disown takes back what was found out in a role: it was another program's doing.
func (r *Run) Disown(role engine.Role, why error) {
	for i := range r.Results {
		if res := &r.Results[i]; res.Case.Role == role {
			*res = engine.Result{Case: res.Case, Verdict: engine.NotRun, Reason: why.Error()}
		}
	}
}

// Sort orders the results by role, then by their place in PROTOCOL.md.
func (r *Run) Sort() {
	slices.SortStableFunc(r.Results, func(a, b engine.Result) int {
		return cmp.Or(
			cmp.Compare(a.Case.Role, b.Case.Role),
			byPlace(a.Case.ID, b.Case.ID),
			cmp.Compare(a.Case.Variant, b.Case.Variant),
		)
	})
}

// A File is the shape of the JSON file. Every other report is made from it.
type File struct {
	Schema int `json:"schema"`
	About
	ExitCode   int                    `json:"exit_code"`
	Conclusion string                 `json:"conclusion"` // the verdict of the run in words
	Counts     map[engine.Verdict]int `json:"counts"`     // of what scores
	Coverage   Coverage               `json:"coverage,omitzero"`
	Classes    []Class                `json:"classes"`
	Causes     []Cause                `json:"causes,omitempty"`   // what failed, by what it charges
	Untested   []Untested             `json:"untested,omitempty"` // requirements without a case
	Results    []Entry                `json:"results"`
	Bundle     *Bundle                `json:"bundle,omitempty"` // of --bundle
}

// With is the file of a run whose cases a later run of the same subject repeated in part: what that one says of
// them, and of whether the subject could be met, counts.
func (f File) With(later File) File {
	if len(f.Results) == 0 {
		return later
	}
	f.Broken, f.Stopped, f.Unreachable, f.Lost = later.Broken, later.Stopped, later.Unreachable, later.Lost
	f.Results = slices.Clone(f.Results)
	for _, e := range later.Results {
		if i := slices.IndexFunc(f.Results, func(old Entry) bool { return old.Case == e.Case }); i >= 0 {
			f.Results[i] = e
		} else {
			f.Results = append(f.Results, e)
		}
	}
	f.conclude()
	return f
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
	Unscored string           `json:"unscored,omitempty"` // why it scores nothing, like "not in set 1.1"
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
	f := File{Schema: Schema, About: r.About, Untested: r.Untested, Results: []Entry{}}
	for _, res := range r.Results {
		c := res.Case
		e := Entry{
			Case: c.Name(), ID: c.ID, Variant: c.Variant, Role: c.Role, Level: c.Req.Level, Profile: c.Profile(),
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
