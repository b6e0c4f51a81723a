package report

import (
	"fmt"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// mostProblems is how much of what went wrong a terminal and a README show.
const mostProblems = 12

// Console is the result for a terminal: the question, one table, the answer, and what went wrong.
func Console(r *record.Record, colour bool) string {
	paint := func(code, s string) string {
		if !colour || s == "" {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	var b strings.Builder
	s := NewSheet(r)
	fmt.Fprintf(&b, "%s: %s\n", paint("1", s.Name), s.Question)
	table := s.first(few, withMax(s.Table))
	fmt.Fprintln(&b, table.table().Render())
	for _, n := range table.notes {
		fmt.Fprintln(&b, paint("2", strings.ReplaceAll(n.String(), "`", "")))
	}
	for _, subject := range r.Subjects {
		if text := standing(subject); text != "" {
			fmt.Fprintf(&b, "%s: %s\n", subject.Name, text)
		}
	}
	if in := containers(r.Scenario); in != "" {
		fmt.Fprintln(&b, "runtime: "+in)
	}
	for _, a := range s.answer() {
		fmt.Fprintln(&b, a)
	}
	for _, p := range s.Problems[:min(len(s.Problems), mostProblems)] {
		fmt.Fprintln(&b, paint("31", p))
	}
	if more := len(s.Problems) - mostProblems; more > 0 {
		fmt.Fprintf(&b, "%d more lines like these are in %s\n", more, reportFile)
	}
	if text, good := verdict(r); good {
		fmt.Fprintln(&b, paint("32", text))
	}
	return b.String()
}

// Markdown is a record as report.md.
func Markdown(r *record.Record) string {
	s := NewSheet(r)
	return s.markdown(r, figures(r, s))
}

// markdown is the result as report.md.
func (s *Sheet) markdown(r *record.Record, figures []figure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s", s.Name, s.Question, told(s.answer()))
	if found := append(s.best(), s.Problems...); len(found) > 0 {
		fmt.Fprintf(&b, "## Findings\n\n- %s\n\n", strings.Join(found, "\n- "))
	}
	if len(figures) > 0 {
		b.WriteString("## Plots\n\n| | |\n|---|---|\n")
		for i := 0; i < len(figures); i += 2 {
			row := []string{"", ""}
			for k := range figures[i:min(i+2, len(figures))] {
				row[k] = image(figures[i+k].file)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		b.WriteString("\n")
	}
	for _, g := range append(s.grids(), conclusions(r)...) {
		fmt.Fprintf(&b, "## %s\n\n", g.Title)
		if g.Note != "" {
			fmt.Fprintf(&b, "%s\n\n", strings.ReplaceAll(g.Note, "\n", "\n\n"))
		}
		fmt.Fprintf(&b, "%s\n", g.markdown())
	}
	fmt.Fprintf(&b, "## How it was measured\n\n%s", s.circumstances())
	return b.String()
}

// image shows a plot.
func image(file string) string {
	return fmt.Sprintf("![%s](%s)", strings.TrimSuffix(file[strings.LastIndex(file, "/")+1:], ".svg"), file)
}

// summary is the answer, what went wrong, the plot and the first table in Markdown; folder leads from the text to the sheet's.
func (s *Sheet) summary(folder string) string {
	found := append(s.best(), s.Problems[:min(len(s.Problems), mostProblems)]...)
	list := cmpOr(len(found) > 0, "- "+strings.Join(found, "\n- ")+"\n\n", "")
	return s.Question + "\n\n" + told(s.answer()) + list + s.plot(folder) + s.first(len(s.Rows), s.Table).markdown()
}

// overview is the answer and the rows of the tunnels, in the usual columns.
func (s *Sheet) overview() string { return told(s.answer()) + s.first(0, usual).markdown() }

// inShort is the question, the answer and the plot.
func (s *Sheet) inShort(folder string) string {
	return s.Question + "\n\n" + told(s.answer()) + s.plot(folder) + fmt.Sprintf("[All numbers](%s/%s)", folder, csvFile)
}

// plot is the most telling one; empty without plots.
func (s *Sheet) plot(folder string) string {
	if s.Plot == "" {
		return ""
	}
	return image(folder+"/"+s.Plot) + "\n\n"
}

// circumstances is what was measured, how and where, as a table.
func (s *Sheet) circumstances() string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range s.Facts {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Key, cmpOr(f.Code, "`"+f.Value+"`", f.Value))
	}
	return b.String()
}
