package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// paint colours a text by its tone; plain leaves it alone.
type paint func(t tone, s string) string

func plain(_ tone, s string) string { return s }

// coloured is paint for a terminal.
func coloured(t tone, s string) string {
	switch t {
	case good:
		return text.FgGreen.Sprint(s)
	case bad:
		return text.Colors{text.FgRed, text.Bold}.Sprint(s)
	case warn:
		return text.FgYellow.Sprint(s)
	case faint:
		return text.Faint.Sprint(s)
	case strong:
		return text.Bold.Sprint(s)
	}
	return s
}

// explain writes everything that a reader needs to find the fault.
func explain(w io.Writer, e Entry, p paint) {
	fmt.Fprintf(w, "%s  %s\n", p(toneOf(e.Verdict), string(e.Verdict)), p(strong, e.Case+"  "+e.Title))
	say := func(f fact) { fmt.Fprintf(w, "  %-9s %s\n", f.Name, indented(f.Text)) }
	if e.Unscored != "" {
		say(fact{"unscored", e.Unscored + ": it changes neither verdict nor exit code"})
	}
	say(fact{"clause", e.Level + " " + e.Clause})
	if e.Reason != "" {
		say(fact{"reason", e.Reason})
	}
	x := e.explanation()
	for _, c := range x.Charges {
		fmt.Fprintf(w, "  %s    %s (%s)\n", p(bad, "broken"), c.Req, c.How)
		for _, f := range c.Facts {
			fmt.Fprintf(w, "    %-9s %s\n", f.Name, indented(f.Text))
		}
	}
	for _, f := range x.Remarks {
		say(f)
	}
	for _, b := range x.Blocks {
		fmt.Fprintf(w, "  %s\n", b.Name)
		for _, l := range b.Lines {
			if b.Others {
				l = p(faint, fmt.Sprintf("%q", l))
			}
			fmt.Fprintf(w, "    %s\n", l)
		}
	}
}

// indented keeps a text of several lines inside its column.
func indented(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n              ")
}

// saysSomething reports whether there was anybody to examine: else only the reason matters.
func (f File) saysSomething() bool {
	return f.ExitCode != ExitUnreachable || slices.ContainsFunc(f.Results, func(e Entry) bool { return tells(e.Verdict) })
}

// WriteCertificate writes the certificate: failures explained, those of one cause together, then the table of classes.
func (f File) WriteCertificate(w io.Writer, color bool) {
	p := paint(plain)
	if color {
		p = coloured
	}
	for _, e := range f.Results {
		if !silent(e.Verdict) && e.Verdict != Known && !e.failed() {
			fmt.Fprintln(w)
			explain(w, e, p)
		}
	}
	for _, c := range f.causes() {
		fmt.Fprintf(w, "\n%s\n", p(strong, c.headline()))
		of := f.of(c)
		explain(w, of[0], p)
		for _, e := range of[1:] {
			fmt.Fprintf(w, "%s  %s  %s\n", p(toneOf(e.Verdict), string(e.Verdict)), e.Case, p(faint, indented(Clean(e.Headline()))))
		}
	}
	fmt.Fprintf(w, "\n%s\n", p(strong, "adit conformance certificate"))
	for _, fact := range f.facts() {
		fmt.Fprintf(w, "  %-13s %s\n", fact.Name, fact.Text)
	}
	for _, l := range f.Lost {
		fmt.Fprintf(w, "    %s\n", p(faint, fmt.Sprintf("%q", l)))
	}
	if f.saysSomething() {
		fmt.Fprintln(w)
		f.writeClasses(w, p)
		f.writeFailed(w, p)
		f.writeLeftOut(w, p)
	}
	t, head, rest := f.conclusion()
	fmt.Fprintf(w, "\n%s%s\n", p(t, head), rest)
}

func (f File) writeClasses(w io.Writer, p paint) {
	t := NewTable("class", "MUST", "SHOULD", "failed", "nonstrict", "inconclusive", "not run", "not applicable", "standing")
	for _, c := range f.Classes {
		t.AppendRow(table.Row{
			c.Name, fmt.Sprintf("%d/%d", c.Must[0], c.Must[1]), fmt.Sprintf("%d/%d", c.Should[0], c.Should[1]),
			failures(c.Counts), c.Counts[engine.PassNonstrict],
			c.Counts[engine.Inconclusive] + c.Counts[engine.SuiteError], c.Counts[engine.NotRun], c.Counts[engine.NotApplicable],
			p(c.tone(), c.Words()),
		})
	}
	for _, line := range strings.Split(t.Render(), "\n") {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(line, " "))
	}
}

// NewTable is an empty table in the one style of all reports.
func NewTable(heads ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Format.Header = text.FormatDefault
	t.Style().Format.Footer = text.FormatDefault
	t.AppendHeader(table.Row(heads))
	return t
}

// headline is the cause in a line.
func (c Cause) headline() string {
	text := c.Req + ", charged by " + Count(len(c.Cases), "failed case")
	if len(c.Also) > 0 {
		text += "; also charged there: " + strings.Join(c.Also, ", ")
	}
	return text
}

// writeFailed is what to mend, in order.
func (f File) writeFailed(w io.Writer, p paint) {
	if failures(f.Counts) < 2 {
		return
	}
	fmt.Fprintf(w, "\n  %s\n", p(faint, "failed, by what was broken, most charged first: begin with the first, and run again"))
	for _, c := range f.causes() {
		fmt.Fprintf(w, "    %s\n", c.headline())
	}
}

const (
	manyNames    = 30  // from where on a list of names says less than their number; the JSON report has them all
	leftOutWidth = 107 // columns of such a list
)

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
			fmt.Fprintf(w, "\n  %s\n", p(faint, k+": "+Count(n, "case")))
			continue
		}
		fmt.Fprintf(w, "\n  %s\n", p(faint, k+":"))
		for line := range strings.SplitSeq(text.WrapSoft(strings.Join(names[k], " "), leftOutWidth), "\n") {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, " "))
		}
	}
}
