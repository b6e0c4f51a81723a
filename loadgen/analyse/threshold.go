package analyse

import (
	"cmp"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// thresholds judges the scenario's expectations for every cell, group and subject.
func thresholds(r *record.Record) (out []record.Threshold) {
	t := Tabulate(r, r.Blocks)
	for _, th := range r.Scenario.Thresholds {
		e := &th.Expect
		for i := range r.Scenario.Cells {
			cell := &r.Scenario.Cells[i]
			if !th.Has(cell) {
				continue
			}
			groups := []string{""}
			if !e.Metric.Path && !e.Metric.Event {
				groups = nil
				for g := range cell.Groups {
					if name := cell.Groups[g].Name; e.Group == "" || e.Group == name {
						groups = append(groups, name)
					}
				}
			}
			for _, s := range r.Subjects {
				if e.Subject != s.Name && (e.Subject != "" || s.Rival) || e.Rival != "" && (e.Rival == s.Name || !measured(r, e.Rival)) {
					continue
				}
				of := record.Of{Metric: e.Metric.Name, Cell: cell.Name, Route: record.Route{Path: scenario.Tunnel, Subject: s.Name}}
				found := false
				for _, of.Group = range groups {
					if j := judged(r, t, &th, of); j.Value.N > 0 {
						out, found = append(out, j), true
					}
				}
				if !found { // groups that have no such number do not matter as long as one has
					of.Group = e.Group
					out = append(out, judged(r, t, &th, of))
				}
			}
		}
	}
	return out
}

// measured reports whether a subject is one of the run's.
func measured(r *record.Record, name string) bool {
	return slices.ContainsFunc(r.Subjects, func(s record.Subject) bool { return s.Name == name })
}

// judged is what became of an expectation for one number. What is known to meet
// or to miss the limit with its whole interval does so; where the interval
// reaches over the limit it cannot be said, nor where the numbers are invalid.
func judged(r *record.Record, t *Table, th *scenario.Threshold, of record.Of) record.Threshold {
	e := &th.Expect
	out := record.Threshold{Expect: e.Text, Gate: th.Gate, Of: of}
	switch s := t.At(of); {
	case e.Relative():
		out.Value = t.Ratio(of, record.Route{Path: cmp.Or(e.To, scenario.Tunnel), Subject: e.Rival})
	case e.Metric.Event:
		out.Value, out.Unit = happened(r, &e.Metric, of), e.Metric.Unit
	case e.Metric.Derived:
		out.Value, out.Unit = derived(r, &e.Metric, of), e.Metric.Unit
	case s != nil:
		out.Value, out.Unit = Estimate(s.Values()), e.Metric.Unit
	}
	out.Verdict, out.Reason = judgement(r, e, &out)
	return out
}

// happened is what the events of a cell did on a route, in all repetitions.
func happened(r *record.Record, m *metric.Metric, of record.Of) record.Estimate {
	var blocks []*record.Block
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Cell == of.Cell && b.Route == of.Route {
			blocks = append(blocks, b)
		}
	}
	v := outages(m, blocks, func(int) bool { return true })
	if m.Over == metric.Sum && len(v) > 0 {
		return record.Estimate{N: len(v), Median: sum(v)}
	}
	return Estimate(v)
}

// derived is a number that is made of several cells, or of all blocks of a route.
func derived(r *record.Record, m *metric.Metric, of record.Of) record.Estimate {
	family, detail := m.Family()
	if family == "loaded" {
		for _, a := range r.Apart {
			if a.Cell == of.Cell && a.Group == of.Group && a.Route == of.Route && strings.HasSuffix(a.Metric, "."+detail) {
				return a.Estimate
			}
		}
		return record.Estimate{}
	}
	per, role, _ := strings.Cut(detail, ".")
	for _, s := range r.Slopes {
		if s.Route == of.Route && s.Role == role && s.What == "rss" && s.Per == map[string]string{"idle": record.PerIdle, "stalled": record.PerStalled}[per] {
			return s.Estimate
		}
	}
	return record.Estimate{}
}

func judgement(r *record.Record, e *scenario.Expectation, t *record.Threshold) (verdict, reason string) {
	if t.Value.N == 0 {
		return record.Inconclusive, "there is no such number: the load does not have it, or too few samples; measure for longer"
	}
	met := e.Met(t.Value.Median)
	if e.Metric.Unit == metric.Share || e.Metric.Event && e.Metric.Over == metric.Sum { // counted, not timed: no noise makes packets fail
		if met {
			return record.Pass, ""
		}
		return record.Fail, ""
	}
	low, high, ok := t.Value.Interval()
	row := r.Validity.Of(t.Cell, t.Group, t.Route)
	switch {
	case row == record.Invalid:
		return record.Inconclusive, "the numbers are invalid: see what speaks against them"
	case ok && e.Met(low) != e.Met(high):
		return record.Inconclusive, "the limit lies within the interval: take more repetitions, or a quieter machine"
	case met:
		return record.Pass, ""
	case r.Profile == scenario.Smoke:
		return record.Inconclusive, "profile smoke is too short to fail anything"
	case row == record.Noisy:
		return record.Inconclusive, "the numbers are noisy: see what speaks against them"
	}
	return record.Fail, ""
}
