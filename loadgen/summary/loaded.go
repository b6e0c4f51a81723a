package summary

import (
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
)

// inflation compares the times of a group beside a load with those that it has
// in the cell where that load has no connections: loaded ÷ idle, within the repetition.
func inflation(r *record.Record, t *Table) (out []record.Apart) {
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for k := range r.Scenario.Cells {
			base := &r.Scenario.Cells[k]
			load := quiet(cell, base)
			if load == "" {
				continue
			}
			out = append(out, t.apart(cell.Name, base.Name, func(s *Series) bool {
				return s.Group != load && s.Group != "" && (strings.HasPrefix(s.Metric, "response.") || strings.HasPrefix(s.Metric, "service."))
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
			if e := stats.Of(s.over(without)); e.N > 0 {
				out = append(out, record.Apart{Route: s.Route, Cell: cell, Group: s.Group, Metric: s.Metric, Estimate: e})
			}
		}
	}
	return out
}

// quiet is the group that a cell has, and whose connections alone the other
// one lacks, all else being the same; empty when there is none.
func quiet(cell, base *scenario.Cell) (load string) {
	if cell.Link != base.Link || len(cell.Timeline)+len(base.Timeline) > 0 || len(cell.Groups) != len(base.Groups) {
		return ""
	}
	for i, g := range cell.Groups {
		switch without := base.Groups[i]; {
		case g.Connections > 0 && without.Connections == 0 && load == "":
			load = g.Name
		case g != without:
			return ""
		}
	}
	return load
}
