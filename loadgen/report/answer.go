package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report/plot"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// inWords is what the paths are called in sentences.
var inWords = map[string]string{scenario.Direct: "direct", scenario.Relay: "one plain hop"}

// owner is who has something, in sentences.
var owner = map[string]string{scenario.Direct: "direct's", scenario.Relay: "one plain hop's"}

// usualAnswer is what is told where the scenario does not say.
var usualAnswer = []string{"goodput", "latency.p50"}

// answer is what was found out about what the scenario asks, made from the numbers alone: a sentence or more each.
// A tunnel of which nothing can be said has a sentence that says why.
func (s *Sheet) answer() (out []string) {
	clauses := map[string][]string{} // by subject: of one sentence
	var missing []string             // numbers that are to be told of every path
	for _, y := range s.about() {
		switch y {
		case "goodput", "latency.p50":
			missing = append(missing, s.parts(y)...)
			for _, p := range s.prices(y) {
				clauses[p.subject] = append(clauses[p.subject], p.String())
			}
		case "ok":
			s.arrived(clauses)
		case "knee":
			out = append(out, s.knees()...)
		case "fault.first":
			out = append(out, s.recoveries()...)
		case "jain":
			out = append(out, s.shares()...)
		case "loaded":
			out = append(out, s.loaded()...)
		case "rss.idle":
			out = append(out, s.idle()...)
		case "rss.growth":
			out = append(out, s.growth()...)
		}
	}
	var told, bases []string
	for _, route := range s.routes() {
		if len(clauses[route.Subject]) > 0 {
			told = append(told, fmt.Sprintf("%s %s.", route.Subject, strings.Join(clauses[route.Subject], "; ")))
		}
		if left := s.leftOut(route, missing); route.Path == scenario.Tunnel {
			told = append(told, left...)
		} else {
			bases = append(bases, left...)
		}
	}
	return slices.Concat(told, out, bases, s.Absent)
}

// about is what the answer is about.
func (s *Sheet) about() []string {
	if len(s.Answer) > 0 {
		return s.Answer
	}
	return usualAnswer
}

// parts are the numbers of a metric that rows of tunnels have which tell of it: parts of another path's, and of none the metric itself.
// A speed that a rate sets is the same on all paths, has no part, and is not told.
func (s *Sheet) parts(name string) []string {
	parts := []string{name + "/" + scenario.Direct, name + "/" + scenario.Relay}
	if slices.ContainsFunc(s.Rows, func(r *Row) bool { return r.Of(parts[0]).N+r.Of(parts[1]).N > 0 }) {
		return parts
	}
	return []string{name}
}

// tells reports whether a group of a cell has one of some numbers, on any path.
func (s *Sheet) tells(row *Row, names []string) bool {
	return row.Is() && slices.ContainsFunc(s.Rows, func(o *Row) bool {
		return o.Is() && o.Cell == row.Cell && o.Group == row.Group && slices.ContainsFunc(names, func(name string) bool { return o.Of(name).N > 0 })
	})
}

// leftOut says which rows of a path are in no answer about some numbers, and why: they are invalid, or have none.
func (s *Sheet) leftOut(route record.Route, names []string) (out []string) {
	var order []string
	where, all := map[string][]string{}, 0
	for _, row := range s.Rows {
		if row.Route != route || !s.tells(row, names) {
			continue
		}
		all++
		why := ""
		for _, n := range s.notesOf([]*Row{row}) {
			if code, text, _ := strings.Cut(n.Text, ": "); row.Verdict == record.Invalid && strings.HasPrefix(code, record.Invalid) && why == "" && text != "" {
				why = "invalid here because " + strings.TrimSuffix(text, ".")
			}
		}
		none := !slices.ContainsFunc(names, func(name string) bool {
			base, _, _ := strings.Cut(name, "/") // direct has no part of itself
			return row.Of(base).N > 0
		})
		switch {
		case why != "":
		case row.Verdict == record.Invalid:
			why = "invalid here"
		case none:
			why = "no number here: too few samples"
		default:
			continue
		}
		if where[why] == nil {
			order = append(order, why)
		}
		where[why] = append(where[why], row.label())
	}
	for _, why := range order {
		text := fmt.Sprintf("%s: %s", cmpOr(route.Subject != "", route.Subject, route.Path), why)
		switch n := len(where[why]); {
		case n == all:
		case n > 4:
			text += fmt.Sprintf(" (%d of %d rows)", n, all)
		default:
			text += " (" + strings.Join(where[why], "; ") + ")"
		}
		out = append(out, text+".")
	}
	return out
}

// A price is what a tunnel has of a metric, and what it costs against other paths, over all cells. What is not what it seems to be is left out.
type price struct {
	subject, name string
	cells         int
	own           analyse.Number            // of one cell: its interval; of several: the median of the cells, the lowest and the highest
	part          map[string]analyse.Number // by path: of its number, repetition by repetition
	more          map[string]analyse.Number // by path: above its number
}

// prices are those of all tunnels that have one.
func (s *Sheet) prices(name string) (out []price) {
	names := s.parts(name)
	for _, subject := range s.subjects() {
		var own []analyse.Number
		part, more := map[string][]analyse.Number{}, map[string][]analyse.Number{}
		for _, row := range s.tunnels(func(r *Row) bool { return r.Subject == subject }) {
			v := row.Of(name)
			if v.N == 0 || row.Verdict == record.Invalid || !s.tells(row, names) {
				continue
			}
			own = append(own, v)
			for _, path := range []string{scenario.Direct, scenario.Relay} {
				other := s.beside(row, path)
				if other == nil || other.Verdict == record.Invalid {
					continue
				}
				if p := row.Of(name + "/" + path); p.N > 0 {
					part[path] = append(part[path], p)
				}
				if o := other.Of(name); o.N > 0 {
					d := v.Median - o.Median
					more[path] = append(more[path], analyse.Number{N: v.N, Median: d, Low: d, High: d})
				}
			}
		}
		if len(own) == 0 {
			continue
		}
		p := price{subject, name, len(own), together(own), map[string]analyse.Number{}, map[string]analyse.Number{}}
		for _, path := range []string{scenario.Direct, scenario.Relay} {
			p.part[path], p.more[path] = together(part[path]), together(more[path])
		}
		out = append(out, p)
	}
	return out
}

// together is the numbers of some cells: of one itself, of several their medians' median, the lowest and the highest.
func together(of []analyse.Number) analyse.Number {
	if len(of) == 1 {
		return of[0]
	}
	var medians []float64
	for _, n := range of {
		medians = append(medians, n.Median)
	}
	return analyse.Reach(medians)
}

// absolute is what the tunnel has, or adds to another path's, in a unit: of several cells what they reach.
func (p *price) absolute(v analyse.Number, unit string) string {
	scale := map[string]float64{"MB/s": 1e-6, "ms": 1e-6}[unit]
	v = v.Times(scale)
	low, high := figures3(v.Low), figures3(v.High)
	switch {
	case p.cells > 1 && low != high && v.Low < 0:
		return low + " to " + high + " " + unit
	case p.cells > 1 && low != high:
		return low + "–" + high + " " + unit
	}
	return spread(v, figures3) + " " + unit
}

// String is a clause: the absolute figures first, then the parts.
func (p price) String() string {
	what := map[string]string{scenario.Direct: "direct throughput", scenario.Relay: "one plain hop's"}
	begin, of := "delivers "+p.absolute(p.own, "MB/s"), func(path string) string {
		return fmt.Sprintf("%.0f %% of %s", 100*p.part[path].Median, what[path]) + p.reach(path, 100, "%.0f–%.0f %%")
	}
	if p.name == "latency.p50" {
		begin = "its median latency is " + p.absolute(p.own, "ms")
		var more []string
		for _, path := range []string{scenario.Direct, scenario.Relay} {
			if p.more[path].N > 0 {
				more = append(more, fmt.Sprintf("%s to %s%s", p.absolute(p.more[path], "ms"), owner[path], cmpOr(len(more) == 0, " median latency", "")))
			}
		}
		if len(more) > 0 {
			begin = "it adds " + strings.Join(more, " and ")
		}
		of = func(path string) string {
			return fmt.Sprintf("%.1f × %s", p.part[path].Median, inWords[path]) + p.reach(path, 1, "%.1f–%.1f")
		}
	}
	var parts []string
	for _, path := range []string{scenario.Direct, scenario.Relay} {
		if p.part[path].N > 0 {
			parts = append(parts, of(path))
		}
	}
	if len(parts) == 0 {
		return begin
	}
	return begin + ": " + strings.Join(parts, " and ")
}

// reach is what a part reaches, in brackets; empty when it is one number.
func (p *price) reach(path string, scale float64, format string) string {
	v := p.part[path]
	if v.Low >= v.High {
		return ""
	}
	return " (" + fmt.Sprintf(format, scale*v.Low, scale*v.High) + ")"
}

// arrived says how many packets came back through each tunnel, of those that were to.
func (s *Sheet) arrived(of map[string][]string) {
	for _, subject := range s.subjects() {
		ok, failed := 0.0, 0.0
		for _, row := range s.Rows {
			if row.Subject == subject {
				ok, failed = ok+row.Of("ok").Median, failed+row.Of("not_ok").Median
			}
		}
		switch {
		case ok+failed == 0:
		case failed == 0:
			of[subject] = append(of[subject], fmt.Sprintf("returned all %.0f packets unchanged", ok))
		default:
			of[subject] = append(of[subject], fmt.Sprintf("returned %.0f of %.0f packets unchanged", ok, ok+failed))
		}
	}
}

// tunnels are the rows of tunnels, of groups of cells or of events.
func (s *Sheet) tunnels(want func(*Row) bool) (out []*Row) {
	for _, row := range s.Rows {
		if row.Path == scenario.Tunnel && want(row) {
			out = append(out, row)
		}
	}
	return out
}

// knees say how much each tunnel takes.
func (s *Sheet) knees() (out []string) {
	for _, row := range s.tunnels(func(r *Row) bool { return r.Of("knee").N > 0 }) {
		where := cmpOr(s.Several, " ("+row.Cell+")", "")
		knee := row.Of("knee")
		if knee.Median == 0 {
			out = append(out, fmt.Sprintf("%s%s does not keep %s even at %s.", row.Subject, where, s.Search.Keep, s.Search.From))
			continue
		}
		text := fmt.Sprintf("%s%s sustains %s%s with %s", row.Subject, where, spread(knee, plot.Number), s.Search.Unit, s.Search.Keep)
		var of []string
		for _, path := range []string{scenario.Direct, scenario.Relay} {
			if part := row.Of("knee/" + path); part.Median > 0 {
				of = append(of, fmt.Sprintf("%.0f %% of %s", 100*part.Median, inWords[path]))
			}
		}
		if len(of) > 0 {
			text += ": " + strings.Join(of, ", ")
		}
		text += "."
		if n := row.Of("knee.limited.generator").Median; n > 0 {
			text += fmt.Sprintf(" In %.0f of %d repetitions the generator gave up first: the knee lies higher.", n, row.N)
		}
		if n := row.Of("knee.limited.range").Median; n > 0 {
			text += fmt.Sprintf(" In %.0f of %d repetitions even %s kept it: the knee lies higher.", n, row.N, s.Search.To)
		}
		out = append(out, text)
	}
	return out
}

// recoveries say what became of the tunnels' streams, and when bytes flowed again.
func (s *Sheet) recoveries() (out []string) {
	for _, subject := range s.subjects() {
		var back, never, through []string
		var again []float64
		var kept, reset, hung float64
		for _, row := range s.tunnels(func(r *Row) bool { return r.Subject == subject && r.Event != "" && r.Event != scenario.ReaderStall }) {
			where := row.Event + cmpOr(row.Cell == row.Event || !s.Several, "", " ("+row.Cell+")")
			first := row.Of("fault.first")
			switch {
			case first.N > 0:
				again, back = append(again, first.Median/1e9), append(back, row.Event)
			case row.Of("fault.seen").N == 0 && row.Of("fault.kept").Median > 0: // no stream broke, and no dial failed
				through = append(through, where)
			default:
				never = append(never, where)
			}
			kept, reset, hung = kept+row.Of("fault.kept").Median, reset+row.Of("fault.reset").Median, hung+row.Of("fault.hung").Median
		}
		if len(back)+len(never)+len(through) == 0 {
			continue
		}
		var parts []string
		if len(through) > 0 {
			parts = append(parts, fmt.Sprintf("delivers throughout %s", list(through)))
		}
		if len(back) > 0 {
			v := analyse.Reach(again)
			parts = append(parts, fmt.Sprintf("delivers octets again %s s after %s", spread(v, func(v float64) string { return fmt.Sprintf("%.2f", v) }), list(back)))
		}
		if len(never) > 0 {
			parts = append(parts, fmt.Sprintf("delivers nothing more after %s within the block of %s", list(never), s.Measured))
		}
		out = append(out, fmt.Sprintf("%s %s; of %.0f streams %.0f survived, %.0f were reset, %.0f hung.", subject, strings.Join(parts, ", and "), kept+reset+hung, kept, reset, hung))
	}
	return out
}

// list is some names, each once; many are a number.
func list(names []string) string {
	names = slices.Compact(names)
	if len(names) > 4 {
		return fmt.Sprintf("%d kinds of fault", len(names))
	}
	return strings.Join(names, ", ")
}

// shares say how evenly connections share.
func (s *Sheet) shares() (out []string) {
	for _, route := range s.routes() {
		var all []float64
		least, silence := 1.0, 0.0
		for _, row := range s.Rows {
			if row.Route == route && row.Of("jain").N > 0 && row.Verdict != record.Invalid {
				all = append(all, row.Of("jain").Median)
				if v := row.Of("jain.least"); v.N > 0 {
					least = min(least, v.Median)
				}
				silence = max(silence, row.Of("silence.most").Median)
			}
		}
		if len(all) > 0 {
			out = append(out, fmt.Sprintf("Over %v connections share with a Jain's index of %s, in the least even 100 ms %.2f; the longest silence of one is %.1f s.",
				route, spread(analyse.Reach(all), figures3), least, silence/1e9))
		}
		out = append(out, s.leftOut(route, []string{"jain"})...)
	}
	return out
}

// loaded says how long packets take beside a load, and how much longer than without it.
func (s *Sheet) loaded() (out []string) {
	percentiles := []string{"p50", "p90", "p99"}
	var names []string
	for _, p := range percentiles {
		names = append(names, "loaded."+p)
	}
	for _, route := range s.routes() {
		var take, times []string
		for i, percentile := range percentiles {
			var ms, of []float64
			for _, row := range s.Rows {
				if v := row.Of(names[i]); row.Route == route && v.N > 0 && row.Verdict != record.Invalid {
					own := row.Of("during." + percentile) // beside readers that stall
					if own.N == 0 {
						own = row.Of("latency." + percentile)
					}
					of, ms = append(of, v.Median), append(ms, own.Median/1e6)
				}
			}
			if len(of) > 0 {
				times = append(times, fmt.Sprintf("%s × (%s)", spread(analyse.Reach(of), figures3), percentile))
				if v := analyse.Reach(ms); v.High > 0 {
					take = append(take, fmt.Sprintf("%s ms (%s)", spread(v, figures3), percentile))
				}
			}
		}
		if len(times) > 0 {
			how := strings.Join(times, " and ") + " what it takes " + cmp.Or(s.Beside, "without")
			if len(take) > 0 {
				how = strings.Join(take, " and ") + ": " + how
			}
			out = append(out, fmt.Sprintf("Under load a packet over %v takes %s.", route, how))
		}
		out = append(out, s.leftOut(route, names)...)
	}
	return append(out, s.stalled()...)
}

// stalled says what each reader that stops has on the way to it, and what becomes of its stream.
func (s *Sheet) stalled() (out []string) {
	for _, subject := range s.subjects() {
		var held []string
		var kept, reset, hung float64
		for _, row := range s.tunnels(func(r *Row) bool { return r.Subject == subject && r.Event == scenario.ReaderStall }) {
			if v := row.Of("fault.held"); v.N > 0 { // else nobody stalled, or every stream of theirs was reset
				held = append(held, fmt.Sprintf("%s MiB with %s", figures3(v.Median/(1<<20)), row.Cell))
			}
			kept, reset, hung = kept+row.Of("fault.kept").Median, reset+row.Of("fault.reset").Median, hung+row.Of("fault.hung").Median
		}
		if kept+reset+hung == 0 {
			continue
		}
		what := fmt.Sprintf("While readers of %s stop", subject)
		if len(held) > 0 {
			what = fmt.Sprintf("On the way to each reader that stops, sent over %s and not yet read: %s;", subject, strings.Join(held, ", "))
		}
		out = append(out, fmt.Sprintf("%s of %.0f streams %.0f survived, %.0f were reset, %.0f hung.", what, kept+reset+hung, kept, reset, hung))
	}
	return out
}

// idle says what an idle connection costs.
func (s *Sheet) idle() (out []string) {
	for _, row := range s.Rows {
		var parts []string
		for _, role := range []string{"client", "server", "relay"} {
			if v := row.Of("rss.idle." + role); v.N > 0 {
				parts = append(parts, fmt.Sprintf("%s KiB in the %s", spread(v.Times(1.0/1024), figures3), role))
			}
		}
		if len(parts) > 0 {
			out = append(out, fmt.Sprintf("An idle connection through %v takes %s.", row.Route, strings.Join(parts, " and ")))
		}
	}
	return out
}

// growth says how the memory of the tunnels' processes changed within a long block.
func (s *Sheet) growth() (out []string) {
	for _, row := range s.tunnels(func(*Row) bool { return true }) {
		for _, role := range []string{"client", "server"} {
			v := row.Of("rss.growth." + role)
			if v.N == 0 {
				continue
			}
			text := fmt.Sprintf("In %s the %s of %s grew by %s MiB", s.Measured, role, row.Subject, spread(v.Times(1.0/(1<<20)), figures3))
			if v.Low <= 0 && v.High >= 0 && v.Low < v.High {
				text += ", which is not distinguishable from none"
			}
			out = append(out, text+".")
		}
	}
	return out
}

// told is an answer in Markdown: a paragraph, or a list when there are several to tell of.
func told(answer []string) string {
	switch len(answer) {
	case 0:
		return ""
	case 1:
		return answer[0] + "\n\n"
	}
	return "- " + strings.Join(answer, "\n- ") + "\n\n"
}
