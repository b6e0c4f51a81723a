package scenario

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A Cell is one point of a curve: groups that run together over a link.
type Cell struct {
	Name   string    `json:"name"`         // unlike all others of the scenario
	At     []Setting `json:"at,omitempty"` // what axes or the cell's own line set
	Groups []Group   `json:"groups"`
	Link   Link      `json:"link,omitzero"`

	Timeline []Event `json:"timeline,omitempty"`
	Repeat   Repeat  `json:"repeat,omitzero"` // when it is another one than the scenario's
}

// A Setting gives a field of a cell its value: size, link.rtt, or bulk.size for the group bulk alone.
type Setting struct {
	Axis  string `json:"axis"`
	Value string `json:"value"` // as written

	node ast.Node `yaml:"-" json:"-"`
}

// A Point is a cell of the list cells: the settings that make it.
type Point []Setting

// Axes are settings with a list of values each, in the order of the file; every combination is a cell.
type Axes [][]Setting

// UnmarshalYAML takes a mapping of fields to values.
func (p *Point) UnmarshalYAML(node ast.Node) error {
	return eachKey(node, func(key string, value ast.Node) error {
		*p = append(*p, Setting{key, value.GetToken().Value, value})
		return nil
	})
}

// UnmarshalYAML takes a mapping of fields to lists of values.
func (a *Axes) UnmarshalYAML(node ast.Node) error {
	*a = Axes{}
	return eachKey(node, func(key string, value ast.Node) error {
		list, ok := value.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 {
			return subject.ValueErrorf(value, "must be a list of values, like size: [64B, 1KiB]")
		}
		var axis []Setting
		for _, v := range list.Values {
			axis = append(axis, Setting{key, v.GetToken().Value, v})
		}
		*a = append(*a, axis)
		return nil
	})
}

// withoutRepeat is what makes the cell, and the setting that says how often it is measured; nil: none does.
func (p Point) withoutRepeat() (Point, *Setting) {
	i := slices.IndexFunc(p, func(s Setting) bool { return s.Axis == "repeat" })
	if i < 0 {
		return p, nil
	}
	return slices.Delete(slices.Clone(p), i, i+1), &p[i]
}

// eachKey calls take for each key of a mapping.
func eachKey(node ast.Node, take func(string, ast.Node) error) error {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return subject.ValueErrorf(node, "must be a group of keys, like {size: 64KiB}")
	}
	for _, p := range pairs {
		if err := take(p.Key.GetToken().Value, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// resolve makes Cells of what the file says, and checks each.
func (s *Scenario) resolve(doc *subject.Document) error {
	cells, axes := doc.Has("cells"), doc.Has("axes")
	where := func(int) string {
		if s.Load != nil {
			return "load"
		}
		return "groups"
	}
	points := []Point{nil}
	switch {
	case cells && axes:
		return doc.Errorf("cells", "and axes exclude each other: list the cells, or let axes multiply them")
	case cells && len(s.Points) == 0:
		return doc.Errorf("cells", "lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone")
	case axes && len(s.Axes) == 0:
		return doc.Errorf("axes", "lists no value: add connections, size or another field, like size: [64B, 1KiB], or leave axes out")
	case cells:
		points, where = s.Points, func(i int) string { return fmt.Sprintf("cells[%d]", i) }
	case axes:
		points, where = s.Axes.product(), func(int) string { return "axes" }
	}
	names := map[string]bool{}
	for i, p := range points {
		var own *Setting
		if p, own = p.withoutRepeat(); own != nil && axes {
			return doc.NodeErrorf(own.node, "repeat is no axis: list the cells, and give those a repeat that need one")
		}
		c := Cell{At: p, Groups: slices.Clone(s.Groups), Link: s.Link, Timeline: slices.Clone(s.Timeline)}
		for _, at := range p {
			if err := c.set(doc, at); err != nil {
				return err
			}
		}
		if own != nil {
			if err := value(doc, own.node, &c.Repeat); err != nil {
				return err
			}
			if problem := c.Repeat.problem(); problem != "" {
				return doc.NodeErrorf(own.node, "%s", problem)
			}
		}
		if problem := c.complete(); problem != "" {
			return doc.Errorf(where(i), "%s", problem)
		}
		for k := range c.Timeline {
			if problem := c.Timeline[k].problem(s, &c); problem != "" {
				return doc.Errorf(fmt.Sprintf("timeline[%d]", k), "%s", problem)
			}
		}
		if s.Search != nil {
			if problem := s.Search.problem(&c); problem != "" {
				return doc.Errorf("search", "%s", problem)
			}
		}
		if names[c.Name] {
			return doc.Errorf(where(i), "%v is there twice; remove one", c.Name)
		}
		names[c.Name] = true
		s.Cells = append(s.Cells, c)
	}
	return nil
}

// product is every combination; the last axis varies fastest.
func (a Axes) product() []Point {
	out := []Point{nil}
	for _, axis := range a {
		var next []Point
		for _, p := range out {
			for _, s := range axis {
				next = append(next, append(slices.Clone(p), s))
			}
		}
		out = next
	}
	return out
}

// set applies one setting to a cell.
func (c *Cell) set(doc *subject.Document, s Setting) error {
	of, field, dotted := strings.Cut(s.Axis, ".")
	if !dotted {
		of, field = "", s.Axis
	}
	found := false
	for i := range c.Groups {
		if of != "" && of != c.Groups[i].Name {
			continue
		}
		if p := c.Groups[i].fields()[field]; p != nil {
			found = true
			if err := value(doc, s.node, p); err != nil {
				return err
			}
		}
	}
	if p := c.Link.fields()[field]; of == "link" && p != nil {
		return value(doc, s.node, p)
	}
	for i := range c.Timeline {
		if p := c.Timeline[i].fields()[field]; of == "timeline" && p != nil {
			found = true
			if err := value(doc, s.node, p); err != nil {
				return err
			}
		}
	}
	if !found {
		return doc.NodeErrorf(s.node, "%s; with several groups also of one of them, like %s.size", subject.OneOf(s.Axis, settings()), c.Groups[0].Name)
	}
	return nil
}

// settings are what cells and axes can set.
func settings() []string {
	out := slices.Sorted(maps.Keys((&Group{}).fields()))
	for of, fields := range map[string]map[string]any{"link.": (&Link{}).fields(), "timeline.": (&Event{}).fields()} {
		for name := range fields {
			out = append(out, of+name)
		}
	}
	slices.Sort(out)
	return out
}

// value reads a node into a field.
func value(doc *subject.Document, node ast.Node, p any) error {
	err := yaml.NodeToValue(node, p, yaml.Strict())
	if err == nil {
		return nil
	}
	return doc.NodeError(node, err)
}

// complete fills in what is open, gives the cell its name, and says what keeps it from being run.
func (c *Cell) complete() string {
	for i := range c.Groups {
		g := &c.Groups[i]
		g.complete()
		if problem := g.problem(c.without(g.Name)); problem != "" {
			if len(c.Groups) > 1 {
				return g.Name + ": " + problem
			}
			return problem
		}
	}
	if problem := c.Link.problem(); problem != "" {
		return "link: " + problem
	}
	var parts []string
	if len(c.Groups) == 1 {
		parts = append(parts, c.Groups[0].String())
		if !c.Link.Bare() {
			parts = append(parts, c.Link.String())
		}
		for _, e := range c.Timeline {
			parts = append(parts, e.String())
		}
	} else {
		for _, s := range c.At {
			parts = append(parts, s.Axis+" "+s.Value)
		}
		if len(parts) == 0 {
			parts = append(parts, "as written")
		}
	}
	c.Name = strings.Join(parts, ", ")
	return ""
}

// without reports whether the cell says that a group has no connections.
func (c *Cell) without(group string) bool {
	return slices.ContainsFunc(c.At, func(s Setting) bool {
		return s.Value == "0" && (s.Axis == "connections" || s.Axis == group+".connections")
	})
}

// Connections is how many the cell has at once.
func (c *Cell) Connections() (n int) {
	for _, g := range c.Groups {
		n += int(g.Connections)
	}
	return n
}

// ErrNoCell says that a name is not that of a cell.
var ErrNoCell = errors.New("no such cell")

// Cell finds a cell by its name.
func (s *Scenario) Cell(name string) (*Cell, error) {
	for i := range s.Cells {
		if s.Cells[i].Name == name {
			return &s.Cells[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoCell, name)
}
