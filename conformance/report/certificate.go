package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

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
	case engine.Fail, engine.NotTestable, engine.SuiteError:
		return "bad"
	case engine.PassNonstrict, engine.Inconclusive:
		return "warn"
	}
	return "faint"
}

// Headline is the first thing to say about a result that is no pass.
func Headline(res engine.Result) string {
	if len(res.Findings) == 0 {
		return res.Reason
	}
	f := res.Findings[0]
	s := f.Sentence
	if f.Got != "" {
		s += ": " + f.Got
	}
	return s
}

// explain writes everything that a reader needs to find the fault.
func explain(w io.Writer, res engine.Result, p paint) {
	c := res.Case
	fmt.Fprintf(w, "%s  %s\n", p(meaning(res.Verdict), string(res.Verdict)), p("strong", c.Name()+"  "+c.Title))
	fmt.Fprintf(w, "  clause    %s %s\n", c.Req.Level, c.Req.Text)
	if res.Reason != "" {
		fmt.Fprintf(w, "  reason    %s\n", indented(res.Reason))
	}
	for _, f := range res.Findings {
		by := ""
		if f.Oracle {
			by = ", seen by a rule that holds in every case"
		}
		fmt.Fprintf(w, "  %s  %s (%s, %s at %.3fs%s)\n", p("bad", "broken"), f.Req, f.Level, f.Aspect, f.At.Seconds(), by)
		fmt.Fprintf(w, "    meant     %s\n", indented(f.Sentence))
		if f.Expected != "" {
			fmt.Fprintf(w, "    expected  %s\n", indented(f.Expected))
		}
		if f.Got != "" {
			fmt.Fprintf(w, "    got       %s\n", indented(f.Got))
		}
	}
	for _, n := range res.Notes {
		fmt.Fprintf(w, "  note      %s\n", indented(n))
	}
	if len(res.Ports) > 0 {
		fmt.Fprintf(w, "  suite at  %s\n", strings.Join(res.Ports, "  "))
	}
	if res.Closed != "" {
		fmt.Fprintf(w, "  closed    the subject ended its last tunnel: %s\n", res.Closed)
	}
	if res.Late > 0 {
		fmt.Fprintf(w, "  machine   the suite's own timers came up to %s late; %d attempt(s)\n", res.Late.Round(time.Millisecond), res.Attempts)
	}
	if len(res.Log) > 0 {
		fmt.Fprintf(w, "  the subject's last lines\n")
		for _, l := range res.Log {
			fmt.Fprintf(w, "    %s\n", p("faint", fmt.Sprintf("%q", l)))
		}
	}
	if len(res.Trace) > 0 {
		fmt.Fprintf(w, "  trace\n")
		engine.WriteTrace(w, "    ", res.Trace)
	}
}

// indented keeps a text of several lines inside its column.
func indented(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n              ")
}

// WriteCertificate writes the certificate: failures explained, then the table of classes.
func (r *Run) WriteCertificate(w io.Writer, color bool) {
	p := paint(plain)
	if color {
		p = coloured
	}
	for _, res := range r.Results {
		switch res.Verdict {
		case engine.Pass, engine.NotApplicable, engine.NotRun:
			continue
		}
		fmt.Fprintln(w)
		explain(w, res, p)
	}
	fmt.Fprintf(w, "\n%s\n", p("strong", "adit conformance certificate"))
	fmt.Fprintf(w, "  subject       %s\n", clean(r.Subject))
	fmt.Fprintf(w, "  requirements  %s, suite %s\n", r.Requirements, r.Suite)
	fmt.Fprintf(w, "  run           %s, took %s, seed %d\n", r.Started.Format(time.RFC3339), r.Took.Round(100*time.Millisecond), r.Seed)
	fmt.Fprintf(w, "  machine       %s/%s, %d CPUs, %s; own timers up to %s late\n", r.Host.OS, r.Host.Arch, r.Host.CPUs, r.Host.Go, r.Host.Worst.Round(time.Millisecond))
	if len(r.Selection) > 0 {
		fmt.Fprintf(w, "  selection     %s\n", strings.Join(r.Selection, ", "))
	}
	for _, u := range r.Unreachable {
		fmt.Fprintf(w, "  %s   %s\n", p("bad", "unreachable"), u)
	}
	for _, l := range r.Lost {
		fmt.Fprintf(w, "    %s\n", p("faint", fmt.Sprintf("%q", l)))
	}
	if r.Broken != "" {
		fmt.Fprintf(w, "  %s   %s\n", p("bad", "suite error"), r.Broken)
	}
	fmt.Fprintln(w)
	r.writeClasses(w, p)
	r.writeLeftOut(w, p)
	fmt.Fprintf(w, "\n%s\n", r.conclusion(p))
}

func (r *Run) writeClasses(w io.Writer, p paint) {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"class", "MUST", "SHOULD", "failed", "nonstrict", "inconclusive", "not run", "not applicable", "standing"})
	for _, c := range r.Classes() {
		standing := map[string]string{Certified: "good", NotCertified: "bad"}[c.Standing]
		t.AppendRow(table.Row{
			c.Name, fmt.Sprintf("%d/%d", c.Must[0], c.Must[1]), fmt.Sprintf("%d/%d", c.Should[0], c.Should[1]),
			c.Counts[engine.Fail] + c.Counts[engine.NotTestable], c.Counts[engine.PassNonstrict],
			c.Counts[engine.Inconclusive] + c.Counts[engine.SuiteError], c.Counts[engine.NotRun], c.Counts[engine.NotApplicable],
			p(standing, c.Standing),
		})
	}
	for _, line := range strings.Split(t.Render(), "\n") {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
	}
}

// writeLeftOut names what the certificate does not cover, by reason.
func (r *Run) writeLeftOut(w io.Writer, p paint) {
	names := map[string][]string{}
	var order []string
	for _, res := range r.Results {
		if res.Verdict != engine.NotRun && res.Verdict != engine.NotApplicable {
			continue
		}
		k := string(res.Verdict) + ", " + res.Reason
		if names[k] == nil {
			order = append(order, k)
		}
		names[k] = append(names[k], res.Case.Name())
	}
	for _, k := range order {
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

func (r *Run) conclusion(p paint) string {
	switch r.ExitCode() {
	case ExitCertified:
		var names []string
		for _, c := range r.Classes() {
			if c.Standing == Certified {
				names = append(names, c.Name)
			}
		}
		if len(names) == 0 {
			return p("good", "PASSED") + ", for the selected requirements"
		}
		return p("good", "CERTIFIED") + " " + strings.Join(names, ", ")
	case ExitFailed:
		n := r.Counts()
		return p("bad", "NOT CERTIFIED") + fmt.Sprintf(": %d case(s) failed", n[engine.Fail]+n[engine.NotTestable])
	case ExitUnreachable:
		return p("bad", "UNREACHABLE") + ": there was nobody to certify"
	case ExitSuiteError:
		return p("bad", "SUITE ERROR") + ": the suite itself broke; please report it"
	case ExitInconclusive:
		return p("warn", "INCONCLUSIVE") + ": nothing failed, but not everything could be told; run again on a quieter machine"
	}
	return p("warn", "NOTHING SCORED") + ": no case that was selected could be run"
}
