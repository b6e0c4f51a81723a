package plot

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// A scale is a range of values with its ticks.
type scale struct {
	least, most float64
	log         bool
	ticks       []Tick
}

// steep is the ratio of the largest to the smallest value from which a scale is logarithmic.
const steep = 25

// scaleOf suits values: from zero, or logarithmic when they are far apart.
// A logarithmic scale has no place for zero: what is there is drawn at its lower end.
func scaleOf(values []float64) scale {
	least, most, positive := math.Inf(1), math.Inf(-1), math.Inf(1)
	for _, v := range values {
		if !finite(v) {
			continue
		}
		least, most = min(least, v), max(most, v)
		if v > 0 {
			positive = min(positive, v)
		}
	}
	if most < least {
		return scale{0, 1, false, nil}
	}
	if least >= 0 && most/positive >= steep && !math.IsInf(positive, 1) {
		return scale{positive, most, true, nil}
	}
	return scale{least, most, false, nil}
}

// apply gives an axis of values the scale, with round ends.
func (s *scale) apply(a *plot.Axis) {
	if s.log {
		s.ticks = logarithmic(s.least, s.most)
		a.Scale = plot.LogScale{}
		a.Min, a.Max = min(s.least, s.ticks[0].At)/1.02, max(s.most, s.ticks[len(s.ticks)-1].At)*1.02
	} else {
		least, most := min(s.least, 0), s.most*1.05
		if most <= least {
			most = least + 1
		}
		s.ticks = linear(least, most, 5)
		a.Min, a.Max = least, most
	}
	a.Tick.Marker = constant(s.ticks)
}

// linear is about n ticks at round numbers.
func linear(least, most float64, n int) (out []Tick) {
	step := math.Pow(10, math.Floor(math.Log10((most-least)/float64(n))))
	for _, f := range []float64{1, 2, 5, 10} {
		if (most-least)/(step*f) <= float64(n) {
			step *= f
			break
		}
	}
	for i := math.Ceil(least/step - 1e-9); i*step <= most*(1+1e-9); i++ {
		out = append(out, Tick{i * step, Number(i * step)})
	}
	return out
}

// logarithmic is the powers of ten within a range, and 2 and 5 times them when these are few.
func logarithmic(least, most float64) (out []Tick) {
	factors := []float64{1, 2, 5}
	if most/least > 500 {
		factors = factors[:1]
	}
	for e := math.Floor(math.Log10(least)); e <= math.Log10(most); e++ {
		for _, f := range factors {
			if v := f * math.Pow(10, e); v >= least/1.3 && v <= most*1.3 {
				out = append(out, Tick{v, Number(v)})
			}
		}
	}
	if len(out) == 0 {
		out = []Tick{{least, Number(least)}}
	}
	return out
}

// Number writes a value in short: 0.05, 1.5, 20, 30k, 1.2M.
func Number(v float64) string {
	unit := ""
	switch a := math.Abs(v); {
	case a >= 1e9:
		v, unit = v/1e9, "G"
	case a >= 1e6:
		v, unit = v/1e6, "M"
	case a >= 1e4:
		v, unit = v/1e3, "k"
	}
	if v == 0 {
		return "0"
	}
	digits := max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0) // three that count
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	return strconv.FormatFloat(r, 'f', -1, 64) + unit
}

// constant are fixed ticks; one without a label is a minor tick, without line.
func constant(ticks []Tick) plot.ConstantTicks {
	var out plot.ConstantTicks
	for _, t := range ticks {
		out = append(out, plot.Tick{Value: t.At, Label: t.Label})
	}
	return out
}

// thin takes away labels that would touch the one before; the last one stays.
func thin(ticks []Tick, at func(float64) float64, width func(string) vg.Length) []Tick {
	out := append([]Tick(nil), ticks...)
	const gap = 8
	free := math.Inf(1)
	for i := len(out) - 1; i >= 0; i-- {
		half := float64(width(out[i].Label)) / 2
		x := at(out[i].At)
		if x+half > free {
			out[i].Label = ""
			continue
		}
		free = x - half - gap
	}
	return out
}
