package analyse

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// CompareOptions say what counts.
type CompareOptions struct {
	Effect  float64  // smallest change that counts; 0: 5 %
	Metrics []string // that are compared; none: the few that matter for each load
}

const (
	usualEffect = 0.05
	shareEffect = 0.001 // of packets that fail, one in a thousand counts
)

// metrics are what is compared of a cell: few, as each more makes all harder to tell from chance.
func (o *CompareOptions) metrics(cell *scenario.Cell) []string {
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
	old, new *Series
	paired   bool // measured within the same repetitions
}

// values are those of each side; of a pair, of the repetitions that both have.
func (p *pair) values() (old, new []float64) {
	if !p.paired {
		return p.old.Values(), p.new.Values()
	}
	at := map[int]float64{}
	for _, o := range p.old.Points {
		at[o.Repetition] = o.Value
	}
	for _, n := range p.new.Points {
		if v, ok := at[n.Repetition]; ok {
			old, new = append(old, v), append(new, n.Value)
		}
	}
	return old, new
}

// middle estimates the change of all values, with its interval and the p of no difference:
// from the pairs of the repetitions, or else from all pairs of an old and a new one.
func (p *pair) middle() (record.Estimate, float64) {
	if p.paired {
		return Change(p.old, p.new)
	}
	old, new := p.values()
	probability := MannWhitney(old, new)
	if p.new.Kind.Unit == metric.Share {
		return Shift(old, new), probability
	}
	return Shift(logs(old), logs(new)).Expm1(), probability
}

// least is the smallest p that so many values can have.
func (p *pair) least() float64 {
	old, new := p.values()
	if p.paired {
		return leastPaired(len(new))
	}
	return leastApart(len(old), len(new))
}

// logs are the logarithms of values, as far as they have one.
func logs(v []float64) (out []float64) {
	for _, x := range v {
		out = append(out, logOf(x))
	}
	return out
}

// logOf is a logarithm; that of nothing at all is as good as that of one in a million million.
func logOf(v float64) float64 { return math.Log(max(v, 1e-12)) }

// CompareSubjects compares the subjects of one run with the first of them, pair by
// pair within the repetitions; nothing with a single subject.
func CompareSubjects(r *record.Record, o CompareOptions) []record.Comparison {
	if len(r.Subjects) < 2 {
		return nil
	}
	t, first := Tabulate(r, r.Blocks), r.Subjects[0].Name
	var out []record.Comparison
	for _, n := range t.Series {
		if n.Path != scenario.Tunnel || n.Subject == first || !o.wants(r, n.Of) {
			continue
		}
		of := n.Of
		of.Subject = first
		if old := t.At(of); old != nil {
			stated, effect := o.effect(n.Of, r)
			out = append(out, compare(pair{old, n, true}, first, n.Subject, stated, effect))
		}
	}
	return Judge(out)
}

// wants reports whether a number is to be compared.
func (o *CompareOptions) wants(r *record.Record, of record.Of) bool {
	cell, err := r.Scenario.Cell(of.Cell)
	return err == nil && slices.Contains(o.metrics(cell), of.Metric)
}

// effect is the smallest change that counts: what is stated, or the noise floor of one of the records.
func (o *CompareOptions) effect(of record.Of, records ...*record.Record) (stated, effect float64) {
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

// CompareRecords compares what the tunnels of an old record and of a new one of the
// same scenario got. A subject is compared with the one of its name, or with
// the only one that there is.
func CompareRecords(old, new *record.Record, o CompareOptions) ([]record.Comparison, error) {
	if old.Scenario.Name != new.Scenario.Name {
		return nil, fmt.Errorf("scenario %s cannot be compared with %s: give records of the same", new.Scenario.Name, old.Scenario.Name)
	}
	before, after := Tabulate(old, old.Blocks), Tabulate(new, new.Blocks)
	var out []record.Comparison
	for _, n := range after.Series {
		if n.Path != scenario.Tunnel || !o.wants(new, n.Of) {
			continue
		}
		of := n.Of
		if len(old.Subjects) == 1 && len(new.Subjects) == 1 {
			of.Subject = old.Subjects[0].Name
		}
		b := before.At(of)
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
func steady(before, after *Table, of record.Of, effect float64) bool {
	for _, path := range []string{scenario.Direct, scenario.Relay} {
		of.Route = record.Route{Path: path}
		if b, a := before.At(of), after.At(of); b != nil && a != nil {
			e, p := (&pair{b, a, false}).middle()
			return p >= Alpha || math.Abs(e.Median) < effect
		}
	}
	return true
}

// compare is a pair's numbers, without a verdict yet. The change is that of the two medians, which stand beside it: no
// other estimate can be had from them. Its interval is that of the pairs, and reaches as far as the medians' change.
func compare(p pair, before, after string, stated, effect float64) record.Comparison {
	was, is := p.values()
	c := record.Comparison{
		Of: p.new.Of, Old: before, New: after, Paired: p.paired, OldMedian: Estimate(was).Median, NewMedian: Estimate(is).Median,
		Unit: p.new.Kind.Unit, Better: p.new.Kind.Better, Stated: stated, Effect: effect, Least: p.least(),
	}
	c.Change, c.P = p.middle()
	if c.Change.N == 0 {
		return c
	}
	c.Change.Median = c.NewMedian - c.OldMedian
	if c.Unit != metric.Share {
		c.Change.Median = math.Expm1(logOf(c.NewMedian) - logOf(c.OldMedian))
	}
	if low, high, ok := c.Change.Interval(); ok {
		c.Change.Low, c.Change.High = new(min(low, c.Change.Median)), new(max(high, c.Change.Median))
	}
	return c
}

// Judge gives the verdicts, which depend on how many comparisons there are.
func Judge(cs []record.Comparison) []record.Comparison {
	var ps []float64
	for _, c := range cs {
		ps = append(ps, c.P)
	}
	for i, p := range Holm(ps) {
		c := &cs[i]
		c.Holm = p
		c.Verdict, c.Reason = verdict(c, len(cs))
	}
	return cs
}

// verdict says what can be known of a change that is one of so many, and if it is nothing why.
func verdict(c *record.Comparison, of int) (verdict, reason string) {
	change, far, split := math.Abs(c.Change.Median), math.Inf(1), false
	if low, high, ok := c.Change.Interval(); ok {
		far, split = max(math.Abs(low), math.Abs(high)), low < 0 && high > 0
	}
	switch {
	case far <= c.Stated && !(c.Holm < Alpha && change >= c.Effect): // the whole interval; that the machine is noisy makes nothing the same
		return record.Same, ""
	case c.Least*float64(of) >= Alpha:
		return record.Inconclusive, tooFew(c, of)
	case c.Holm < Alpha && change >= c.Effect && c.Unsteady:
		return record.Inconclusive, "the path without the subject changed, too: it may be the machine; measure both subjects in one run"
	case c.Holm < Alpha && change >= c.Effect && split:
		return record.Inconclusive, "the medians and the pairs point different ways: measure more repetitions"
	case c.Holm < Alpha && change >= c.Effect:
		if (c.Change.Median > 0) == (c.Better == metric.Higher) {
			return record.Better, ""
		}
		return record.Worse, ""
	case change >= c.Stated && change < c.Effect:
		return record.Inconclusive, fmt.Sprintf("below the noise floor of %.1f %%: use a quieter machine, or measure for longer", 100*c.Effect)
	case change < c.Stated:
		return record.Inconclusive, "known too loosely: measure for longer, or more repetitions"
	}
	return record.Inconclusive, "not significant: measure for longer, or more repetitions"
}

// tooFew says how many repetitions it takes to tell any change from chance, where so many numbers are compared.
func tooFew(c *record.Comparison, of int) string {
	n, least := 1, func(n int) float64 { return leastApart(n, n) }
	if c.Paired {
		least = leastPaired
	}
	for least(n)*float64(of) >= Alpha {
		n++
	}
	what := "a change"
	if of > 1 {
		what = fmt.Sprintf("a change of one among %d numbers", of)
	}
	are := "repetitions are"
	if c.Change.N == 1 {
		are = "repetition is"
	}
	return fmt.Sprintf("%d %s too few to tell %s from chance: measure %d or more", c.Change.N, are, what, n)
}
