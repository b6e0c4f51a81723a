package verdict

import (
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// thresholds judges the scenario's expectations for every cell, group and subject.
func thresholds(r *record.Record) (out []record.Threshold) {
	t := summary.Make(r, r.Blocks)
	for _, th := range r.Scenario.Thresholds {
		e := &th.Expect
		for i := range r.Scenario.Cells {
			cell := &r.Scenario.Cells[i]
			groups := []string{""}
			if !e.Metric.Path {
				groups = nil
				for g := range cell.Groups {
					if name := cell.Groups[g].Name; e.Group == "" || e.Group == name {
						groups = append(groups, name)
					}
				}
			}
			for _, s := range r.Subjects {
				if e.Subject != "" && e.Subject != s.Name {
					continue
				}
				of := record.Of{Metric: e.Metric.Name, Cell: cell.Name, Route: record.Route{Path: scenario.Tunnel, Subject: s.Name}}
				found := false
				for _, of.Group = range groups {
					if t.Of(of) != nil {
						out, found = append(out, judged(r, t, &th, of)), true
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

// judged is what became of an expectation for one number. What is known to meet
// or to miss the limit with its whole interval does so; where the interval
// reaches over the limit it cannot be said, nor where the numbers are invalid.
func judged(r *record.Record, t *summary.Table, th *scenario.Threshold, of record.Of) record.Threshold {
	e := &th.Expect
	out := record.Threshold{Expect: e.Text, Gate: th.Gate, Of: of}
	if e.To != "" {
		out.Value = t.Ratio(of, e.To)
	} else if s := t.Of(of); s != nil {
		out.Value, out.Unit = stats.Of(s.Values()), e.Metric.Unit
	}
	out.Verdict, out.Reason = judgement(r, e, &out)
	return out
}

func judgement(r *record.Record, e *scenario.Expectation, t *record.Threshold) (verdict, reason string) {
	if t.Value.N == 0 {
		return record.Inconclusive, "there is no such number: the load does not have it, or too few samples; measure for longer"
	}
	met := e.Met(t.Value.Median)
	if e.Metric.Unit == metric.Share { // counted, not timed: no noise makes packets fail
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
