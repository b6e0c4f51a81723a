package compare

import (
	"fmt"
	"math"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// Table shows comparisons, those of a cell together.
func Table(cs []record.Comparison) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"cell", "number", "old", "new", "change", "p", "verdict"})
	var right []table.ColumnConfig
	for n := 3; n <= 6; n++ {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for i, c := range cs {
		if i > 0 && (c.Cell != cs[i-1].Cell || c.New != cs[i-1].New) {
			t.AppendSeparator()
		}
		t.AppendRow(table.Row{
			strings.TrimPrefix(c.Scenario+": "+c.Cell, ": "), strings.TrimSpace(c.Group + " " + c.Metric),
			Value(c.OldMedian, c.Unit), Value(c.NewMedian, c.Unit), change(&c), fmt.Sprintf("%.3f", c.Holm), c.Verdict,
		})
	}
	return t
}

// change writes by how much it changed, and between what.
func change(c *record.Comparison) string {
	unit := "%"
	if c.Unit == metric.Share {
		unit = "points"
	}
	out := fmt.Sprintf("%+.1f %s", 100*c.Change.Median, unit)
	if low, high, ok := c.Change.Interval(); ok {
		out += fmt.Sprintf(" (%+.1f to %+.1f)", 100*low, 100*high)
	}
	return out
}

// Value writes a number in a unit that people read.
func Value(v float64, unit string) string {
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

// Text is the table, and of everything inconclusive why it is, each reason once.
func Text(cs []record.Comparison) string {
	count := map[string]int{}
	var order []string
	for _, c := range cs {
		if c.Reason != "" {
			if count[c.Reason]++; count[c.Reason] == 1 {
				order = append(order, c.Reason)
			}
		}
	}
	out := Table(cs).Render() + "\n"
	for _, r := range order {
		out += fmt.Sprintf("inconclusive, %d ×: %s\n", count[r], r)
	}
	return out
}
