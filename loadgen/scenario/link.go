package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// A Link is the line on which the tunnel's two ends, or a relay and the
// target, or the generator and the target talk. The zero Link is the bare loopback.
type Link struct {
	RTT    subject.Duration `yaml:"rtt" json:"rtt,omitempty"`       // half of it each way
	Jitter subject.Duration `yaml:"jitter" json:"jitter,omitempty"` // each way up to this much more, in order
	Rate   Bandwidth        `yaml:"rate" json:"rate,omitempty"`     // each way, shared by all connections; 0: no limit
}

// Bare reports whether the link changes nothing.
func (l Link) Bare() bool { return l == Link{} }

func (l *Link) fields() map[string]any {
	return map[string]any{"rtt": &l.RTT, "jitter": &l.Jitter, "rate": &l.Rate}
}

const maxRTT = 10 * time.Second

func (l *Link) problem() string {
	switch {
	case l.RTT < 0 || time.Duration(l.RTT) > maxRTT:
		return fmt.Sprintf("rtt %v must be 0s to %v", l.RTT, maxRTT)
	case l.Jitter < 0 || time.Duration(l.Jitter) > maxRTT:
		return fmt.Sprintf("jitter %v must be 0s to %v", l.Jitter, maxRTT)
	case l.Rate != 0 && (l.Rate < 8e3 || l.Rate > 1e11):
		return fmt.Sprintf("rate %v must be 8kbit/s to 100Gbit/s", l.Rate)
	}
	return ""
}

func (l Link) String() string {
	var parts []string
	if l.RTT > 0 {
		parts = append(parts, "rtt "+short(l.RTT))
	}
	if l.Jitter > 0 {
		parts = append(parts, "jitter "+short(l.Jitter))
	}
	if l.Rate > 0 {
		parts = append(parts, l.Rate.String())
	}
	return strings.Join(parts, ", ")
}
