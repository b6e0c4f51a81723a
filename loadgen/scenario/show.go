package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/metric"
)

// What a report shows.
const (
	ShowAnswer      = "answer"      // sentences about y
	ShowTable       = "table"       // y as columns of the first table
	ShowLines       = "lines"       // y over x, a line for each route
	ShowDots        = "dots"        // y of each cell, or event, a dot for each route
	ShowMap         = "map"         // y over x and by, a map for each subject
	ShowPercentiles = "percentiles" // whole distributions of the latency
	ShowCourse      = "course"      // y over the measured time
	ShowPoints      = "points"      // y of each block over x, with a line through them
	ShowSearch      = "search"      // what a search tried
)

// Answers are what there are sentences about.
var Answers = []string{"goodput", "latency.p50", "ok", "knee", "fault.first", "jain", "loaded", "rss.idle", "rss.growth"}

// Courses are what is known of each window of the measured time.
var Courses = []string{"goodput", "latency.max", "jain", "rss.server", "rss.client"}

// shows are the kinds, and what each of them says of what it shows.
var shows = map[string]struct{ x, y, by, at bool }{
	ShowAnswer: {y: true}, ShowTable: {y: true}, ShowSearch: {at: true}, ShowPercentiles: {at: true},
	ShowLines: {x: true, y: true, at: true}, ShowDots: {y: true, at: true}, ShowMap: {x: true, y: true, by: true, at: true},
	ShowCourse: {y: true, at: true}, ShowPoints: {x: true, y: true},
}

var showKinds = []string{ShowAnswer, ShowTable, ShowLines, ShowDots, ShowMap, ShowPercentiles, ShowCourse, ShowPoints, ShowSearch}

// A Show is one thing that a report shows, or several of the same kind: one for each y.
type Show struct {
	Kind  string   `yaml:"kind" json:"kind"`
	X     string   `yaml:"x" json:"x,omitempty"`         // a setting: size, link.rtt, bulk.connections
	Y     Words    `yaml:"y" json:"y,omitempty"`         // metrics: goodput, goodput/direct
	By    string   `yaml:"by" json:"by,omitempty"`       // map: the second setting
	Group string   `yaml:"group" json:"group,omitempty"` // whose numbers; empty: each group's
	At    Point    `yaml:"at" json:"-"`                  // settings of the cells that are shown
	Cells []string `yaml:"-" json:"cells,omitempty"`     // their names; none: all cells
}

// Words are one word or several.
type Words []string

// UnmarshalYAML takes a word or a list of words.
func (w *Words) UnmarshalYAML(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		*w = Words{node.GetToken().Value}
		return nil
	}
	for _, v := range list.Values {
		*w = append(*w, v.GetToken().Value)
	}
	return nil
}

// Shown are the metrics that are shown in a kind, in the order of the file.
func (s *Scenario) Shown(kind string) (out []string) {
	for _, show := range s.Show {
		if show.Kind == kind {
			out = append(out, show.Y...)
		}
	}
	return out
}

// Has reports whether a cell is among those that are shown.
func (s *Show) Has(cell *Cell) bool { return s.Cells == nil || slices.Contains(s.Cells, cell.Name) }

// checkShow makes sure that everything can be shown, and finds the cells.
func (s *Scenario) checkShow(doc *subject.Document) error {
	for i := range s.Show {
		show := &s.Show[i]
		wrong := func(field, format string, args ...any) error {
			return doc.Errorf(fmt.Sprintf("show[%d].%s", i, field), format, args...)
		}
		takes, known := shows[show.Kind]
		if !known {
			return wrong("kind", "%s", subject.OneOf(show.Kind, showKinds))
		}
		for _, part := range []struct {
			field, example string
			is, takes      bool
		}{
			{"x", "x: size", show.X != "", takes.x},
			{"y", "y: goodput", len(show.Y) > 0, takes.y},
			{"by", "by: link.rtt", show.By != "", takes.by},
			{"at", "", show.At != nil, takes.at && show.At != nil},
			{"group", "", show.Group != "", takes.at && show.Group != ""},
		} {
			switch {
			case part.is && !part.takes:
				return wrong(part.field, "does not belong to kind: %s; remove it", show.Kind)
			case !part.is && part.takes:
				return wrong(part.field, "is missing: say what %s shows, like %s", show.Kind, part.example)
			}
		}
		for _, y := range show.Y {
			if problem := show.problem(y); problem != "" {
				return wrong("y", "%s", problem)
			}
		}
		for field, setting := range map[string]string{"x": show.X, "by": show.By} {
			if setting != "" && !s.Cells[0].has(setting) {
				return wrong(field, "%q must be a setting of the cells, like size, link.rtt or %s.connections", setting, s.Cells[0].Groups[0].Name)
			}
		}
		if show.Group != "" && !slices.ContainsFunc(s.Groups, func(g Group) bool { return g.Name == show.Group }) {
			return wrong("group", "%s", subject.OneOf(show.Group, namesOf(s.Groups)))
		}
		var err error
		if show.Cells, err = s.cellsAt(doc, show.At); err != nil {
			return err
		}
		if show.At != nil && show.Cells == nil {
			return wrong("at", "%s", noCellAt)
		}
	}
	return nil
}

// problem says why a kind cannot show y; empty when it can.
func (s *Show) problem(y string) string {
	m, to, err := metric.Shown(y)
	_, shown := m.At("", to)
	switch {
	case s.Kind == ShowAnswer && !slices.Contains(Answers, y):
		return subject.OneOf(y, Answers)
	case s.Kind == ShowCourse && !slices.Contains(Courses, y):
		return subject.OneOf(y, Courses)
	case s.Kind == ShowPoints && y != "rss.server" && y != "rss.client":
		return fmt.Sprintf("%q: of each block there are rss.server and rss.client", y)
	case s.Kind == ShowAnswer || s.Kind == ShowCourse || s.Kind == ShowPoints || s.Kind == ShowDots && y == "loaded":
		return ""
	case err != nil:
		return err.Error()
	case !shown:
		return fmt.Sprintf("%q is not shown in reports", y)
	}
	return ""
}

// noCellAt is what is wrong with settings that no cell has.
const noCellAt = "no cell is so: name settings of one cell or more"

// cellsAt are the names of the cells that have all of some settings; none without any setting.
func (s *Scenario) cellsAt(doc *subject.Document, at Point) (names []string, err error) {
	if at == nil {
		return nil, nil
	}
	for i := range s.Cells {
		c := s.Cells[i]
		c.Groups, c.Timeline = slices.Clone(c.Groups), slices.Clone(c.Timeline)
		for _, setting := range at {
			if err := c.set(doc, setting); err != nil {
				return nil, err
			}
		}
		if c.complete() == "" && reflect.DeepEqual(c.Groups, s.Cells[i].Groups) && c.Link == s.Cells[i].Link && reflect.DeepEqual(c.Timeline, s.Cells[i].Timeline) {
			names = append(names, s.Cells[i].Name)
		}
	}
	return names, nil
}

// has reports whether a setting is one of the cell's.
func (c *Cell) has(setting string) bool {
	of, field, dotted := strings.Cut(setting, ".")
	if !dotted {
		return c.Groups[0].fields()[setting] != nil
	}
	return of == "link" && c.Link.fields()[field] != nil || of == "timeline" && (&Event{}).fields()[field] != nil ||
		slices.ContainsFunc(c.Groups, func(g Group) bool { return g.Name == of && g.fields()[field] != nil })
}
