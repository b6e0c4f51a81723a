// Package plan says what a run will take, before anything is started: blocks,
// time, descriptors, ports and memory, against what this machine has.
package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/link"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Plan is what one scenario will take.
type Plan struct {
	Scenario string          `json:"scenario"`
	Question string          `json:"question"`
	Runtime  string          `json:"runtime"`
	Cells    []string        `json:"cells"`  // that can be run
	Routes   []string        `json:"routes"` // over which each is measured
	Blocks   Range           `json:"blocks"` // for each repetition, of each cell on each route
	Seconds  Range           `json:"seconds"`
	Roles    []Role          `json:"roles"`
	Ports    Ports           `json:"ports"`
	NotRun   []record.NotRun `json:"not_run,omitempty"`
}

// A Range is a number that depends on what is measured; of one that does not, both ends are alike.
type Range struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// A Role is what all processes of a role take together with what one may have.
type Role struct {
	Role      string `json:"role"`
	Processes int    `json:"processes"`
	Files     int    `json:"files"` // descriptors of the neediest process, in the neediest cell
	Limit     uint64 `json:"limit"` // 0: unknown
	Memory    int64  `json:"memory"`
}

// Ports are what connections to one address take of this machine's ports.
type Ports struct {
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

// Of is the plan of a scenario with subjects of these names on a machine.
func Of(s *scenario.Scenario, subjects []string, e sample.Environment) *Plan {
	p := &Plan{Scenario: s.Name, Question: s.Question, Runtime: s.Runtime}
	for _, r := range record.Routes(s.Paths, subjects) {
		p.Routes = append(p.Routes, r.String())
	}
	linked := false
	var cells []*scenario.Cell
	cells, p.NotRun = Fit(s, e)
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
	p.Seconds = Range{s.Least(int(p.Blocks.Least)).Seconds(), s.Least(int(p.Blocks.Most)).Seconds()}
	for _, role := range []string{"generator", "target", "relay", "link"} {
		if role == "relay" && !strings.Contains(strings.Join(s.Paths, " "), scenario.Relay) || role == "link" && !linked {
			continue
		}
		p.Roles = append(p.Roles, roleOf(s, role, e.OpenFiles))
	}
	if e.System != nil {
		p.Ports.Limit = e.System.PortCount()
	}
	return p
}

// Fit is the cells that a machine can run, and why it cannot run the others.
func Fit(s *scenario.Scenario, e sample.Environment) (cells []*scenario.Cell, not []record.NotRun) {
	var kernel error // what keeps it from making the line
	if s.Link.Backend == scenario.ByTBF {
		kernel = link.CanTBF()
	}
	for i := range s.Cells {
		c, reason := &s.Cells[i], ""
		if kernel != nil && !c.Link.Bare() {
			reason = kernel.Error()
		} else if reason = s.Unfit(c, e.OpenFiles); reason == "" && e.System != nil {
			reason = c.Portless(e.System.PortCount(), e.System.PortsKept())
		}
		if reason != "" {
			not = append(not, record.NotRun{Cell: c.Name, Reason: reason})
			continue
		}
		cells = append(cells, c)
	}
	return cells, not
}

func roleOf(s *scenario.Scenario, role string, files uint64) Role {
	out := Role{Role: role, Processes: s.Processes(role, files), Limit: files}
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

func (r Range) in(say func(float64) string) string {
	if r.Least == r.Most {
		return say(r.Least)
	}
	return say(r.Least) + " to " + say(r.Most)
}

// String is the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", p.Scenario, p.Question)
	fmt.Fprintf(&b, "  %d cells on %s: %s blocks, %s or more, runtime %s\n", len(p.Cells), strings.Join(p.Routes, ", "),
		p.Blocks.in(func(n float64) string { return fmt.Sprint(int(n)) }),
		p.Seconds.in(func(n float64) string {
			return time.Duration(n * float64(time.Second)).Round(time.Millisecond).String()
		}), p.Runtime)
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

func orUnknown(n uint64) string {
	if n == 0 {
		return "an unknown number"
	}
	return fmt.Sprint(n)
}
