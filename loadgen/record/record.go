package record

import (
	_ "embed"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Version names the layout of a record.
const Version = "adit-load/2"

// Schema is the JSON Schema (2020-12) of a record.
//
//go:embed schema.json
var Schema []byte

// A Route is a path, and, for a tunnel, the subject's name.
type Route struct {
	Path    string `json:"path,omitempty"`
	Subject string `json:"subject,omitempty"`
}

func (r Route) String() string { return strings.TrimSpace(r.Path + " " + r.Subject) }

// Routes are the paths, that of a tunnel once for each subject.
func Routes(paths []string, subjects []Subject) (out []Route) {
	for _, p := range paths {
		if p != scenario.Tunnel {
			out = append(out, Route{Path: p})
			continue
		}
		for _, s := range subjects {
			out = append(out, Route{p, s.Name})
		}
	}
	return out
}

// A Record is everything that one run of a scenario found out. Tables are made
// from it and never measured twice. Times are nanoseconds or seconds as named,
// sizes bytes.
type Record struct {
	Version     string             `json:"version"`
	Scenario    *scenario.Scenario `json:"scenario"`
	Profile     string             `json:"profile"`
	Command     string             `json:"command"`
	Tool        string             `json:"tool"`                  // version of adit-load
	ToolSHA256  string             `json:"tool_sha256,omitempty"` // of its file; absent: unknown
	Subjects    []Subject          `json:"subjects"`
	Environment sample.Environment `json:"environment"`
	Started     time.Time          `json:"started"`
	Seconds     float64            `json:"seconds"`
	Interrupted bool               `json:"interrupted,omitempty"` // stopped before the end; Blocks has what was complete
	NotRun      []scenario.NotRun  `json:"not_run,omitempty"`
	Blocks      []Block            `json:"blocks"` // in the order in which they ran
	Searches    []Search           `json:"searches,omitempty"`
	Canary      []Block            `json:"canary,omitempty"`  // one cell on one route measured once more in each repetition
	Clocks      []Clock            `json:"workers,omitempty"` // generators

	// What the blocks come to.
	Summary []Summary `json:"summary,omitempty"`
	Ratios  []Ratio   `json:"ratios,omitempty"`
	Floor   []Floor   `json:"noise_floor,omitempty"` // made of Canary
	Slopes  []Slope   `json:"slopes,omitempty"`
	Apart   []Apart   `json:"isolation,omitempty"`

	Findings   []Finding    `json:"findings,omitempty"` // what a route does wrong
	Validity   *Validity    `json:"validity,omitempty"`
	Thresholds []Threshold  `json:"thresholds,omitempty"`
	Comparison []Comparison `json:"comparison,omitempty"` // of several subjects with the first
	Exit       *int         `json:"exit,omitempty"`       // exit code that the scenario alone would have had; absent: made by an older program
}

// What is known of who answered for a subject.
const (
	Checked    = "checked"
	NotStarted = "not started by us"
)

// Subject says what was measured.
type Subject struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Server  string `json:"server,omitempty"` // command line or address
	Client  string `json:"client,omitempty"`
	Rival   bool   `json:"rival,omitempty"` // measured beside the others: what it fails at is an answer, and no failure of the run

	Owner       string       `json:"owner,omitempty"` // whether what answered was what the run had started: Checked, NotStarted, or why it is not checked
	Programs    []Program    `json:"programs,omitempty"`
	Certificate *Certificate `json:"certificate,omitempty"`
}

// A Clock is that of a generator: how its machine's clock stood when the run began.
type Clock struct {
	Address       string  `json:"address"` // of its control port
	OffsetSeconds float64 `json:"offset_seconds"`
	WithinSeconds float64 `json:"within_seconds"` // how wrong the offset may be
}

// A Block is one cell measured once over one route.
type Block struct {
	Cell string `json:"cell"` // its name in the scenario
	Route
	Repetition int `json:"repetition"`

	Groups       []Group `json:"groups"` // in the scenario's order
	DrainSeconds float64 `json:"drain_seconds"`
	Cut          int64   `json:"cut,omitempty"`    // streams that their generator ended in order and that ended with a reset at the target
	Strays       int     `json:"strays,omitempty"` // connections that reached the target without their first bytes

	Wire        *Wire            `json:"wire,omitempty"` // in the measured time; only with a link
	Processes   []sample.Usage   `json:"processes"`
	Generators  []sample.Runtime `json:"generators,omitempty"`  // as they saw themselves, on other machines, too; in the order of workers
	Host        *sample.Host     `json:"host,omitempty"`        // the machine meanwhile
	Faults      []*payload.Fault `json:"faults,omitempty"`      // wrong bytes
	Undelivered []*payload.Fault `json:"undelivered,omitempty"` // where timed out, reset and unfinished streams stopped
	Events      []Event          `json:"events,omitempty"`      // of the time line that had a place on the route
	Unexcused   int64            `json:"unexcused,omitempty"`   // streams that ended badly, or dials that failed, when nothing of the time line had broken them; of a block in which something had
}

// Wire is the bytes that the link carried: what one hop makes of the payload,
// headers of TCP and below apart.
type Wire struct {
	Up   int64 `json:"up"` // towards the target
	Down int64 `json:"down"`
}

// A Group is what one group of connections got in a block.
type Group struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`           // measured time
	Octets  int64   `json:"octets"`            // payload checked at the receiver in that time, both ways in mode both
	Packets float64 `json:"packets"`           // of those bytes; whole where packets are echoed
	Arrived float64 `json:"arrived,omitempty"` // packets a second that reached the target between the two readings of CPU time; absent where they go the other way, too
	Calls   int64   `json:"calls,omitempty"`   // churn: connections, from dial to end
	Dials   int64   `json:"dials,omitempty"`   // connections that were made, in all phases

	Failed         map[string]int64 `json:"failed,omitempty"`
	FailedConnects int64            `json:"failed_connects"`
	Own            map[string]int64 `json:"own,omitempty"`  // dials that came to nothing since the generator itself had no more ports, or descriptors
	Late           int64            `json:"late,omitempty"` // echoes that came in the drain: right, but not counted above

	Service  *hist.Dist `json:"service,omitempty"`  // echo complete less sent; churn: last echo less dial
	Response *hist.Dist `json:"response,omitempty"` // echo complete less due; only with a rate
	Lag      *hist.Dist `json:"lag,omitempty"`      // sent less due; only with a rate
	Wake     *hist.Dist `json:"wake,omitempty"`     // how late the generator woke up, asked every 5 ms whatever its connections waited for; only with a rate
	Connect  *hist.Dist `json:"connect,omitempty"`  // churn: connected less dial
	First    *hist.Dist `json:"first,omitempty"`    // churn: first echo less dial
	During   *hist.Dist `json:"during,omitempty"`   // response, without a rate service, of what was due in an event of the time line
	After    *hist.Dist `json:"after,omitempty"`    // of what was due after all of them

	Slowest []load.Slow     `json:"slowest,omitempty"` // packets of up to 16 connections that echo as fast as they can, 8 of each
	Sockets []sample.Socket `json:"sockets,omitempty"` // of up to 16 connections of each generator, at the end of the measured time; on Linux

	Knee    *float64 `json:"knee,omitempty"`                    // of a search: the highest rate, or number of connections, that kept the goal; 0: none did
	Jain    *Jain    `json:"jain,omitempty"`                    // two or more connections that take what they can get
	Silence *float64 `json:"longest_silence_seconds,omitempty"` // of such a connection, in windows of 100 ms
	Series  *Series  `json:"series,omitempty"`
}

// Jain is how evenly connections shared what there was: 1 when all have the
// same, 1/n when one has all.
type Jain struct {
	Overall float64  `json:"overall"`
	Least   *float64 `json:"min,omitempty"` // of a window of 100 ms; absent with more than 512 connections
}

// A Series is how a group did over the measured time, in windows of equal
// width. Bytes are payload, checked at the receiver.
type Series struct {
	Window float64   `json:"window_seconds"`
	Up     []int64   `json:"up,omitempty"`    // bytes, at the target's windows; echoes count as down alone
	Down   []int64   `json:"down,omitempty"`  // bytes
	OK     []int64   `json:"ok,omitempty"`    // packets, churn: connections
	Worst  []int64   `json:"worst,omitempty"` // response, without a rate service, in nanoseconds
	Jain   []float64 `json:"jain,omitempty"`  // 1 where nobody got anything
}

// An Event is what an entry of the time line did. It answers for everything
// from its beginning to that of the next.
type Event struct {
	Do  string  `json:"do"`
	At  float64 `json:"at_seconds"`  // when it happened, from the start of the measured time
	For float64 `json:"for_seconds"` // until all was as before

	// Seconds after its beginning; absent: never.
	Seen        *float64 `json:"seen_seconds,omitempty"`        // the first packet failed, or was late
	Reconnected *float64 `json:"reconnected_seconds,omitempty"` // from then on the first new connection on which bytes came
	First       *float64 `json:"first_seconds,omitempty"`       // the first byte came on a new connection, or on one that had waited

	Streams     Streams `json:"streams"`
	Lost        int64   `json:"lost,omitempty"`        // bytes missing in the middle of streams
	Doubled     int64   `json:"doubled,omitempty"`     // bytes that came again
	Undelivered int64   `json:"undelivered,omitempty"` // bytes that had been sent on streams which ended
	Held        *int64  `json:"held,omitempty"`        // reader.stall: bytes for each stalled reader whose stream lived that had been sent and not read: in buffers on the way, those of both sockets among them
}

// Streams is what became of those that stood when an event began.
type Streams struct {
	Kept  int `json:"kept"`
	Reset int `json:"reset"` // ended at once, so that both sides know
	Hung  int `json:"hung"`  // no byte within the scenario's timeout, or until the end
}

// FailedPackets is the sum of all that was not ok.
func (g *Group) FailedPackets() (n int64) {
	for _, v := range g.Failed {
		n += v
	}
	return n
}

// IsRival reports whether a subject is measured beside the others alone.
func (r *Record) IsRival(subject string) bool {
	return slices.ContainsFunc(r.Subjects, func(s Subject) bool { return s.Name == subject && s.Rival })
}

// Failed is the number of packets that were not ok, in all blocks but those of rivals. Where a time
// line broke something, streams on it had to end, and no more than that is
// excused: not those that hung, and not what failed at other times. What failed
// while adit-load's own end was starved says nothing, and Starved tells.
func (r *Record) Failed() (n int64) {
	for _, b := range r.All() {
		if !r.IsRival(b.Subject) {
			n += r.failed(&b)
		}
	}
	return n
}

// FailedRivals are the rivals that had packets that were not ok.
func (r *Record) FailedRivals() (names []string) {
	for _, b := range r.All() {
		if r.IsRival(b.Subject) && r.failed(&b) > 0 && !slices.Contains(names, b.Subject) {
			names = append(names, b.Subject)
		}
	}
	return names
}

// failed is the number of packets of a block that were not ok, as Failed has it.
func (r *Record) failed(b *Block) (n int64) {
	if r.Starved(b) != "" {
		return 0
	}
	if n = b.Unexcused; b.Broken() {
		return n + int64(b.Hung())
	}
	for _, g := range b.Groups {
		n += g.FailedPackets()
	}
	return n
}

// Breaks reports whether an event ends streams by itself. While a line or a
// process is frozen, or a reader stalls, they can live on.
func (e *Event) Breaks() bool {
	return slices.Contains([]string{scenario.LinkKill, scenario.ServerKill, scenario.ServerRestart, scenario.ServerDrain, scenario.ClientKill, scenario.ClientRestart, scenario.ClientDrain}, e.Do)
}

// Broken reports whether the time line broke something: packets on it could not be ok.
func (b *Block) Broken() bool {
	return slices.ContainsFunc(b.Events, func(e Event) bool { return e.Breaks() })
}

// Hung is how many streams hung when the time line had broken something, instead of ending.
func (b *Block) Hung() (n int) {
	for _, e := range b.Events {
		if e.Breaks() {
			n += e.Streams.Hung
		}
	}
	return n
}

// Routes are all that can have been measured, in the order direct, relay, tunnels.
func (r *Record) Routes() []Route { return Routes(scenario.Paths, r.Subjects) }

// All is every block that was measured, the canary's among them.
func (r *Record) All() []Block { return slices.Concat(r.Blocks, r.Canary) }

// Faulty reports whether any block saw wrong bytes.
func (r *Record) Faulty() bool {
	return slices.ContainsFunc(r.All(), func(b Block) bool { return len(b.Faults) > 0 })
}
