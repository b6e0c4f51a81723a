package run

import (
	"context"
	_ "embed"
	"sync"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// NoticeSchema is the JSON Schema (2020-12) of a Notice.
//
//go:embed notice.schema.json
var NoticeSchema []byte

// Events of notices, in the order in which they come.
const (
	Planned  = "plan"     // a scenario begins: how many blocks, how long at least
	Phase    = "phase"    // a block comes to connect, warmup, measure or drain
	Interval = "interval" // how the load went since the last one
	Fault    = "fault"    // what an event of the time line did
	CellDone = "cell"     // a block is complete
	Verdict  = "verdict"  // the scenario is over
)

// A Notice tells what a run is doing, and what came of it so far.
type Notice struct {
	Event      string        `json:"event"`
	Seconds    float64       `json:"seconds"` // since the scenario began
	Scenario   string        `json:"scenario"`
	Cell       string        `json:"cell,omitempty"`
	Route      string        `json:"route,omitempty"`
	Repetition int           `json:"repetition,omitempty"`
	Phase      string        `json:"phase,omitempty"`
	Done       int           `json:"done"`                   // blocks
	Of         int           `json:"of"`                     // blocks, or so many at least where more depend on what they come to
	Left       float64       `json:"left_seconds,omitempty"` // at least
	Groups     []Going       `json:"groups,omitempty"`       // interval, cell
	Fault      *record.Event `json:"fault,omitempty"`
	Failed     int64         `json:"failed,omitempty"`  // cell, verdict: packets that were not ok
	Verdict    string        `json:"verdict,omitempty"` // complete, failed, faulty (wrong bytes), stopped, starved (of ports, or descriptors, at its own end)
}

// Going is how a group does: in an interval, or in a whole block.
type Going struct {
	Name    string  `json:"name"`
	Octets  float64 `json:"octets_per_second"`
	Packets float64 `json:"packets_per_second"`
	P50     int64   `json:"p50_ns,omitempty"` // response, without a rate service, of the block so far; absent: too few samples
	P99     int64   `json:"p99_ns,omitempty"`
}

// lookEvery is the length of an interval.
const lookEvery = 500 * time.Millisecond

// A teller tells about one scenario; nil tells nothing.
type teller struct {
	tell     func(Notice)
	scenario string
	began    time.Time
	done, of int
	left     time.Duration
}

// say fills in what all notices have.
func (t *teller) say(st *step, n Notice) {
	if t == nil || t.tell == nil {
		return
	}
	n.Seconds, n.Scenario, n.Done, n.Of = time.Since(t.began).Seconds(), t.scenario, t.done, t.of
	n.Left = t.left.Seconds()
	if st != nil {
		n.Cell, n.Route, n.Repetition = st.cell.Name, st.route.String(), st.repetition
	}
	t.tell(n)
}

// complete tells what a block came to.
func (t *teller) complete(st *step, b *record.Block) {
	for i := range b.Events {
		t.say(st, Notice{Event: Fault, Fault: &b.Events[i]})
	}
	n := Notice{Event: CellDone}
	for i := range b.Groups {
		g := &b.Groups[i]
		going := Going{Name: g.Name}
		if g.Seconds > 0 {
			going.Octets, going.Packets = float64(g.Octets)/g.Seconds, g.Packets/g.Seconds
		}
		d := g.Response
		if d == nil {
			d = g.Service
		}
		if d != nil {
			going.P50, going.P99 = d.P50, d.P99
		}
		n.Groups, n.Failed = append(n.Groups, going), n.Failed+g.FailedPackets()
	}
	t.say(st, n)
}

// verdict tells how a scenario ended.
func (t *teller) verdict(rec *record.Record) {
	t.say(nil, Notice{Event: Verdict, Verdict: string(rec.Ending()), Failed: rec.Failed()})
}

// follow tells how a block goes until the function that it returns is called,
// which waits until it is silent. Without a listener nobody is asked anything.
func (st *step) follow(ctx context.Context, t *rig.Topology, measure, over time.Time) (stop func()) {
	if st.teller == nil || st.teller.tell == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		st.teller.say(st, Notice{Event: Phase, Phase: "warmup"})
		if load.Sleep(ctx, time.Until(measure)) != nil {
			return
		}
		st.teller.say(st, Notice{Event: Phase, Phase: "measure"})
		last, err := st.read(ctx, t)
		for at := measure.Add(lookEvery); err == nil && at.Before(over); at = at.Add(lookEvery) {
			if load.Sleep(ctx, time.Until(at)) != nil {
				return
			}
			var now reading
			if now, err = st.read(ctx, t); err == nil { // the block itself will say what is wrong
				st.teller.say(st, Notice{Event: Interval, Groups: now.since(last, st.cell)})
				last = now
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// A reading is what the counters said at an instant.
type reading struct {
	at      time.Time
	bytes   []int64 // by group
	packets []float64
	latency []*hist.Dist
}

// read asks all generators and the target.
func (st *step) read(ctx context.Context, t *rig.Topology) (reading, error) {
	n := len(st.cell.Groups)
	l := reading{time.Now(), make([]int64, n), make([]float64, n), make([]*hist.Dist, n)}
	seen, err := askAll(ctx, t, load.GeneratorLook, nothing)
	if err != nil {
		return l, err
	}
	far, err := load.TargetLook.Ask(ctx, t.Target, control.None{})
	if err != nil {
		return l, err
	}
	for i := range n {
		g := &st.cell.Groups[i]
		var parts []hist.Part
		for _, s := range seen {
			if i < len(s.Groups) {
				parts = append(parts, s.Groups[i].Latency)
				l.bytes[i] += s.Groups[i].Received
				if g.Echoes() {
					l.bytes[i] += s.Groups[i].OK * int64(g.Size) * int64(max(g.Packets, 1))
				}
			}
		}
		if g.Mode == scenario.Upload || g.Mode == scenario.Both {
			l.bytes[i] += far.Groups[byte(i)]
		}
		l.packets[i] = float64(l.bytes[i]) / float64(max(g.Size, 1))
		if l.latency[i], err = hist.Join(parts...); err != nil {
			return l, err
		}
	}
	return l, nil
}

// since is what the counters gained.
func (l reading) since(last reading, cell *scenario.Cell) (out []Going) {
	seconds := l.at.Sub(last.at).Seconds()
	for i, g := range cell.Groups {
		going := Going{Name: g.Name, Octets: float64(l.bytes[i]-last.bytes[i]) / seconds, Packets: (l.packets[i] - last.packets[i]) / seconds}
		if d := l.latency[i]; d != nil {
			going.P50, going.P99 = d.P50, d.P99
		}
		out = append(out, going)
	}
	return out
}
