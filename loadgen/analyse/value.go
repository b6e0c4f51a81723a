package analyse

import (
	"cmp"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// A source is where a metric is measured: a block, and in it a group unless the metric is of the path.
type source struct {
	*record.Block
	cell  *scenario.Cell
	group int
}

func (s source) load() *record.Group    { return &s.Groups[s.group] }
func (s source) wants() *scenario.Group { return &s.cell.Groups[s.group] }

// A maker makes the metrics of a family; detail is what their names have behind
// its own. weight is how much the block counts in a mean; ok says whether the
// block has such a number at all.
type maker func(s source, detail string) (v, weight float64, ok bool)

// makers make all metrics that a single block has.
var makers = map[string]maker{
	"goodput": func(s source, _ string) (float64, float64, bool) {
		return per(float64(s.load().Octets), s.load().Seconds, s.wants().Mode != scenario.Idle)
	},
	"packets": func(s source, _ string) (float64, float64, bool) {
		return per(s.load().Packets, s.load().Seconds, s.wants().Mode != scenario.Idle)
	},
	"connections": func(s source, _ string) (float64, float64, bool) {
		return per(float64(s.load().Calls), s.load().Seconds, s.wants().Calls())
	},
	"success": func(s source, _ string) (float64, float64, bool) {
		ok := s.load().Packets
		return per(ok, ok+float64(s.load().FailedPackets()), true)
	},
	"failed": func(s source, _ string) (float64, float64, bool) {
		failed := float64(s.load().FailedPackets())
		return per(failed, failed+s.load().Packets, true)
	},
	"response": times(func(g *record.Group) *hist.Dist { return g.Response }),
	"service":  times(func(g *record.Group) *hist.Dist { return g.Service }),
	"lag":      times(func(g *record.Group) *hist.Dist { return g.Lag }),
	"connect":  times(func(g *record.Group) *hist.Dist { return g.Connect }),
	"first":    times(func(g *record.Group) *hist.Dist { return g.First }),
	"during":   times(func(g *record.Group) *hist.Dist { return g.During }),
	"after":    times(func(g *record.Group) *hist.Dist { return g.After }),
	"latency":  times(LatencyOf),
	"knee":     func(s source, _ string) (float64, float64, bool) { return given(s.load().Knee, 1) },
	"silence":  func(s source, _ string) (float64, float64, bool) { return given(s.load().Silence, 1e9) },
	"jain": func(s source, detail string) (float64, float64, bool) {
		switch j := s.load().Jain; {
		case j == nil:
			return 0, 0, false
		case detail != "":
			return given(j.Least, 1)
		default:
			return j.Overall, 1, true
		}
	},
	"measured":        count(func(g *record.Group) float64 { return g.Seconds * 1e9 }),
	"octets":          count(func(g *record.Group) float64 { return float64(g.Octets) }),
	"sent":            count(func(g *record.Group) float64 { return g.Packets + float64(g.FailedPackets()) }),
	"ok":              count(func(g *record.Group) float64 { return g.Packets }),
	"not_ok":          count(func(g *record.Group) float64 { return float64(g.FailedPackets()) }),
	"failed_connects": count(func(g *record.Group) float64 { return float64(g.FailedConnects) }),
	"drain":           func(s source, _ string) (float64, float64, bool) { return s.DrainSeconds * 1e9, 1, true },
	"wire":            wire,
	"cpu":             cpu,
	"rss":             rss,
}

// LatencyOf is the response time with a rate, else the service time.
func LatencyOf(g *record.Group) *hist.Dist { return cmp.Or(g.Response, g.Service) }

// given is a number that may be absent, in other units.
func given(v *float64, times float64) (float64, float64, bool) {
	if v == nil {
		return 0, 0, false
	}
	return *v * times, 1, true
}

// per divides, if that makes sense; what it divides by is the weight.
func per(n, of float64, sensible bool) (float64, float64, bool) {
	if !sensible || of <= 0 {
		return 0, 0, false
	}
	return n / of, of, true
}

func count(of func(*record.Group) float64) maker {
	return func(s source, _ string) (float64, float64, bool) { return of(s.load()), 1, true }
}

// times are the numbers of a distribution. A percentile with too few samples beyond it is 0, and none.
func times(of func(*record.Group) *hist.Dist) maker {
	return func(s source, detail string) (float64, float64, bool) {
		d := of(s.load())
		if d == nil {
			return 0, 0, false
		}
		v := map[string]int64{
			"p50": d.P50, "p90": d.P90, "p99": d.P99, "p99.9": d.P999, "p99.99": d.P9999, "min": d.Min, "mean": d.Mean, "max": d.Max,
		}[detail]
		return float64(v), float64(d.N), v > 0
	}
}

// coarse is the CPU time, in seconds, that is too little to be told apart from
// a tick of 10 ms, where a record does not say that it was read finer.
const coarse = 0.1

// used is what the processes of a role took: server, client, relay; relay counts as server, and no role is all of them.
func (s source) used(roles ...string) (cpu, rss float64) {
	for _, u := range s.Processes {
		for _, role := range roles {
			if u.Role == role {
				cpu, rss = cpu+u.CPUSeconds, rss+float64(u.PeakRSS)
			}
		}
	}
	return cpu, rss
}

// rolesOf are the roles that a name means. A column for servers shows a relay, too.
func rolesOf(role string, column bool) []string {
	switch {
	case role == "":
		return []string{"server", "client", "relay"}
	case column && role == "server":
		return []string{"server", "relay"}
	}
	return []string{role}
}

func rss(s source, detail string) (float64, float64, bool) {
	what, role, _ := strings.Cut(detail, ".")
	_, rss := s.used(rolesOf(role, what == "most")...)
	return rss, 1, rss > 0
}

// cpu is the CPU time of processes, for each KiB or message, or as a share of one CPU.
func cpu(s source, detail string) (float64, float64, bool) {
	what, role, _ := strings.Cut(detail, ".")
	cpu, rss := s.used(rolesOf(role, what == "share")...)
	if what == "share" {
		return per(cpu, s.load().Seconds, rss > 0)
	}
	if rss == 0 { // none of the processes runs here
		return 0, 0, false
	}
	var kib, messages, seconds float64 // per second
	for i, g := range s.Groups {
		if s.cell.Groups[i].Mode != scenario.Idle && g.Seconds > 0 {
			octets, packets := float64(g.Octets)/g.Seconds, g.Packets/g.Seconds
			if g.Arrived > 0 { // within the time in which the CPU time was used
				octets, packets = g.Arrived*float64(s.cell.Groups[i].Size), g.Arrived
			}
			kib, messages, seconds = kib+octets/1024, messages+packets, max(seconds, g.Seconds)
		}
	}
	switch {
	case s.Host != nil:
		seconds = s.Host.Seconds
	case cpu < coarse:
		return 0, 0, false
	}
	if seconds == 0 {
		return 0, 0, false
	}
	return per(cpu*1e6/seconds, map[string]float64{"kib": kib, "message": messages}[what], true)
}

// wire is the bytes on the line for each byte of payload, or those of one
// way; where packets are echoed, payload is on it twice.
func wire(s source, way string) (float64, float64, bool) {
	if s.Wire == nil {
		return 0, 0, false
	}
	switch way {
	case "up":
		return float64(s.Wire.Up), 1, true
	case "down":
		return float64(s.Wire.Down), 1, true
	}
	payload := 0.0
	for i, g := range s.Groups {
		times := 1.0
		if s.cell.Groups[i].Echoes() {
			times = 2
		}
		payload += times * float64(g.Octets)
	}
	return per(float64(s.Wire.Up+s.Wire.Down), payload, true)
}

// eventMakers make the metrics that an event of the time line has.
var eventMakers = map[string]func(e *record.Event) (float64, bool){
	"seen":        func(e *record.Event) (float64, bool) { return since(e.Seen) },
	"reconnected": func(e *record.Event) (float64, bool) { return since(e.Reconnected) },
	"first":       func(e *record.Event) (float64, bool) { return since(e.First) },
	"kept":        func(e *record.Event) (float64, bool) { return float64(e.Streams.Kept), true },
	"reset":       func(e *record.Event) (float64, bool) { return float64(e.Streams.Reset), true },
	"hung":        func(e *record.Event) (float64, bool) { return float64(e.Streams.Hung), true },
	"lost":        func(e *record.Event) (float64, bool) { return float64(e.Lost), true },
	"doubled":     func(e *record.Event) (float64, bool) { return float64(e.Doubled), true },
	"undelivered": func(e *record.Event) (float64, bool) { return float64(e.Undelivered), true },
	"held": func(e *record.Event) (float64, bool) {
		if e.Held == nil {
			return 0, false
		}
		return float64(*e.Held), true
	},
}

func since(seconds *float64) (float64, bool) {
	if seconds == nil {
		return 0, false
	}
	return *seconds * 1e9, true
}

// value is a metric of a block; false when the block has no such number.
func value(m *metric.Metric, s source) (v, weight float64, ok bool) {
	family, detail := m.Family()
	return makers[family](s, detail)
}
