package load

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestAPaceSpreadsAllConnectionsEvenly(t *testing.T) {
	p := Schedule{Rate: 100, Of: 4}
	var due []time.Duration
	for i := range 25 {
		for conn := range 4 {
			due = append(due, p.Due(conn, i))
		}
	}
	for i, d := range due {
		if want := time.Duration(i) * 10 * time.Millisecond; d < want-time.Microsecond || d > want+time.Microsecond {
			t.Fatalf("packet %d is due at %v; want %v", i, d, want)
		}
	}
}

// A Poisson schedule has random gaps of the right mean, repeats with its seed,
// and never drifts from its rate.
func TestAPoissonSchedule(t *testing.T) {
	p := Schedule{Rate: 1000, Of: 10, Poisson: true, Seed: 3}
	var due []time.Duration
	for conn := range 10 {
		last := time.Duration(-1)
		for i := range 6400 {
			d := p.Due(conn, i)
			if d <= last || d != p.Due(conn, i) {
				t.Fatalf("packet %d of connection %d is due at %v after %v", i, conn, d, last)
			}
			last = d
			due = append(due, d)
		}
	}
	slices.Sort(due)
	if end := due[len(due)-1]; end < 63*time.Second || end > 64*time.Second+time.Second/2 {
		t.Errorf("64000 packets at 1000/s end at %v", end)
	}
	var sum, square float64
	for i := range due[1:] {
		gap := (due[i+1] - due[i]).Seconds()
		sum, square = sum+gap, square+gap*gap
	}
	n := float64(len(due) - 1)
	if cv := math.Sqrt(square/n-(sum/n)*(sum/n)) / (sum / n); cv < 0.9 || cv > 1.1 {
		t.Errorf("gaps vary by %.2f of their mean; want about 1, as random ones do", cv)
	}
	if other := (Schedule{Rate: 1000, Of: 10, Poisson: true, Seed: 4}); other.Due(0, 7) == p.Due(0, 7) {
		t.Error("another seed gives the same gaps")
	}
}
