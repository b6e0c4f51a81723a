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
	routeColumn = column{"path", func(r Row) string { return r.Route.String() + r.mark() }}
	bareColumn  = column{"path", func(r Row) string { return r.Route.String() }} // of counts, against which nothing speaks

	mbs      = column{"MB/s", func(r Row) string { return r.Speed.times(1e-6).String() }}
	mbps     = column{"Mbps", func(r Row) string { return r.Speed.times(8e-6).String() }}
	packets  = column{"packets/s", func(r Row) string { return Spread{Median: r.Packets.Median}.String() }}
	toDirect = column{"% of direct", func(r Row) string { return r.ToDirect.percent() }}
	toRelay  = column{"% of relay", func(r Row) string { return r.ToRelay.percent() }}
	later    = []column{laterThan("p50", "direct"), laterThan("p50", "relay"), laterThan("p99", "direct"), laterThan("p99", "relay")}

	success = column{"success %", func(r Row) string {
		if r.OK+float64(r.Failed) == 0 { // nothing was to be sent
			return "–"
		}
		return fmt.Sprintf("%.2f", 100*r.Success())
	}}
	connects = column{"connect failures", func(r Row) string { return fmt.Sprint(r.FailedConnects) }}
	total    = column{"total MB", func(r Row) string { return fmt.Sprintf("%.2f", float64(r.Octets)/1e6) }}

	mean  = column{"avg ms", func(r Row) string { return ms(r.Mean) }}
	least = column{"min", func(r Row) string { return ms(r.Min) }}
	p50   = column{"p50 ms", func(r Row) string { return r.P50.times(1e-6).String() }}
	p90   = column{"p90 ms", func(r Row) string { return r.P90.times(1e-6).String() }}
	p99   = column{"p99 ms", func(r Row) string { return r.P99.times(1e-6).String() }}
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
	cpuPerKiB    = column{"CPU µs/KiB", func(r Row) string { return r.CPU.String() }}
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

// laterThan is the latency as a multiple of another path's, in the same repetition.
func laterThan(percentile, path string) column {
	return column{percentile + " × " + path, func(r Row) string { return r.Later[percentile+"/"+path].String() }}
}

func memory(octets int64) string {
	if octets == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", float64(octets)/(1<<20))
}
