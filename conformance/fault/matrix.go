package fault

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/spec"
)

// A Matrix is the outcome of a self-check.
type Matrix struct {
	Subject  string         `json:"subject"`
	Started  time.Time      `json:"started"`
	Took     time.Duration  `json:"took_ns"`
	Seed     uint64         `json:"seed"`
	Full     bool           `json:"full"`
	Baseline Baseline       `json:"baseline"`
	Trials   []Trial        `json:"mutants"`
	Liars    []Lie          `json:"liars"`
	Odds     []Odd          `json:"odds,omitempty"`
	Missing  []string       `json:"missing,omitempty"` // MUSTs with neither a mutant nor a reason
	Idle     []string       `json:"idle,omitempty"`    // cases that neither a mutant nor a liar failed
	Classes  []report.Class `json:"-"`
}

// A Baseline is what the suite says of the subject without a mutant.
type Baseline struct {
	ExitCode int                    `json:"exit_code"`
	Counts   map[engine.Verdict]int `json:"counts"`
	Failed   []string               `json:"failed,omitempty"`
	Alone    []string               `json:"passed_alone,omitempty"` // what did not pass at first, beside all the others
}

// baseline takes what the suite says of the subject in the end, and what it said at first.
func (m *Matrix) baseline(f, first report.File) {
	m.Baseline = Baseline{ExitCode: f.ExitCode, Counts: f.Counts, Failed: baselineFailures(f)}
	for i, e := range first.Results {
		if unpassed(e) && !unpassed(f.Results[i]) {
			m.Baseline.Alone = append(m.Baseline.Alone, e.Case)
		}
	}
}

// BaselineOK reports whether the subject without a mutant passes.
func (m Matrix) BaselineOK() bool { return m.Baseline.ExitCode == report.ExitCertified }

// OK reports whether the suite has proven that it can fail, and only where it should.
func (m Matrix) OK() bool {
	return m.BaselineOK() && len(m.Missing)+len(m.Idle) == 0 && len(m.Trials)+len(m.Odds) > 0 &&
		!slices.ContainsFunc(m.Trials, func(t Trial) bool { return !t.OK() }) &&
		!slices.ContainsFunc(m.Liars, func(l Lie) bool { return !l.OK() }) &&
		!slices.ContainsFunc(m.Odds, func(o Odd) bool { return !o.OK() })
}

// WriteJSON writes the matrix as JSON.
func (m Matrix) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		OK bool `json:"ok"`
		Matrix
	}{m.OK(), m})
}

// Write writes the kill matrix for people: a row for each requirement, a
// column for each role that it binds.
func (m Matrix) Write(w io.Writer) {
	t := report.NewTable("requirement", "level", "server", "client", "api")
	for r := range spec.Requirements() {
		row, any := table.Row{r.ID, r.Level}, false
		for _, role := range []engine.Role{Server, Client, API} {
			cell := m.cell(r, role)
			row, any = append(row, cell), any || cell != "" && cell != "reason"
		}
		if any || m.whole() && m.Subject == ownPeer {
			t.AppendRow(row)
		}
	}
	fmt.Fprintf(w, "kill matrix of %s, seed %d, took %s\n\n%s\n\n", m.Subject, m.Seed, m.Took.Round(time.Second), t.Render())
	if len(m.Liars) > 0 {
		l := report.NewTable("liar", "role", "passed", "of", "share", "found out")
		for _, lie := range m.Liars {
			l.AppendRow(table.Row{lie.Liar, lie.Role, lie.Passed, lie.Scored, fmt.Sprintf("%.1f %%", 100*lie.Share()), lie.OK()})
		}
		fmt.Fprintf(w, "%s\n\n", l.Render())
	}
	if len(m.Odds) > 0 {
		o := report.NewTable("unusual choice", "exit code", "nonstrict", "certified")
		for _, odd := range m.Odds {
			o.AppendRow(table.Row{odd.Name, odd.ExitCode, odd.Counts[engine.PassNonstrict], odd.OK()})
		}
		fmt.Fprintf(w, "%s\n\n", o.Render())
	}
	if m.whole() && m.Subject == ownPeer {
		fmt.Fprintln(w, "no mutant, for a reason:")
		for _, key := range slices.Sorted(maps.Keys(Reasons)) {
			fmt.Fprintf(w, "  %-10s %s\n", key, Reasons[key])
		}
		fmt.Fprintln(w)
	}
	m.writeFaults(w)
}

// writeFaults says what is not as it should be, and the verdict.
func (m Matrix) writeFaults(w io.Writer) {
	if !m.BaselineOK() {
		fmt.Fprintf(w, "the subject without a mutant does not pass (exit code %d): %s\n", m.Baseline.ExitCode, strings.Join(m.Baseline.Failed, ", "))
	}
	if alone := m.Baseline.Alone; len(alone) > 0 {
		fmt.Fprintf(w, "of the subject without a mutant this passed only when it ran once more, alone: %s\n", strings.Join(alone, ", "))
	}
	for _, t := range m.Trials {
		if t.OK() {
			continue
		}
		fmt.Fprintf(w, "%s: %s/%s, which %s", t.Outcome, t.Mutant, t.Role, t.Does)
		if t.Detail != "" {
			fmt.Fprintf(w, ": %s", t.Detail)
		}
		fmt.Fprintln(w)
	}
	for _, l := range m.Liars {
		if !l.OK() {
			fmt.Fprintln(w, l.fault())
		}
	}
	for _, o := range m.Odds {
		if !o.OK() {
			fmt.Fprintf(w, "a legal subject is not certified: %s, which %s: %s %s\n", o.Name, o.Does, strings.Join(o.Failed, ", "), o.Detail)
		}
	}
	for _, key := range m.Missing {
		fmt.Fprintf(w, "neither a mutant nor a reason: %s\n", key)
	}
	for _, c := range m.Idle {
		fmt.Fprintf(w, "a case that kills nothing: %s\n", c)
	}
	n := map[Outcome]int{}
	for _, t := range m.Trials {
		n[t.Outcome]++
	}
	verdict := "THE SUITE CAN FAIL"
	if !m.OK() {
		verdict = "NOT PROVEN"
	}
	fmt.Fprintf(w, "%s: %d mutants, %d killed, %d survived, %d not run, %d otherwise\n", verdict, len(m.Trials),
		n[Killed], n[Survived], n[NotRun], len(m.Trials)-n[Killed]-n[Survived]-n[NotRun])
}

// idle is every case that the subject without a mutant passes, as do all
// mutants that met it, and all liars: it proves nothing.
func (m Matrix) idle(twin report.File) []string {
	kills := map[string]bool{}
	for _, t := range m.Trials {
		for _, c := range slices.Concat(t.By, t.Also) {
			kills[c] = true
		}
	}
	for _, l := range m.Liars {
		for _, c := range l.failed {
			kills[c] = true
		}
	}
	var out []string
	for _, e := range twin.Results {
		if e.Verdict == engine.Pass && !kills[e.Case] {
			out = append(out, e.Case)
		}
	}
	return out
}

// whole reports whether nothing was left out on request.
func (m Matrix) whole() bool { return len(m.Liars) > 0 }

// cell is the outcome for one requirement and role.
func (m Matrix) cell(r spec.Requirement, role engine.Role) string {
	if !slices.Contains(rolesOf(r), role) {
		return ""
	}
	var out []string
	for _, t := range m.Trials {
		if t.Req != r.ID || t.Role != role {
			continue
		}
		if t.Outcome == Killed {
			out = append(out, fmt.Sprintf("killed by %d", len(t.By)))
		} else {
			out = append(out, strings.ToUpper(string(t.Outcome)))
		}
	}
	if len(out) == 0 {
		for _, key := range []string{r.ID, r.ID + "/" + string(role)} {
			if _, ok := Reasons[key]; ok {
				return "reason"
			}
		}
	}
	return strings.Join(out, ", ")
}
