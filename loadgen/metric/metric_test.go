package metric

import (
	"slices"
	"testing"
)

// The table is complete: a number without a unit, or without a title, cannot be read.
func TestEveryMetricHasAUnit(t *testing.T) {
	units := []string{Nanoseconds, Octets, OctetsPerSec, PacketsPer, ConnsPer, Share, AtKnee, OctetsPer, PerKiB, PerMessage, Packets, Connections, Streams, Times}
	seen := map[string]bool{}
	for _, m := range All {
		if !slices.Contains(units, m.Unit) || m.Title == "" || m.Name == "" || seen[m.Name] {
			t.Errorf("%+v: a metric needs a unit, a title and a name of its own", m)
		}
		if seen[m.Name] = true; m.Use&Judge != 0 && m.Better != Lower && m.Better != Higher {
			t.Errorf("%s: judged, and nothing says which way is better", m.Name)
		}
		for _, p := range m.Places {
			if p.Head == "" || p.As == "" || p.Of == "" && p.Scale == 0 {
				t.Errorf("%s: column %+v needs a head, a scale and a way of writing", m.Name, p)
			}
		}
	}
}
