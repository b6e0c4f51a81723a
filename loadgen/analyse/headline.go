package analyse

import (
	"slices"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// headline is the metrics, the first that there is, by which a group is judged
// first: the speed of a load that goes as fast as it can, else the response time.
func headline(g *scenario.Group) []string {
	switch {
	case g.Mode == scenario.Idle:
		return nil
	case g.Rate > 0:
		return []string{"response.p99", "response.p50"}
	}
	return []string{"knee", "goodput"}
}

// A Headline is the first number of a row: as part of direct, or relay, where that was measured, else by itself.
type Headline struct {
	record.Of
	To string // empty: by itself
	record.Estimate
}

// Headlines are those of a cell: of its tunnels, or when it has none of its last path.
func (t *Table) Headlines(cell *scenario.Cell) (out []Headline) {
	var routes []record.Route
	for _, s := range t.Series {
		if s.Cell == cell.Name && !slices.Contains(routes, s.Route) {
			routes = append(routes, s.Route)
		}
	}
	if len(routes) == 0 {
		return nil
	}
	judged := slices.DeleteFunc(slices.Clone(routes), func(r record.Route) bool { return r.Path != scenario.Tunnel })
	if len(judged) == 0 {
		judged = routes[len(routes)-1:]
	}
	for _, route := range judged {
		for i := range cell.Groups {
			for _, name := range headline(&cell.Groups[i]) {
				of := record.Of{Metric: name, Cell: cell.Name, Group: cell.Groups[i].Name, Route: route}
				if t.by[of] != nil {
					out = append(out, t.headline(of))
					break
				}
			}
		}
	}
	return out
}

func (t *Table) headline(of record.Of) Headline {
	for _, to := range bases(of.Path) {
		if e := t.Ratio(of, record.Route{Path: to}); e.N > 0 {
			return Headline{of, to, e}
		}
	}
	return Headline{of, "", Estimate(t.by[of].Values())}
}

// Tight reports whether all headlines of a cell are known to a part of themselves.
func (t *Table) Tight(cell *scenario.Cell, width float64) bool {
	return !slices.ContainsFunc(t.Headlines(cell), func(h Headline) bool { return h.Width() > width })
}
