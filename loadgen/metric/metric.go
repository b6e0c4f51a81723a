// Package metric is the table of everything that is measured: what each number
// is called, its unit, which way is better, how repetitions come to one number,
// and where it is shown. Scenarios expect and show metrics by these names,
// package analyse makes them of blocks, package report shows them.
package metric

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/subject"
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
	Packets      = "packets"
	Connections  = "connections"
	Streams      = "streams"
	Times        = "times"
)

// Which way is better.
const (
	Lower  = "lower"
	Higher = "higher"
)

// How repetitions come to one number.
const (
	Median = iota // with its interval
	Sum
	Least
	Most
	Mean // weighted by how much each repetition had
)

// What a metric is used for.
const (
	Judge = 1 << iota // summary, ratios, thresholds, comparisons, benchstat
	CSV               // numbers.csv
)

// A Metric is one kind of number.
type Metric struct {
	Name    string // response.p99
	Unit    string
	Better  string // Lower or Higher; of what is only counted empty
	Path    bool   // one number for all groups of a cell together
	Process bool   // of the processes on the path, so that direct has none
	Event   bool   // of an event of the time line
	Derived bool   // made of several cells, or blocks, not of one
	Over    int    // Median, Sum, Least, Most, Mean
	Use     int    // Judge, CSV
	Title   string // for people
	Drawn   string // title of figures; empty: Title
	Places  []Place
}

// A Place is a column of a report.
type Place struct {
	Table string  // its title
	Head  string  // of the column
	Of    string  // direct or relay: as part of that path's number, in the same repetition
	Scale float64 // from the metric's unit to the shown one
	As    string  // how it is written: a verb of fmt, or one of the following
}

// How numbers are written.
const (
	Spread  = "spread"  // the median, in brackets its interval
	Percent = "percent" // the same of a part
	Middle  = "middle"  // the median alone
	When    = "when"    // the median, and how many repetitions have one
)

// Titles of tables, in the order of a report.
const (
	Result   = "Result"
	Overhead = "Overhead"
	Latency  = "Latency"
	Knee     = "Knee"
	Cost     = "Cost"
	Faults   = "Faults"
	Fairness = "Fairness"
	Transfer = "Transfer"
)

const (
	mega = 1e-6
	mebi = 1.0 / (1 << 20)
)

// All are in the order of tables.
var All = slices.Concat(speeds(), times(), []Metric{
	{
		Name: "knee", Unit: AtKnee, Better: Higher, Use: Judge | CSV, Title: "knee: the highest that keeps the goal",
		Places: []Place{{Table: Knee, Head: "knee", Scale: 1, As: Spread}, {Table: Knee, Head: "knee, % of direct", Of: "direct", As: Percent}, {Table: Knee, Head: "knee, % of relay", Of: "relay", As: Percent}},
	},
	{
		Name: "jain", Unit: Share, Better: Higher, Use: Judge | CSV, Title: "fairness, Jain's index",
		Places: []Place{{Table: Fairness, Head: "Jain", Scale: 1, As: Spread}},
	},
	{Name: "jain.min", Unit: Share, Better: Higher, Use: Judge, Title: "fairness of the least even 100 ms"},
	{
		Name: "jain.least", Unit: Share, Better: Higher, Over: Least, Use: CSV, Title: "fairness of the least even 100 ms of all repetitions",
		Places: []Place{{Table: Fairness, Head: "Jain, worst 100 ms", Scale: 1, As: "%.3f"}},
	},
	{Name: "silence", Unit: Nanoseconds, Better: Lower, Use: Judge, Title: "longest silence of a connection"},
	{
		Name: "silence.most", Unit: Nanoseconds, Better: Lower, Over: Most, Use: CSV, Title: "longest silence of a connection in all repetitions",
		Places: []Place{{Table: Fairness, Head: "longest silence s", Scale: 1e-9, As: "%.1f"}},
	},
	{Name: "failed", Unit: Share, Better: Lower, Use: Judge, Title: "packets that were not ok"},
}, processes(), []Metric{
	{Name: "wire", Unit: OctetsPer, Better: Lower, Path: true, Use: Judge, Title: "octets on the line for each of payload"},
	{Name: "drain", Unit: Nanoseconds, Better: Lower, Path: true, Use: Judge, Title: "time until all had arrived"},
	{Name: "wire.up", Unit: Octets, Path: true, Over: Sum, Use: CSV, Title: "octets on the line towards the target"},
	{Name: "wire.down", Unit: Octets, Path: true, Over: Sum, Use: CSV, Title: "octets on the line from the target"},
}, counts(), events(), derived())

func speeds() []Metric {
	return []Metric{
		{
			Name: "goodput", Unit: OctetsPerSec, Better: Higher, Use: Judge | CSV, Title: "payload received", Drawn: "Speed",
			Places: []Place{
				{Table: Result, Head: "MB/s", Scale: mega, As: Spread},
				{Table: Overhead, Head: "Mbps", Scale: 8 * mega, As: Spread},
				{Table: Overhead, Head: "% of direct", Of: "direct", As: Percent},
				{Table: Overhead, Head: "% of relay", Of: "relay", As: Percent},
			},
		},
		{
			Name: "success", Unit: Share, Better: Higher, Over: Mean, Use: CSV, Title: "packets that were ok",
			Places: []Place{{Table: Result, Head: "success %", Scale: 100, As: "%.2f"}},
		},
		{
			Name: "packets", Unit: PacketsPer, Better: Higher, Use: Judge | CSV, Title: "packets received", Drawn: "Packets",
			Places: []Place{{Table: Result, Head: "packets/s", Scale: 1, As: Middle}},
		},
		{Name: "connections", Unit: ConnsPer, Better: Higher, Use: Judge, Title: "connections made and ended"},
	}
}

// times are the distributions. Latency is the response time with a rate, else the service time.
func times() (out []Metric) {
	for _, d := range []struct{ name, title string }{
		{"response", "response time"},
		{"service", "service time"},
		{"lag", "lag of the generator"},
		{"connect", "time to connect"},
		{"first", "time to the first echo"},
	} {
		for _, p := range []string{"p50", "p90", "p99"} {
			out = append(out, Metric{Name: d.name + "." + p, Unit: Nanoseconds, Better: Lower, Use: Judge, Title: d.title + ", " + p})
		}
	}
	out = append(out,
		Metric{Name: "during.p50", Unit: Nanoseconds, Better: Lower, Use: CSV, Title: "response time while the time line happens, p50"},
		Metric{Name: "during.p99", Unit: Nanoseconds, Better: Lower, Use: Judge | CSV, Title: "response time while the time line happens, p99"},
		Metric{Name: "after.p99", Unit: Nanoseconds, Better: Lower, Use: Judge, Title: "response time after the time line, p99"},
	)
	ms := func(table, head, as string) Place { return Place{Table: table, Head: head, Scale: mega, As: as} }
	over := func(p, path string) Place {
		return Place{Table: Overhead, Head: p + " × " + path, Of: path, Scale: 1, As: Spread}
	}
	for _, m := range []Metric{
		{Name: "latency.mean", Over: Mean, Use: CSV, Places: []Place{ms(Result, "avg ms", "%.3f")}},
		{Name: "latency.min", Over: Least, Places: []Place{ms(Latency, "min", "%.3f")}},
		{Name: "latency.p50", Use: CSV, Drawn: "Latency, median", Places: []Place{ms(Latency, "p50 ms", Spread), over("p50", "direct"), over("p50", "relay")}},
		{Name: "latency.p90", Places: []Place{ms(Latency, "p90 ms", Spread)}},
		{Name: "latency.p99", Use: CSV, Drawn: "Latency, 99 %", Places: []Place{ms(Latency, "p99 ms", Spread), over("p99", "direct"), over("p99", "relay")}},
		{Name: "latency.p99.9", Places: []Place{ms(Latency, "p99.9", "%.3f")}},
		{Name: "latency.p99.99", Places: []Place{ms(Latency, "p99.99", "%.3f")}},
		{Name: "latency.max", Over: Most, Places: []Place{ms("", "max ms", Middle), ms(Latency, "max", "%.3f")}},
	} {
		_, at, _ := strings.Cut(m.Name, ".")
		m.Unit, m.Better, m.Title = Nanoseconds, Lower, "latency, "+at
		out = append(out, m)
	}
	return out
}

// processes are what the processes on the path take; a relay counts as server.
func processes() (out []Metric) {
	for _, m := range []Metric{
		{Name: "cpu.kib", Unit: PerKiB, Title: "CPU time per KiB", Drawn: "Processor time", Places: []Place{{Table: Cost, Head: "CPU µs/KiB", Scale: 1, As: Spread}}},
		{Name: "cpu.message", Unit: PerMessage, Title: "CPU time per message"},
		{Name: "rss.peak", Unit: Octets, Title: "memory, highest sample", Drawn: "Memory", Places: []Place{{Head: "MiB", Scale: mebi, As: Spread}}},
	} {
		m.Better, m.Path, m.Process, m.Use = Lower, true, true, Judge
		out = append(out, m)
		for _, role := range []string{"server", "client"} {
			one := m
			one.Name, one.Title, one.Drawn, one.Places = m.Name+"."+role, m.Title+", "+role, "", nil
			out = append(out, one)
		}
	}
	roles := []string{"server", "client"}
	for _, role := range roles {
		out = append(out, Metric{
			Name: "cpu.share." + role, Unit: Share, Better: Lower, Process: true, Over: Mean, Title: "of one CPU, " + role,
			Places: []Place{{Table: Cost, Head: role + " CPU %", Scale: 100, As: "%.0f"}},
		})
	}
	for _, role := range roles {
		out = append(out, Metric{
			Name: "rss.most." + role, Unit: Octets, Better: Lower, Process: true, Over: Most, Title: "memory, highest of all repetitions, " + role,
			Places: []Place{{Table: Cost, Head: role + " MiB", Scale: mebi, As: "%.1f"}},
		})
	}
	return out
}

// counts are sums of the repetitions.
func counts() (out []Metric) {
	for _, m := range []Metric{
		{Name: "failed_connects", Unit: Connections, Better: Lower, Use: CSV, Title: "connections that could not be made", Places: []Place{{Table: Result, Head: "connect failures", Scale: 1, As: "%.0f"}}},
		{Name: "measured", Unit: Nanoseconds, Use: CSV, Title: "measured time", Places: []Place{{Table: Transfer, Head: "duration s", Scale: 1e-9, As: "%.2f"}}},
		{Name: "octets", Unit: Octets, Better: Higher, Use: CSV, Title: "payload received in all", Places: []Place{{Table: Result, Head: "total MB", Scale: mega, As: "%.2f"}, {Table: Transfer, Head: "octets", Scale: 1, As: "%.0f"}}},
		{Name: "sent", Unit: Packets, Title: "packets in all", Places: []Place{{Table: Transfer, Head: "packets", Scale: 1, As: "%.0f"}}},
		{Name: "ok", Unit: Packets, Better: Higher, Use: CSV, Title: "packets that were ok", Places: []Place{{Table: Transfer, Head: "ok", Scale: 1, As: "%.0f"}}},
		{Name: "not_ok", Unit: Packets, Better: Lower, Use: CSV, Title: "packets that were not ok", Places: []Place{{Table: Transfer, Head: "failed", Scale: 1, As: "%.0f"}}},
	} {
		m.Over = Sum
		out = append(out, m)
	}
	return out
}

// events are what a fault of the time line did.
func events() (out []Metric) {
	when := func(head string) []Place { return []Place{{Table: Faults, Head: head, Scale: 1e-9, As: When}} }
	count := func(head string) []Place { return []Place{{Table: Faults, Head: head, Scale: 1, As: "%.0f"}} }
	for _, m := range []Metric{
		{Name: "fault.seen", Unit: Nanoseconds, Better: Higher, Title: "until a packet failed or was late", Places: when("seen s")},
		{Name: "fault.reconnected", Unit: Nanoseconds, Better: Lower, Title: "until a new connection got through", Places: when("reconnected s")},
		{Name: "fault.first", Unit: Nanoseconds, Better: Lower, Title: "until octets flow again", Drawn: "Until octets flow again", Places: when("first octet s")},
		{Name: "fault.kept", Unit: Streams, Better: Higher, Over: Sum, Title: "streams that lived on", Places: count("kept")},
		{Name: "fault.reset", Unit: Streams, Over: Sum, Title: "streams that were reset", Places: count("reset")},
		{Name: "fault.hung", Unit: Streams, Better: Lower, Over: Sum, Title: "streams that hung", Places: count("hung")},
		{Name: "fault.lost", Unit: Octets, Better: Lower, Over: Sum, Title: "octets missing in the middle of streams", Places: count("lost")},
		{Name: "fault.doubled", Unit: Octets, Better: Lower, Over: Sum, Title: "octets that came twice", Places: count("doubled")},
		{Name: "fault.undelivered", Unit: Octets, Better: Lower, Over: Sum, Title: "octets sent on streams that ended", Places: count("undelivered")},
		{Name: "fault.held", Unit: Octets, Better: Lower, Title: "octets held for each stalled reader", Places: []Place{{Table: Faults, Head: "held KiB", Scale: 1.0 / 1024, As: "%.0f"}}},
	} {
		m.Event, m.Use = true, CSV
		out = append(out, m)
	}
	return out
}

// derived are made of several cells, or of all blocks of a route.
func derived() (out []Metric) {
	for _, p := range []string{"p50", "p90", "p99"} {
		out = append(out, Metric{
			Name: "loaded." + p, Unit: Times, Better: Lower, Derived: true, Use: CSV, Title: "loaded ÷ idle latency, " + p,
			Places: []Place{{Head: "loaded ÷ idle, " + p, Scale: 1, As: Spread}},
		})
	}
	for _, role := range []string{"server", "client", "relay"} {
		out = append(out,
			Metric{Name: "rss.idle." + role, Unit: Octets, Better: Lower, Path: true, Process: true, Derived: true, Use: CSV, Title: "memory for each idle connection, " + role},
			Metric{Name: "rss.stalled." + role, Unit: Octets, Better: Lower, Path: true, Process: true, Derived: true, Use: CSV, Title: "memory for each stalled reader, " + role},
			Metric{Name: "rss.growth." + role, Unit: Octets, Better: Lower, Path: true, Process: true, Derived: true, Use: CSV, Title: "memory that the measured time added, " + role})
	}
	for _, by := range []string{"goal", "generator", "range"} {
		out = append(out, Metric{
			Name: "knee.limited." + by, Unit: Times, Over: Sum, Derived: true, Use: CSV, Title: "searches that the " + by + " ended",
			Places: []Place{{Table: Knee, Head: "ended by the " + by, Scale: 1, As: "%.0f"}},
		})
	}
	out = append(out, Metric{
		Name: "knee.probes", Unit: Times, Over: Sum, Derived: true, Use: CSV, Title: "probes of the searches",
		Places: []Place{{Table: Knee, Head: "probes", Scale: 1, As: "%.0f"}},
	})
	return out
}

// OfFigure is what figures of the metric are called.
func (m *Metric) OfFigure() string { return cmp.Or(m.Drawn, m.Title) }

// Family and detail are the parts of a name: response and p99.
func (m *Metric) Family() (name, detail string) {
	name, detail, _ = strings.Cut(m.Name, ".")
	return name, detail
}

// Judged are those that records sum up, and that scenarios and comparisons judge.
var Judged = slices.DeleteFunc(slices.Clone(All), func(m Metric) bool { return m.Use&Judge == 0 })

// Find is the metric of a name among those that are judged.
func Find(name string) (Metric, error) {
	if i := slices.IndexFunc(Judged, func(m Metric) bool { return m.Name == name }); i >= 0 {
		return Judged[i], nil
	}
	return Metric{}, fmt.Errorf("metric %s", subject.OneOf(name, Names()))
}

// Expected is Find for a threshold, which judges what an event did, too, and how far loads and memory are apart.
func Expected(name string) (Metric, error) {
	if i := slices.IndexFunc(All, func(m Metric) bool { return m.Name == name && (m.Event || m.expected()) }); i >= 0 {
		return All[i], nil
	}
	return Find(name)
}

// expected reports whether a number of several cells or blocks can be expected.
func (m *Metric) expected() bool {
	family, detail := m.Family()
	return m.Derived && (family == "loaded" || strings.HasPrefix(detail, "idle.") || strings.HasPrefix(detail, "stalled."))
}

// Names lists those that are judged.
func Names() (out []string) {
	for _, m := range Judged {
		out = append(out, m.Name)
	}
	return out
}

// Shown is the metric of a name, judged or not, and the path that it is compared with: goodput/direct.
func Shown(name string) (m Metric, to string, err error) {
	base, to, _ := strings.Cut(name, "/")
	i := slices.IndexFunc(All, func(m Metric) bool { return m.Name == base })
	if i < 0 || to != "" && to != "direct" && to != "relay" {
		return m, to, fmt.Errorf("%q is not a metric, nor one with /direct or /relay behind it", name)
	}
	return All[i], to, nil
}

// At is the place of a metric, or of its part of another path's, in a table; of no table its first one.
func (m *Metric) At(table, to string) (Place, bool) {
	for _, p := range m.Places {
		if p.Of == to && (table == "" || p.Table == table) {
			if p.Of != "" && p.Scale == 0 {
				p.Scale = 1
			}
			return p, true
		}
	}
	return Place{}, false
}
