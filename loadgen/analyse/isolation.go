package analyse

import (
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// inflation compares the times of a group beside a load with those that it has in the cell where that load has no
// connections, or another group has them in its place: loaded ÷ idle, within the repetition.
func inflation(r *record.Record, t *Table) (out []record.Apart) {
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for k := range r.Scenario.Cells {
			base := &r.Scenario.Cells[k]
			loads := quiet(cell, base)
			if len(loads) == 0 || len(cell.Timeline) > 0 {
				continue
			}
			out = append(out, t.apart(cell.Name, base.Name, func(s *Series) bool {
				return !slices.Contains(loads, s.Group) && s.Group != "" && (strings.HasPrefix(s.Metric, "response.") || strings.HasPrefix(s.Metric, "service."))
			})...)
		}
	}
	return out
}

// apart is what the wanted series of a cell are of those of another, within the repetition.
func (t *Table) apart(cell, base string, wanted func(*Series) bool) (out []record.Apart) {
	for _, s := range t.Series {
		if s.Cell != cell || !wanted(s) {
			continue
		}
		of := s.Of
		of.Cell = base
		if without := t.by[of]; without != nil {
			if e := Estimate(s.over(without)); e.N > 0 {
				out = append(out, record.Apart{Route: s.Route, Cell: cell, Group: s.Group, Metric: s.Metric, Estimate: e})
			}
		}
	}
	return out
}

// quiet is the groups that a cell has, and whose connections alone the other one lacks or has another group for, all else
// being the same; none when there is more between them. A load for which a group stands is compared with that group alone.
func quiet(cell, base *scenario.Cell) (loads []string) {
	same := func(x, y scenario.Event) bool { return x.String() == y.String() && x.Group == y.Group }
	if cell.Link != base.Link || !slices.EqualFunc(cell.Timeline, base.Timeline, same) || len(cell.Groups) != len(base.Groups) {
		return nil
	}
	for i, g := range cell.Groups {
		switch without := base.Groups[i]; {
		case g.Connections > 0 && without.Connections == 0:
			loads = append(loads, g.Name)
		case g.InsteadOf != "" && g.Connections == 0:
		case g != without:
			return nil
		}
	}
	for i, g := range cell.Groups {
		if g.InsteadOf != "" && g.Connections == 0 && slices.Contains(loads, g.InsteadOf) != (base.Groups[i].Connections > 0) {
			return nil
		}
	}
	return loads
}

// isolation compares the groups beside stalled readers with those of the cell in which there are none.
func isolation(r *record.Record, t *Table) (out []record.Apart) {
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		stalled := stalledIn(cell)
		if stalled == "" || connections(cell, stalled) == 0 {
			continue
		}
		for k := range r.Scenario.Cells {
			base := &r.Scenario.Cells[k]
			loads := quiet(cell, base)
			if !slices.Contains(loads, stalled) {
				continue
			}
			out = append(out, t.apart(cell.Name, base.Name, func(s *Series) bool {
				return strings.HasPrefix(s.Metric, "during.") && !slices.Contains(loads, s.Group)
			})...)
		}
	}
	return out
}

// stalledIn is the group whose readers stall in a cell.
func stalledIn(c *scenario.Cell) string {
	for _, e := range c.Timeline {
		if e.Do == scenario.ReaderStall {
			return e.Group
		}
	}
	return ""
}

func connections(c *scenario.Cell, group string) (n scenario.Count) {
	for _, g := range c.Groups {
		if g.Name == group {
			n = g.Connections
		}
	}
	return n
}
