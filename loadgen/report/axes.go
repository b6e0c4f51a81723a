package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// An axis is one thing in which the cells of a scenario differ.
type axis struct {
	name   string  // size, or bulk.size where the groups differ, or link.rtt
	title  string  // packet size
	values []value // in the order of the cells, each once
	of     map[string]value
}

// A value is one place on an axis.
type value struct {
	at    float64 // 0 when it is no number
	label string  // as short as can be
}

// number reports whether the axis is a scale; else it lists names.
func (a *axis) number() bool {
	return !slices.Contains([]string{"mode", "arrival"}, a.field()) && !strings.HasPrefix(a.name, "timeline.")
}

// field is the name without its group.
func (a *axis) field() string { return a.name[strings.LastIndex(a.name, ".")+1:] }

var titles = map[string]string{
	"size": "packet size", "rate": "packets/s", "packets": "packets a connection", "reader": "reader", "rtt": "round trip", "do": "fault",
}

// fields are what a group, or the link, of a cell may differ in.
func fields(c *scenario.Cell) (names []string, of map[string]value) {
	of = map[string]value{}
	add := func(name string, at float64, label string) {
		names = append(names, name)
		of[name] = value{at, label}
	}
	for _, g := range c.Groups {
		under := g.Name + "."
		add(under+"mode", 0, g.Mode)
		add(under+"connections", float64(g.Connections), fmt.Sprint(g.Connections))
		add(under+"size", float64(g.Size), g.Size.String())
		add(under+"rate", float64(g.Rate), rate(float64(g.Rate)))
		add(under+"arrival", 0, g.Arrival)
		add(under+"packets", float64(g.Packets), fmt.Sprint(g.Packets))
		add(under+"resets", float64(g.Resets), g.Resets.String())
		add(under+"reader", float64(g.Reader)/8e6, cmpOr(g.Reader > 0, g.Reader.String(), "no limit"))
	}
	duration := func(d time.Duration) string { return strings.Replace(d.String(), "ms", " ms", 1) }
	add("link.rtt", float64(c.Link.RTT)/1e6, duration(time.Duration(c.Link.RTT)))
	add("link.jitter", float64(c.Link.Jitter)/1e6, duration(time.Duration(c.Link.Jitter)))
	add("link.rate", float64(c.Link.Rate)/1e6, cmpOr(c.Link.Rate > 0, c.Link.Rate.String(), "no limit"))
	stall := c.Link.Stall
	add("link.stall.p", 100*float64(stall.P), stall.P.String())
	add("link.stall.every", time.Duration(stall.Every).Seconds(), duration(time.Duration(stall.Every)))
	add("link.stall.for", float64(stall.For)/1e6, duration(time.Duration(stall.For)))
	var deeds, at, lasts []string
	for _, e := range c.Timeline {
		deeds, at, lasts = append(deeds, e.Do), append(at, time.Duration(e.At).String()), append(lasts, time.Duration(e.For).String())
	}
	add("timeline.do", 0, strings.Join(deeds, " + "))
	add("timeline.at", 0, strings.Join(at, " + "))
	add("timeline.for", 0, strings.Join(lasts, " + "))
	return names, of
}

func rate(r float64) string {
	if r == 0 {
		return "max"
	}
	return strconv.FormatFloat(r, 'f', -1, 64) + "/s"
}

func cmpOr(when bool, a, b string) string {
	if when {
		return a
	}
	return b
}

// axesOf finds what varies between the cells. What all groups have alike is one axis.
func axesOf(s *scenario.Scenario) (out []axis) {
	if len(s.Cells) < 2 {
		return nil
	}
	names, _ := fields(&s.Cells[0])
	seen := map[string]bool{} // axes by their values
	for _, name := range names {
		a := axis{name: name, of: map[string]value{}}
		var all []string
		for i := range s.Cells {
			_, of := fields(&s.Cells[i])
			v := of[name]
			a.of[s.Cells[i].Name] = v
			all = append(all, v.label)
			if !slices.Contains(a.values, v) {
				a.values = append(a.values, v)
			}
		}
		group, field, _ := strings.Cut(name, ".")
		key := field + strings.Join(all, "|")
		of := group != "link" && group != "timeline" // a group of connections
		if len(a.values) < 2 || of && seen[key] {
			continue
		}
		seen[key] = true
		a.title = cmpOr(titles[field] != "", titles[field], field)
		switch {
		case of && len(s.Cells[0].Groups) == 1:
			a.name = field
		case of:
			a.title = group + ": " + a.title
		case name == "link.rate":
			a.title = "link, Mbit/s"
		}
		out = append(out, a)
	}
	return out
}

// ticks are the values of some cells, as places: a scale of numbers over 0, or equal steps.
func (a *axis) ticks(cells []*scenario.Cell) (ticks []plot.Tick, at func(*scenario.Cell) float64, log bool) {
	log = a.number()
	for _, c := range cells {
		log = log && a.of[c.Name].at > 0
	}
	place := map[value]float64{}
	for i, v := range a.values {
		if !slices.ContainsFunc(cells, func(c *scenario.Cell) bool { return a.of[c.Name] == v }) {
			continue
		}
		if place[v] = float64(i); log {
			place[v] = v.at
		}
		ticks = append(ticks, plot.Tick{At: place[v], Label: v.label})
	}
	return ticks, func(c *scenario.Cell) float64 { return place[a.of[c.Name]] }, log
}

// say names the value of a cell so that it is understood without the axis.
func (a *axis) say(cell string) string {
	v := cmp.Or(a.of[cell].label, "none")
	switch a.field() {
	case "connections":
		if group, _, of := strings.Cut(a.name, "."); of {
			return v + " " + group + " connections"
		}
		return v + " connections"
	case "packets":
		return v + " packets each"
	case "resets":
		return v + " reset"
	case "rtt":
		return "round trip " + v
	case "jitter":
		return "jitter " + v
	case "for":
		return "for " + v
	case "at":
		return "at " + v
	}
	return v
}

// labelOf is a cell by what it differs in: 64 KiB where one thing varies,
// 10 × 64 KiB, or the whole name where nothing does.
func labelOf(axes []axis, cell string) string {
	switch len(axes) {
	case 0:
		return cell
	case 1:
		return axes[0].of[cell].label
	}
	var parts []string
	for i := 0; i < len(axes); i++ {
		a := &axes[i]
		if a.name == "connections" && i+1 < len(axes) && axes[i+1].name == "size" {
			parts = append(parts, a.of[cell].label+" × "+axes[i+1].of[cell].label)
			i++
			continue
		}
		parts = append(parts, a.say(cell))
	}
	return strings.Join(parts, ", ")
}
