package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

// A Plan is what one scenario will take, before anything is started: blocks,
// time, descriptors, ports and memory, against what this machine has.
type Plan struct {
	Scenario string      `json:"scenario"`
	Question string      `json:"question"`
	Runtime  string      `json:"runtime"`
	Cells    []string    `json:"cells"`  // that can be run
	Routes   []string    `json:"routes"` // over which each is measured
	Blocks   Span        `json:"blocks"` // for each repetition, of each cell on each route
	Seconds  Span        `json:"seconds"`
	Roles    []RoleNeeds `json:"roles"`
	Ports    PortNeeds   `json:"ports"`
	NotRun   []NotRun    `json:"not_run,omitempty"`
}

// A Span is a number that depends on what is measured; of one that does not, both ends are alike.
type Span struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// RoleNeeds are what all processes of a role take together with what one may have.
type RoleNeeds struct {
	Role      string `json:"role"`
	Processes int    `json:"processes"`
	Files     int    `json:"files"` // descriptors of the neediest process, in the neediest cell
	Limit     uint64 `json:"limit"` // 0: unknown
	Memory    int64  `json:"memory"`
}

// PortNeeds are what connections to one address take of this machine's ports.
type PortNeeds struct {
	Connections int     `json:"connections"` // at once, in the neediest cell
	PerSecond   float64 `json:"per_second"`  // that churn ends; each keeps its port for a while
	Limit       int     `json:"limit"`       // 0: unknown
}

const (
	// each is about what a connection takes of a process of adit-load besides its packets.
	each = 24 << 10
	// bare is about what a process of adit-load takes without connections; the payload's ring is 16 MiB of it.
	bare = 32 << 20
)

// PlanOn is the plan of a scenario over some routes on a machine; see Fit for tbf.
func (s *Scenario) PlanOn(routes []string, e sample.Environment, tbf func() error) *Plan {
	p := &Plan{Scenario: s.Name, Question: s.Question, Runtime: s.Runtime, Routes: routes}
	linked := false
	var cells []*Cell
	cells, p.NotRun = s.Fit(e, tbf)
	for _, c := range cells {
		linked = linked || !c.Link.Bare()
		p.Cells = append(p.Cells, c.Name)
		often, least, most := s.RepeatOf(c), 1, 1
		if s.Search != nil {
			least, most = s.Search.Blocks()
		}
		p.Blocks.Least += float64(len(p.Routes) * int(often.Min) * least)
		p.Blocks.Most += float64(len(p.Routes) * int(often.Max) * most)
		p.Ports.Connections = max(p.Ports.Connections, c.Connections())
		p.Ports.PerSecond = max(p.Ports.PerSecond, c.Ends())
	}
	p.Seconds = Span{s.Least(int(p.Blocks.Least)).Seconds(), s.Least(int(p.Blocks.Most)).Seconds()}
	for _, role := range []string{"generator", "target", "relay", "link"} {
		if role == "relay" && !strings.Contains(strings.Join(s.Paths, " "), Relay) || role == "link" && !linked {
			continue
		}
		p.Roles = append(p.Roles, s.roleNeeds(role, e.OpenFiles))
	}
	if e.System != nil {
		p.Ports.Limit = e.System.PortCount()
	}
	return p
}

// NotRun is a cell, a path or a subject that could not be run, and why.
type NotRun struct {
	Cell    string `json:"cell,omitempty"`
	Path    string `json:"path,omitempty"`
	Subject string `json:"subject,omitempty"`
	Reason  string `json:"reason"`
}

func (n NotRun) String() string {
	what := n.Cell
	switch {
	case n.Path != "":
		what = "path " + n.Path
	case n.Subject != "":
		what = "subject " + n.Subject
	}
	return what + ": not run: " + n.Reason
}

// Fit is the cells that a machine can run, and why it cannot run the others.
// tbf says what keeps its kernel from limiting a link's rate; it is asked only where one is to.
func (s *Scenario) Fit(e sample.Environment, tbf func() error) (cells []*Cell, not []NotRun) {
	var kernel error // what keeps it from making the line
	if s.Link.Backend == ByTBF {
		kernel = tbf()
	}
	for i := range s.Cells {
		c, reason := &s.Cells[i], ""
		if kernel != nil && !c.Link.Bare() {
			reason = kernel.Error()
		} else if reason = s.Unfit(c, e.OpenFiles); reason == "" && e.System != nil {
			reason = c.Portless(e.System.PortCount(), e.System.PortsKept(), s.Least(1))
		}
		if reason != "" {
			not = append(not, NotRun{Cell: c.Name, Reason: reason})
			continue
		}
		cells = append(cells, c)
	}
	return cells, not
}

func (s *Scenario) roleNeeds(role string, files uint64) RoleNeeds {
	out := RoleNeeds{Role: role, Processes: s.Processes(role, files), Limit: files}
	for i := range s.Cells {
		c := &s.Cells[i]
		if s.Unfit(c, files) != "" {
			continue
		}
		out.Files = max(out.Files, c.Files(role, out.Processes))
		m := int64(0)
		for _, g := range c.Groups {
			m += int64(g.Connections) * (each + int64(g.Size))
		}
		out.Memory = max(out.Memory, m+int64(out.Processes)*bare)
	}
	return out
}

func (r Span) in(say func(float64) string) string {
	if r.Least == r.Most {
		return say(r.Least)
	}
	return say(r.Least) + " to " + say(r.Most)
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Scenario, p.Question)
	fmt.Fprintf(&b, "  %d cells on %s: %s, runtime %s\n", len(p.Cells), strings.Join(p.Routes, ", "), long(p.Blocks, p.Seconds), p.Runtime)
	for _, c := range p.Cells {
		fmt.Fprintf(&b, "    %s\n", c)
	}
	for _, r := range p.Roles {
		fmt.Fprintf(&b, "  %d × %s: up to %d descriptors each, of %s; about %d MiB of memory in all\n", r.Processes, r.Role, r.Files, orUnknown(r.Limit), r.Memory>>20)
	}
	fmt.Fprintf(&b, "  ports: %d connections at once to one address, of %s", p.Ports.Connections, orUnknown(uint64(p.Ports.Limit)))
	if p.Ports.PerSecond > 0 {
		fmt.Fprintf(&b, "; %.0f end each second", p.Ports.PerSecond)
	}
	b.WriteString("\n")
	for _, n := range p.NotRun {
		fmt.Fprintf(&b, "  %v\n", n)
	}
	return b.String()
}

// long says how long so many blocks take.
func long(blocks, seconds Span) string {
	return fmt.Sprintf("%s blocks, %s or more", blocks.in(func(n float64) string { return fmt.Sprint(int(n)) }),
		seconds.in(func(n float64) string {
			return time.Duration(n * float64(time.Second)).Round(time.Millisecond).String()
		}))
}

// InAll says how long some plans take, one after the other.
func InAll(plans []*Plan) string {
	var blocks, seconds Span
	for _, p := range plans {
		blocks = Span{blocks.Least + p.Blocks.Least, blocks.Most + p.Blocks.Most}
		seconds = Span{seconds.Least + p.Seconds.Least, seconds.Most + p.Seconds.Most}
	}
	return fmt.Sprintf("%d scenarios: %s\n", len(plans), long(blocks, seconds))
}

func orUnknown(n uint64) string {
	if n == 0 {
		return "an unknown number"
	}
	return fmt.Sprint(n)
}
