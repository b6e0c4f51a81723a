package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Profiles of a run, from the shortest to the file's own times.
var Profiles = []string{Smoke, "ci", "full"}

// Smoke shows that everything works; its numbers show differences of tens of per cent at best.
const Smoke = "smoke"

// Apply sets the times of a profile, those of the time line in proportion;
// everything else stays as in the file.
func (s *Scenario) Apply(profile string) error {
	shorten := func(warmup, measure time.Duration, repeat Count) {
		if m := subject.Duration(measure); m < s.Measure {
			for i := range s.Cells {
				s.Cells[i].shrink(float64(m) / float64(s.Measure))
			}
		}
		s.Warmup = min(s.Warmup, subject.Duration(warmup))
		s.Measure = min(s.Measure, subject.Duration(measure))
		s.Repeat = s.Repeat.atMost(repeat)
		for i := range s.Cells {
			s.Cells[i].Repeat = s.Cells[i].Repeat.atMost(repeat)
		}
	}
	switch profile {
	case Smoke:
		shorten(200*time.Millisecond, time.Second, 3)
	case "ci":
		shorten(500*time.Millisecond, 3*time.Second, 6)
	case "full":
	default:
		return fmt.Errorf("--profile %q: must be one of %s", profile, strings.Join(Profiles, ", "))
	}
	return nil
}
