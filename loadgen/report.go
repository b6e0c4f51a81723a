package loadgen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Row is one cell over one route, with its repetitions summed up: counts
// are sums, rates are over the whole measured time, percentiles are medians
// of the repetitions. Latency is the response time with a rate, else the
// service time.
type Row struct {
	Cell Load
	Route
	Seconds        float64
	Octets         int64
	OK             float64 // packets
	Failed         int64
	FailedConnects int64
	ToDirect       Ratio // of octets per second, in the same repetition
	ToRelay        Ratio
	Min, Mean, Max time.Duration
	P50, P90, P99  time.Duration // 0: too few samples
	ServerCPU      float64       // seconds; of a relay, too
	ClientCPU      float64
	ServerRSS      int64 // the highest sample, octets; 0: runs elsewhere
	ClientRSS      int64
}

// A Ratio is a part of another path's speed: the median of the repetitions,
// the lowest and the highest; all 0 when it was not measured.
type Ratio struct{ Median, Low, High float64 }

func (r Ratio) String() string {
	switch {
	case r == Ratio{}:
		return "–"
	case r.Low == r.High:
		return fmt.Sprintf("%.1f", 100*r.Median)
	}
	return fmt.Sprintf("%.1f (%.0f–%.0f)", 100*r.Median, 100*r.Low, 100*r.High)
}

// Rows sums the record up, cells in the order of the file, paths in the order
// direct, relay, tunnel, tunnels in the order of the subjects.
func (r *Record) Rows() []Row {
	var names []string
	for _, s := range r.Subjects {
		names = append(names, s.Name)
	}
	var out []Row
	for _, cell := range r.Scenario.Cells {
		for _, route := range (&Scenario{Paths: paths}).routes(names) {
			if bs := r.blocks(cell, route); len(bs) > 0 {
				out = append(out, r.row(cell, route, bs))
			}
		}
	}
	return out
}

func (r *Record) blocks(cell Load, route Route) (out []*Block) {
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Cell == cell && b.Route == route {
			out = append(out, b)
		}
	}
	return out
}

func (r *Record) row(cell Load, route Route, bs []*Block) Row {
	row := Row{Cell: cell, Route: route}
	var p50, p90, p99, toDirect, toRelay []float64
	var n, sum int64
	for _, b := range bs {
		row.Seconds, row.Octets, row.OK = row.Seconds+b.Seconds, row.Octets+b.Octets, row.OK+b.Packets
		row.Failed, row.FailedConnects = row.Failed+b.FailedPackets(), row.FailedConnects+b.FailedConnects
		if d := cmp.Or(b.Response, b.Service); d != nil {
			if n == 0 || time.Duration(d.Min) < row.Min {
				row.Min = time.Duration(d.Min)
			}
			row.Max, n, sum = max(row.Max, time.Duration(d.Max)), n+d.N, sum+d.N*d.Mean
			p50, p90, p99 = grow(p50, d.P50), grow(p90, d.P90), grow(p99, d.P99)
		}
		for _, u := range b.Processes {
			switch u.Role {
			case "server", "relay":
				row.ServerCPU, row.ServerRSS = row.ServerCPU+u.CPUSeconds, max(row.ServerRSS, u.PeakRSS)
			case "client":
				row.ClientCPU, row.ClientRSS = row.ClientCPU+u.CPUSeconds, max(row.ClientRSS, u.PeakRSS)
			}
		}
		if route.Path != Direct && cell.Rate == 0 { // with a rate the speed is the same everywhere
			toDirect = r.ratio(toDirect, b, Direct)
		}
		if route.Path == Tunnel && cell.Rate == 0 {
			toRelay = r.ratio(toRelay, b, Relay)
		}
	}
	if n > 0 {
		row.Mean = time.Duration(sum / n)
	}
	row.P50, row.P90, row.P99 = time.Duration(median(p50)), time.Duration(median(p90)), time.Duration(median(p99))
	row.ToDirect, row.ToRelay = spread(toDirect), spread(toRelay)
	return row
}

// grow adds a percentile, if there is one.
func grow(list []float64, p int64) []float64 {
	if p == 0 {
		return list
	}
	return append(list, float64(p))
}

// ratio adds the block's speed as part of another path's in the same repetition.
func (r *Record) ratio(list []float64, b *Block, path string) []float64 {
	for i := range r.Blocks {
		o := &r.Blocks[i]
		if o.Cell == b.Cell && o.Path == path && o.Repetition == b.Repetition && o.Octets > 0 {
			return append(list, float64(b.Octets)/b.Seconds*o.Seconds/float64(o.Octets))
		}
	}
	return list
}

func spread(v []float64) Ratio {
	if len(v) == 0 {
		return Ratio{}
	}
	return Ratio{median(v), slices.Min(v), slices.Max(v)}
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

// rate is octets per second.
func (r Row) rate() float64 { return float64(r.Octets) / max(r.Seconds, 1e-9) }

// A column of a table.
type column struct {
	name string
	of   func(Row) string
}

// Columns, by what they are about. MB is a million octets.
var (
	cellColumn  = column{"cell", func(r Row) string { return r.Cell.String() }}
	routeColumn = column{"path", func(r Row) string { return r.Route.String() }}

	mbs      = column{"MB/s", func(r Row) string { return fmt.Sprintf("%.2f", r.rate()/1e6) }}
	mbps     = column{"Mbps", func(r Row) string { return fmt.Sprintf("%.1f", r.rate()*8/1e6) }}
	packets  = column{"packets/s", func(r Row) string { return fmt.Sprintf("%.0f", r.OK/max(r.Seconds, 1e-9)) }}
	toDirect = column{"% of direct", func(r Row) string { return r.ToDirect.String() }}
	toRelay  = column{"% of relay", func(r Row) string { return r.ToRelay.String() }}

	success  = column{"success %", func(r Row) string { return fmt.Sprintf("%.2f", 100*r.Success()) }}
	connects = column{"connect failures", func(r Row) string { return fmt.Sprint(r.FailedConnects) }}
	total    = column{"total MB", func(r Row) string { return fmt.Sprintf("%.2f", float64(r.Octets)/1e6) }}

	mean = column{"avg ms", func(r Row) string { return ms(r.Mean) }}
	p50  = column{"p50 ms", func(r Row) string { return ms(r.P50) }}
	p90  = column{"p90 ms", func(r Row) string { return ms(r.P90) }}
	p99  = column{"p99 ms", func(r Row) string { return ms(r.P99) }}
)

var (
	speedColumns    = []column{cellColumn, routeColumn, mbs, mbps, packets, toDirect, toRelay}
	transferColumns = []column{
		cellColumn, routeColumn,
		{"duration s", func(r Row) string { return fmt.Sprintf("%.2f", r.Seconds) }},
		{"octets", func(r Row) string { return fmt.Sprint(r.Octets) }},
		total,
		{"packets", func(r Row) string { return fmt.Sprintf("%.0f", r.OK+float64(r.Failed)) }},
		{"ok", func(r Row) string { return fmt.Sprintf("%.0f", r.OK) }},
		{"failed", func(r Row) string { return fmt.Sprint(r.Failed) }},
		connects, success,
	}
	latencyColumns = []column{
		cellColumn, routeColumn,
		{"min ms", func(r Row) string { return ms(r.Min) }},
		mean,
		{"max ms", func(r Row) string { return ms(r.Max) }},
		p50, p90, p99,
	}
	costColumns = []column{
		cellColumn, routeColumn,
		{"server CPU %", func(r Row) string { return share(r.ServerCPU, r.ServerRSS, r.Seconds) }},
		{"client CPU %", func(r Row) string { return share(r.ClientCPU, r.ClientRSS, r.Seconds) }},
		{"CPU µs/KiB", func(r Row) string { return perKiB(r) }},
		{"server memory MiB", func(r Row) string { return memory(r.ServerRSS) }},
		{"client memory MiB", func(r Row) string { return memory(r.ClientRSS) }},
	}
	// summaryColumns are what a reader wants first: the columns of the document and the percentiles.
	summaryColumns = []column{cellColumn, routeColumn, mbs, toDirect, toRelay, success, packets, mean, p50, p90, p99, connects, total}
)

func ms(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3f", float64(d)/1e6)
}

// share of one CPU that a process took; one that runs elsewhere has no memory to show.
func share(cpu float64, rss int64, seconds float64) string {
	if rss == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f", 100*cpu/max(seconds, 1e-9))
}

// perKiB is the CPU time of server and client, or relay, for each KiB of payload.
// The kernel counts it in steps of 10 ms: less than ten of them are no measure.
func perKiB(r Row) string {
	if r.Octets == 0 || r.ServerCPU+r.ClientCPU < 0.1 {
		return "–"
	}
	return fmt.Sprintf("%.2f", (r.ServerCPU+r.ClientCPU)*1e6/(float64(r.Octets)/1024))
}

func memory(octets int64) string {
	if octets == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", float64(octets)/(1<<20))
}

// newTable sets rows in columns, with a line between cells.
func newTable(columns []column, rows []Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range columns {
		header = append(header, c.name)
		if i >= 2 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for i, row := range rows {
		if i > 0 && row.Cell != rows[i-1].Cell {
			t.AppendSeparator()
		}
		var out table.Row
		for _, c := range columns {
			out = append(out, c.of(row))
		}
		t.AppendRow(out)
	}
	return t
}

// A section is one table of a report.
type section struct {
	title string
	table.Writer
}

// sections are the tables: what was transferred, how fast, the latency, and what the processes between took. One without rows is left out.
func (r *Record) sections() []section {
	rows := r.Rows()
	timed := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Mean == 0 })
	return slices.DeleteFunc([]section{
		{"Transfer", newTable(transferColumns, rows)},
		{"Speed", newTable(speedColumns, rows)},
		{"Latency", newTable(latencyColumns, timed)},
		{"Cost", newTable(costColumns, costly(rows))},
	}, func(s section) bool { return s.Length() == 0 })
}

// costly are the rows whose processes run here.
func costly(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.ServerRSS+r.ClientRSS == 0 })
}

// Console is the result for a terminal.
func (r *Record) Console() string {
	var b strings.Builder
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "%s: %s\n%s\n", r.Scenario.Name, strings.ToLower(s.title), s.Render())
	}
	return b.String() + strings.Join(r.findings(), "\n") + "\n"
}

// Markdown is the result as report.md.
func (r *Record) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", r.Scenario.Name, r.Scenario.Question)
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", s.title, s.RenderMarkdown())
	}
	if findings := r.findings(); len(findings) > 0 {
		fmt.Fprintf(&b, "## Findings\n\n- %s\n\n", strings.Join(findings, "\n- "))
	}
	fmt.Fprintf(&b, "## How it was measured\n\n%s", r.circumstances())
	return b.String()
}

// Summary is the findings, the result as one table, and one for the cost, in Markdown.
func (r *Record) Summary() string {
	rows, said := r.Rows(), r.Scenario.Question
	if findings := r.findings(); len(findings) > 0 {
		said += "\n\n- " + strings.Join(findings, "\n- ")
	}
	return fmt.Sprintf("%s\n\n%s\n\n%s\n", said,
		newTable(summaryColumns, rows).RenderMarkdown(), newTable(costColumns, costly(rows)).RenderMarkdown())
}

// circumstances is a table of what was measured, how and where.
func (r *Record) circumstances() string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", key, value)
		}
	}
	line("command", "`"+r.Command+"`")
	for _, s := range r.Subjects {
		line("subject", strings.TrimSpace(s.Name+" "+s.Version))
		line("server", code(s.Server))
		line("client", code(s.Client))
	}
	s, e := r.Scenario, r.Environment
	line("scenario", fmt.Sprintf("sha256 %.16s, seed %d", s.SHA256, s.Seed))
	line("times", fmt.Sprintf("profile %s: %v warm-up, %v measured, %d × each, %.0f s in all", r.Profile, s.Warmup, s.Measure, s.Repeat, r.Seconds))
	line("measured by", r.Tool+", "+e.Go)
	line("machine", strings.TrimSuffix(fmt.Sprintf("%s, %d CPUs, %.1f GiB, %s", cmp.Or(e.CPU, "unknown CPU"), e.CPUs, float64(e.Memory)/(1<<30), e.Virtualization), ", "))
	line("system", fmt.Sprintf("%s, kernel %s, congestion control %s", e.OS, e.Kernel, cmp.Or(e.CongestionControl, "unknown")))
	line("load average before", fmt.Sprintf("%.2f, %.2f, %.2f (1, 5, 15 minutes)", e.LoadAverage[0], e.LoadAverage[1], e.LoadAverage[2]))
	line("started", r.Started.Format(time.RFC3339))
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// findings are the best cells of each tunnel, and everything that went wrong.
func (r *Record) findings() []string {
	var out []string
	for _, s := range r.Subjects {
		if len(r.Scenario.Cells) > 1 {
			out = append(out, r.best(s.Name)...)
		}
	}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		where := fmt.Sprintf("%v, %v, repetition %d", b.Cell, b.Route, b.Repetition)
		for _, how := range []string{TimedOut, Reset, Refused, Corrupt, Unfinished} {
			if n := b.Failed[how]; n > 0 {
				out = append(out, fmt.Sprintf("%s: %d packets %s", where, n, how))
			}
		}
		for _, f := range append(slices.Clone(b.Faults), b.Undelivered...) {
			out = append(out, where+": "+f.Error())
		}
		if b.Strays > 0 {
			out = append(out, fmt.Sprintf("%s: %d connections reached the target without their first octets", where, b.Strays))
		}
	}
	if r.Interrupted {
		out = append(out, "stopped before the end: the numbers cover what was complete")
	}
	return out
}

// best is where a subject was fastest and quickest, and how it compares over all cells.
func (r *Record) best(subject string) (out []string) {
	var fastest, quickest Row
	var toDirect, toRelay []float64
	for _, row := range r.Rows() {
		if row.Subject != subject {
			continue
		}
		if row.ToDirect.Median > 0 {
			toDirect = append(toDirect, row.ToDirect.Median)
		}
		if row.ToRelay.Median > 0 {
			toRelay = append(toRelay, row.ToRelay.Median)
		}
		if row.rate() > fastest.rate() {
			fastest = row
		}
		if row.Mean > 0 && (quickest.Mean == 0 || row.Mean < quickest.Mean) {
			quickest = row
		}
	}
	if fastest.Octets > 0 {
		out = append(out, fmt.Sprintf("%s fastest: %v at %.2f MB/s (%.1f Mbps)", subject, fastest.Cell, fastest.rate()/1e6, fastest.rate()*8/1e6))
	}
	for _, over := range []struct {
		path  string
		cells []float64
	}{{Direct, toDirect}, {Relay, toRelay}} {
		if s := spread(over.cells); len(over.cells) > 0 {
			out = append(out, fmt.Sprintf("%s reaches %.0f %% of the speed of %s: the median of %d cells, which are at %.0f to %.0f %%",
				subject, 100*s.Median, over.path, len(over.cells), 100*s.Low, 100*s.High))
		}
	}
	if quickest.Mean > 0 {
		out = append(out, fmt.Sprintf("%s lowest latency: %v at %s ms on average", subject, quickest.Cell, ms(quickest.Mean)))
	}
	return out
}
