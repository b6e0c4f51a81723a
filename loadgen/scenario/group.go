package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/payload"
)

// Modes of a group.
const (
	PingPong = "pingpong" // send a packet, wait for its echo
	Upload   = "upload"   // packets one after the other, visitor to service
	Download = "download" // service to visitor
	Both     = "both"     // both ways at once, on each connection
	Churn    = "churn"    // connect, some packets and their echoes, close, and again
	Idle     = "idle"     // connect, one packet and its echo, then nothing
)

var modes = []string{PingPong, Upload, Download, Both, Churn, Idle}

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
	Connections Count  `yaml:"connections" json:"connections"`   // churn: at most at once
	Size        Size   `yaml:"size" json:"size"`                 // octets of a packet
	Rate        Rate   `yaml:"rate" json:"rate,omitempty"`       // packets, churn: connections, per second in all; 0: the next when the last is done
	Arrival     string `yaml:"arrival" json:"arrival,omitempty"` // with a rate
	Packets     Count  `yaml:"packets" json:"packets,omitempty"` // churn: on each connection
	Resets      Share  `yaml:"resets" json:"resets,omitempty"`   // churn: connections that end with a reset
}

// fields are what axes and cells may set.
func (g *Group) fields() map[string]any {
	return map[string]any{
		"mode": &g.Mode, "connections": &g.Connections, "size": &g.Size, "rate": &g.Rate,
		"arrival": &g.Arrival, "packets": &g.Packets, "resets": &g.Resets,
	}
}

// complete fills in what the file leaves open.
func (g *Group) complete() {
	g.Rate = max(g.Rate, 0)
	if g.Rate > 0 && g.Arrival == "" {
		g.Arrival = Even
	}
	if g.Mode == Churn && g.Packets == 0 {
		g.Packets = 1
	}
}

// Echoes reports whether packets come back, so that there are latencies.
func (g *Group) Echoes() bool { return g.Mode == PingPong || g.Mode == Churn || g.Mode == Idle }

// Service is what the target does for the group.
func (g *Group) Service() payload.Service {
	switch g.Mode {
	case Upload:
		return payload.Sink
	case Download:
		return payload.Source
	case Both:
		return payload.Exchange
	}
	return payload.Echo
}

// problem says what keeps a group from being run; empty when nothing does.
// Its connections may be 0 where a cell compares with a load that is not there.
func (g *Group) problem(absent bool) string {
	switch {
	case g.Mode == "":
		return "mode is missing: add it, like mode: pingpong"
	case g.Connections == 0 && !absent:
		return "connections is missing or 0: write how many, like connections: 1"
	case g.Size == 0:
		return "size is missing or 0: add it, like size: 1KiB"
	case !slices.Contains(modes, g.Mode):
		return fmt.Sprintf("mode %q must be one of %s", g.Mode, strings.Join(modes, ", "))
	case g.Connections > maxConnections:
		return fmt.Sprintf("connections %d must be 1 to %d", g.Connections, maxConnections)
	case g.Size > payload.MaxPacket:
		return fmt.Sprintf("size %v must be 1 B to %v", g.Size, Size(payload.MaxPacket))
	case g.Rate > 0 && g.Mode != PingPong && g.Mode != Churn:
		return fmt.Sprintf("a rate needs mode pingpong or churn, not %s; remove rate, or write rate: max", g.Mode)
	case g.Arrival != "" && !slices.Contains(arrivals, g.Arrival):
		return fmt.Sprintf("arrival %q must be one of %s", g.Arrival, strings.Join(arrivals, ", "))
	case g.Arrival != "" && g.Rate <= 0:
		return "arrival needs a rate: add it, like rate: 100/s"
	case g.Mode != Churn && (g.Packets > 0 || g.Resets > 0):
		return fmt.Sprintf("packets and resets need mode churn, not %s", g.Mode)
	case g.Packets > maxPackets:
		return fmt.Sprintf("packets %d must be 1 to %d", g.Packets, maxPackets)
	}
	return ""
}

func (g *Group) String() string {
	s := fmt.Sprintf("%s %d × %v", g.Mode, g.Connections, g.Size)
	if g.Mode == Churn && g.Packets > 1 {
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
	return s
}
