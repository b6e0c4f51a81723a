package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// comparison is the table of those that can be judged: of each number a row for the tunnel that the others are compared
// with, and one for each of them. Name is what a cell is called.
func comparison(cs []record.Comparison, name func(string) string) grid {
	out := grid{Title: "Comparison", Head: []string{"cell", "number", "tunnel", "median", "change", "p (Holm)", "verdict"}, words: 3, once: true}
	var numbers [][]*record.Comparison // of each number, those of all rivals
	for i := range cs {
		c := &cs[i]
		if !judgeable(c) {
			continue
		}
		same := func(of []*record.Comparison) bool {
			o := of[0]
			return o.Scenario == c.Scenario && o.Cell == c.Cell && o.Group == c.Group && o.Metric == c.Metric && o.Old == c.Old && o.OldMedian == c.OldMedian
		}
		if at := slices.IndexFunc(numbers, same); at >= 0 {
			numbers[at] = append(numbers[at], c)
		} else {
			numbers = append(numbers, []*record.Comparison{c})
		}
	}
	// All numbers of a cell together, whichever tunnels have them.
	slices.SortStableFunc(numbers, func(a, b []*record.Comparison) int {
		place := func(c *record.Comparison) int {
			return slices.IndexFunc(cs, func(o record.Comparison) bool { return o.Scenario == c.Scenario && o.Cell == c.Cell })
		}
		return place(a[0]) - place(b[0])
	})
	for _, of := range numbers {
		first := of[0]
		cell := strings.TrimPrefix(first.Scenario+": "+name(first.Cell), ": ")
		old, now := "", ""
		if !first.Paired {
			old, now = "old: ", "new: "
		}
		number := strings.TrimPrefix(strings.TrimSpace(first.Group+" "+first.Metric), "load ")
		begins := len(out.Rows) > 0 && out.Rows[len(out.Rows)-1].Fields[0] != cell
		out.Rows = append(out.Rows, line{Fields: []string{cell, number, old + first.Old, inUnit(first.OldMedian, first.Unit), "", "", ""}, begins: begins})
		for _, c := range of {
			out.add(cell, number, now+c.New, inUnit(c.NewMedian, c.Unit), change(c), fmt.Sprintf("%.3f", c.Holm), c.Verdict)
		}
	}
	text := reasons(cs)
	if len(out.Rows) > 0 {
		text = slices.Insert(text, 0, method(cs))
	}
	out.Note = strings.Join(text, "\n")
	return out
}

// judgeable reports whether there are repetitions enough to tell any change from chance, if nothing else were compared: a row
// that has a number, and can have no other verdict, says nothing.
func judgeable(c *record.Comparison) bool {
	return c.Verdict != record.Inconclusive || c.Least < analyse.Alpha
}

// method says what a change is, and how its interval and its p are made.
func method(cs []record.Comparison) string {
	how := "pairs within a repetition (Hodges–Lehmann); p is from signed ranks (Wilcoxon)"
	if !cs[0].Paired {
		how = "all pairs of an old and a new repetition (Hodges–Lehmann); p is from Mann–Whitney's test"
	}
	return fmt.Sprintf("A change is that of the medians; in brackets is its interval of 95 %%, from %s, made good for %d comparisons (Holm).", how, len(cs))
}

// change writes by how much it changed, and between what.
func change(c *record.Comparison) string {
	unit := "%"
	switch {
	case c.Unit == metric.Share:
		unit = "points"
	case c.OldMedian == 0 && c.NewMedian != 0:
		return "from nothing"
	}
	out := fmt.Sprintf("%+.1f %s", 100*c.Change.Median, unit)
	if low, high, ok := c.Change.Interval(); ok {
		out += fmt.Sprintf(" (%+.1f to %+.1f)", 100*low, 100*high)
	}
	return out
}

// inUnit writes a number in a unit that people read.
func inUnit(v float64, unit string) string {
	switch unit {
	case metric.Nanoseconds:
		return scaled(v, 1000, "ns", "µs", "ms", "s")
	case metric.Octets:
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB")
	case metric.OctetsPerSec:
		return scaled(v, 1000, "B/s", "kB/s", "MB/s", "GB/s")
	case metric.Share:
		return fmt.Sprintf("%.2f %%", 100*v)
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}

// scaled writes a number in the largest unit in which it is one or more.
func scaled(v, step float64, units ...string) string {
	i := 0
	for math.Abs(v) >= step && i < len(units)-1 {
		v, i = v/step, i+1
	}
	return fmt.Sprintf("%.4g %s", v, units[i])
}

// reasons are why comparisons are inconclusive, each once.
func reasons(cs []record.Comparison) (out []string) {
	count := map[string]int{}
	var order []string
	for _, c := range cs {
		if c.Reason != "" {
			if count[c.Reason]++; count[c.Reason] == 1 {
				order = append(order, c.Reason)
			}
		}
	}
	for _, r := range order {
		out = append(out, fmt.Sprintf("inconclusive, %d of %d: %s", count[r], len(cs), r))
	}
	return out
}

// Comparison is the table of what can be judged, how it was made, and of everything inconclusive why it is.
func Comparison(cs []record.Comparison) string {
	g := comparison(cs, func(cell string) string { return cell })
	if len(g.Rows) == 0 {
		return g.Note + "\n"
	}
	return g.table().Render() + "\n" + g.Note + "\n"
}
