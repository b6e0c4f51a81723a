package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Where the roles of a run are.
const (
	Process   = "process"   // programs of this machine
	Container = "container" // each in one of its own, in a network made for the run
)

// Runtimes lists them.
var Runtimes = []string{Process, Container}

// Roles are what a run consists of.
var Roles = []string{"server", "client", "relay", "link", "target", "generator"}

// A Limit bounds the container of a role. A zero field is no limit.
type Limit struct {
	CPUs   CPUs `yaml:"cpus" json:"cpus,omitempty"`
	Memory Size `yaml:"memory" json:"memory,omitempty"` // bytes, swap among them
}

func (l Limit) String() string {
	var parts []string
	if l.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%v CPUs", float64(l.CPUs)))
	}
	if l.Memory > 0 {
		parts = append(parts, l.Memory.String())
	}
	return strings.Join(parts, ", ")
}

// leastMemory is what an engine takes as a limit at least.
const leastMemory = Size(6 << 20)

// checkRuntime checks where the roles run, and what bounds them.
func (s *Scenario) checkRuntime(doc *subject.Document) error {
	if !slices.Contains(Runtimes, s.Runtime) {
		return doc.Errorf("runtime", "%s", subject.OneOf(s.Runtime, Runtimes))
	}
	if s.Runtime == Container && s.Link.Backend == ByTBF {
		return doc.Errorf("link.backend", "tbf needs runtime process: containers may not make network namespaces")
	}
	for _, role := range slices.Sorted(maps.Keys(s.Limits)) {
		switch l := s.Limits[role]; {
		case !slices.Contains(Roles, role):
			return doc.Errorf("limits."+role, "%s", subject.OneOf(role, Roles))
		case l == Limit{}:
			return doc.Errorf("limits."+role, "bounds nothing: add cpus or memory, like {cpus: 1, memory: 512MiB}")
		case l.Memory != 0 && l.Memory < leastMemory:
			return doc.Errorf("limits."+role+".memory", "%v must be %v or more", l.Memory, leastMemory)
		}
	}
	return nil
}
