package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Repeat is how often a cell is measured: a plain number, or between min
// and max times, until the headline's ratio is known within width.
type Repeat struct {
	Min   Count `yaml:"min"`
	Max   Count `yaml:"max"`
	Width Share `yaml:"width"` // the interval's ends are so near to the median; only with a range
}

const (
	// ForInterval is how many repetitions an interval of a median needs.
	ForInterval = 6
	mostRepeats = 1000
)

// Times is a plain number of repetitions.
func Times(n Count) Repeat { return Repeat{Min: n, Max: n} }

// UntilTight reports whether the number of repetitions depends on what is measured.
func (r Repeat) UntilTight() bool { return r.Max > r.Min }

// atMost is as often as the file asks for at least, and no more than n times.
func (r Repeat) atMost(n Count) Repeat { return Times(min(r.Min, n)) }

func (r Repeat) String() string {
	if !r.UntilTight() {
		return fmt.Sprint(int(r.Min))
	}
	return fmt.Sprintf("%d to %d", r.Min, r.Max)
}

// UnmarshalYAML reads a whole number or {min, max, width}.
func (r *Repeat) UnmarshalYAML(node ast.Node) error {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		type plain Repeat
		p := plain{Min: ForInterval, Max: 20, Width: 0.05}
		if err := yaml.NodeToValue(node, &p, yaml.Strict()); err != nil {
			return err
		}
		*r = Repeat(p)
		return nil
	}
	var n Count
	if err := n.UnmarshalYAML(node); err != nil {
		return subject.ValueErrorf(node, "%q must be a whole number, like 3, or like {min: 6, max: 20, width: 5%%}", node.GetToken().Value)
	}
	*r = Times(n)
	return nil
}

// RepeatOf is how often a cell is measured: as it says itself, or else the scenario.
func (s *Scenario) RepeatOf(c *Cell) Repeat {
	if c.Repeat != (Repeat{}) {
		return c.Repeat
	}
	return s.Repeat
}

// Repeats says for people how often cells are measured, those that go first which are measured most.
func (s *Scenario) Repeats() string {
	count := map[Repeat]int{}
	for i := range s.Cells {
		count[s.RepeatOf(&s.Cells[i])]++
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b Repeat) int {
		return cmp.Or(cmp.Compare(b.Max, a.Max), cmp.Compare(b.Min, a.Min), cmp.Compare(a.Width, b.Width))
	})
	if len(all) == 1 {
		return all[0].String() + " × each"
	}
	var out []string
	for _, r := range all {
		out = append(out, fmt.Sprintf("%v × %d of the cells", r, count[r]))
	}
	return strings.Join(out, ", ")
}

// problem says what is wrong with it; empty when nothing is.
func (r Repeat) problem() string {
	switch {
	case r.Min < 1 || r.Min > mostRepeats:
		return fmt.Sprintf("%d must be 1 to %d", r.Min, mostRepeats)
	case r.Max > mostRepeats || r.Max < r.Min:
		return fmt.Sprintf("max %d must be min, which is %d, to %d", r.Max, r.Min, mostRepeats)
	case r.UntilTight() && r.Min < ForInterval:
		return fmt.Sprintf("min %d must be %d or more: fewer repetitions have no interval that could be narrow", r.Min, ForInterval)
	case r.UntilTight() && r.Width <= 0:
		return "width must be more than 0%, like 5%"
	}
	return ""
}

// MarshalJSON writes it as in the file.
func (r Repeat) MarshalJSON() ([]byte, error) {
	if !r.UntilTight() {
		return json.Marshal(r.Min)
	}
	return json.Marshal(repeatRange(r))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Repeat) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var m repeatRange
		err := json.Unmarshal(data, &m)
		*r = Repeat(m)
		return err
	}
	var n Count
	err := json.Unmarshal(data, &n)
	*r = Times(n)
	return err
}

// repeatRange is a Repeat in a record, when it is not a plain number.
type repeatRange struct {
	Min   Count `json:"min"`
	Max   Count `json:"max"`
	Width Share `json:"width"` // 0.05 is 5 %
}
