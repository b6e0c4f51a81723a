package load

import (
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
)

// A Total is what a target received in all blocks.
type Total struct {
	Octets  int64 // right ones
	Streams int
	Faults  []*payload.Fault // the first byte that was wrong, of each stream with one
	Strays  int              // connections without a preface
}

// Total is what was received until now.
func (t *Target) Total() Total {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum()
}

// sum adds the current block to those before. t.mu is held.
func (t *Target) sum() Total {
	out := t.total
	out.Faults = slices.Clone(out.Faults)
	for _, n := range t.past {
		out.Octets += n
	}
	for _, s := range t.streams {
		out.Octets += s.in.Load()
		if f := s.fault.Load(); f != nil {
			out.Faults = append(out.Faults, f)
		}
	}
	out.Streams, out.Strays = out.Streams+len(t.streams)+t.forgotten, out.Strays+t.strays
	return out
}

func (t Total) String() string {
	s := fmt.Sprintf("received %d bytes on %d streams, all of them as they were sent", t.Octets, t.Streams)
	if n := len(t.Faults); n > 0 {
		s = fmt.Sprintf("received %d right bytes on %d streams, of which %d had wrong ones; the first: %v", t.Octets, t.Streams, n, t.Faults[0])
	}
	if t.Strays > 0 {
		s += fmt.Sprintf("; %d connections did not say what they want", t.Strays)
	}
	return s
}
