package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// A column of a table.
type column struct {
	name string
	of   func(Row) string
}

// Columns, by what they are about. MB is a million octets.
var (
	routeColumn = column{"path", func(r Row) string { return r.Route.String() }}

	mbs      = column{"MB/s", func(r Row) string { return fmt.Sprintf("%.2f", r.rate()/1e6) }}
	mbps     = column{"Mbps", func(r Row) string { return fmt.Sprintf("%.1f", r.rate()*8/1e6) }}
	packets  = column{"packets/s", func(r Row) string { return fmt.Sprintf("%.0f", r.OK/max(r.Seconds, 1e-9)) }}
	toDirect = column{"% of direct", func(r Row) string { return r.ToDirect.String() }}
	toRelay  = column{"% of relay", func(r Row) string { return r.ToRelay.String() }}

	success  = column{"success %", func(r Row) string { return fmt.Sprintf("%.2f", 100*r.Success()) }}
	connects = column{"connect failures", func(r Row) string { return fmt.Sprint(r.FailedConnects) }}
	total    = column{"total MB", func(r Row) string { return fmt.Sprintf("%.2f", float64(r.Octets)/1e6) }}

	mean  = column{"avg ms", func(r Row) string { return ms(r.Mean) }}
	least = column{"min", func(r Row) string { return ms(r.Min) }}
	p50   = column{"p50 ms", func(r Row) string { return ms(r.P50) }}
	p90   = column{"p90 ms", func(r Row) string { return ms(r.P90) }}
	p99   = column{"p99 ms", func(r Row) string { return ms(r.P99) }}
	p999  = column{"p99.9", func(r Row) string { return ms(r.P999) }}
	p9999 = column{"p99.99", func(r Row) string { return ms(r.P9999) }}
	most  = column{"max", func(r Row) string { return ms(r.Max) }}

	duration      = column{"duration s", func(r Row) string { return fmt.Sprintf("%.2f", r.Seconds) }}
	octets        = column{"octets", func(r Row) string { return fmt.Sprint(r.Octets) }}
	packetsAll    = column{"packets", func(r Row) string { return fmt.Sprintf("%.0f", r.OK+float64(r.Failed)) }}
	packetsOK     = column{"ok", func(r Row) string { return fmt.Sprintf("%.0f", r.OK) }}
	packetsFailed = column{"failed", func(r Row) string { return fmt.Sprint(r.Failed) }}

	serverCPU    = column{"server CPU %", func(r Row) string { return share(r.ServerCPU, r.ServerRSS, r.Seconds) }}
	clientCPU    = column{"client CPU %", func(r Row) string { return share(r.ClientCPU, r.ClientRSS, r.Seconds) }}
	cpuPerKiB    = column{"CPU µs/KiB", perKiB}
	serverMemory = column{"server MiB", func(r Row) string { return memory(r.ServerRSS) }}
	clientMemory = column{"client MiB", func(r Row) string { return memory(r.ClientRSS) }}
)

// cellColumn says which cell a row is of. Its head is what varies, where one thing alone does.
func cellColumn(r *record.Record) column {
	name, axes := "cell", axesOf(r.Scenario)
	if len(axes) == 1 {
		name = axes[0].title
	}
	return column{name, func(r Row) string { return strings.TrimSuffix(r.Label+", "+r.Group, ", ") }}
}

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
