package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
)

// paint colours a text by its meaning; plain leaves it alone.
type paint func(meaning, s string) string

func plain(_, s string) string { return s }

// coloured is paint for a terminal.
func coloured(meaning, s string) string {
	switch meaning {
	case "good":
		return text.FgGreen.Sprint(s)
	case "bad":
		return text.Colors{text.FgRed, text.Bold}.Sprint(s)
	case "warn":
		return text.FgYellow.Sprint(s)
	case "faint":
		return text.Faint.Sprint(s)
	case "strong":
		return text.Bold.Sprint(s)
	}
	return s
}

// meaning is how a verdict is painted.
func meaning(v engine.Verdict) string {
	switch v {
	case engine.Pass:
		return "good"
	case engine.Fail, engine.NotTestable, engine.SuiteError, Stale:
		return "bad"
	case engine.PassNonstrict, engine.Inconclusive, Known:
		return "warn"
	}
	return "faint"
}

// Headline is the first thing to say about a result that is no pass.
func Headline(res engine.Result) string { return headline(res.Reason, res.Findings) }

// Headline is the first thing to say about an entry that is no pass.
func (e Entry) Headline() string { return headline(e.Reason, e.Findings) }

func headline(reason string, findings []engine.Finding) string {
	if len(findings) == 0 {
		return reason
	}
	return findings[0].String()
}

// aspects are what a finding judges, in words.
var aspects = map[engine.Aspect]string{engine.Message: "by what it sent", engine.Ending: "by how it ended"}

// explain writes everything that a reader needs to find the fault.
func explain(w io.Writer, e Entry, p paint) {
	fmt.Fprintf(w, "%s  %s\n", p(meaning(e.Verdict), string(e.Verdict)), p("strong", e.Case+"  "+e.Title))
	if e.Unscored != "" {
		fmt.Fprintf(w, "  unscored  %s: it changes neither verdict nor exit code\n", e.Unscored)
	}
	fmt.Fprintf(w, "  clause    %s %s\n", e.Level, e.Clause)
	if e.Reason != "" {
		fmt.Fprintf(w, "  reason    %s\n", indented(e.Reason))
	}
	for _, f := range e.Findings {
		by := ""
		if f.Oracle {
			by = ", seen by a rule that holds in every case"
		}
		fmt.Fprintf(w, "  %s    %s (%s, %s, at %.3fs%s)\n", p("bad", "broken"), f.Req, f.Level, aspects[f.Aspect], f.At.Seconds(), by)
		fmt.Fprintf(w, "    %-9s %s\n", f.Label(), indented(f.Sentence))
		if f.Expected != "" {
			fmt.Fprintf(w, "    expected  %s\n", indented(f.Expected))
		}
		if f.Got != "" {
			fmt.Fprintf(w, "    got       %s\n", indented(f.Got))
		}
	}
	for _, n := range e.Notes {
		fmt.Fprintf(w, "  note      %s\n", indented(n))
	}
	if len(e.Ports) > 0 {
		fmt.Fprintf(w, "  suite at  %s\n", strings.Join(e.Ports, "  "))
	}
	if e.Closed != "" {
		fmt.Fprintf(w, "  closed    the subject ended its last tunnel: %s\n", e.Closed)
	}
	if e.LateMS > 0 {
		fmt.Fprintf(w, "  machine   the suite's own timers came up to %dms late%s\n", e.LateMS, again(e.Attempts))
	}
	if len(e.Log) > 0 {
		fmt.Fprintf(w, "  the subject's last lines\n")
		for _, l := range e.Log {
			fmt.Fprintf(w, "    %s\n", p("faint", fmt.Sprintf("%q", l)))
		}
	}
	if len(e.Trace) > 0 {
		fmt.Fprintf(w, "  trace\n")
		for _, l := range shortened(e.Trace) {
			fmt.Fprintf(w, "    %s\n", l)
		}
	}
}

// again says why a case was tried more than once.
func again(attempts int) string {
	if attempts < 2 {
		return ""
	}
	return fmt.Sprintf("; attempt %d, the machine was too busy to judge the others", attempts)
}

// traceLines is how many lines of a long trace are shown: its head and its tail.
const traceLines = 120

// shortened leaves out the middle of a long trace.
func shortened(trace []string) []string {
	left := len(trace) - traceLines
	if left <= 0 {
		return trace
	}
	return slices.Concat(trace[:traceLines/3], []string{fmt.Sprintf("      ... %d events left out ...", left)}, trace[traceLines/3+left:])
}

// indented keeps a text of several lines inside its column.
func indented(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n              ")
}

// WriteCertificate writes the certificate: failures explained, then the table of classes.
func (f File) WriteCertificate(w io.Writer, color bool) {
	p := paint(plain)
	if color {
		p = coloured
	}
	for _, e := range f.Results {
		if passed(e.Verdict) || e.Verdict == Known {
			continue
		}
		fmt.Fprintln(w)
		explain(w, e, p)
	}
	fmt.Fprintf(w, "\n%s\n", p("strong", "adit conformance certificate"))
	fmt.Fprintf(w, "  subject       %s\n", Clean(f.Subject))
	fmt.Fprintf(w, "  suite         %s\n", f.Suite)
	fmt.Fprintf(w, "  spec          %s\n", f.Spec)
	fmt.Fprintf(w, "  requirements  set %s: %s\n", f.Requirements, f.Coverage)
	fmt.Fprintf(w, "  run           %s, took %s, seed %d\n", f.Started.Format(time.RFC3339), (time.Duration(f.TookMS) * time.Millisecond).Round(100*time.Millisecond), f.Seed)
	fmt.Fprintf(w, "  machine       %s/%s, %d CPUs, %s; own timers up to %s late\n", f.Host.OS, f.Host.Arch, f.Host.CPUs, f.Host.Go, f.Host.Worst.Round(time.Millisecond))
	if f.Segmentation != "" {
		fmt.Fprintf(w, "  segmentation  %s\n", cutting[f.Segmentation])
	}
	if names := f.notExamined(); names != "" {
		fmt.Fprintf(w, "  not examined  %s\n", names)
	}
	if len(f.Selection) > 0 {
		fmt.Fprintf(w, "  selection     %s\n", strings.Join(f.Selection, ", "))
	}
	for _, u := range f.Unreachable {
		fmt.Fprintf(w, "  %s   %s\n", p("bad", "unreachable"), u)
	}
	for _, l := range f.Lost {
		fmt.Fprintf(w, "    %s\n", p("faint", fmt.Sprintf("%q", l)))
	}
	if f.Broken != "" {
		fmt.Fprintf(w, "  %s   %s\n", p("bad", "suite error"), f.Broken)
	}
	fmt.Fprintln(w)
	f.writeClasses(w, p)
	f.writeFailed(w, p)
	f.writeLeftOut(w, p)
	meaning, head, rest := f.conclusion()
	fmt.Fprintf(w, "\n%s%s\n", p(meaning, head), rest)
}

// cutting says what the two values of segmentation mean.
var cutting = map[string]string{
	"on":  "on: each case also with its octets cut in all ways",
	"off": "off: each case once; what shows only when frames come in pieces was not looked for",
}

func (f File) writeClasses(w io.Writer, p paint) {
	t := newTable()
	t.AppendHeader(table.Row{"class", "MUST", "SHOULD", "failed", "nonstrict", "inconclusive", "not run", "not applicable", "standing"})
	for _, c := range f.Classes {
		standing := map[string]string{Certified: "good", NotCertified: "bad", Deviating: "warn"}[c.Standing]
		t.AppendRow(table.Row{
			c.Name, fmt.Sprintf("%d/%d", c.Must[0], c.Must[1]), fmt.Sprintf("%d/%d", c.Should[0], c.Should[1]),
			c.Counts[engine.Fail] + c.Counts[engine.NotTestable] + c.Counts[Stale], c.Counts[engine.PassNonstrict],
			c.Counts[engine.Inconclusive] + c.Counts[engine.SuiteError], c.Counts[engine.NotRun], c.Counts[engine.NotApplicable],
			p(standing, c.Words()),
		})
	}
	for _, line := range strings.Split(t.Render(), "\n") {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
	}
}

// newTable is an empty table in the one style of all reports.
func newTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Format.Header = text.FormatDefault
	return t
}

// writeFailed gathers failures by requirement: several are often one fault.
func (f File) writeFailed(w io.Writer, p paint) {
	if f.failures() < 2 {
		return
	}
	n := map[string]int{}
	for _, e := range f.Results {
		if failed(e.Verdict) && e.Unscored == "" {
			n[e.ID]++
		}
	}
	ids := cases.IDs()
	place := func(a, b string) int { // an ID of another version comes first
		return cmp.Or(cmp.Compare(slices.Index(ids, a), slices.Index(ids, b)), cmp.Compare(a, b))
	}
	fmt.Fprintf(w, "\n  %s\n", p("faint", "failed, in the order of PROTOCOL.md; later sections build on earlier ones, so begin with the first:"))
	for _, id := range slices.SortedFunc(maps.Keys(n), place) {
		fmt.Fprintf(w, "    %s, %s\n", id, Count(n[id], "case"))
	}
}

// manyNames is from where on a list of names says less than their number; the JSON report has them all.
const manyNames = 80

// writeLeftOut names what the certificate does not cover, by reason, and what it excuses.
func (f File) writeLeftOut(w io.Writer, p paint) {
	names := map[string][]string{}
	var order []string
	for _, e := range f.Results {
		var k string
		switch {
		case e.Unscored != "":
			k = e.Unscored + ", unscored, " + string(e.Verdict)
		case e.Verdict == engine.NotRun, e.Verdict == engine.NotApplicable, e.Verdict == Known:
			k = string(e.Verdict) + ", " + e.Reason
		default:
			continue
		}
		if names[k] == nil {
			order = append(order, k)
		}
		names[k] = append(names[k], e.Case)
	}
	for _, u := range f.Untested {
		k := string(u.How) + ", " + u.Reason
		if names[k] == nil {
			order = append(order, k)
		}
		names[k] = append(names[k], u.ID)
	}
	for _, k := range order {
		if n := len(names[k]); n > manyNames {
			fmt.Fprintf(w, "\n  %s\n", p("faint", k+": "+Count(n, "case")))
			continue
		}
		fmt.Fprintf(w, "\n  %s\n", p("faint", k+":"))
		line := "   "
		for _, n := range names[k] {
			if len(line)+len(n) > 110 {
				fmt.Fprintln(w, line)
				line = "   "
			}
			line += " " + n
		}
		fmt.Fprintln(w, line)
	}
}

// conclusion is the verdict of the run: how it is painted, its head, and what follows the head.
func (f File) conclusion() (meaning, head, rest string) {
	switch f.ExitCode {
	case ExitCertified:
		tone, but := "good", ""
		if n := f.Counts[Known]; n > 0 {
			tone, but = "warn", strings.ToUpper(butFor(n))
		}
		if names := f.certified(); names != "" {
			return tone, "CERTIFIED" + but, " " + names
		}
		return tone, "PASSED" + but, ", for the selected requirements"
	case ExitFailed:
		n, stale := f.failures(), ""
		if s := f.Counts[Stale]; s > 0 {
			n -= s
			stale = fmt.Sprintf(", %d passed against the baseline", s)
		}
		return "bad", "NOT CERTIFIED", ": " + Count(n, "case") + " failed" + stale
	case ExitUnreachable:
		why, _, _ := strings.Cut(strings.Join(f.Unreachable, "; "), "\n")
		return "bad", "UNREACHABLE", ": " + why
	case ExitSuiteError:
		return "bad", "SUITE ERROR", ": the suite itself broke; please report it"
	case ExitInconclusive:
		return "warn", "INCONCLUSIVE", ": nothing failed, but not everything could be told; run again on a quieter machine"
	}
	text := ": no case that was selected could be run"
	if len(f.Selection) > 0 {
		text += "; adit-conform list ID says what tests a requirement, and in whom"
	}
	return "warn", "NOTHING SCORED", text
}
