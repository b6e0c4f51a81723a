package scenario

import (
	"fmt"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Profiles of a run, from the shortest to the file's own times.
var Profiles = []string{Smoke, "ci", "full"}

// Smoke shows that everything works; its numbers show differences of tens of per cent at best.
const Smoke = "smoke"

// Apply sets the times of a profile, those of the time line in proportion, and
// measures no more often than the file asks for at least; everything else stays
// as in the file.
func (s *Scenario) Apply(profile string) error {
	shorten := func(warmup, measure time.Duration, repeat Count) {
		measure = max(measure, time.Duration(s.Shortest))
		if m := subject.Duration(measure); m < s.Measure {
			for i := range s.Cells {
				s.Cells[i].shrink(float64(m) / float64(s.Measure))
			}
		}
		if s.Shortest == 0 { // else the question takes its time
			s.Warmup = min(s.Warmup, subject.Duration(warmup))
		}
		s.Measure = min(s.Measure, subject.Duration(measure))
		s.Repeat = s.Repeat.atMost(repeat)
		for i := range s.Cells {
			s.Cells[i].Repeat = s.Cells[i].Repeat.atMost(repeat)
		}
	}
	switch profile {
	case Smoke:
		measure, repeat := time.Second, Count(2)
		if time.Duration(s.Shortest) > measure { // its blocks are long
			repeat = 1
		}
		shorten(200*time.Millisecond, measure, repeat)
	case "ci":
		shorten(500*time.Millisecond, 3*time.Second, 7)
	case "full":
	default:
		return fmt.Errorf("--profile %s", subject.OneOf(profile, Profiles))
	}
	return nil
}
