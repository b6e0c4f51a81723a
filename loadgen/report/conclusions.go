package report

import (
	"fmt"
	"slices"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

// conclusions are the tables of what was concluded of several rows; one without anything to say is left out.
func conclusions(r *record.Record) []grid {
	axes := axesOf(r.Scenario)
	name := func(cell string) string { return cmpOr(cell == "", "", labelOf(axes, cell)) } // an expectation may be of a path alone
	thresholds := grid{Title: "Thresholds", Note: "What the scenario expects.", Head: []string{"cell", "path", "expected", "found", "verdict"}}
	for _, t := range r.Thresholds {
		thresholds.add(name(t.Cell), t.Route.String(), t.Expect, t.Is(), t.Verdict)
	}
	growth := grid{Title: "Growth", Note: "How a process grows: for each connection over all blocks, or per hour within long ones; in brackets the 95 % interval.", Head: []string{"process", "path", "what", "per", "slope"}}
	for _, g := range r.Slopes {
		growth.add(g.Role, g.Route.String(), g.What, g.Per, slope(g))
	}
	beside := grid{Title: "Beside a load", Note: "What a cell has as a multiple of what it has without the load, or the stalled readers, beside it, or with what stands in their place: loaded ÷ idle, in the same repetition.", Head: []string{"cell", "path", "group", "metric", "times"}}
	for _, a := range r.Apart {
		beside.add(name(a.Cell), a.Route.String(), a.Group, a.Metric, estimate(a.Estimate, 1))
	}
	floor := grid{Title: "Noise floor", Note: "The smallest change that this run could show: how far apart two measurements of the same thing were.", Head: []string{"metric", "group", "pairs", "change %"}}
	for _, f := range r.Floor {
		floor.add(f.Metric, f.Group, fmt.Sprint(f.N), fmt.Sprintf("%.1f", 100*f.Change))
	}
	all := []grid{thresholds, growth, beside, generators(r), floor}
	if cs := r.Comparison; len(cs) > 0 {
		all = slices.Insert(all, 1, comparison(cs, name))
	}
	return slices.DeleteFunc(all, func(g grid) bool { return len(g.Rows) == 0 && g.Title != "Comparison" })
}

// generators are how those that measured did themselves, at their worst.
func generators(r *record.Record) grid {
	s := grid{Title: "Generators", Note: "As they saw themselves, each in its worst block: CPU time, how long the garbage collector stopped them, and how long one goroutine in a hundred waited for a thread.", Head: []string{"generator", "address", "CPU %", "longest pause ms", "wait for a thread, p99 ms"}}
	var worst []sample.Runtime
	for _, b := range r.Blocks {
		seconds := 0.0
		for _, g := range b.Groups {
			seconds = max(seconds, g.Seconds)
		}
		for i, g := range b.Generators {
			if i == len(worst) {
				worst = append(worst, sample.Runtime{})
			}
			w := &worst[i]
			w.CPUSeconds, w.PauseMost, w.SchedP99 = max(w.CPUSeconds, g.CPUSeconds/max(seconds, 1e-9)), max(w.PauseMost, g.PauseMost), max(w.SchedP99, g.SchedP99)
		}
	}
	for i, w := range worst {
		at := "–"
		if i < len(r.Clocks) {
			at = r.Clocks[i].Address
		}
		s.add(fmt.Sprint(i+1), at, fmt.Sprintf("%.0f", 100*w.CPUSeconds), figures3(1e3*w.PauseMost), figures3(1e3*w.SchedP99))
	}
	return s
}

// slope writes how a process grows in a unit that people read.
func slope(g record.Slope) string {
	switch {
	case g.What == "rss" && g.Per == record.PerHour:
		return estimate(g.Estimate, 1.0/(1<<20)) + " MiB"
	case g.What == "rss":
		return estimate(g.Estimate, 1.0/1024) + " KiB"
	}
	return estimate(g.Estimate, 1)
}

// estimate writes a number and its interval.
func estimate(e record.Estimate, scale float64) string {
	if low, high, ok := e.Interval(); ok {
		return fmt.Sprintf("%.4g (%.4g to %.4g)", scale*e.Median, scale*low, scale*high)
	}
	return fmt.Sprintf("%.4g", scale*e.Median)
}
