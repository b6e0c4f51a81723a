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

// A Row is one cell over one path, with its repetitions summed up: counts
// are sums, rates are over the whole measured time, percentiles and ratios
// are medians of the repetitions.
type Row struct {
	Cell Load
	Path string
	Block
	ToDirect, ToRelay                          float64 // octets per second as part of the other path's, in the same repetition; 0: not measured
	P50, P90, P99                              time.Duration
	Min, Mean, Max                             time.Duration
	ServerCPU, ServerRSS, ClientCPU, ClientRSS float64 // seconds; octets, highest
}

// Rows sums the record up, cells in the order of the file, paths in the order direct, relay, tunnel.
func (r *Record) Rows() []Row {
	var out []Row
	for _, cell := range r.Scenario.Plan() {
		for _, path := range paths {
			if bs := r.blocks(cell, path); len(bs) > 0 {
				out = append(out, r.row(cell, path, bs))
			}
		}
	}
	return out
}

func (r *Record) blocks(cell Load, path string) (out []*Block) {
	for i := range r.Blocks {
		if b := &r.Blocks[i]; b.Cell == cell && b.Path == path {
			out = append(out, b)
		}
	}
	return out
}

func (r *Record) row(cell Load, path string, bs []*Block) Row {
	row := Row{Cell: cell, Path: path}
	row.Failed = map[string]int64{}
	var p50, p90, p99, toDirect, toRelay []float64
	var n, sum int64
	for _, b := range bs {
		row.Seconds, row.Octets, row.Packets = row.Seconds+b.Seconds, row.Octets+b.Octets, row.Packets+b.Packets
		row.FailedConnects, row.Late = row.FailedConnects+b.FailedConnects, row.Late+b.Late
		for how, v := range b.Failed {
			row.Failed[how] += v
		}
		if d := b.Service; d != nil {
			if n == 0 || time.Duration(d.Min) < row.Min {
				row.Min = time.Duration(d.Min)
			}
			row.Max, n, sum = max(row.Max, time.Duration(d.Max)), n+d.N, sum+d.N*d.Mean
			p50, p90, p99 = grow(p50, d.P50), grow(p90, d.P90), grow(p99, d.P99)
		}
		for _, u := range b.Processes {
			switch u.Role {
			case "server":
				row.ServerCPU, row.ServerRSS = row.ServerCPU+u.CPUSeconds, max(row.ServerRSS, float64(u.PeakRSS))
			case "client":
				row.ClientCPU, row.ClientRSS = row.ClientCPU+u.CPUSeconds, max(row.ClientRSS, float64(u.PeakRSS))
			}
		}
		toDirect, toRelay = r.ratio(toDirect, b, Direct), r.ratio(toRelay, b, Relay)
	}
	if n > 0 {
		row.Mean = time.Duration(sum / n)
	}
	row.P50, row.P90, row.P99 = time.Duration(median(p50)), time.Duration(median(p90)), time.Duration(median(p99))
	row.ToDirect, row.ToRelay = median(toDirect), median(toRelay)
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
		if o.Cell == b.Cell && o.Path == path && o.Repetition == b.Repetition && o.Octets > 0 && o.Path != b.Path {
			return append(list, b.rate()/o.rate())
		}
	}
	return list
}

func (b *Block) rate() float64 { return float64(b.Octets) / max(b.Seconds, 1e-9) }

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Success is the part of all packets that was ok, 0 to 1.
func (b *Block) Success() float64 {
	failed := float64(b.FailedPackets())
	if b.Packets+failed == 0 {
		return 0
	}
	return b.Packets / (b.Packets + failed)
}

// A section is one table of a report.
type section struct {
	title string
	table.Writer
}

// sections are the tables: what was transferred, how fast, the latency, and what the tunnel used. One without rows is left out.
func (r *Record) sections() []section {
	all := []section{{"Transfer", newTable()}, {"Speed", newTable()}, {"Latency", newTable()}, {"Cost of the tunnel", newTable()}}
	transfer, speed, latency, cost := all[0], all[1], all[2], all[3]
	transfer.AppendHeader(table.Row{"cell", "path", "duration s", "octets", "packets ok", "failed", "connect failures", "success"})
	speed.AppendHeader(table.Row{"cell", "path", "MB/s", "Mbps", "packets/s", "of direct", "of relay"})
	latency.AppendHeader(table.Row{"cell", "path", "min", "avg", "max", "p50", "p90", "p99"})
	cost.AppendHeader(table.Row{"cell", "server CPU s", "client CPU s", "server RSS", "client RSS"})
	last := ""
	for _, row := range r.Rows() {
		cell := row.Cell.String()
		if last != "" && cell != last {
			for _, s := range all[:3] {
				s.AppendSeparator()
			}
		}
		last = cell
		duration := max(row.Seconds, 1e-9)
		transfer.AppendRow(table.Row{
			cell, row.Path, fmt.Sprintf("%.2f", row.Seconds), row.Octets, fmt.Sprintf("%.0f", row.Packets),
			row.FailedPackets(), row.FailedConnects, fmt.Sprintf("%.2f %%", 100*row.Success()),
		})
		speed.AppendRow(table.Row{
			cell, row.Path, fmt.Sprintf("%.2f", row.rate()/1e6), fmt.Sprintf("%.1f", row.rate()*8/1e6),
			fmt.Sprintf("%.0f", row.Packets/duration), percent(row.ToDirect), percent(row.ToRelay),
		})
		if row.Mean > 0 {
			latency.AppendRow(table.Row{cell, row.Path, short(row.Min), short(row.Mean), short(row.Max), short(row.P50), short(row.P90), short(row.P99)})
		}
		if row.Path == Tunnel && row.ServerRSS+row.ClientRSS > 0 {
			cost.AppendRow(table.Row{
				cell, seconds(row.ServerCPU, row.ServerRSS), seconds(row.ClientCPU, row.ClientRSS), memory(row.ServerRSS), memory(row.ClientRSS),
			})
		}
	}
	return slices.DeleteFunc(all, func(s section) bool { return s.Length() == 0 })
}

func newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	var right []table.ColumnConfig
	for i := 3; i <= 8; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	return t
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func percent(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*v)
}

// seconds of a process that was there: one that runs elsewhere has no memory to show.
func seconds(s, rss float64) string {
	if rss == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", s)
}

func memory(octets float64) string {
	if octets == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MiB", octets/(1<<20))
}

// Console is the result for a terminal.
func (r *Record) Console() string {
	var b strings.Builder
	for _, s := range r.sections() {
		fmt.Fprintf(&b, "%s: %s, %s\n%s\n", r.Scenario.Name, r.Subject.Name, strings.ToLower(s.title), s.Render())
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
	b.WriteString("## Findings\n\n")
	for _, f := range r.findings() {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	e := r.Environment
	b.WriteString("\n## How it was measured\n\n| | |\n|---|---|\n")
	for _, kv := range [][2]string{
		{"command", "`" + r.Command + "`"},
		{"subject", strings.TrimSpace(r.Subject.Name + " " + r.Subject.Version)},
		{"server", code(r.Subject.Server)},
		{"client", code(r.Subject.Client)},
		{"scenario", fmt.Sprintf("sha256 %.16s, seed %d", r.Scenario.SHA256, r.Scenario.Seed)},
		{"times", fmt.Sprintf("profile %s: %v warm-up, %v measured, %d × each, %.0f s in all", r.Profile, r.Scenario.Warmup, r.Scenario.Measure, r.Scenario.Repeat, r.Seconds)},
		{"measured by", r.Tool + ", " + e.Go},
		{"machine", strings.TrimSpace(fmt.Sprintf("%s, %d CPUs, %.1f GiB %s", cmp.Or(e.CPU, "unknown CPU"), e.CPUs, float64(e.Memory)/(1<<30), e.Virtualization))},
		{"system", fmt.Sprintf("%s, kernel %s, congestion control %s", e.OS, e.Kernel, cmp.Or(e.CongestionControl, "unknown"))},
		{"started", r.Started.Format(time.RFC3339)},
	} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", kv[0], kv[1])
		}
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// findings are the best cells of the tunnel, and everything that went wrong.
func (r *Record) findings() []string {
	var out []string
	var fastest, quickest *Row
	rows := r.Rows()
	for i := range rows {
		row := &rows[i]
		if row.Path != Tunnel {
			continue
		}
		if fastest == nil || row.rate() > fastest.rate() {
			fastest = row
		}
		if row.Mean > 0 && (quickest == nil || row.Mean < quickest.Mean) {
			quickest = row
		}
	}
	if fastest != nil {
		out = append(out, fmt.Sprintf("fastest: %v at %.2f MB/s (%.1f Mbps)", fastest.Cell, fastest.rate()/1e6, fastest.rate()*8/1e6))
	}
	if quickest != nil {
		out = append(out, fmt.Sprintf("lowest latency: %v at %s on average", quickest.Cell, short(quickest.Mean)))
	}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		where := fmt.Sprintf("%v, %s, repetition %d", b.Cell, b.Path, b.Repetition)
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
