package report

import (
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/summary"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

// CSV is every number of a record in long form, one a line: base units,
// nothing rounded. First the metrics, then what they are made of.
func CSV(r *record.Record) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	settings, axes := map[string]string{}, axesOf(r.Scenario)
	for _, c := range r.Scenario.Cells {
		var of []string
		for _, a := range axes {
			of = append(of, a.name+"="+a.of[c.Name].label)
		}
		settings[c.Name] = strings.Join(of, "; ")
	}
	line := func(cell, group string, route record.Route, repetition int, name string, v float64, unit string) {
		_ = w.Write([]string{ // a Builder takes all
			cell, settings[cell], group, route.String(), strconv.Itoa(repetition), name, strconv.FormatFloat(v, 'f', -1, 64), unit,
		})
	}
	_ = w.Write([]string{"cell", "settings", "group", "route", "repetition", "metric", "value", "unit"})
	for _, s := range summary.Make(r, r.Blocks).Series {
		for _, p := range s.Points {
			line(s.Cell, s.Group, s.Route, p.Repetition, s.Metric, p.Value, s.Kind.Unit)
		}
	}
	for i := range r.Blocks {
		block := &r.Blocks[i]
		for _, g := range block.Groups {
			add := func(name string, v float64, unit string) {
				line(block.Cell, g.Name, block.Route, block.Repetition, name, v, unit)
			}
			add("measured", g.Seconds*1e9, metric.Nanoseconds)
			add("octets", float64(g.Octets), metric.Octets)
			add("ok", g.Packets, "packets")
			for _, how := range workload.Outcomes {
				add(how, float64(g.Failed[how]), "packets")
			}
			add("failed_connects", float64(g.FailedConnects), "connections")
			for _, d := range []struct {
				name string
				of   *hist.Dist
			}{{"service", g.Service}, {"response", g.Response}, {"lag", g.Lag}, {"connect", g.Connect}, {"first", g.First}} {
				if d.of == nil {
					continue
				}
				add(d.name+".min", float64(d.of.Min), metric.Nanoseconds)
				add(d.name+".mean", float64(d.of.Mean), metric.Nanoseconds)
				add(d.name+".max", float64(d.of.Max), metric.Nanoseconds)
				if d.of.P999 > 0 {
					add(d.name+".p99.9", float64(d.of.P999), metric.Nanoseconds)
				}
				if d.of.P9999 > 0 {
					add(d.name+".p99.99", float64(d.of.P9999), metric.Nanoseconds)
				}
			}
		}
		for _, u := range block.Processes {
			line(block.Cell, "", block.Route, block.Repetition, "cpu."+u.Role, u.CPUSeconds*1e9, metric.Nanoseconds)
		}
		if block.Wire != nil {
			line(block.Cell, "", block.Route, block.Repetition, "wire.up", float64(block.Wire.Up), metric.Octets)
			line(block.Cell, "", block.Route, block.Repetition, "wire.down", float64(block.Wire.Down), metric.Octets)
		}
	}
	w.Flush()
	return b.String()
}
