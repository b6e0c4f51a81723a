// Package summary makes the numbers of a record's blocks: each metric of each
// group on each route, over the repetitions.
//
//	values.go   what each metric is in one block
//	summary.go  medians, ratios within the repetition, the noise floor
//	bench.go    the same for benchstat
//	slopes.go   how processes grow; what stalled readers do to their neighbours
//	hourly.go   how processes grow within a long block
//	loaded.go   how much later packets are beside a load than without it
//	headline.go the first number of a row, and whether it is known well enough
package summary

import (
	"strings"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// value is a metric of a block, of one of its groups unless the metric is of
// the path; false when the block has no such number.
func value(m metric.Metric, b *record.Block, cell *scenario.Cell, group int) (float64, bool) {
	name, detail, _ := strings.Cut(m.Name, ".")
	if m.Path {
		return ofPath(name, detail, b, cell)
	}
	g, mode := &b.Groups[group], cell.Groups[group].Mode
	switch name {
	case "goodput":
		return per(float64(g.Octets), g.Seconds, mode != scenario.Idle)
	case "packets":
		return per(g.Packets, g.Seconds, mode != scenario.Idle)
	case "connections":
		return per(float64(g.Calls), g.Seconds, mode == scenario.Churn)
	case "failed":
		failed := float64(g.FailedPackets())
		return per(failed, failed+g.Packets, true)
	case "response":
		return percentile(g.Response, detail)
	case "service":
		return percentile(g.Service, detail)
	case "during":
		return percentile(g.During, detail)
	case "after":
		return percentile(g.After, detail)
	case "knee":
		return given(g.Knee, 1)
	case "silence":
		return given(g.Silence, 1e9)
	case "jain":
		switch {
		case g.Jain == nil:
			return 0, false
		case detail == "min":
			return given(g.Jain.Least, 1)
		}
		return g.Jain.Overall, true
	case "lag":
		return percentile(g.Lag, detail)
	case "connect":
		return percentile(g.Connect, detail)
	case "first":
		return percentile(g.First, detail)
	}
	return 0, false
}

// given is a number that may be absent, in other units.
func given(v *float64, times float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return *v * times, true
}

// per divides, if that makes sense.
func per(n, of float64, sensible bool) (float64, bool) {
	if !sensible || of <= 0 {
		return 0, false
	}
	return n / of, true
}

func percentile(d *hist.Dist, which string) (float64, bool) {
	if d == nil {
		return 0, false
	}
	p := map[string]int64{"p50": d.P50, "p90": d.P90, "p99": d.P99}[which]
	return float64(p), p > 0
}

// coarse is the CPU time, in seconds, that is too little to be told apart from
// a tick of 10 ms, where a record does not say that it was read finer.
const coarse = 0.1

// ofPath is a metric of all groups of a block together.
func ofPath(name, detail string, b *record.Block, cell *scenario.Cell) (float64, bool) {
	switch name {
	case "drain":
		return b.DrainSeconds * 1e9, true
	case "wire":
		return wire(b, cell)
	}
	detail, role, _ := strings.Cut(detail, ".")
	var cpu, rss float64
	for _, u := range b.Processes {
		switch u.Role {
		case "server", "client", "relay":
			if role == "" || role == u.Role {
				cpu, rss = cpu+u.CPUSeconds, rss+float64(u.PeakRSS)
			}
		}
	}
	if name == "rss" || rss == 0 { // none of the processes runs here
		return rss, rss > 0
	}
	var kib, messages, seconds float64 // per second
	for i, g := range b.Groups {
		if cell.Groups[i].Mode != scenario.Idle && g.Seconds > 0 {
			octets, packets := float64(g.Octets)/g.Seconds, g.Packets/g.Seconds
			if g.Arrived > 0 { // within the time in which the CPU time was used
				octets, packets = g.Arrived*float64(cell.Groups[i].Size), g.Arrived
			}
			kib, messages, seconds = kib+octets/1024, messages+packets, max(seconds, g.Seconds)
		}
	}
	switch {
	case b.Host != nil:
		seconds = b.Host.Seconds
	case cpu < coarse:
		return 0, false
	}
	if seconds == 0 {
		return 0, false
	}
	return per(cpu*1e6/seconds, map[string]float64{"kib": kib, "message": messages}[detail], true)
}

// wire is the octets on the line for each octet of payload; where packets are
// echoed, they are on it twice.
func wire(b *record.Block, cell *scenario.Cell) (float64, bool) {
	if b.Wire == nil {
		return 0, false
	}
	payload := 0.0
	for i, g := range b.Groups {
		times := 1.0
		if cell.Groups[i].Echoes() {
			times = 2
		}
		payload += times * float64(g.Octets)
	}
	return per(float64(b.Wire.Up+b.Wire.Down), payload, true)
}
