package load

import (
	"context"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/control"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/load/series"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Requests of the leader to a generator, in the order of a block; generator.go answers them.
const (
	GeneratorClock control.Request[control.None, Now]       = "clock" // the generator's clock
	GeneratorOpen  control.Request[Task, control.None]      = "open"  // all visitors dial; the answer comes when they have
	GeneratorBegin control.Request[Start, control.None]     = "begin" // when the load begins
	GeneratorLook  control.Request[control.None, Looks]     = "look"  // how the load goes; at any time, or never
	GeneratorStand control.Request[control.None, Standings] = "stand" // how the living streams stand
	GeneratorClose control.Request[control.None, Results]   = "close" // the end of the block
	GeneratorProbe control.Request[Path, control.None]      = "probe" // does one packet come back; an error when it does not
)

// Now is an instant on the generator's clock.
type Now struct {
	At   time.Duration `json:"at"`   // since the generator began
	Wall time.Time     `json:"wall"` // as its machine tells it
}

// A Remote is a generator as its leader sees it.
type Remote struct {
	*control.Client
	Addr   string        // its control address
	Offset time.Duration // its wall clock less ours
	Error  time.Duration // how wrong Offset, and the start of a load, may be: half of the quickest answer's time

	began  time.Time // the zero of the generator's own clock, on ours
	synced time.Time
}

// pings is how often the clock is asked for; the quickest answer counts.
const pings = 5

// syncEvery is how long a clock's offset is good: clocks drift by up to 50 ms in a quarter of an hour.
const syncEvery = time.Minute

// DialGenerator finds a generator and how its clock stands.
func DialGenerator(ctx context.Context, who, addr, token string) (*Remote, error) {
	r := &Remote{Client: control.NewClient(who, addr, token), Addr: addr}
	if err := r.sync(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// sync asks how the generator's clock stands.
func (r *Remote) sync(ctx context.Context) error {
	best := time.Duration(0)
	for range pings {
		asked := time.Now()
		now, err := GeneratorClock.Ask(ctx, r.Client, control.None{})
		if err != nil {
			return err
		}
		if took := time.Since(asked); best == 0 || took < best {
			middle := asked.Add(took / 2)
			best, r.began, r.Offset, r.Error = took, middle.Add(-now.At), now.Wall.Sub(middle), took/2
		}
	}
	r.synced = time.Now()
	return nil
}

// Ready makes sure that the generator's clock is known well enough to begin a load.
func (r *Remote) Ready(ctx context.Context) error {
	if time.Since(r.synced) < syncEvery {
		return nil
	}
	return r.sync(ctx)
}

// Begin starts the load at an instant of our clock.
func (r *Remote) Begin(ctx context.Context, at time.Time, warmup, measure time.Duration) error {
	_, err := GeneratorBegin.Ask(ctx, r.Client, Start{at.Sub(r.began), warmup, measure})
	return err
}

// A Task is the part of one block that a generator does: a job for each group.
type Task struct {
	Key  string `json:"key"` // of the payload
	Jobs []Job  `json:"jobs"`
}

// A Job is one generator's share of a group, for one block.
type Job struct {
	Group   scenario.Group `json:"group"`
	Index   byte           `json:"index"` // of the group, in prefaces
	Addrs   []string       `json:"addrs"` // where visitors connect, in turn
	Timeout time.Duration  `json:"timeout"`
	Share   int            `json:"share"` // of the connections: those whose number, divided by Of, leaves Share
	Of      int            `json:"of"`
	First   uint64         `json:"first"` // number of the first stream; the next ones follow
	Seed    uint64         `json:"seed"`  // of a rate's random gaps

	Timeline []scenario.Event `json:"timeline,omitempty"` // of the cell
}

// Start says when warm-up begins, on the generator's clock, and how long the phases are.
type Start struct {
	At      time.Duration `json:"at"`
	Warmup  time.Duration `json:"warmup"`
	Measure time.Duration `json:"measure"`
}

// Looks has one for each job, in their order.
type Looks struct {
	Groups []Seen `json:"groups"`
}

// Seen is how a load goes so far: what its counters hold anyway.
type Seen struct {
	OK       int64     `json:"ok"`       // packets, churn: connections, in the measured time
	Received int64     `json:"received"` // bytes that came from the target; echoes apart
	Latency  hist.Part `json:"latency"`  // response, without a rate service
}

// Standings are those of all groups.
type Standings struct {
	Streams []Standing `json:"streams"`
}

// A Standing is a living stream at some instant.
type Standing struct {
	Stream  uint64 `json:"stream"`
	Sent    int64  `json:"sent"`
	In      int64  `json:"in"`
	Group   byte   `json:"group"`
	Echoes  bool   `json:"echoes,omitempty"`  // packets come back
	Waits   bool   `json:"waits,omitempty"`   // for the echo of a packet
	Overdue int64  `json:"overdue,omitempty"` // packets that were due and have not been sent
}

// Results has one for each job, in their order.
type Results struct {
	Groups  []*Result       `json:"groups"`
	Runtime *sample.Runtime `json:"runtime,omitempty"` // of the generator, in the measured time; nil when that never began
}

// A Result is what a generator found out about one group; run joins those of all generators.
type Result struct {
	Seconds        float64          `json:"seconds"` // measured time
	OK             int64            `json:"ok"`      // packets, churn: connections, complete in that time
	Late           int64            `json:"late,omitempty"`
	Down           int64            `json:"down,omitempty"` // bytes that came from the target, right, in that time; echoes apart
	Overdue        int64            `json:"overdue,omitempty"`
	Dials          int64            `json:"dials,omitempty"` // connections made, in all phases
	FailedConnects int64            `json:"failed_connects,omitempty"`
	Own            map[string]int64 `json:"own,omitempty"` // dials that failed for want of one of OwnEnds
	Ends           []End            `json:"ends,omitempty"`
	Stood          []End            `json:"stood,omitempty"` // streams that the end of the block ended
	Done           Tally            `json:"done"`            // streams that ended in order before
	Faults         []*payload.Fault `json:"faults,omitempty"`
	Times          Times            `json:"times"`

	Slowest []Slow          `json:"slowest,omitempty"`
	Sockets []sample.Socket `json:"sockets,omitempty"` // of some connections, at the end of the measured time

	Series *series.Part `json:"series,omitempty"` // absent when the measured time was not over

	Lives []Life `json:"lives,omitempty"` // with a time line
	Waits []Wait `json:"waits,omitempty"`
}

// Octets is the payload of everything that was ok and came back.
func (r *Result) Octets(g *scenario.Group) int64 {
	n := r.OK * int64(g.Size)
	if g.Calls() {
		n *= int64(g.Packets)
	}
	return n
}

// A Slow packet is one of the slowest of its visitor.
type Slow struct {
	Stream uint64        `json:"stream"`
	Offset int64         `json:"offset"`  // where in the stream it begins
	Took   time.Duration `json:"took_ns"` // from sent to its last echoed byte
}

// An End is a packet that was not ok, and how far its stream had come.
type End struct {
	Stream uint64 `json:"stream,omitempty"` // 0: none
	How    string `json:"how,omitempty"`    // empty: the block was over
	Sent   int64  `json:"sent,omitempty"`   // bytes
	In     int64  `json:"in,omitempty"`     // bytes received and right
}

// What became of a packet that was not ok.
const (
	TimedOut   = "timeout"    // no progress within the scenario's timeout
	Reset      = "reset"      // the connection ended under it
	Refused    = "refused"    // no connection
	Corrupt    = "corrupt"    // wrong bytes
	Unfinished = "unfinished" // neither at the end of the drain
)

// What a generator itself may run out of when it dials: no packet of the path's is lost by that.
const (
	NoPorts = "ports"
	NoFiles = "descriptors"
)

// OwnEnds lists them.
var OwnEnds = []string{NoPorts, NoFiles}

// Outcomes lists what became of packets.
var Outcomes = []string{TimedOut, Reset, Refused, Corrupt, Unfinished}

// The times that are measured, of what was complete in the measured time.
const (
	Service  = iota // from sending a packet to its last echoed byte; churn: from dial to the last packet's
	Response        // with a rate: from when it was due
	Lag             // with a rate: from due to sent
	Wake            // with a rate: how late the generator woke up, every 5 ms
	Connect         // churn: from dial to connected
	First           // churn: from dial to the end of the first packet
	During          // with a time line: Response, without a rate Service, of what was due in an event
	After           // of what was due after all of them
	timings
)

// Times has what one process recorded of each.
type Times [timings]hist.Part

// A Path is where a probe connects, and what it sends.
type Path struct {
	Addr   string `json:"addr"`
	Key    string `json:"key"`
	Stream uint64 `json:"stream"` // Probes or higher
}

// Probes is the first number of a probe's stream, far from those of the load.
// No block has it, and none counts it.
const Probes = uint64(1) << 63

// Requests of the leader to a target; target.go answers them.
const (
	TargetReset  control.Request[NewBlock, control.None]     = "reset"  // a new block: forget the streams of the last one, and end those that still run
	TargetLook   control.Request[control.None, Marked]       = "look"   // how much was received until now
	TargetMark   control.Request[control.None, Marked]       = "mark"   // the same at the start of the measured time, and at its end
	TargetStop   control.Request[control.None, control.None] = "stop"   // sources end with the packet that they are at
	TargetReport control.Request[control.None, Reported]     = "report" // all streams
	TargetCount  control.Request[control.None, Counted]      = "count"  // how many there are
)

// NewBlock says what a target is to serve from now on.
type NewBlock struct {
	Key   string `json:"key"`   // of the payload
	Block uint64 `json:"block"` // whose streams, shifted to the left by BlockBits, are served
}

// BlockBits is how many low bits of a stream's number tell it from others of its block.
const BlockBits = 40

// Marked is what a target has received until an instant.
type Marked struct {
	At     time.Duration  `json:"at"`     // on the target's clock
	Groups map[byte]int64 `json:"groups"` // bytes received and right since the reset

	Series map[byte]series.Part `json:"series,omitempty"` // of the groups, between the first mark and this one
}

// Counted is how many connections have come to the target.
type Counted struct {
	Come int `json:"come"` // since the reset, that have said what they want
	Open int `json:"open"` // now, those that are left of earlier blocks among them
}

// Reported is how all streams stand.
type Reported struct {
	Streams []Stream `json:"streams"`
	Strays  int      `json:"strays"` // connections without a preface of this run, or with another's
	Past    Tally    `json:"past"`   // streams that ended in order and are not listed: there were too many
}

// A Stream is a connection as the target has it.
type Stream struct {
	ID    uint64         `json:"id"`
	Group byte           `json:"group"`
	In    int64          `json:"in"`              // bytes received and right
	Out   int64          `json:"out"`             // bytes sent
	Under int64          `json:"under,omitempty"` // bytes that are being sent: some of them may have arrived
	Reset bool           `json:"reset,omitempty"` // it ended with one, not in order; where the target asks for nothing more
	Fault *payload.Fault `json:"fault,omitempty"`
}
