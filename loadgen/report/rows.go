package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// A Row is one group of a cell over one route, with its repetitions summed up: counts
// are sums, everything else is the median of the repetitions, and what they
// reach. Latency is the response time with a rate, else the service time.
type Row struct {
	Cell  string
	Label string // the cell by what it differs in from the others
	Group string // empty when the cell has one
	record.Route
	Repetitions    int
	Verdict        string // empty: nothing speaks against it
	Marks          string // of its footnotes: ¹²
	Details        string // of its footnotes, for this row
	Seconds        float64
	Octets         int64
	OK             float64 // packets
	Failed         int64
	FailedConnects int64
	Speed          Spread // octets per second
	Packets        Spread // per second
	ToDirect       Spread // of Speed, in the same repetition
	ToRelay        Spread
	Min, Mean, Max time.Duration // of all packets
	P50, P90, P99  Spread        // nanoseconds; 0: too few samples
	P999, P9999    time.Duration
	Later          map[string]Spread // P50 and P99 as part of another path's: p50/direct
	ServerCPU      float64           // seconds; of a relay, too
	ClientCPU      float64
	CPU            Spread  // µs for each KiB, of all processes on the path
	Jain           Spread  // how evenly the connections shared
	JainLeast      float64 // of a window, the lowest
	Silence        float64 // longest of a connection, seconds
	ServerRSS      int64   // the highest sample, octets; 0: runs elsewhere
	ClientRSS      int64

	load   string  // name of the group
	outage *outage // in the table of faults alone
}

// A Spread is what repetitions come to: the median, and the interval of 95 %,
// or with fewer than six repetitions the lowest and the highest; all 0 when it was not measured.
type Spread struct{ Median, Low, High float64 }

// times is it in another unit.
func (s Spread) times(f float64) Spread { return Spread{s.Median * f, s.Low * f, s.High * f} }

// String writes the median, and in brackets what the repetitions reach.
func (s Spread) String() string { return s.write(figures3) }

// percent writes a part as such.
func (s Spread) percent() string {
	text := s.times(100).write(func(v float64) string { return fmt.Sprintf("%.0f", v) })
	_, brackets, _ := strings.Cut(text, " ")
	if s == (Spread{}) {
		return text
	}
	return strings.TrimSpace(fmt.Sprintf("%.1f %s", 100*s.Median, brackets))
}

func (s Spread) write(number func(float64) string) string {
	switch low, high := number(s.Low), number(s.High); {
	case s == Spread{}:
		return "–"
	case s.Low == s.High:
		return number(s.Median)
	case s.Low < 0:
		return fmt.Sprintf("%s (%s to %s)", number(s.Median), low, high)
	default:
		return fmt.Sprintf("%s (%s–%s)", number(s.Median), low, high)
	}
}

// Rows sums the record up, cells in the order of the file, paths in the order
// direct, relay, tunnel, tunnels in the order of the subjects.
func Rows(r *record.Record) []Row {
	axes, t := axesOf(r.Scenario), summary.Make(r, r.Blocks)
	var out []Row
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range routesOf(r) {
			bs := blocks(r, cell.Name, route)
			for g := range cell.Groups {
				if len(bs) > 0 && cell.Groups[g].Connections > 0 {
					one := row(numbers{t, cell, g, route}, bs)
					one.Label = labelOf(axes, cell.Name)
					out = append(out, one)
				}
			}
		}
	}
	annotate(r, out)
	return out
}

func blocks(r *record.Record, cell string, route record.Route) (out []*record.Block) {
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Cell == cell && b.Route == route {
			out = append(out, b)
		}
	}
	return out
}

func row(n numbers, bs []*record.Block) Row {
	cell, index := n.cell, n.group
	row, load := Row{Cell: cell.Name, Route: n.route, Repetitions: len(bs), load: cell.Groups[index].Name}, &cell.Groups[index]
	if len(cell.Groups) > 1 {
		row.Group = load.Name
	}
	var p999, p9999 []float64
	var samples, sum int64
	for _, b := range bs {
		g := &b.Groups[index]
		row.Seconds, row.Octets, row.OK = row.Seconds+g.Seconds, row.Octets+g.Octets, row.OK+g.Packets
		row.Failed, row.FailedConnects = row.Failed+g.FailedPackets(), row.FailedConnects+g.FailedConnects
		if d := latency(g); d != nil {
			if samples == 0 || time.Duration(d.Min) < row.Min {
				row.Min = time.Duration(d.Min)
			}
			row.Max, samples, sum = max(row.Max, time.Duration(d.Max)), samples+d.N, sum+d.N*d.Mean
			p999, p9999 = grow(p999, d.P999), grow(p9999, d.P9999)
		}
		if g.Jain != nil {
			if l := g.Jain.Least; l != nil && (row.JainLeast == 0 || *l < row.JainLeast) {
				row.JainLeast = *l
			}
		}
		if g.Silence != nil {
			row.Silence = max(row.Silence, *g.Silence)
		}
		var server, client int64 // several relays count as one
		for _, u := range b.Processes {
			switch u.Role {
			case "server", "relay":
				row.ServerCPU, server = row.ServerCPU+u.CPUSeconds, server+u.PeakRSS
			case "client":
				row.ClientCPU, client = row.ClientCPU+u.CPUSeconds, client+u.PeakRSS
			}
		}
		row.ServerRSS, row.ClientRSS = max(row.ServerRSS, server), max(row.ClientRSS, client)
	}
	if samples > 0 {
		row.Mean = time.Duration(sum / samples)
	}
	row.P999, row.P9999 = time.Duration(median(p999)), time.Duration(median(p9999))
	row.Speed, row.Packets = n.value("goodput"), n.value("packets")
	row.P50, row.P90, row.P99 = n.value("response.p50", "service.p50"), n.value("response.p90", "service.p90"), n.value("response.p99", "service.p99")
	row.CPU, row.Jain = n.value("cpu.kib"), n.value("jain")
	if load.Rate == 0 { // with a rate the speed is the same everywhere
		row.ToDirect, row.ToRelay = n.ratio(scenario.Direct, "goodput"), n.ratio(scenario.Relay, "goodput")
	}
	row.Later = map[string]Spread{}
	for _, to := range []string{scenario.Direct, scenario.Relay} {
		for _, p := range []string{"p50", "p99"} {
			row.Later[p+"/"+to] = n.ratio(to, "response."+p, "service."+p)
		}
	}
	return row
}

// grow adds a percentile, if there is one.
func grow(list []float64, p int64) []float64 {
	if p == 0 {
		return list
	}
	return append(list, float64(p))
}

// spread is what the values of repetitions come to.
func spread(v []float64) Spread {
	e := stats.Of(v)
	if low, high, ok := e.Interval(); ok {
		return Spread{e.Median, low, high}
	}
	return reach(v)
}

// reach is the median, the lowest and the highest of some values.
func reach(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	return Spread{median(v), slices.Min(v), slices.Max(v)}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Success is the part of all packets that was ok, 0 to 1.
func (r Row) Success() float64 {
	if total := r.OK + float64(r.Failed); total > 0 {
		return r.OK / total
	}
	return 0
}
