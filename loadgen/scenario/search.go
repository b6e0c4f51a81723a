package scenario

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
)

// A Search makes of each cell and route one number: the highest rate, or
// number of connections, at which a goal is still kept.
type Search struct {
	Of        string `yaml:"of" json:"of"`     // rate or connections; of one of several groups: calls.rate
	From      string `yaml:"from" json:"from"` // 100/s, or 10 connections
	To        string `yaml:"to" json:"to"`
	Keep      string `yaml:"keep" json:"keep"`           // response.p99 < 5ms
	Precision Share  `yaml:"precision" json:"precision"` // how far apart the highest that keeps it and the lowest that does not may end
}

// A Goal is what Keep says.
type Goal struct {
	Of    string // response, service, connect or first
	At    string // p50, p90, p99, p999, mean or max
	Below time.Duration
}

var goalPattern = regexp.MustCompile(`^(response|service|connect|first)\.(p50|p90|p99|p999|mean|max) < ([0-9.]+(?:us|ms|s))$`)

// Goal reads Keep, which has been checked.
func (s *Search) Goal() Goal {
	m := goalPattern.FindStringSubmatch(s.Keep)
	below, _ := time.ParseDuration(m[3])
	return Goal{m[1], m[2], below}
}

// Value is the time that the goal looks at. A percentile that too few samples
// carry is represented by the longest time, which is no shorter.
func (g Goal) Value(d *hist.Dist) time.Duration {
	v := map[string]int64{"p50": d.P50, "p90": d.P90, "p99": d.P99, "p999": d.P999, "mean": d.Mean}[g.At]
	if v == 0 {
		v = d.Max
	}
	return time.Duration(v)
}

// Bounds are From and To as numbers.
func (s *Search) Bounds() (from, to float64) {
	from, _ = bound(s.From, s.rate())
	to, _ = bound(s.To, s.rate())
	return from, to
}

// Blocks is how many blocks it takes to find the value: at least, when From
// already breaks the goal or everything up to To keeps it, and about at most,
// when it lies just below To. A value that breaks the goal is measured twice.
func (s *Search) Blocks() (least, most int) {
	from, to := s.Bounds()
	doublings := int(math.Ceil(math.Log2(to / from)))
	halvings := max(int(math.Ceil(math.Log2(math.Ln2/math.Log1p(float64(s.Precision))))), 0)
	return min(2, doublings+1), doublings + 2 + 2*halvings
}

func (s *Search) rate() bool { return s.Of == "rate" || strings.HasSuffix(s.Of, ".rate") }

// Unit is what follows a number that the search finds.
func (s *Search) Unit() string {
	if s.rate() {
		return "/s"
	}
	return ""
}

func bound(text string, rate bool) (float64, bool) {
	number, perSecond := strings.CutSuffix(text, "/s")
	v, err := strconv.ParseFloat(number, 64)
	most := float64(maxConnections)
	if rate {
		most = maxRate
	}
	return v, err == nil && perSecond == rate && v >= 1 && v <= most && (rate || v == float64(int(v)))
}

// With is the cell at one value of the search.
func (s *Search) With(c *Cell, v float64) *Cell {
	out := *c
	out.Groups = slices.Clone(c.Groups)
	if g := &out.Groups[s.Group(c)]; s.rate() {
		g.Rate = Rate(v)
		g.complete()
	} else {
		g.Connections = Count(v)
	}
	return &out
}

// Group is the place of the group that the search looks at in a cell; -1 when there is none, or the choice is open.
func (s *Search) Group(c *Cell) int {
	name, _, named := strings.Cut(s.Of, ".")
	if !named && len(c.Groups) == 1 {
		return 0
	}
	return slices.IndexFunc(c.Groups, func(g Group) bool { return named && g.Name == name })
}

// problem says what keeps a cell from being searched; empty when nothing does.
func (s *Search) problem(c *Cell) string {
	field := s.Of[strings.LastIndex(s.Of, ".")+1:]
	if field != "rate" && field != "connections" || s.Group(c) < 0 {
		return fmt.Sprintf("of %q must be rate or connections, with several groups of one of them, like %s.rate", s.Of, c.Groups[0].Name)
	}
	g := c.Groups[s.Group(c)]
	from, okFrom := bound(s.From, s.rate())
	to, okTo := bound(s.To, s.rate())
	switch like := map[bool]string{true: "rates, like 100/s", false: "numbers of connections, like 10"}[s.rate()]; {
	case !okFrom || !okTo || from >= to:
		return fmt.Sprintf("from %q and to %q must be %s, the first one lower", s.From, s.To, like)
	case !goalPattern.MatchString(s.Keep):
		return fmt.Sprintf("keep %q must be a goal like response.p99 < 5ms: response, service, connect or first; p50, p90, p99, p999, mean or max", s.Keep)
	case s.Precision < 0.01 || s.Precision > 0.5:
		return fmt.Sprintf("precision %v must be 1%% to 50%%", s.Precision)
	case g.Mode != PingPong && !g.Calls():
		return fmt.Sprintf("of %s: needs mode pingpong, churn or halfclose, not %s", s.Of, g.Mode)
	case s.rate() && g.Rate > 0:
		return fmt.Sprintf("of %s: the group has a rate: remove it", s.Of)
	case !g.Calls() && (s.Goal().Of == "connect" || s.Goal().Of == "first"):
		return fmt.Sprintf("keep %q: only churn and halfclose connect", s.Keep)
	case !s.rate() && g.Rate == 0 && s.Goal().Of == "response":
		return fmt.Sprintf("keep %q: a response needs a rate; use service, or add a rate to the group", s.Keep)
	}
	return ""
}
