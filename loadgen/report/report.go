// Package report makes tables, plots and pages of a record, and of nothing else.
//
//	rows.go     Row: one group of a cell over one route, its repetitions summed up
//	columns.go  what a table may show of a row
//	marks.go    which rows are noisy, invalid, or measured once, and why
//	report.go   the tables: for a terminal, as Markdown
//	sheets.go   the tables of what was concluded
//	answer.go   what the tunnels cost, in a sentence
//	asked.go    answers and figures of questions that ask for something else
//	metrics.go  what each repetition found out, under a name
//	csv.go      all of that in long form
//	axes.go     in what the cells of a scenario differ
//	figures.go  the plots
//	overtime.go how it went over time, and what faults did
//	html.go     pages
//	files.go    everything beside a record, and what a README shows of it
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// A section is one table of a report.
type section struct {
	title, note string
	columns     []column
	rows        []Row
	footnotes   []footnote
}

// newSection leaves out columns in which no row says anything.
func newSection(title, note string, rows []Row, columns ...column) section {
	s := section{title: title, note: note, rows: rows}
	for i, c := range columns {
		if i < 2 || slices.ContainsFunc(rows, func(r Row) bool { return c.of(r) != "–" }) {
			s.columns = append(s.columns, c)
		}
	}
	return s
}

// markdown is the table and its footnotes.
func (s section) markdown() string {
	out := s.table().RenderMarkdown() + "\n"
	for _, f := range s.footnotes {
		out += "\n" + f.String() + "  " // a line of its own
	}
	return strings.TrimRight(out, " \n") + "\n"
}

// table sets the rows in columns, with a line between cells.
func (s section) table() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range s.columns {
		header = append(header, c.name)
		if i >= 2 {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for i, row := range s.rows {
		if i > 0 && row.Cell != s.rows[i-1].Cell {
			t.AppendSeparator()
		}
		var out table.Row
		for _, c := range s.columns {
			out = append(out, c.of(row))
		}
		t.AppendRow(out)
	}
	return t
}

// sections are the tables; one without rows is left out.
func sections(r *record.Record) []section {
	rows := Rows(r)
	timed := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Mean == 0 })
	costly := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.ServerRSS+r.ClientRSS == 0 })
	fair := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Jain == (Spread{}) })
	cell := cellColumn(r)
	of := func(title, note string, rows []Row, more ...column) section {
		return newSection(title, note, rows, slices.Concat([]column{cell, routeColumn}, more)...)
	}
	result := of("Result", said(r), rows, mbs, success, packets, mean, connects, total)
	result.footnotes = footnotes(r, rows)
	return slices.DeleteFunc([]section{
		result,
		of("Overhead", "Speed and latency as parts and multiples of those of another path, in the same repetition.", rows, slices.Concat([]column{mbps, toDirect, toRelay}, later)...),
		of("Latency", "Milliseconds.", timed, least, p50, p90, p99, p999, p9999, most),
		of("Cost", "", costly, serverCPU, clientCPU, cpuPerKiB, serverMemory, clientMemory),
		of("Faults", "Seconds after the fault began, the median of the repetitions; streams and octets are sums.", outages(r), faultColumns...),
		of("Fairness", "Jain's index: 1 when all connections have the same.", fair, fairColumns...),
		newSection("Transfer", "Sums of the repetitions.", rows, cell, bareColumn, duration, octets, packetsAll, packetsOK, packetsFailed),
	}, func(s section) bool {
		// At their knees routes carry loads of different rates: their times cannot be compared.
		return len(s.rows) == 0 || len(s.columns) < 3 || s.title == "Overhead" && r.Scenario.Search != nil
	})
}

// forInterval is how many repetitions an interval of 95 % takes.
const forInterval = 6

// said is how the table is to be read: what all cells have alike, where their labels leave it out, and what brackets say.
func said(r *record.Record) string {
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
	case n >= forInterval:
		out = append(out, "A value is the median of the repetitions, in brackets its interval of 95 %.")
	case n > 1:
		out = append(out, fmt.Sprintf("A value is the median of the repetitions, in brackets the lowest and the highest: %d have no interval of 95 %%.", n))
	}
	return strings.Join(out, " ")
}

// mostProblems is how much of what went wrong a terminal shows.
const mostProblems = 12

// few is up to how many rows a terminal shows all paths; beyond it the tunnels alone, which are compared with the others.
const few = 30

// Console is the result for a terminal: the question, its answer, one table, and what went wrong.
func Console(r *record.Record, colour bool) string {
	paint := func(code, s string) string {
		if !colour || s == "" {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", paint("1", r.Scenario.Name), r.Scenario.Question)
	table := brief(r, few)
	fmt.Fprintln(&b, table.table().Render())
	for _, f := range table.footnotes {
		fmt.Fprintln(&b, paint("2", strings.ReplaceAll(f.String(), "`", "")))
	}
	for _, s := range r.Subjects {
		if text := standing(s); text != "" {
			fmt.Fprintf(&b, "%s: %s\n", s.Name, text)
		}
	}
	if in := runtime(r.Scenario); in != "" {
		fmt.Fprintln(&b, "runtime: "+in)
	}
	for _, a := range answer(r) {
		fmt.Fprintln(&b, a)
	}
	wrong := problems(r)
	for _, p := range wrong[:min(len(wrong), mostProblems)] {
		fmt.Fprintln(&b, paint("31", p))
	}
	if more := len(wrong) - mostProblems; more > 0 {
		fmt.Fprintf(&b, "%d lines more like these are in %s\n", more, reportFile)
	}
	if text, good := verdict(r); good {
		fmt.Fprintln(&b, paint("32", text))
	}
	return b.String()
}

// brief is the table that a reader wants first; of more rows than most those of the tunnels alone.
func brief(r *record.Record, most int) section {
	rows := Rows(r)
	tunnels := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Path != scenario.Tunnel })
	if len(rows) > most && len(tunnels) > 0 {
		rows = tunnels
	}
	s := newSection("", "", rows, cellColumn(r), routeColumn, mbs, toDirect, toRelay, p50, p99, packetsFailed)
	s.footnotes = footnotes(r, rows)
	return s
}

// overview is the answer and the rows of the tunnels, in Markdown.
func overview(r *record.Record) string {
	return told(answer(r)) + brief(r, 0).markdown()
}

// inShort is the question, the answer, a plot and where the rest is, in Markdown.
func inShort(r *record.Record, folder string) string {
	return fmt.Sprintf("%s\n\n%s%s[All tables and plots](%s/%s)", r.Scenario.Question, told(answer(r)), hero(r, folder), folder, reportFile)
}

// Markdown is the result as report.md.
func Markdown(r *record.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", r.Scenario.Name, r.Scenario.Question)
	b.WriteString(told(answer(r)))
	if found := findings(r); len(found) > 0 {
		fmt.Fprintf(&b, "## Findings\n\n- %s\n\n", strings.Join(found, "\n- "))
	}
	b.WriteString(gallery(r))
	for _, s := range sections(r) {
		fmt.Fprintf(&b, "## %s\n\n", s.title)
		if s.note != "" {
			fmt.Fprintf(&b, "%s\n\n", s.note)
		}
		fmt.Fprintf(&b, "%s\n", s.markdown())
	}
	for _, s := range sheets(r) {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n\n", s.title, s.note, s.markdown())
	}
	fmt.Fprintf(&b, "## How it was measured\n\n%s", circumstances(r))
	return b.String()
}

// gallery is the plots, two beside each other.
func gallery(r *record.Record) string {
	var images []string
	for _, f := range figures(r) {
		images = append(images, fmt.Sprintf("![%s](%s)", strings.TrimSuffix(f.file, ".svg"), f.file))
	}
	if len(images) == 0 {
		return ""
	}
	out := "## Plots\n\n| | |\n|---|---|\n"
	for pair := range slices.Chunk(images, 2) {
		out += "| " + strings.Join(append(pair, "")[:2], " | ") + " |\n"
	}
	return out + "\n"
}

// Summary is the answer, a plot and the first table in Markdown; folder leads from the text to the record's.
func Summary(r *record.Record, folder string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s", r.Scenario.Question, told(answer(r)))
	if found := findings(r); len(found) > 0 {
		fmt.Fprintf(&b, "- %s\n\n", strings.Join(found, "\n- "))
	}
	b.WriteString(hero(r, folder))
	if all := sections(r); len(all) > 0 {
		s := all[0] // with what the reader would look for in the second
		s = newSection(s.title, s.note, s.rows, slices.Concat(s.columns, []column{toDirect, toRelay})...)
		s.footnotes = footnotes(r, s.rows)
		fmt.Fprintf(&b, "%s\n", s.markdown())
	}
	return b.String()
}

// hero is the most telling plot, as Markdown; empty without plots.
func hero(r *record.Record, folder string) string {
	all := figures(r)
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("![%s](%s/%s)\n\n", strings.TrimSuffix(all[0].file, ".svg"), folder, all[0].file)
}

// A circumstance is one line of what was measured, how and where.
type circumstance struct {
	Key, Value string
	Code       bool
}

func circumstancesOf(r *record.Record) (out []circumstance) {
	add := func(key, value string, code bool) {
		if value != "" {
			out = append(out, circumstance{key, value, code})
		}
	}
	add("command", r.Command, true)
	for _, s := range r.Subjects {
		add("subject", strings.TrimSpace(s.Name+" "+s.Version), false)
		add("server", s.Server, true)
		add("client", s.Client, true)
		add("conformance", standing(s), false)
	}
	s, e := r.Scenario, r.Environment
	add("scenario", fmt.Sprintf("sha256 %.16s, seed %d", s.SHA256, s.Seed), false)
	add("runtime", runtime(s), false)
	add("times", fmt.Sprintf("profile %s: %v warm-up, %v measured, %s, %.0f s in all", r.Profile, s.Warmup, s.Measure, s.Repeats(), r.Seconds), false)
	add("generator processes", fmt.Sprint(max(s.Generators, 1)), false)
	add("measured by", r.Tool+", "+e.Go, false)
	add("machine", strings.TrimSuffix(fmt.Sprintf("%s, %d CPUs, %.1f GiB, %s", cmp.Or(e.CPU, "unknown CPU"), e.CPUs, float64(e.Memory)/(1<<30), e.Virtualization), ", "), false)
	add("system", fmt.Sprintf("%s, kernel %s, congestion control %s", e.OS, e.Kernel, cmp.Or(e.CongestionControl, "unknown")), false)
	add("load average before", fmt.Sprintf("%.2f, %.2f, %.2f (1, 5, 15 minutes)", e.LoadAverage[0], e.LoadAverage[1], e.LoadAverage[2]), false)
	if len(r.Floor) > 0 {
		add("smallest change to be seen", floors(r), false)
	}
	add("started", r.Started.Format(time.RFC3339), false)
	return out
}

// circumstances is them as a table in Markdown.
func circumstances(r *record.Record) string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, c := range circumstancesOf(r) {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Key, cmpOr(c.Code, "`"+c.Value+"`", c.Value))
	}
	return b.String()
}

// findings are the best cells of each tunnel, and everything that went wrong.
func findings(r *record.Record) []string {
	var out []string
	for _, s := range r.Subjects {
		if len(r.Scenario.Cells) > 1 {
			out = append(out, best(r, s.Name)...)
		}
	}
	return append(out, problems(r)...)
}

// someStreams is how many streams of a block are named one by one.
const someStreams = 3

// someRows is how many rows against which the same speaks are named one by one; all are marked in the tables.
const someRows = 3

// problems are everything that went wrong, and what speaks against the numbers.
func problems(r *record.Record) (out []string) {
	out = lost(r)
	for _, f := range r.Findings {
		if f.Code == record.Stall || f.Code == record.Leak { // wrong octets are named above
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%s, %v: ", f.Cell, f.Route), ", ")+f.Code+": "+f.Detail)
		}
	}
	for _, n := range r.NotRun {
		out = append(out, n.String())
	}
	if r.Interrupted && r.Validity == nil {
		out = append(out, "stopped before the end: the numbers cover what was complete")
	}
	for _, th := range r.Thresholds {
		if th.Verdict != record.Pass {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s, %v: threshold %s: %s: %s", th.Cell, th.Route, th.Expect, th.Verdict, cmp.Or(th.Reason, th.Is())), ": "))
		}
	}
	if r.Validity != nil {
		seen := map[string]int{}
		for _, v := range r.Validity.Reasons {
			if seen[v.Code+v.Verdict]++; seen[v.Code+v.Verdict] > someRows {
				continue
			}
			row := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%s, %v, %s", v.Cell, v.Route, v.Group), ", , "), ", load")
			out = append(out, strings.TrimPrefix(strings.TrimSuffix(row, ", ")+": ", ": ")+v.Verdict+": "+v.Detail)
		}
		for _, v := range r.Validity.Reasons {
			if more := seen[v.Code+v.Verdict] - someRows; more > 0 {
				out = append(out, fmt.Sprintf("%d rows more are %s: %s", more, v.Verdict, v.Meaning()))
			}
			delete(seen, v.Code+v.Verdict)
		}
	}
	return out
}

// lost says which packets were not ok, and on which streams, once for all
// repetitions of a cell on a route. What a fault of the time line broke is no
// problem but the answer: the table of faults has it.
func lost(r *record.Record) (out []string) {
	type place struct {
		cell  string
		route record.Route
	}
	var order []place
	of := map[place][]*record.Block{}
	all := r.All()
	for i := range all {
		p := place{all[i].Cell, all[i].Route}
		if of[p] == nil {
			order = append(order, p)
		}
		of[p] = append(of[p], &all[i])
	}
	for _, p := range order {
		failed, blocks, strays, hung := map[string]int64{}, map[string]int{}, 0, 0
		var names []string // of outcomes, by group
		var streams []*payload.Fault
		for _, b := range of[p] {
			strays += b.Strays
			streams = append(streams, b.Faults...)
			for _, e := range b.Events {
				hung += e.Streams.Hung
			}
			if b.Broken() {
				continue
			}
			streams = append(streams, b.Undelivered...)
			for _, g := range b.Groups {
				for _, how := range workload.Outcomes {
					if n := g.Failed[how]; n > 0 {
						what := strings.TrimPrefix(g.Name+": ", "load: ") + "%s " + how
						if failed[what] == 0 {
							names = append(names, what)
						}
						failed[what] += n
						blocks[what]++
					}
				}
			}
		}
		where := fmt.Sprintf("%v, %v", p.cell, p.route)
		for _, what := range names {
			out = append(out, fmt.Sprintf("%s: %s in %d of %d blocks", where, fmt.Sprintf(what, packetCount(failed[what])), blocks[what], len(of[p])))
		}
		for _, f := range streams[:min(len(streams), someStreams)] {
			out = append(out, where+": "+f.Error())
		}
		if more := len(streams) - someStreams; more > 0 {
			out = append(out, fmt.Sprintf("%s: %d streams more, which the record names", where, more))
		}
		if hung > 0 {
			out = append(out, fmt.Sprintf("%s: %d streams hung after a fault", where, hung))
		}
		if strays > 0 {
			out = append(out, fmt.Sprintf("%s: %d connections reached the target without their first octets", where, strays))
		}
	}
	return out
}

func packetCount(n int64) string {
	return cmpOr(n == 1, "1 packet", fmt.Sprintf("%d packets", n))
}

// best is where a subject was fastest and quickest.
func best(r *record.Record, subject string) (out []string) {
	var fastest, quickest Row
	for _, row := range Rows(r) {
		if row.Subject != subject || row.Verdict == record.Invalid {
			continue
		}
		if row.Speed.Median > fastest.Speed.Median {
			fastest = row
		}
		if row.Mean > 0 && (quickest.Mean == 0 || row.Mean < quickest.Mean) {
			quickest = row
		}
	}
	if fastest.Octets > 0 {
		out = append(out, fmt.Sprintf("%s fastest: %v at %.2f MB/s (%.1f Mbps)", subject, fastest.Cell, fastest.Speed.Median/1e6, fastest.Speed.Median*8/1e6))
	}
	if quickest.Mean > 0 {
		out = append(out, fmt.Sprintf("%s lowest latency: %v at %s ms on average", subject, quickest.Cell, ms(quickest.Mean)))
	}
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
