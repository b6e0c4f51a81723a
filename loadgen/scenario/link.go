package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A Link is the line on which the tunnel's two ends, or a relay and the
// target, or the generator and the target talk. The zero Link is the bare loopback.
type Link struct {
	RTT    subject.Duration `yaml:"rtt" json:"rtt,omitempty"`       // half of it each way
	Jitter subject.Duration `yaml:"jitter" json:"jitter,omitempty"` // each way up to this much more, in order
	Rate   Bandwidth        `yaml:"rate" json:"rate,omitempty"`     // each way, shared by all connections; 0: no limit
	Stall  Stall            `yaml:"stall" json:"stall,omitzero"`

	Backend string `yaml:"backend" json:"backend,omitempty"` // what limits the rate: process, or tbf
}

// What limits the rate of a link.
const (
	ByProcess = "process" // the process that makes the line
	ByTBF     = "tbf"     // token bucket filters of the kernel, in namespaces of their own
)

// A Stall is what a loss, or an outage that comes again and again, does to connections.
type Stall struct {
	P     Share            `yaml:"p" json:"p,omitempty"`         // of the packets, each way, that hold up their connection as a lost one does
	Every subject.Duration `yaml:"every" json:"every,omitempty"` // from one stop of the whole line, both ways, to the next
	For   subject.Duration `yaml:"for" json:"for,omitempty"`     // how long either lasts
}

// None reports whether it never happens.
func (s Stall) None() bool { return s.P == 0 && s.Every == 0 }

func (s *Stall) problem() string {
	switch {
	case s.P > 0 && s.Every > 0:
		return "stall: p and every exclude each other: p is for losses, every for outages"
	case s.For < 0 || time.Duration(s.For) > maxRTT:
		return fmt.Sprintf("stall for %v must be 0s to %v", s.For, maxRTT)
	case s.For == 0 && !s.None():
		return "stall for is missing: say how long a stall lasts, like for: 200ms"
	case s.Every < 0 || s.Every > 0 && s.Every <= s.For:
		return fmt.Sprintf("stall every %v must be more than for, which is %v", s.Every, s.For)
	}
	return ""
}

func (s Stall) String() string {
	if s.Every > 0 {
		return fmt.Sprintf("stall %s every %s", short(s.For), short(s.Every))
	}
	return fmt.Sprintf("stall %s for %v of the packets", short(s.For), s.P)
}

// Linked reports whether a cell has a line in the way.
func (s *Scenario) Linked() bool {
	return slices.ContainsFunc(s.Cells, func(c Cell) bool { return !c.Link.Bare() })
}

// Bare reports whether the link changes nothing.
func (l Link) Bare() bool { return l.RTT == 0 && l.Jitter == 0 && l.Rate == 0 && l.Stall.None() }

func (l *Link) fields() map[string]any {
	return map[string]any{
		"rtt": &l.RTT, "jitter": &l.Jitter, "rate": &l.Rate,
		"stall.p": &l.Stall.P, "stall.every": &l.Stall.Every, "stall.for": &l.Stall.For,
	}
}

const maxRTT = 10 * time.Second

func (l *Link) problem() string {
	switch {
	case l.Backend != "" && l.Backend != ByProcess && l.Backend != ByTBF:
		return "backend " + subject.OneOf(l.Backend, []string{ByProcess, ByTBF})
	case l.RTT < 0 || time.Duration(l.RTT) > maxRTT:
		return fmt.Sprintf("rtt %v must be 0s to %v", l.RTT, maxRTT)
	case l.Jitter < 0 || time.Duration(l.Jitter) > maxRTT:
		return fmt.Sprintf("jitter %v must be 0s to %v", l.Jitter, maxRTT)
	case l.Rate != 0 && (l.Rate < 8e3 || l.Rate > 1e11):
		return fmt.Sprintf("rate %v must be 8kbit/s to 100Gbit/s", l.Rate)
	}
	return l.Stall.problem()
}

func (l Link) String() string {
	var parts []string
	if l.RTT > 0 {
		parts = append(parts, "rtt "+short(l.RTT))
	}
	if l.Jitter > 0 {
		parts = append(parts, "jitter "+short(l.Jitter))
	}
	if l.Rate > 0 {
		by := ""
		if l.Backend == ByTBF {
			by = " by tbf"
		}
		parts = append(parts, l.Rate.String()+by)
	}
	if !l.Stall.None() {
		parts = append(parts, l.Stall.String())
	}
	return strings.Join(parts, ", ")
}
