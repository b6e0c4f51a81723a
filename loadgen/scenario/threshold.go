package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/metric"
)

// What happens when a threshold is not met.
const (
	GateFail = "fail" // the run fails
	GateWarn = "warn" // the report says so
)

// A Threshold is what the scenario expects of every cell, or of some, and of every subject.
type Threshold struct {
	Expect Expectation `yaml:"expect" json:"expect"`
	At     Point       `yaml:"at" json:"-"`              // settings of the cells that are judged
	Cells  []string    `yaml:"-" json:"cells,omitempty"` // their names; none: all cells
	Gate   string      `yaml:"gate" json:"gate"`
}

// Has reports whether a cell is among those that are judged.
func (t *Threshold) Has(cell *Cell) bool {
	return t.Cells == nil || slices.Contains(t.Cells, cell.Name)
}

// An Expectation is a comparison of a metric with a limit:
//
//	[GROUP.]METRIC [of SUBJECT] [/ direct|relay|of SUBJECT] OPERATOR VALUE[UNIT]
//	probe.response.p99 / direct < 3
//	failed == 0
//	cpu.message of adit <= 40us
//	goodput of adit / of frp > 1
type Expectation struct {
	Text     string
	Group    string // empty: each group
	Metric   metric.Metric
	Subject  string  // empty: each subject
	To       string  // direct, relay; empty: the number itself, or Rival
	Rival    string  // the subject with which each other is compared; in a run without it nothing is expected
	Operator string  // < <= > >= ==
	Limit    float64 // in the metric's unit; of a ratio, plain
}

var (
	operators  = []string{"<=", ">=", "==", "<", ">"}
	limitParts = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-zµ%/]*)$`)
	units      = map[string]map[string]float64{
		metric.Nanoseconds:  {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9},
		metric.Octets:       {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
		metric.OctetsPerSec: {"B/s": 1, "KiB/s": 1 << 10, "MiB/s": 1 << 20, "kbit/s": 125, "Mbit/s": 125e3, "Gbit/s": 125e6},
		metric.PacketsPer:   {"/s": 1},
		metric.ConnsPer:     {"/s": 1},
		metric.Share:        {"": 1, "%": 0.01},
		metric.Streams:      {"": 1},
		metric.Times:        {"": 1},
		metric.PerKiB:       {"us": 1, "µs": 1, "ns": 1e-3},
		metric.PerMessage:   {"us": 1, "µs": 1, "ns": 1e-3},
		"ratio":             {"": 1, "%": 0.01},
	}
)

// UnmarshalYAML reads an expectation.
func (e *Expectation) UnmarshalYAML(node ast.Node) error {
	parsed, err := ParseExpectation(node.GetToken().Value)
	if err != nil {
		return subject.ValueErrorf(node, "%v", err)
	}
	*e = parsed
	return nil
}

// MarshalText writes it as in the file.
func (e Expectation) MarshalText() ([]byte, error) { return []byte(e.Text), nil }

// UnmarshalText reads it again.
func (e *Expectation) UnmarshalText(text []byte) (err error) {
	*e, err = ParseExpectation(string(text))
	return err
}

// ParseExpectation reads an expectation.
func ParseExpectation(text string) (e Expectation, err error) {
	e.Text = strings.TrimSpace(text)
	at, op := -1, ""
	for _, o := range operators {
		if i := strings.Index(e.Text, o); i >= 0 && (at < 0 || i < at) {
			at, op = i, o
		}
	}
	if at < 0 {
		return e, fmt.Errorf("%q has no operator: write one of <, <=, >, >=, ==, like response.p99 / direct < 3", text)
	}
	e.Operator = op
	left, right := strings.TrimSpace(e.Text[:at]), strings.TrimSpace(e.Text[at+len(op):])
	if before, to, ok := strings.Cut(left, "/"); ok {
		left, e.To = strings.TrimSpace(before), strings.TrimSpace(to)
		if rival, of := strings.CutPrefix(e.To, "of "); of {
			e.To, e.Rival = "", strings.TrimSpace(rival)
		} else if e.To != Direct && e.To != Relay {
			return e, fmt.Errorf("%q: / %s must be / direct, / relay or / of another subject", text, e.To)
		}
	}
	left, e.Subject, _ = strings.Cut(left, " of ")
	left, e.Subject = strings.TrimSpace(left), strings.TrimSpace(e.Subject)
	if e.Metric, err = metric.Expected(left); err != nil {
		group, rest, dotted := strings.Cut(left, ".")
		m, grouped := metric.Expected(rest)
		switch {
		case !dotted || grouped != nil:
			return e, fmt.Errorf("%q: %w, or one for one group, like probe.response.p99", text, err)
		case m.Path || m.Event:
			return e, fmt.Errorf("%q: %s is of all groups together: write %s", text, m.Name, m.Name)
		}
		e.Group, e.Metric = group, m
	}
	if e.Relative() && (e.Metric.Event || e.Metric.Derived) {
		return e, fmt.Errorf("%q: %s has no ratio: write a limit of its own", text, e.Metric.Name)
	}
	of := e.Metric.Unit
	if e.Relative() {
		of = "ratio"
	}
	m := limitParts.FindStringSubmatch(right)
	if m == nil {
		return e, fmt.Errorf("%q: %q must be a number with its unit, like 3 or 20ms", text, right)
	}
	factor, ok := units[of][m[2]]
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || !ok && n != 0 {
		return e, fmt.Errorf("%q: %q must be a number with one of the units %s", text, right, listed(of))
	}
	e.Limit = n * factor
	return e, nil
}

// Relative reports whether the limit is one of a ratio.
func (e *Expectation) Relative() bool { return e.To != "" || e.Rival != "" }

// listed are the units of something, the smallest first.
func listed(of string) string {
	var out []string
	for u := range units[of] {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := units[of][a] - units[of][b]; d != 0 {
			return map[bool]int{true: -1, false: 1}[d < 0]
		}
		return strings.Compare(a, b)
	})
	for i, u := range out {
		if u == "" {
			out[i] = "none"
		}
	}
	return strings.Join(out, ", ")
}

// Met reports whether a value is as expected.
func (e *Expectation) Met(v float64) bool {
	switch e.Operator {
	case "<":
		return v < e.Limit
	case "<=":
		return v <= e.Limit
	case ">":
		return v > e.Limit
	case ">=":
		return v >= e.Limit
	}
	return v == e.Limit
}

// checkThresholds makes sure that each can be judged.
func (s *Scenario) checkThresholds(doc *subject.Document) error {
	for i := range s.Thresholds {
		t := &s.Thresholds[i]
		at := func(field string) string { return fmt.Sprintf("thresholds[%d].%s", i, field) }
		switch {
		case t.Expect.Text == "":
			return doc.Errorf(at("expect"), "is missing: say what is expected, like response.p99 / direct < 3")
		case t.Gate == "":
			t.Gate = GateFail
		case t.Gate != GateFail && t.Gate != GateWarn:
			return doc.Errorf(at("gate"), "%s", subject.OneOf(t.Gate, []string{GateFail, GateWarn}))
		}
		e := &t.Expect
		if e.Group != "" && !slices.ContainsFunc(s.Groups, func(g Group) bool { return g.Name == e.Group }) {
			return doc.Errorf(at("expect"), "%q: there is no group %q; name one of the groups, or none", e.Text, e.Group)
		}
		if e.To != "" && !slices.Contains(s.Paths, e.To) {
			return doc.Errorf(at("expect"), "%q: path %s is not measured: add it to paths", e.Text, e.To)
		}
		if !slices.Contains(s.Paths, Tunnel) {
			return doc.Errorf(at("expect"), "%q: expects something of a tunnel, which is not measured: add it to paths", e.Text)
		}
		if e.To == Direct && e.Metric.Process {
			return doc.Errorf(at("expect"), "%q: direct has no process to compare with: write / relay", e.Text)
		}
	}
	return nil
}

// placeThresholds finds the cells that each judges.
func (s *Scenario) placeThresholds(doc *subject.Document) (err error) {
	for i := range s.Thresholds {
		t := &s.Thresholds[i]
		if t.Cells, err = s.cellsAt(doc, t.At); err != nil {
			return err
		}
		if t.At != nil && t.Cells == nil {
			return doc.Errorf(fmt.Sprintf("thresholds[%d].at", i), "%s", noCellAt)
		}
	}
	return nil
}
