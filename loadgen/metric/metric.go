// Package metric names everything that is measured: one list, with units, for
// summaries, ratios, thresholds, comparisons and tables. Package summary says
// how each is made of a block.
package metric

import (
	"fmt"
	"slices"
	"strings"
)

// Units of values; only base units, whatever a table may show.
const (
	Nanoseconds  = "ns"
	Octets       = "octets"
	OctetsPerSec = "octets/s"
	PacketsPer   = "packets/s"
	ConnsPer     = "connections/s"
	Share        = "share" // 0 to 1
	AtKnee       = "knee"  // per second, or connections, as the search varies
	OctetsPer    = "octets/octet"
	PerKiB       = "µs/KiB"
	PerMessage   = "µs/message"
)

// Which way is better.
const (
	Lower  = "lower"
	Higher = "higher"
)

// A Metric is one kind of number.
type Metric struct {
	Name    string // response.p99
	Unit    string
	Better  string // Lower or Higher
	Path    bool   // one number for all groups of a cell together
	Process bool   // of the processes on the path, so that direct has none
	Title   string // for people
}

// All are in the order of tables.
var All = all()

func all() []Metric {
	out := []Metric{
		{Name: "goodput", Unit: OctetsPerSec, Better: Higher, Title: "payload received"},
		{Name: "packets", Unit: PacketsPer, Better: Higher, Title: "packets received"},
		{Name: "connections", Unit: ConnsPer, Better: Higher, Title: "connections made and ended"},
	}
	for _, d := range []struct{ name, title string }{
		{"response", "response time"},
		{"service", "service time"},
		{"lag", "lag of the generator"},
		{"connect", "time to connect"},
		{"first", "time to the first echo"},
	} {
		for _, p := range []string{"p50", "p90", "p99"} {
			out = append(out, Metric{Name: d.name + "." + p, Unit: Nanoseconds, Better: Lower, Title: d.title + ", " + p})
		}
	}
	out = append(out,
		Metric{Name: "during.p99", Unit: Nanoseconds, Better: Lower, Title: "response time while the time line happens, p99"},
		Metric{Name: "after.p99", Unit: Nanoseconds, Better: Lower, Title: "response time after the time line, p99"},
		Metric{Name: "knee", Unit: AtKnee, Better: Higher, Title: "knee: the highest that keeps the goal"},
		Metric{Name: "jain", Unit: Share, Better: Higher, Title: "fairness, Jain's index"},
		Metric{Name: "jain.min", Unit: Share, Better: Higher, Title: "fairness of the least even 100 ms"},
		Metric{Name: "silence", Unit: Nanoseconds, Better: Lower, Title: "longest silence of a connection"},
		Metric{Name: "failed", Unit: Share, Better: Lower, Title: "packets that were not ok"},
	)
	for _, m := range []Metric{
		{Name: "cpu.kib", Unit: PerKiB, Title: "CPU time per KiB"},
		{Name: "cpu.message", Unit: PerMessage, Title: "CPU time per message"},
		{Name: "rss.peak", Unit: Octets, Title: "memory, highest sample"},
	} {
		m.Better, m.Path, m.Process = Lower, true, true
		out = append(out, m)
		for _, role := range []string{"server", "client"} {
			one := m
			one.Name, one.Title = m.Name+"."+role, m.Title+", "+role
			out = append(out, one)
		}
	}
	out = append(out, Metric{Name: "wire", Unit: OctetsPer, Better: Lower, Path: true, Title: "octets on the line for each of payload"})
	return append(out, Metric{Name: "drain", Unit: Nanoseconds, Better: Lower, Path: true, Title: "time until all had arrived"})
}

// Find is the metric of a name.
func Find(name string) (Metric, error) {
	if i := slices.IndexFunc(All, func(m Metric) bool { return m.Name == name }); i >= 0 {
		return All[i], nil
	}
	return Metric{}, fmt.Errorf("%q is no metric; it must be one of %s", name, strings.Join(Names(), ", "))
}

// Names lists them.
func Names() (out []string) {
	for _, m := range All {
		out = append(out, m.Name)
	}
	return out
}
