package analyse

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-6*max(1, math.Abs(want)) }

// Six values are the fewest whose median has an interval of 95 %: all of their range.
func TestTheIntervalOfAMedianNeedsSixValues(t *testing.T) {
	for _, tt := range []struct {
		name      string
		values    []float64
		median    float64
		low, high float64
		ok        bool
	}{
		{"nothing", nil, 0, 0, 0, false},
		{"one", []float64{7}, 7, 0, 0, false},
		{"five", []float64{5, 1, 3, 2, 4}, 3, 0, 0, false},
		{"six", []float64{6, 1, 5, 2, 4, 3}, 3.5, 1, 6, true},
		{"ten: all but the outermost", []float64{10, 1, 9, 2, 8, 3, 7, 4, 6, 5}, 5.5, 2, 9, true},
		{"twenty", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, 10.5, 6, 15, true},
	} {
		e := Estimate(tt.values)
		low, high, ok := e.Interval()
		if e.N != len(tt.values) || e.Median != tt.median || low != tt.low || high != tt.high || ok != tt.ok {
			t.Errorf("Estimate(%s) = %d, %v, %v to %v, %v; want %v, %v to %v, %v", tt.name, e.N, e.Median, low, high, ok, tt.median, tt.low, tt.high, tt.ok)
		}
	}
	if w := Estimate([]float64{90, 95, 100, 100, 105, 120}).Width(); !near(w, 0.2) {
		t.Errorf("Width() = %v; want the farther end, 0.2", w)
	}
	if w := Estimate([]float64{1, 2}).Width(); !math.IsInf(w, 1) {
		t.Errorf("Width() without an interval = %v; want infinite", w)
	}
}

// The values are those of R: wilcox.test and p.adjust.
func TestTestsAgainstKnownValues(t *testing.T) {
	low, high := []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}
	for _, tt := range []struct {
		name string
		got  float64
		want float64
	}{
		{"Mann–Whitney of four and four apart", MannWhitney(low, high), 2.0 / 70},
		{"Mann–Whitney of three and three apart", MannWhitney(low[:3], high[:3]), 0.1},
		{"Mann–Whitney of the same values", MannWhitney([]float64{1, 1}, []float64{1, 1}), 1},
		{"Mann–Whitney of an empty sample", MannWhitney(nil, low), 1},
		{"Mann–Whitney: permeability of placenta", MannWhitney(
			[]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21}), 0.2544122544},
		{"signed ranks of six above", SignedRank([]float64{1, 2, 3, 4, 5, 6}), 2.0 / 64},
		{"signed ranks of six below", SignedRank([]float64{-1, -2, -3, -4, -5, -6}), 2.0 / 64},
		{"signed ranks: depression scale", SignedRank([]float64{0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01}), 0.0390625},
		{"signed ranks with ties", SignedRank([]float64{1, 1, 1, 1, -1}), 12.0 / 32},
		{"signed ranks of zeros", SignedRank([]float64{0, 0}), 1},
	} {
		if !near(tt.got, tt.want) {
			t.Errorf("%s: p = %v; want %v", tt.name, tt.got, tt.want)
		}
	}
	for i, got := range Holm([]float64{0.01, 0.04, 0.03, 0.005}) {
		if want := []float64{0.03, 0.06, 0.06, 0.02}[i]; !near(got, want) {
			t.Errorf("Holm()[%d] = %v; want %v", i, got, want)
		}
	}
}

// With many pairs the normal approximation takes over where the exact one ends.
func TestSignedRanksOfManyPairsAgreeWithTheExactOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var d []float64
	for range exactPairs {
		d = append(d, r.NormFloat64()+0.25)
	}
	exact := SignedRank(d)
	d = append(d, 0.001) // the nearest to zero: hardly says anything
	if normal := SignedRank(d); math.Abs(normal-exact) > 0.01 {
		t.Errorf("p = %v of %d pairs, %v of one more", exact, exactPairs, normal)
	}
}

// R: wilcox.test(b, a, conf.int = TRUE).
func TestShift(t *testing.T) {
	a, b := []float64{1, 2, 3, 4, 5, 6}, []float64{11, 12, 13, 14, 15, 16}
	e := Shift(a, b)
	low, high, ok := e.Interval()
	if e.Median != 10 || low != 7 || high != 13 || !ok {
		t.Errorf("Shift() = %v, %v to %v, %v; want 10, 7 to 13", e.Median, low, high, ok)
	}
	if e := Shift(a[:3], b[:3]); e.Median != 10 || e.Low != nil {
		t.Errorf("Shift() of three and three = %+v; want 10 and no interval", e)
	}
	if e := Shift(nil, b); e.N != 0 {
		t.Errorf("Shift() from nothing = %+v; want nothing", e)
	}
}

// R: wilcox.test(d, conf.int = TRUE).
func TestCentre(t *testing.T) {
	e := Centre([]float64{1, 2, 3, 4, 5, 6})
	low, high, ok := e.Interval()
	if e.N != 6 || e.Median != 3.5 || low != 1 || high != 6 || !ok {
		t.Errorf("Centre() = %+v, %v to %v; want 3.5, 1 to 6", e, low, high)
	}
	e = Centre([]float64{0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01})
	low, high, _ = e.Interval()
	if !near(e.Median, 0.46) || !near(low, 0.01) || !near(high, 0.786) {
		t.Errorf("Centre() of the depression scale = %v, %v to %v; want 0.46, 0.01 to 0.786", e.Median, low, high)
	}
	if e := Centre([]float64{1, 2, 3, 4, 5}); e.Median != 3 || e.Low != nil {
		t.Errorf("Centre() of five = %+v; want 3 and no interval", e)
	}
}

func TestJain(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 3, 3}, 1}, {[]float64{5, 0, 0, 0}, 0.25}, {[]float64{1, 2, 3}, 36.0 / 42}, {[]float64{0, 0}, 1}} {
		if got := Jain(tt.values); !near(got, tt.want) {
			t.Errorf("Jain(%v) = %v; want %v", tt.values, got, tt.want)
		}
	}
}

// R: confint(lm(y ~ x)).
func TestLine(t *testing.T) {
	f := Line([]float64{1, 2, 3, 4, 5}, []float64{2.1, 3.9, 6.2, 7.8, 10.1})
	low, high, ok := f.Slope.Interval()
	if !near(f.Slope.Median, 1.99) || !near(f.Intercept, 0.05) || !ok || math.Abs(low-1.799939) > 1e-5 || math.Abs(high-2.180061) > 1e-5 {
		t.Errorf("Line() = %v + %v x, %v to %v; want 0.05 + 1.99 x, 1.799939 to 2.180061", f.Intercept, f.Slope.Median, low, high)
	}
	if f := Line([]float64{1, 2}, []float64{1, 3}); f.Slope.Median != 2 || f.Slope.Low != nil {
		t.Errorf("Line() of two points = %+v; want 2 and no interval", f)
	}
	if f := Line([]float64{1, 1}, []float64{1, 3}); f.Slope.N != 0 {
		t.Errorf("Line() of one x = %+v; want nothing", f)
	}
}

// Memory that wanders is no growth, though its line is steep; what grows at each step is.
func TestGrowth(t *testing.T) {
	var x, wander, grow []float64
	for i, y := range []float64{0, 8, 16, 15, 22, 20, 19, 27, 26, 25, 33, 32} {
		x, wander, grow = append(x, float64(10*i)), append(wander, y), append(grow, y+20*float64(i))
	}
	if low, _, ok := Line(x, wander).Slope.Interval(); !ok || low <= 0 {
		t.Errorf("the line of what wanders rises by %v or more; want the interval that misleads", low)
	}
	if low, high, ok := Growth(x, wander).Interval(); !ok || low > 0 || high < 0 {
		t.Errorf("what wanders grows by %v to %v; want nothing that is known", low, high)
	}
	if low, high, ok := Growth(x, grow).Interval(); !ok || low <= 1.5 || high > 3 {
		t.Errorf("what grows does by %v to %v; want around 2", low, high)
	}
	// R: t.test(c(2, 3, 7)).
	if low, high, ok := Growth([]float64{0, 1, 2, 3}, []float64{0, 2, 5, 12}).Interval(); !ok || !near(low, -2.57241060772842) || !near(high, 10.57241060772842) {
		t.Errorf("steps of 2, 3 and 7: %v to %v, %v; want -2.57241 to 10.57241", low, high, ok)
	}
	if e := Growth([]float64{0, 1, 2}, []float64{0, 2, 5}); e.Median != 2.5 || e.Low != nil {
		t.Errorf("steps of 2 and 3: %+v; want their middle, and no interval", e)
	}
	if e := Growth([]float64{1, 1, 2}, []float64{5, 9, 10}); e.N != 1 || e.Median != 1 || e.Low != nil {
		t.Errorf("of one step: %+v; want it, and no interval", e)
	}
}

// R: pbinom(k - 1, n, p, lower.tail = FALSE).
func TestChance(t *testing.T) {
	for _, tt := range []struct {
		k, n    int
		p, want float64
	}{{0, 8, 0.1, 1}, {8, 8, 0.5, 1.0 / 256}, {5, 8, 0.06, 3.73438e-05}, {1, 3, 1, 1}, {4, 3, 0.5, 0}} {
		if got := Chance(tt.k, tt.n, tt.p); math.Abs(got-tt.want) > 1e-4*tt.want {
			t.Errorf("Chance(%d, %d, %v) = %v; want %v", tt.k, tt.n, tt.p, got, tt.want)
		}
	}
}
