package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// A cost is what a tunnel costs against another path: the part of a metric,
// repetition by repetition, over all cells.
type cost struct {
	subject, path string
	Spread        // of one cell: its interval; of several: the median of the cells, the lowest and the highest
	cells         int
}

// costs compares every tunnel with direct and relay.
func costs(r *record.Record, h headline) (out []cost) {
	t := summary.Make(r, r.Blocks)
	for _, s := range r.Subjects {
		for _, path := range []string{scenario.Direct, scenario.Relay} {
			var cells []float64
			var one Spread
			for i := range r.Scenario.Cells {
				c := &r.Scenario.Cells[i]
				for g := range c.Groups {
					if c.Groups[g].Rate > 0 && slices.Contains(h.names, "goodput") {
						continue // the rate says how fast, on every path
					}
					mine, other := record.Route{Path: scenario.Tunnel, Subject: s.Name}, record.Route{Path: path}
					if invalid(r, c, g, mine) || invalid(r, c, g, other) {
						continue // what is not what it seems to be is no headline
					}
					if v := (numbers{t, c, g, mine}).ratio(path, h.names...); v != (Spread{}) {
						cells, one = append(cells, v.Median), v
					}
				}
			}
			switch len(cells) {
			case 0:
			case 1:
				out = append(out, cost{s.Name, path, one, 1})
			default:
				out = append(out, cost{s.Name, path, reach(cells), len(cells)})
			}
		}
	}
	return out
}

// invalid reports whether the numbers of a group of a cell over one route are not what they seem to be.
func invalid(r *record.Record, c *scenario.Cell, group int, route record.Route) bool {
	return r.Validity != nil && r.Validity.Of(c.Name, c.Groups[group].Name, route) == record.Invalid
}

// speedGiven reports whether every group sends at a rate: the speed is then the same everywhere.
func speedGiven(r *record.Record) bool {
	for _, c := range r.Scenario.Cells {
		for _, g := range c.Groups {
			if g.Rate == 0 {
				return false
			}
		}
	}
	return true
}

// answer is what the tunnels cost, in a sentence or two each, made from the numbers alone.
func answer(r *record.Record) (out []string) {
	if out = asked(r); len(out) > 0 {
		return out
	}
	given := speedGiven(r)
	say := func(h headline, one func(Spread) string, reaching func(Spread) string) (of map[string][]string) {
		of = map[string][]string{}
		for _, c := range costs(r, h) {
			text := fmt.Sprintf("%s %s", one(c.Spread), inWords[c.path])
			if c.Low < c.High {
				text += " (" + reaching(c.Spread) + ")"
			}
			of[c.subject] = append(of[c.subject], text)
		}
		return of
	}
	speeds := say(headlines[speed], func(v Spread) string { return fmt.Sprintf("%.0f %% of the speed of", 100*v.Median) },
		func(v Spread) string { return fmt.Sprintf("%.0f–%.0f %%", 100*v.Low, 100*v.High) })
	late := say(headlines[median50], func(v Spread) string { return fmt.Sprintf("%.1f × that of", v.Median) },
		func(v Spread) string { return fmt.Sprintf("%.1f–%.1f", v.Low, v.High) })
	for _, s := range r.Subjects {
		var parts []string
		if v := speeds[s.Name]; len(v) > 0 && !given {
			parts = append(parts, "loads reach "+strings.Join(v, " and "))
		}
		if v := late[s.Name]; len(v) > 0 {
			parts = append(parts, "the median latency is "+strings.Join(v, " and "))
		}
		if text := arrived(r, s.Name); given && text != "" {
			parts = append([]string{text}, parts...)
		}
		if len(parts) > 0 {
			out = append(out, fmt.Sprintf("Through %s %s.", s.Name, strings.Join(parts, "; ")))
		}
	}
	return append(out, growing(r)...)
}

// told is an answer in Markdown: a paragraph, or a list when there are several to tell of.
func told(answer []string) string {
	switch len(answer) {
	case 0:
		return ""
	case 1:
		return answer[0] + "\n\n"
	}
	return "- " + strings.Join(answer, "\n- ") + "\n\n"
}

// arrived says how many packets came back through a tunnel, of those that were to.
func arrived(r *record.Record, subject string) string {
	ok, failed := 0.0, int64(0)
	for _, row := range Rows(r) {
		if row.Subject == subject {
			ok, failed = ok+row.OK, failed+row.Failed
		}
	}
	switch {
	case ok+float64(failed) == 0:
		return ""
	case failed == 0:
		return fmt.Sprintf("all %.0f packets came back unchanged", ok)
	}
	return fmt.Sprintf("%.0f of %.0f packets came back unchanged", ok, ok+float64(failed))
}

// verdict is how the run ended, in a few words; good when nothing is wrong.
func verdict(r *record.Record) (text string, good bool) {
	switch failed := r.Failed(); {
	case r.Faulty():
		return "wrong octets were received", false
	case failed == 1:
		return "1 packet was not ok", false
	case failed > 1:
		return fmt.Sprintf("%d packets were not ok", failed), false
	case r.Interrupted:
		return "stopped before the end", false
	}
	return "every packet ok, every octet checked", true
}
