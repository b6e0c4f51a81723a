package scenario

import (
	"fmt"
	"slices"
	"time"
)

// spare is what a process needs besides its connections.
const spare = 64

// Files is how many descriptors the neediest process of a role needs for the cell.
func (c *Cell) Files(role string, processes int) int {
	n := (c.Connections() + processes - 1) / max(processes, 1)
	if role == "relay" || role == "link" { // both ends of each connection
		n *= 2
	}
	return n + spare
}

// Processes is how many share a role, so that none needs more than so many
// descriptors in the neediest cell; files 0: unknown. A tunnel leads to one
// target, and has one server and one client.
func (s *Scenario) Processes(role string, files uint64) int {
	n := 1
	if role == "generator" {
		n = int(s.Generators)
	}
	if role == "target" || files <= spare {
		return n
	}
	for i := range s.Cells {
		for s.Cells[i].Files(role, n) > int(files) {
			n++
		}
	}
	return n
}

// Unfit says why a cell cannot be run where a process may have so many descriptors; empty when it can.
func (s *Scenario) Unfit(c *Cell, files uint64) string {
	if files == 0 {
		return ""
	}
	for _, role := range []string{"target", "generator", "relay", "link"} {
		if need := c.Files(role, s.Processes(role, files)); need > int(files) {
			return fmt.Sprintf("descriptors: the %s needs %d for %d connections, and %d more; the limit is %d: raise it (ulimit -Hn %d), or take fewer connections",
				role, need-spare, c.Connections(), spare, files, need)
		}
	}
	return ""
}

// closedLoop is how many connections a second a closed loop ends at least, as far
// as anybody can say before it runs; most end several times as many.
const closedLoop = 1000

// Ends is how many connections a second a cell ends so that each keeps its port
// for a while: one that is reset does not.
func (c *Cell) Ends() (n float64) {
	for _, g := range c.Groups {
		switch {
		case g.Calls() && g.Rate > 0:
			n += float64(g.Rate) * float64(1-g.Resets)
		case g.Calls() && g.Connections > 0:
			n += closedLoop * float64(1-g.Resets)
		}
	}
	return n
}

// closed reports whether a cell makes connections without a rate.
func (c *Cell) closed() bool {
	return slices.ContainsFunc(c.Groups, func(g Group) bool { return g.Calls() && g.Rate == 0 })
}

// Portless says why a cell cannot have so many ports as its connections to one
// address need, of which each keeps its own for a time after its end; empty
// when it can. ports 0: unknown. How fast a closed loop is nobody knows, so it is
// refused only if a block of it is too much.
func (c *Cell) Portless(ports int, kept, block time.Duration) string {
	n, ends := c.Connections(), c.Ends()
	if c.closed() {
		kept = min(kept, block)
	}
	switch held := ends * kept.Seconds(); {
	case ports == 0:
	case n > ports:
		return fmt.Sprintf("ports: %d connections to one address need as many; there are %d: widen net.ipv4.ip_local_port_range", n, ports)
	case float64(n)+held > float64(ports):
		return fmt.Sprintf("ports: %d connections, and %.0f that end each second and keep theirs for %v, need %.0f; there are %d: set net.ipv4.tcp_tw_reuse=1, or take a lower rate",
			n, ends, kept, float64(n)+held, ports)
	}
	return ""
}

// Least is how long so many blocks take at least.
func (s *Scenario) Least(blocks int) time.Duration {
	return time.Duration(blocks) * time.Duration(s.Warmup+s.Measure)
}
