package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// someStreams is how many streams of a block are named one by one.
const someStreams = 3

// someRows is how many rows against which the same speaks are named one by one; all are marked in the tables.
const someRows = 3

// problems are everything that went wrong, and what speaks against the numbers.
func problems(r *record.Record) (out []string) {
	out = lost(r)
	for _, f := range r.Findings {
		if f.Code == record.Stall || f.Code == record.Leak || f.Code == record.Cut { // wrong bytes are named above
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%s, %v: ", f.Cell, f.Route), ", ")+f.Code+": "+f.Detail)
		}
	}
	for _, n := range r.NotRun {
		out = append(out, n.String())
	}
	if r.Interrupted && r.Validity == nil {
		out = append(out, "stopped before the end: the numbers cover what was complete")
	}
	for _, th := range r.Thresholds {
		if th.Verdict != record.Pass {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s, %v: threshold %s: %s: %s", th.Cell, th.Route, th.Expect, th.Verdict, cmp.Or(th.Reason, th.Is())), ": "))
		}
	}
	if r.Validity != nil {
		seen := map[string]int{}
		for _, v := range r.Validity.Reasons {
			if seen[v.Code+v.Verdict]++; seen[v.Code+v.Verdict] > someRows {
				continue
			}
			row := slices.DeleteFunc([]string{v.Cell, v.Route.String(), v.Group}, func(s string) bool { return s == "" || s == "load" })
			out = append(out, strings.TrimPrefix(strings.Join(row, ", ")+": ", ": ")+v.Verdict+": "+v.Detail)
		}
		for _, v := range r.Validity.Reasons {
			if more := seen[v.Code+v.Verdict] - someRows; more > 0 {
				out = append(out, fmt.Sprintf("%d more rows are %s: %s", more, v.Verdict, v.Meaning()))
			}
			delete(seen, v.Code+v.Verdict)
		}
	}
	return out
}

// lost says which packets were not ok, and on which streams, once for all
// repetitions of a cell on a route. What a fault of the time line broke is no
// problem but the answer: the table of faults has it.
func lost(r *record.Record) (out []string) {
	type place struct {
		cell  string
		route record.Route
	}
	var order []place
	of := map[place][]*record.Block{}
	all := r.All()
	for i := range all {
		p := place{all[i].Cell, all[i].Route}
		if of[p] == nil {
			order = append(order, p)
		}
		of[p] = append(of[p], &all[i])
	}
	for _, p := range order {
		failed, blocks, strays, hung, unexcused := map[string]int64{}, map[string]int{}, 0, 0, int64(0)
		var names []string // of outcomes, by group
		var streams []*payload.Fault
		for _, b := range of[p] {
			strays += b.Strays
			streams = append(streams, b.Faults...)
			hung, unexcused = hung+b.Hung(), unexcused+b.Unexcused
			if b.Broken() || r.Starved(b) != "" {
				continue
			}
			streams = append(streams, b.Undelivered...)
			for _, g := range b.Groups {
				for _, how := range load.Outcomes {
					if n := g.Failed[how]; n > 0 {
						what := strings.TrimPrefix(g.Name+": ", "load: ") + "%s " + how
						if failed[what] == 0 {
							names = append(names, what)
						}
						failed[what] += n
						blocks[what]++
					}
				}
			}
		}
		where := fmt.Sprintf("%v, %v", p.cell, p.route)
		for _, what := range names {
			out = append(out, fmt.Sprintf("%s: %s in %d of %d blocks", where, fmt.Sprintf(what, packetCount(failed[what])), blocks[what], len(of[p])))
		}
		for _, f := range streams[:min(len(streams), someStreams)] {
			out = append(out, where+": "+f.Error())
		}
		if more := len(streams) - someStreams; more > 0 {
			out = append(out, fmt.Sprintf("%s: %d more streams, which the record names", where, more))
		}
		if hung > 0 {
			out = append(out, fmt.Sprintf("%s: %d streams hung after a fault", where, hung))
		}
		if unexcused > 0 {
			out = append(out, fmt.Sprintf("%s: %d streams or dials failed when nothing of the time line had broken them", where, unexcused))
		}
		if strays > 0 {
			out = append(out, fmt.Sprintf("%s: %d connections reached the target without their first octets", where, strays))
		}
	}
	return out
}

func packetCount(n int64) string {
	return cmpOr(n == 1, "1 packet", fmt.Sprintf("%d packets", n))
}

// best is where each subject was fastest and quickest, where there are several cells.
func (s *Sheet) best() (out []string) {
	if !s.Several {
		return nil
	}
	for _, subject := range s.subjects() {
		var fastest, quickest *Row
		for _, row := range s.tunnels(func(r *Row) bool { return r.Subject == subject && r.Is() && r.Verdict != record.Invalid }) {
			if v := row.Of("goodput").Median; v > 0 && (fastest == nil || v > fastest.Of("goodput").Median) {
				fastest = row
			}
			if v := row.Of("latency.mean").Median; v > 0 && (quickest == nil || v < quickest.Of("latency.mean").Median) {
				quickest = row
			}
		}
		if fastest != nil {
			v := fastest.Of("goodput").Median
			out = append(out, fmt.Sprintf("%s is fastest at %s: %.2f MB/s (%.1f Mbps)", subject, s.where(fastest), v/1e6, v*8/1e6))
		}
		if quickest != nil {
			out = append(out, fmt.Sprintf("%s has its lowest latency at %s: %.3f ms on average", subject, s.where(quickest), quickest.Of("latency.mean").Median/1e6))
		}
	}
	return out
}

// where is a row's cell in a sentence: connections 100.
func (s *Sheet) where(row *Row) string {
	return strings.TrimPrefix(s.CellHead+" "+row.label(), "cell ")
}

// verdict is how the run ended, in a few words; good when nothing is wrong.
func verdict(r *record.Record) (text string, good bool) {
	switch r.Ending() {
	case record.EndedFaulty:
		return "wrong octets were received", false
	case record.EndedStopped:
		return "stopped before the end", false
	case record.EndedStarved:
		return "adit-load itself ran out of what it needs: nothing is said about the subject", false
	case record.EndedFailed:
		return cmpOr(r.Failed() == 1, "1 packet was not ok", fmt.Sprintf("%d packets were not ok", r.Failed())), false
	}
	but := ""
	if rivals := r.FailedRivals(); len(rivals) > 0 {
		but = " but those of " + strings.Join(rivals, " and ")
	}
	return "every packet ok" + but + ", every octet checked", true
}
