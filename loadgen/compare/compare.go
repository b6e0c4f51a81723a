// Package compare says what has changed between two subjects, or between two
// records of the same scenario, and whether that can be known at all.
//
//	compare.go  the numbers that are compared, and the verdicts
//	table.go    for people
package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// Options say what counts.
type Options struct {
	Effect  float64  // smallest change that counts; 0: 5 %
	Metrics []string // that are compared; none: the few that matter for each load
}

const (
	usualEffect = 0.05
	shareEffect = 0.001 // of packets that fail, one in a thousand counts
)

// metrics are what is compared of a cell: few, as each more makes all harder to tell from chance.
func (o *Options) metrics(cell *scenario.Cell) []string {
	if len(o.Metrics) > 0 {
		return o.Metrics
	}
	out := []string{"failed", "rss.peak"}
	perMessage := false
	for i := range cell.Groups {
		switch g := &cell.Groups[i]; {
		case g.Mode == scenario.Idle:
		case g.Rate > 0:
			out, perMessage = append(out, "response.p50", "response.p99"), true
		case g.Echoes():
			out, perMessage = append(out, "goodput", "service.p50"), true
		default:
			out = append(out, "goodput")
		}
	}
	if perMessage {
		return append(out, "cpu.message")
	}
	return append(out, "cpu.kib")
}

// A pair is a number of each side.
type pair struct {
	old, new *summary.Series
	paired   bool // measured within the same repetitions
}

// change is by how much the new one is more, and the p of no difference.
func (p *pair) change() (stats.Estimate, float64) {
	if p.paired {
		return summary.Change(p.old, p.new)
	}
	old, new := p.old.Values(), p.new.Values()
	probability := stats.MannWhitney(old, new)
	if p.new.Kind.Unit == metric.Share {
		return stats.Shift(old, new), probability
	}
	return stats.Shift(logs(old), logs(new)).Expm1(), probability
}

// logs are the logarithms; a speed of nothing at all is as good as one in a million million.
func logs(v []float64) (out []float64) {
	for _, x := range v {
		out = append(out, math.Log(max(x, 1e-12)))
	}
	return out
}

// Subjects compares the subjects of one run with the first of them, pair by
// pair within the repetitions; nothing with a single subject.
func Subjects(r *record.Record, o Options) []record.Comparison {
	if len(r.Subjects) < 2 {
		return nil
	}
	t, first := summary.Make(r, r.Blocks), r.Subjects[0].Name
	var out []record.Comparison
	for _, n := range t.Series {
		if n.Path != scenario.Tunnel || n.Subject == first || !o.wants(r, n.Of) {
			continue
		}
		of := n.Of
		of.Subject = first
		if old := t.Of(of); old != nil {
			stated, effect := o.effect(n.Of, r)
			out = append(out, compare(pair{old, n, true}, first, n.Subject, stated, effect))
		}
	}
	return Judge(out)
}

// wants reports whether a number is to be compared.
func (o *Options) wants(r *record.Record, of record.Of) bool {
	cell, err := r.Scenario.Cell(of.Cell)
	return err == nil && slices.Contains(o.metrics(cell), of.Metric)
}

// effect is the smallest change that counts: what is stated, or the noise floor of one of the records.
func (o *Options) effect(of record.Of, records ...*record.Record) (stated, effect float64) {
	stated = cmp.Or(o.Effect, usualEffect)
	if m, err := metric.Find(of.Metric); err == nil && m.Unit == metric.Share {
		stated = shareEffect
	}
	effect = stated
	for _, r := range records {
		for _, f := range r.Floor {
			if f.Metric == of.Metric && (f.Group == of.Group || len(r.Scenario.Cells) > 1) {
				effect = max(effect, f.Change)
			}
		}
	}
	return stated, effect
}

// Records compares what the tunnels of an old record and of a new one of the
// same scenario got. A subject is compared with the one of its name, or with
// the only one that there is.
func Records(old, new *record.Record, o Options) ([]record.Comparison, error) {
	if old.Scenario.Name != new.Scenario.Name {
		return nil, fmt.Errorf("scenario %s cannot be compared with %s: give records of the same", new.Scenario.Name, old.Scenario.Name)
	}
	before, after := summary.Make(old, old.Blocks), summary.Make(new, new.Blocks)
	var out []record.Comparison
	for _, n := range after.Series {
		if n.Path != scenario.Tunnel || !o.wants(new, n.Of) {
			continue
		}
		of := n.Of
		if len(old.Subjects) == 1 && len(new.Subjects) == 1 {
			of.Subject = old.Subjects[0].Name
		}
		b := before.Of(of)
		if b == nil {
			continue
		}
		stated, effect := o.effect(n.Of, old, new)
		c := compare(pair{b, n, false}, of.Subject, n.Subject, stated, effect)
		c.Scenario, c.Unsteady = new.Scenario.Name, !steady(before, after, n.Of, effect)
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("scenario %s: the two records have no cell and subject in common: measure the same file and subject", new.Scenario.Name)
	}
	return Judge(out), nil
}

// steady reports whether a number of the paths without a subject stayed as it was.
func steady(before, after *summary.Table, of record.Of, effect float64) bool {
	for _, path := range []string{scenario.Direct, scenario.Relay} {
		of.Route = record.Route{Path: path}
		if b, a := before.Of(of), after.Of(of); b != nil && a != nil {
			e, p := (&pair{b, a, false}).change()
			return p >= stats.Alpha || math.Abs(e.Median) < effect
		}
	}
	return true
}

// compare is a pair's numbers, without a verdict yet.
func compare(p pair, old, new string, stated, effect float64) record.Comparison {
	c := record.Comparison{
		Of: p.new.Of, Old: old, New: new, OldMedian: stats.Of(p.old.Values()).Median, NewMedian: stats.Of(p.new.Values()).Median,
		Unit: p.new.Kind.Unit, Better: p.new.Kind.Better, Stated: stated, Effect: effect,
	}
	c.Change, c.P = p.change()
	return c
}

// Judge gives the verdicts, which depend on how many comparisons there are.
func Judge(cs []record.Comparison) []record.Comparison {
	var ps []float64
	for _, c := range cs {
		ps = append(ps, c.P)
	}
	for i, p := range stats.Holm(ps) {
		c := &cs[i]
		c.Holm = p
		c.Verdict, c.Reason = verdict(c)
	}
	return cs
}

// verdict says what can be known of a change, and if it is nothing why.
func verdict(c *record.Comparison) (verdict, reason string) {
	change, far := math.Abs(c.Change.Median), math.Inf(1)
	if low, high, ok := c.Change.Interval(); ok {
		far = max(math.Abs(low), math.Abs(high))
	}
	switch {
	case c.Change.N < stats.Fewest:
		return record.Inconclusive, fmt.Sprintf("%d repetitions are too few: measure %d or more, better 10", c.Change.N, stats.Fewest)
	case c.Holm < stats.Alpha && change >= c.Effect && c.Unsteady:
		return record.Inconclusive, "the path without the subject changed, too: it may be the machine; measure both subjects in one run"
	case c.Holm < stats.Alpha && change >= c.Effect:
		if (c.Change.Median > 0) == (c.Better == metric.Higher) {
			return record.Better, ""
		}
		return record.Worse, ""
	case far <= c.Stated: // the whole interval; that the machine is noisy makes nothing the same
		return record.Same, ""
	case change >= c.Stated && change < c.Effect:
		return record.Inconclusive, fmt.Sprintf("below the noise floor of %.1f %%: use a quieter machine, or measure for longer", 100*c.Effect)
	case change < c.Stated:
		return record.Inconclusive, "known too loosely: measure for longer, or more repetitions"
	}
	return record.Inconclusive, "not significant: measure for longer, or more repetitions"
}
