package scenario

import (
	"fmt"
	"math"
	"slices"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
)

// Modes of a group.
const (
	PingPong = "pingpong" // send a packet, wait for its echo
	Upload   = "upload"   // packets one after the other, visitor to service
	Download = "download" // service to visitor
	Both     = "both"     // both ways at once, on each connection
	Churn    = "churn"    // connect, some packets and their echoes, close, and again
	Idle     = "idle"     // connect, one packet and its echo, then nothing

	HalfClose = "halfclose" // connect, send some packets, end this side, take an answer of the same length and the other side's end, and again
)

var modes = []string{PingPong, Upload, Download, Both, Churn, Idle, HalfClose}

// How the packets of a rate are spread over time.
const (
	Even    = "even"    // all gaps alike
	Poisson = "poisson" // random gaps, as from many independent senders
)

var arrivals = []string{Even, Poisson}

const (
	maxGroups      = 16
	maxConnections = 10000
	maxPackets     = 1000
)

// A Group is connections that do the same. A zero field of a file means: not said.
type Group struct {
	Name        string `yaml:"name" json:"name"`
	Mode        string `yaml:"mode" json:"mode"`
	Connections Count  `yaml:"connections" json:"connections"`   // of Calls: at most at once
	Size        Size   `yaml:"size" json:"size"`                 // bytes of a packet
	Rate        Rate   `yaml:"rate" json:"rate,omitempty"`       // packets, of Calls: connections, per second in all; 0: the next when the last is done
	Arrival     string `yaml:"arrival" json:"arrival,omitempty"` // with a rate
	Packets     Count  `yaml:"packets" json:"packets,omitempty"` // of Calls: on each connection
	Resets      Share  `yaml:"resets" json:"resets,omitempty"`   // churn: connections that end with a reset

	Reader Bandwidth `yaml:"reader" json:"reader,omitempty"` // upload, download, halfclose: what each connection's reader takes at most, until the drain; 0: all

	InsteadOf string `yaml:"instead_of" json:"instead_of,omitempty"` // the group whose cells are compared with those that have this one in its place
}

// fields are what axes and cells may set.
func (g *Group) fields() map[string]any {
	return map[string]any{
		"mode": &g.Mode, "connections": &g.Connections, "size": &g.Size, "rate": &g.Rate,
		"arrival": &g.Arrival, "packets": &g.Packets, "resets": &g.Resets, "reader": &g.Reader,
	}
}

// complete fills in what the file leaves open.
func (g *Group) complete() {
	g.Rate = max(g.Rate, 0)
	if g.Rate > 0 && g.Arrival == "" {
		g.Arrival = Even
	}
	if g.Calls() && g.Packets == 0 {
		g.Packets = 1
	}
}

// namesOf are those of groups.
func namesOf(groups []Group) (out []string) {
	for _, g := range groups {
		out = append(out, g.Name)
	}
	return out
}

// Echoes reports whether packets come back, so that there are latencies.
func (g *Group) Echoes() bool { return g.Mode == PingPong || g.Calls() || g.Mode == Idle }

// Calls reports whether connections are made for what is measured, one after the other.
func (g *Group) Calls() bool { return g.Mode == Churn || g.Mode == HalfClose }

// Service is what the target does for the group.
func (g *Group) Service() payload.Service {
	switch g.Mode {
	case Upload:
		return payload.Sink
	case Download:
		return payload.Source
	case Both:
		return payload.Exchange
	case HalfClose:
		return payload.Answer
	}
	return payload.Echo
}

// problem says what keeps a group from being run; empty when nothing does.
// Its connections may be 0 where a cell compares with a load that is not there.
func (g *Group) problem(absent bool) string {
	switch {
	case g.Mode != "" && !slices.Contains(modes, g.Mode): // what is said is looked at before what is missing
		return "mode " + subject.OneOf(g.Mode, modes)
	case g.Arrival != "" && !slices.Contains(arrivals, g.Arrival):
		return "arrival " + subject.OneOf(g.Arrival, arrivals)
	case g.Mode == "":
		return "mode is missing: add it, like mode: pingpong"
	case g.Connections == 0 && !absent:
		return "connections is missing or 0: write how many, like connections: 1"
	case g.Size == 0:
		return "size is missing or 0: add it, like size: 1KiB"
	case g.Connections > maxConnections:
		return fmt.Sprintf("connections %d must be 1 to %d", g.Connections, maxConnections)
	case g.Size > payload.MaxPacket:
		return fmt.Sprintf("size %v must be 1 B to %v", g.Size, Size(payload.MaxPacket))
	case g.Rate > 0 && g.Mode != PingPong && !g.Calls():
		return fmt.Sprintf("a rate needs mode pingpong, churn or halfclose, not %s; remove rate, or write rate: max", g.Mode)
	case g.Arrival != "" && g.Rate <= 0:
		return "arrival needs a rate: add it, like rate: 100/s"
	case !g.Calls() && g.Packets > 0:
		return fmt.Sprintf("packets needs mode churn or halfclose, not %s", g.Mode)
	case g.Mode != Churn && g.Resets > 0:
		return fmt.Sprintf("resets needs mode churn, not %s", g.Mode)
	case g.Reader > 0 && g.Mode != Upload && g.Mode != Download && g.Mode != HalfClose:
		return fmt.Sprintf("reader needs mode upload, download or halfclose, not %s: nobody else's reader can be slow by itself", g.Mode)
	case g.Reader > 0 && (g.Reader < payload.PaceUnit*8 || g.Reader > payload.PaceUnit*8*math.MaxUint16):
		return fmt.Sprintf("reader %v must be %v to %v", g.Reader, Bandwidth(payload.PaceUnit*8), Bandwidth(payload.PaceUnit*8*math.MaxUint16))
	case g.Packets > maxPackets:
		return fmt.Sprintf("packets %d must be 1 to %d", g.Packets, maxPackets)
	}
	return ""
}

func (g *Group) String() string {
	s := fmt.Sprintf("%s %d × %v", g.Mode, g.Connections, g.Size)
	if g.Calls() && g.Packets > 1 {
		s += fmt.Sprintf(" × %d", g.Packets)
	}
	if g.Rate > 0 {
		s += fmt.Sprintf(" at %v/s", float64(g.Rate))
	}
	if g.Arrival == Poisson {
		s += " poisson"
	}
	if g.Resets > 0 {
		s += fmt.Sprintf(", %v reset", g.Resets)
	}
	if g.Reader > 0 {
		s += fmt.Sprintf(", read at %v", g.Reader)
	}
	return s
}
