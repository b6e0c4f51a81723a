package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A Sheet is what is shown of a run: a row of numbers for each group of a cell
// on a route, and what one has to know to read them. It is made of a record, or
// read from the numbers.csv that it was written to.
type Sheet struct {
	Name, Question string
	Answer, Table  []string // metrics that the scenario shows in sentences, and as columns
	Plot           string   // file of the most telling one
	CellHead       string   // what the first column is
	Reading        string   // how a table is to be read
	Measured       string   // for how long
	Beside         string   // what stands in the place of a load that it is compared with
	Search         Goal
	Several        bool     // more cells than one
	Facts          []Fact   // what was measured, how and where
	Absent         []string // tunnels that were not measured, or not to the end, and why: a sentence each
	Problems       []string
	Notes          []Note
	Rows           []*Row
}

// A Goal is what a sentence says of the search for a knee.
type Goal struct{ Keep, From, To, Unit string }

// A Fact is one line of what was measured, how and where.
type Fact struct {
	Key, Value string
	Code       bool
}

// A Note says what speaks against the numbers of the rows that carry its mark.
type Note struct {
	Mark, Text string
	code       string
}

func (n Note) String() string { return n.Mark + " " + n.Text }

// A Row is the numbers of one group of a cell on a route; of an event of its
// time line; or, without a cell, of a route's processes.
type Row struct {
	Cell  string // by what it differs in from the others
	Group string // empty when the cell has one
	Event string
	record.Route
	N       int    // repetitions
	Verdict string // noisy or invalid; empty: nothing speaks against it
	Marks   string // of its notes: ᵃᵇ
	Numbers map[string]analyse.Number

	name, load string // of the cell and the group in the scenario
	details    string // of what speaks against it
}

// Of is a number of the row by its name: goodput, goodput/direct.
func (r *Row) Of(name string) analyse.Number { return r.Numbers[name] }

// Is reports whether the row is of a group of a cell.
func (r *Row) Is() bool { return r.Cell != "" && r.Event == "" }

// label is the cell, and the group where there are several.
func (r *Row) label() string { return strings.TrimSuffix(r.Cell+", "+r.Group, ", ") }

// NewSheet sums a record up: cells in the order of the file, paths in the order
// direct, relay, tunnel, tunnels in the order of the subjects.
func NewSheet(r *record.Record) *Sheet {
	sc := r.Scenario
	s := &Sheet{
		Name: sc.Name, Question: sc.Question, Answer: sc.Shown(scenario.ShowAnswer), Table: sc.Shown(scenario.ShowTable), CellHead: "cell",
		Measured: sc.Measure.String(), Several: len(sc.Cells) > 1, Facts: facts(r), Reading: reading(r), Problems: problems(r),
	}
	for _, g := range sc.Cells[0].Groups {
		if g.InsteadOf != "" {
			s.Beside = fmt.Sprintf("with %s instead of %s", g.Name, g.InsteadOf)
		}
	}
	for _, n := range r.NotRun {
		if n.Subject != "" {
			s.Absent = append(s.Absent, strings.TrimPrefix(n.String(), "subject ")+".")
		}
	}
	axes, t := axesOf(sc), analyse.Tabulate(r, r.Blocks)
	if len(axes) == 1 {
		s.CellHead = axes[0].title
	}
	if sc.Search != nil {
		s.Search = Goal{sc.Search.Keep, sc.Search.From, sc.Search.To, sc.Search.Unit()}
	}
	for i := range sc.Cells {
		cell := &sc.Cells[i]
		for _, route := range r.Routes() {
			blocks := analyse.Blocks(r.Blocks, cell, route)
			for g := range cell.Groups {
				if len(blocks) == 0 || cell.Groups[g].Connections == 0 {
					continue
				}
				row := &Row{Cell: labelOf(axes, cell.Name), Route: route, N: len(blocks), Numbers: map[string]analyse.Number{}, name: cell.Name, load: cell.Groups[g].Name}
				if len(cell.Groups) > 1 {
					row.Group = row.load
				}
				row.fill(r, t, cell, g)
				s.Rows = append(s.Rows, row)
			}
		}
	}
	s.annotate(r)
	s.Rows = slices.Concat(s.Rows, outages(r, axes), grown(r))
	return s
}

// fill takes over everything that is known of the row.
func (row *Row) fill(r *record.Record, t *analyse.Table, cell *scenario.Cell, group int) {
	load := &cell.Groups[group]
	for _, m := range metric.All {
		of := record.Of{Metric: m.Name, Cell: cell.Name, Group: load.Name, Route: row.Route}
		if m.Path {
			of.Group = ""
		}
		series := t.At(of)
		if series == nil {
			continue
		}
		row.Numbers[m.Name] = series.Number()
		for _, p := range m.Places {
			if p.Of == "" || m.Name == "goodput" && load.Rate > 0 { // with a rate the speed is the same everywhere
				continue
			}
			if part := t.Part(of, p.Of); part.N > 0 {
				row.Numbers[m.Name+"/"+p.Of] = part
			}
		}
	}
	for _, a := range isolation(r) {
		if a.Cell == cell.Name && a.Group == load.Name && a.Route == row.Route {
			_, percentile, _ := strings.Cut(a.Metric, ".")
			row.Numbers["loaded."+percentile] = analyse.Known(a.Estimate)
		}
	}
	for _, k := range r.Searches {
		if k.Cell == cell.Name && k.Route == row.Route && group == r.Scenario.Search.Group(cell) {
			for name, more := range map[string]int{"knee.limited." + k.Limit: 1, "knee.probes": len(k.Probes)} {
				n := row.Numbers[name]
				sum := n.Median + float64(more)
				row.Numbers[name] = analyse.Number{N: n.N + 1, Median: sum, Low: sum, High: sum}
			}
		}
	}
}

// isolation lists the comparisons with the unloaded cell that are shown: the
// median and the highest percentile available.
func isolation(r *record.Record) (out []record.Apart) {
	has := func(a record.Apart, metric string) bool {
		return slices.ContainsFunc(r.Apart, func(o record.Apart) bool {
			return o.Cell == a.Cell && o.Group == a.Group && o.Metric == metric && o.Route == a.Route
		})
	}
	for _, a := range r.Apart {
		name, percentile, _ := strings.Cut(a.Metric, ".")
		switch {
		case name == "service" && has(a, "response.p50"): // with a rate the response time counts
		case percentile == "p90" && has(a, name+".p99"):
		default:
			out = append(out, a)
		}
	}
	return out
}

// outages are the rows of events: what each did, in all repetitions of a cell on a route.
func outages(r *record.Record, axes []axis) (out []*Row) {
	for i := range r.Scenario.Cells {
		cell := &r.Scenario.Cells[i]
		for _, route := range r.Routes() {
			blocks := analyse.Blocks(r.Blocks, cell, route)
			n := 0
			for _, b := range blocks {
				n = max(n, len(b.Events))
			}
			for k := range n {
				row := &Row{Cell: labelOf(axes, cell.Name), Route: route, Numbers: map[string]analyse.Number{}, name: cell.Name}
				for _, b := range blocks {
					if k < len(b.Events) {
						row.N, row.Event = row.N+1, b.Events[k].Do
					}
				}
				for _, m := range metric.All {
					if !m.Event {
						continue
					}
					if v := analyse.Outage(&m, blocks, k); v.N > 0 {
						row.Numbers[m.Name] = v
					}
				}
				out = append(out, row)
			}
		}
	}
	return out
}

// grown are the rows of routes: how their processes grow.
func grown(r *record.Record) (out []*Row) {
	for _, s := range r.Slopes {
		name, times := "", 1.0
		switch {
		case s.What == "rss" && s.Per == record.PerIdle:
			name = "rss.idle."
		case s.What == "rss" && s.Per == record.PerStalled:
			name = "rss.stalled."
		case s.What == "rss" && s.Per == record.PerHour: // over the measured time: nobody knows how it went on
			name, times = "rss.growth.", time.Duration(r.Scenario.Measure).Hours()
		default:
			continue
		}
		i := slices.IndexFunc(out, func(row *Row) bool { return row.Route == s.Route })
		if i < 0 {
			out, i = append(out, &Row{Route: s.Route, Numbers: map[string]analyse.Number{}}), len(out)
		}
		out[i].N = max(out[i].N, s.N)
		out[i].Numbers[name+s.Role] = analyse.Known(s.Estimate).Times(times)
	}
	slices.SortStableFunc(out, func(a, b *Row) int {
		routes := r.Routes()
		return cmp.Compare(slices.Index(routes, a.Route), slices.Index(routes, b.Route))
	})
	return out
}

// routes are those of the rows, in their order.
func (s *Sheet) routes() (out []record.Route) {
	for _, row := range s.Rows {
		if !slices.Contains(out, row.Route) {
			out = append(out, row.Route)
		}
	}
	return out
}

// subjects are the names of the tunnels, in the order of the rows.
func (s *Sheet) subjects() (out []string) {
	for _, route := range s.routes() {
		if route.Path == scenario.Tunnel {
			out = append(out, route.Subject)
		}
	}
	return out
}

// beside is the row of the same group of the same cell on another path.
func (s *Sheet) beside(row *Row, path string) *Row {
	i := slices.IndexFunc(s.Rows, func(o *Row) bool {
		return o.Is() && o.Cell == row.Cell && o.Group == row.Group && o.Path == path
	})
	if i < 0 {
		return nil
	}
	return s.Rows[i]
}

// reading is how a table is to be read: what all cells have alike, where their labels leave it out, and what brackets say.
func reading(r *record.Record) string {
	var out []string
	if len(axesOf(r.Scenario)) > 0 {
		var parts []string
		c := &r.Scenario.Cells[0]
		for _, g := range c.Groups {
			parts = append(parts, cmpOr(len(c.Groups) > 1, g.Name+": ", "")+g.String())
		}
		out = append(out, fmt.Sprintf("The first cell in full: %s.", strings.Join(parts, "; ")))
	}
	n := scenario.Count(0)
	for i := range r.Scenario.Cells {
		n = max(n, r.Scenario.RepeatOf(&r.Scenario.Cells[i]).Min)
	}
	switch {
	case n >= scenario.ForInterval:
		out = append(out, "A value is the median of the repetitions, in brackets its 95 % interval.")
	case n > 1:
		out = append(out, fmt.Sprintf("A value is the median of the repetitions, in brackets the lowest and the highest: %d have no 95 %% interval.", n))
	}
	return strings.Join(out, " ")
}

// facts are what was measured, how and where.
func facts(r *record.Record) (out []Fact) {
	add := func(key, value string, code bool) {
		if value != "" {
			out = append(out, Fact{key, strings.ReplaceAll(strings.TrimSpace(value), "\n", " "), code}) // commands may have several lines
		}
	}
	add("command", r.Command, true)
	for _, s := range r.Subjects {
		add("subject", strings.TrimSpace(s.Name+" "+s.Version), false)
		add("server", s.Server, true)
		add("client", s.Client, true)
		add("owner", s.Owner, false)
		add("conformance", standing(s), false)
	}
	s, e := r.Scenario, r.Environment
	add("scenario", fmt.Sprintf("sha256 %.16s, seed %d", s.SHA256, s.Seed), false)
	add("runtime", containers(s), false)
	add("times", fmt.Sprintf("profile %s: %v warm-up, %v measured, %s, %.0f s in all", r.Profile, s.Warmup, s.Measure, s.Repeats(), r.Seconds), false)
	add("generator processes", fmt.Sprint(max(s.Generators, 1)), false)
	add("measured by", r.Tool+", "+e.Go, false)
	add("machine", strings.TrimSuffix(fmt.Sprintf("%s, %d CPUs, %.1f GiB, %s", cmp.Or(e.CPU, "unknown CPU"), e.CPUs, float64(e.Memory)/(1<<30), e.Virtualization), ", "), false)
	add("system", fmt.Sprintf("%s, kernel %s, congestion control %s", e.OS, e.Kernel, cmp.Or(e.CongestionControl, "unknown")), false)
	add("load average before", fmt.Sprintf("%.2f, %.2f, %.2f (1, 5, 15 minutes)", e.LoadAverage[0], e.LoadAverage[1], e.LoadAverage[2]), false)
	add("smallest visible change", floors(r), false)
	add("started", r.Started.Format(time.RFC3339), false)
	return out
}

// floors are the noise floors of the numbers that are compared first.
func floors(r *record.Record) string {
	var out []string
	for _, f := range r.Floor {
		switch f.Metric {
		case "goodput", "response.p50", "response.p99", "service.p50", "cpu.kib", "cpu.message", "rss.peak":
			out = append(out, fmt.Sprintf("%s %.1f %%", strings.TrimPrefix(strings.TrimSpace(f.Group+" "+f.Metric), "load "), 100*f.Change))
		}
	}
	return strings.Join(out, ", ")
}

// standing says whether a subject is certified; empty for a record that does not say.
func standing(s record.Subject) string {
	if s.Certificate == nil {
		return ""
	}
	return s.Certificate.String()
}

// containers says that the roles ran in containers, and what bounded them.
func containers(s *scenario.Scenario) string {
	if s.Runtime != scenario.Container {
		return ""
	}
	out := "each role in a container of its own"
	for _, role := range slices.Sorted(maps.Keys(s.Limits)) {
		out += fmt.Sprintf("; %s: at most %v", role, s.Limits[role])
	}
	return out
}
