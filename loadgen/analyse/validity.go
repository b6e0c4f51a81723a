package analyse

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// From where on something speaks against a number.
const (
	lateShare     = 0.1                       // of the response time's median: lag p99, or usual lateness
	lateLeast     = float64(time.Millisecond) // less lag is never late
	busyShare     = 0.9                       // of the CPU time that a process could use
	longEnough    = 0.9                       // of the time that a block is to be measured for
	sustained     = 0.98                      // of the rate
	chance        = 3                         // standard deviations of how many are due at random
	stealShare    = 0.01                      // of all CPUs
	pressureShare = 0.2                       // of the time
	othersShare   = 0.1                       // of all CPUs; the load itself makes pressure, too
	driftShare    = 0.1                       // of the headline
	usualWidth    = 0.05                      // of the headline
	fasterShare   = 0.1                       // of direct
	buffers       = 4 << 20                   // bytes: what the kernel lets a socket hold
	fillings      = 20                        // of the buffers that the measured time has to last
)

// validity collects what speaks against the numbers of a record.
func validity(r *record.Record) *record.Validity {
	j := &judge{r: r, t: Tabulate(r, r.Blocks), v: &record.Validity{Verdict: record.Valid}}
	if r.Interrupted {
		j.add(record.Interrupted, record.Noisy, record.Reason{}, "stopped before the end: fewer repetitions than wanted; run it again")
	}
	for i := range r.Scenario.Cells {
		for _, route := range r.Routes() {
			j.row(&r.Scenario.Cells[i], route)
		}
		j.headlines(&r.Scenario.Cells[i])
	}
	j.unjudged()
	return j.v
}

// A judge collects reasons.
type judge struct {
	r *record.Record
	t *Table
	v *record.Validity
}

func (j *judge) add(code, verdict string, at record.Reason, detail string, args ...any) {
	at.Code, at.Verdict, at.Detail = code, verdict, fmt.Sprintf(detail, args...)
	j.v.Reasons = append(j.v.Reasons, at)
	if j.v.Verdict != record.Invalid && verdict != record.Note {
		j.v.Verdict = verdict
	}
}

// row judges a cell on a route.
func (j *judge) row(cell *scenario.Cell, route record.Route) {
	blocks := Blocks(j.r.Blocks, cell, route)
	if len(blocks) == 0 {
		return
	}
	at := record.Reason{Cell: cell.Name, Route: route}
	j.machine(blocks, at)
	j.starved(cell, at)
	if route.Path != scenario.Direct { // direct is as fast as generator and target are
		j.generatorCPU(cell, blocks, at)
	}
	for i := range cell.Groups {
		at.Group = cell.Groups[i].Name
		j.duration(i, blocks, at)
		j.group(cell, i, blocks, at)
		j.faster(&cell.Groups[i], at)
		j.stationary(cell, i, blocks, at)
	}
}

// faster finds a path that beats the one with nothing on it. That can be: what
// stands between may gather small packets. Whoever makes bytes up is found by
// the target's count, which is a finding; this is a note.
func (j *judge) faster(g *scenario.Group, at record.Reason) {
	of := record.Of{Metric: "goodput", Cell: at.Cell, Group: at.Group, Route: at.Route}
	what, n := "throughput", j.t.Part(of, scenario.Direct)
	beats := n.N > 1 && n.Low > 1+fasterShare
	if g.Rate > 0 {
		of.Metric, what = "response.p50", "median response time"
		n = j.t.Part(of, scenario.Direct)
		beats = n.N > 1 && n.High < 1-fasterShare
	}
	if beats {
		j.add(record.FasterThanDirect, record.Note, at, "%s is %.0f %% of direct's (%.0f to %.0f): see what the subject saves, or what held direct up", what, 100*n.Median, 100*n.Low, 100*n.High)
	}
}

// remedies are what to do when adit-load's own end runs out of something.
var remedies = map[string]string{
	load.NoPorts: "widen net.ipv4.ip_local_port_range, set net.ipv4.tcp_tw_reuse=1, or take a lower rate",
	load.NoFiles: "raise the limit of open files (ulimit -Hn), or take fewer connections",
}

// starved judges whether adit-load's own end could connect.
func (j *judge) starved(cell *scenario.Cell, at record.Reason) {
	n, of, lacks := 0, Blocks(j.r.All(), cell, at.Route), ""
	for _, b := range of {
		if what := j.r.Starved(b); what != "" {
			n, lacks = n+1, what
		}
	}
	if n > 0 {
		j.add(record.OwnEnd, record.Invalid, at, "adit-load's own end ran out of %s in %d of %d repetitions, which says nothing about the path: %s", lacks, n, len(of), remedies[lacks])
	}
}

// machine judges what else happened on the machine.
func (j *judge) machine(blocks []*record.Block, at record.Reason) {
	median := func(of func(*sample.Host) float64) float64 {
		var v []float64
		for _, b := range blocks {
			if b.Host != nil {
				v = append(v, of(b.Host))
			}
		}
		return Estimate(v).Median
	}
	if steal := median(func(h *sample.Host) float64 { return h.Steal }); steal > stealShare {
		j.add(record.Steal, record.Noisy, at, "the hypervisor kept %.1f %% of the CPU time: measure when its other guests are quiet", 100*steal)
	}
	others := median(func(h *sample.Host) float64 { return h.Others })
	pressure := median(func(h *sample.Host) float64 {
		if h.Pressure == nil {
			return 1 // not known: others alone decide
		}
		return *h.Pressure
	})
	if others > othersShare && pressure > pressureShare {
		j.add(record.Pressure, record.Noisy, at, "other programs used %.0f %% of the CPU time: stop them, or measure elsewhere", 100*others)
	}
}

// generatorCPU finds a generator or target that could not have gone faster.
func (j *judge) generatorCPU(cell *scenario.Cell, blocks []*record.Block, at record.Reason) {
	threads := 0
	for _, g := range cell.Groups {
		n := int(g.Connections)
		if g.Mode == scenario.Both {
			n *= 2
		}
		threads += n
	}
	busy := map[string]int{}
	for _, b := range blocks {
		if b.Host == nil || b.Host.Seconds <= 0 {
			continue
		}
		saturated := map[string]bool{}
		for _, u := range b.Processes {
			could := min(float64(threads), float64(max(j.r.Environment.CPUs, 1)))
			if u.Role == "generator" {
				could = min(could, math.Ceil(float64(threads)/float64(max(j.r.Scenario.Generators, 1))))
			}
			if (u.Role == "generator" || u.Role == "target") && u.CPUSeconds/b.Host.Seconds > busyShare*could {
				saturated[u.Role] = true
			}
		}
		for role := range saturated {
			busy[role]++
		}
	}
	for _, role := range []string{"generator", "target"} {
		if n := busy[role]; n > 0 && 2*n >= len(blocks) {
			j.add(record.GeneratorCPU, record.Invalid, at, "the %s used all the CPU time that it can, in %d of %d repetitions: the subject may be faster; take more connections, or generators", role, n, len(blocks))
		}
	}
}

// group judges what one group got.
func (j *judge) group(cell *scenario.Cell, group int, blocks []*record.Block, at record.Reason) {
	g := &cell.Groups[group]
	of := func(metric string, route record.Route) (float64, bool) {
		s := j.t.At(record.Of{Metric: metric, Cell: cell.Name, Group: g.Name, Route: route})
		if s == nil {
			return 0, false
		}
		return Estimate(s.Values()).Median, true
	}
	times := "service.p50"
	if g.Rate > 0 {
		times = "response.p50"
		j.rate(cell, group, blocks, at, of)
		if len(cell.Timeline) == 0 {
			speed := "packets"
			if g.Calls() {
				speed = "connections"
			}
			due, seconds := float64(g.Rate), max(blocks[0].Groups[group].Seconds, 1e-3)
			missing := 2.0 // on their way when the block ends
			if g.Arrival == scenario.Poisson {
				missing += chance * math.Sqrt(due*seconds)
			}
			if got, ok := of(speed, at.Route); ok && got < sustained*due-missing/seconds {
				j.add(record.RateNotSustained, record.Invalid, at, "%.4g %s of %.4g a second: the times are those of a queue that grows; lower the rate", got, speed, due)
			}
		}
	}
	p50, ok := of(times, at.Route)
	if g.Echoes() && g.Mode != scenario.Idle && !ok {
		j.add(record.TooFewSamples, record.Noisy, at, "fewer than 20 times in a repetition have no median: measure for longer")
	}
	if ms := p50 / 1e6; ok && ms >= 38 && ms <= 46 && time.Duration(cell.Link.RTT) < 20*time.Millisecond {
		j.add(record.Plateau, record.Noisy, at, "the median is %.1f ms, as when Nagle's algorithm waits for a delayed acknowledgement: set TCP_NODELAY in the subject", ms)
	}
	if rate := float64(cell.Link.Rate); rate > 0 && !g.Echoes() {
		if need := time.Duration(fillings * buffers * 8 / rate * 1e9); time.Duration(j.r.Scenario.Measure) < need {
			j.add(record.ShortForBuffers, record.Noisy, at, "sockets can hold what the link carries in %v: measure for %v or more", (need / fillings).Round(time.Millisecond), need.Round(100*time.Millisecond))
		}
	}
}

// duration judges whether a group was measured for as long as it should have been.
func (j *judge) duration(group int, blocks []*record.Block, at record.Reason) {
	wanted, short := time.Duration(j.r.Scenario.Measure).Seconds(), 0
	for _, b := range blocks {
		if g := &b.Groups[group]; g.Knee == nil && g.Seconds < longEnough*wanted {
			short++
		}
	}
	verdict := record.Noisy
	if 2*short >= len(blocks) {
		verdict = record.Invalid
	}
	if short > 0 {
		j.add(record.MeasuredShort, verdict, at, "%d of %d repetitions were measured for less than %.0f %% of %v: the machine was too busy to follow; stop what else it does", short, len(blocks), 100*longEnough, j.r.Scenario.Measure)
	}
}

// rate judges whether packets left when they were due. What the generator can
// do shows on any route in how late it wakes up, beside the service time, which
// a queue that grows does not lengthen; and where connections wait for neither a
// subject nor a line that stalls, in the lag of packets.
func (j *judge) rate(cell *scenario.Cell, group int, blocks []*record.Block, at record.Reason, of func(string, record.Route) (float64, bool)) {
	late := func(lag, took float64, what string) bool {
		if lag <= lateLeast || lag <= lateShare*took {
			return false
		}
		verdict := record.Noisy
		if lag > took {
			verdict = record.Invalid
		}
		j.add(record.GeneratorLate, verdict, at, what+" of %v: lower the rate, or measure on a machine with CPUs to spare",
			time.Duration(lag).Round(time.Microsecond), time.Duration(took).Round(time.Microsecond))
		return true
	}
	var woke []float64
	for _, b := range blocks {
		if w := b.Groups[group].Wake; w != nil { // the median: a machine that halts now and then does not make a generator slow
			woke = append(woke, float64(w.P50))
		}
	}
	service, _ := of("service.p50", at.Route)
	if late(Estimate(woke).Median, service, "the generator itself woke up %v late as a rule, with a service time") {
		return
	}
	direct := record.Route{Path: scenario.Direct}
	if lag, ok := of("lag.p99", direct); ok && cell.Link.Stall.None() {
		response, _ := of("response.p50", direct)
		late(lag, response, "one packet in a hundred left %v late or more, with a response time")
	}
}

// headlines judges whether a cell's first numbers are known well enough, and stayed the same.
func (j *judge) headlines(cell *scenario.Cell) {
	width := usualWidth
	if r := j.r.Scenario.RepeatOf(cell); r.UntilTight() {
		width = float64(r.Width)
	}
	for _, h := range j.t.Headlines(cell) {
		at := record.Reason{Cell: h.Cell, Group: h.Group, Route: h.Route}
		what := h.Metric
		if h.To != "" {
			what += " / " + h.To
		}
		if w := h.Width(); w > width && !math.IsInf(w, 1) && !j.r.Interrupted { // that says enough
			j.add(record.NoiseFloor, record.Noisy, at, "inconclusive: after %d repetitions %s is known to ±%.0f %%, not ±%.0f %%: take more repetitions, or a quieter machine", h.N, what, 100*w, 100*width)
		}
		points := slices.Clone(j.t.At(h.Of).Points)
		slices.SortFunc(points, func(a, b Point) int { return a.Repetition - b.Repetition })
		var halves [2][]float64
		for i, p := range points {
			halves[min(2*i/max(len(points), 1), 1)] = append(halves[min(2*i/max(len(points), 1), 1)], p.Value)
		}
		first, second := Estimate(halves[0]).Median, Estimate(halves[1]).Median
		if first > 0 && math.Abs(second/first-1) > driftShare && MannWhitney(halves[0], halves[1]) < Alpha {
			j.add(record.Drift, record.Noisy, at, "%s changed by %+.0f %% from the first half of the repetitions to the second: let the machine settle", h.Metric, 100*(second/first-1))
		}
	}
}
