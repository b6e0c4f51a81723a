package analyse

import (
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Complete fills in everything that a record says about its own blocks.
func Complete(r *record.Record) {
	summarise(r)
	r.Comparison = CompareSubjects(r, CompareOptions{})
	r.Findings = findings(r)
	r.Validity = validity(r)
	r.Thresholds = thresholds(r)
}

// summarise fills in what the record's blocks come to: summary, ratios, noise floor, growth and isolation.
func summarise(r *record.Record) {
	t := Tabulate(r, r.Blocks)
	r.Summary, r.Ratios = nil, nil
	for _, s := range t.Series {
		if s.Kind.Use&metric.Judge == 0 {
			continue
		}
		r.Summary = append(r.Summary, record.Summary{Of: s.Of, Estimate: Estimate(s.Values()), Unit: s.Kind.Unit, Better: s.Kind.Better})
		if paced(r.Scenario, s) {
			continue
		}
		for _, to := range bases(s.Path) {
			if e := t.Ratio(s.Of, record.Route{Path: to}); e.N > 0 {
				r.Ratios = append(r.Ratios, record.Ratio{Of: s.Of, To: to, Estimate: e, Better: s.Kind.Better})
			}
		}
	}
	r.Floor = floor(t, Tabulate(r, r.Canary))
	r.Slopes, r.Apart = append(slopes(r), hourly(r)...), append(isolation(r, t), inflation(r, t)...)
}

// paced reports whether a series is a speed that the scenario's rate sets, which is the same on all paths.
func paced(s *scenario.Scenario, of *Series) bool {
	if of.Kind.Better != metric.Higher {
		return false
	}
	cell, err := s.Cell(of.Cell)
	if err != nil {
		return false
	}
	for i := range cell.Groups {
		if g := &cell.Groups[i]; g.Name == of.Group {
			return g.Rate > 0
		}
	}
	return false
}

// bases are the paths to which one is set in relation.
func bases(path string) []string {
	return map[string][]string{scenario.Relay: {scenario.Direct}, scenario.Tunnel: {scenario.Direct, scenario.Relay}}[path]
}
