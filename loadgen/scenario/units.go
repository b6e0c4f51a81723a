package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Count is a whole number, not negative. The YAML library would take 1.5 for 1.
type Count int

var countPattern = regexp.MustCompile(`^[0-9]{1,9}$`)

// UnmarshalYAML reads a whole number.
func (n *Count) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if !countPattern.MatchString(text) {
		return subject.ValueErrorf(node, "%q must be a whole number, like 10", text)
	}
	v, _ := strconv.Atoi(text) // the pattern has checked it
	*n = Count(v)
	return nil
}

// Size is a number of bytes, written 64B, 64KiB or 1MiB.
type Size int

var sizePattern = regexp.MustCompile(`^([0-9]{1,7})(B|KiB|MiB)$`)

// UnmarshalYAML reads a size with its unit.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	m := sizePattern.FindStringSubmatch(node.GetToken().Value)
	if m == nil {
		return subject.ValueErrorf(node, "%q must be a size like 64B, 64KiB or 1MiB", node.GetToken().Value)
	}
	n, _ := strconv.Atoi(m[1]) // the pattern has checked it
	*s = Size(n * map[string]int{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[m[2]])
	return nil
}

func (s Size) String() string {
	switch {
	case s >= 1<<20 && s%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", int(s)>>20)
	case s >= 1<<10 && s%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", int(s)>>10)
	}
	return fmt.Sprintf("%d B", int(s))
}

// CPUs is a number of processors, whole or not.
type CPUs float64

// UnmarshalYAML reads a number of processors.
func (c *CPUs) UnmarshalYAML(node ast.Node) error {
	n, err := strconv.ParseFloat(node.GetToken().Value, 64)
	if err != nil || !(n >= 0.01 && n <= 1024) {
		return subject.ValueErrorf(node, "%q must be a number of processors, like 1 or 0.5", node.GetToken().Value)
	}
	*c = CPUs(n)
	return nil
}

// Rate is a number of packets, or connections, per second, written 100/s, or max.
type Rate float64

// maxRate is the most packets per second.
const maxRate = 1e6

// unlimited is max as written, where it replaces another rate; no Group that is run has it.
const unlimited Rate = -1

// UnmarshalYAML reads a rate.
func (r *Rate) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	if text == "max" {
		*r = unlimited
		return nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
	if err != nil || !strings.HasSuffix(text, "/s") || !(n > 0 && n <= maxRate) {
		return subject.ValueErrorf(node, "%q must be max or a rate up to 1000000/s, like 100/s", text)
	}
	*r = Rate(n)
	return nil
}

// Bandwidth is a number of bits per second, written 100Mbit/s; 0 is no limit.
type Bandwidth float64

var (
	bandwidthPattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([kMG]?)bit/s$`)
	bandwidthUnits   = map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
)

// UnmarshalYAML reads a bandwidth with its unit.
func (b *Bandwidth) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	m := bandwidthPattern.FindStringSubmatch(text)
	if m == nil {
		return subject.ValueErrorf(node, "%q must be a bandwidth like 100Mbit/s or 2.5Gbit/s", text)
	}
	n, _ := strconv.ParseFloat(m[1], 64) // the pattern has checked it
	*b = Bandwidth(n * bandwidthUnits[m[2]])
	return nil
}

func (b Bandwidth) String() string {
	for _, unit := range []string{"G", "M", "k"} {
		if n := float64(b) / bandwidthUnits[unit]; n >= 1 {
			return strconv.FormatFloat(n, 'f', -1, 64) + " " + unit + "bit/s"
		}
	}
	return strconv.FormatFloat(float64(b), 'f', -1, 64) + " bit/s"
}

// Share is a part of a whole, 0 to 1, written 20%.
type Share float64

// UnmarshalYAML reads a share with its sign.
func (s *Share) UnmarshalYAML(node ast.Node) error {
	text := node.GetToken().Value
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !strings.HasSuffix(text, "%") || !(n >= 0 && n <= 100) {
		return subject.ValueErrorf(node, "%q must be a share of 0%% to 100%%, like 20%%", text)
	}
	*s = Share(n / 100)
	return nil
}

func (s Share) String() string { return strconv.FormatFloat(float64(s)*100, 'f', -1, 64) + " %" }

// short writes a time without needless zeros: 20ms, 1m0s.
func short(d subject.Duration) string { return time.Duration(d).String() }
