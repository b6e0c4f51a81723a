package e2e

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// course is how something of a process went, sampled at equal distances.
type course struct {
	of, what string
	unit     float64 // that one of what is shown has
	most     float64 // growth that is none, in what is shown, over the whole course
	values   []float64
}

// courseSegments is how many minima a line is laid through: what there is at the stillest moments, whatever comes and goes.
const courseSegments = 12

// growth is what the floor of a course rises by from its begin to its end. The first tenth is left out, in which a process
// grows to its size.
func (c *course) growth() float64 {
	v := c.values[len(c.values)/10:]
	if len(v) < courseSegments {
		return math.NaN()
	}
	var sxy, sxx float64
	for s := range courseSegments {
		from, to := s*len(v)/courseSegments, (s+1)*len(v)/courseSegments
		x := float64(s) - float64(courseSegments-1)/2
		sxy += x * slices.Min(v[from:to])
		sxx += x * x
	}
	return sxy / sxx * courseSegments / c.unit
}

func (c *course) flat() bool { return c.growth() <= c.most } // not for NaN

// row is a line of the table of courses.
func (c *course) row() string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range c.values[len(c.values)/10:] {
		low, high = min(low, v), max(high, v)
	}
	return fmt.Sprintf("| %s | %s | %.1f | %.1f | %+.2f | %g |", c.of, c.what, low/c.unit, high/c.unit, c.growth(), c.most)
}

const courseHead = "| process | what | lowest | highest | growth | at most |\n|---|---|---|---|---|---|\n"

// metric reads one of the server's metrics that has no labels.
func (tun *tunnel) metric(names ...string) (values []float64, err error) {
	status, body, err := tun.call(http.MethodGet, "/metrics", "")
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: %d, %w", status, err)
	}
	for _, name := range names {
		_, rest, found := bytes.Cut(body, []byte("\n"+name+" "))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		v, err := strconv.ParseFloat(string(line), 64)
		if !found || err != nil {
			return nil, fmt.Errorf("metric %s: %q, %w", name, line, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// descriptors is how many files a child has open.
func descriptors(t *testing.T, p *process) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatalf("descriptors of %s: %v", p.name, err)
	}
	return len(open)
}

// goroutinesIn counts the goroutines of the stack dump in a log, but for those of the collector, which begin with its first run.
func goroutinesIn(log string) (n int) {
	for one := range strings.SplitSeq(log, "\n\n") {
		if strings.Contains(one, "goroutine ") && !strings.Contains(one, "created by runtime.gc") {
			n++
		}
	}
	return n
}

// TestGrowthIsSeen: what grows in steps, or all the time, is no flat course; what wanders is.
func TestGrowthIsSeen(t *testing.T) {
	const n = 240
	for what, c := range map[string]struct {
		of   func(i int) float64
		flat bool
	}{
		"still":                       {func(int) float64 { return 30 }, true},
		"wanders":                     {func(i int) float64 { return 30 + 6*math.Sin(float64(i)/3) }, true},
		"settles in the first moment": {func(i int) float64 { return 30 - 20*math.Exp(-float64(i)/5) }, true},
		"falls":                       {func(i int) float64 { return 30 - float64(i)/10 }, true},
		"grows":                       {func(i int) float64 { return 30 + 2.5*float64(i)/n }, false},
		"grows while it wanders":      {func(i int) float64 { return 30 + 3*float64(i)/n + 3*math.Sin(float64(i)/3) }, false},
		"grows by steps":              {func(i int) float64 { return 30 + float64(i*4/n) }, false},
	} {
		course := course{unit: 1, most: 2}
		for i := range n {
			course.values = append(course.values, c.of(i))
		}
		if course.flat() != c.flat {
			t.Errorf("what %s is flat: %v, growth %.2f", what, course.flat(), course.growth())
		}
	}
	if (&course{unit: 1, most: 2, values: make([]float64, 5)}).flat() {
		t.Error("five samples are flat")
	}
}
