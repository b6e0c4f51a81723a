package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
)

// WriteMarkdown writes the report for a page that renders Markdown, like a change's discussion.
func (f File) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	_, head, rest := f.conclusion()
	fmt.Fprintf(&b, "# adit conformance: %s\n\n**%s**%s\n\n", prose(f.Subject), head, rest)
	b.WriteString("| class | standing | MUST | SHOULD |\n|---|---|---|---|\n")
	for _, c := range f.Classes {
		fmt.Fprintf(&b, "| %s | %s | %d of %d | %d of %d |\n", c.Name, c.Words(), c.Must[0], c.Must[1], c.Should[0], c.Should[1])
	}
	var counts []string
	for _, v := range Verdicts {
		if n := f.Counts[v]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, v))
		}
	}
	fmt.Fprintf(&b, "\n%s. Suite %s, spec %s, requirement set %s: %s. %s, took %s, seed %d.\n", strings.Join(counts, ", "), prose(f.Suite), prose(f.Spec), prose(f.Requirements),
		f.Coverage, f.Started.UTC().Format(time.DateTime), milliseconds(f.TookMS).Round(100*time.Millisecond), f.Seed)
	if f.Segmentation != "" {
		fmt.Fprintf(&b, "\nSegmentation %s.\n", cutting[f.Segmentation])
	}
	if line := f.unscored(); line != "" {
		fmt.Fprintf(&b, "\nNot in the set, and unscored: %s.\n", line)
	}
	for _, why := range append(f.Unreachable, f.Broken) {
		if why != "" {
			fmt.Fprintf(&b, "\n%s\n", prose(why))
		}
	}
	for _, r := range f.requirements() {
		for _, e := range r.Entries {
			if !passed(e.Verdict) {
				b.WriteString(e.markdown())
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// passed reports whether there is nothing to explain about a verdict.
func passed(v engine.Verdict) bool {
	return v == engine.Pass || v == engine.NotApplicable || v == engine.NotRun
}

// markdown explains one entry.
func (e Entry) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s: %s\n\n%s\n\n> %s %s\n\n", e.Verdict, prose(e.Case), prose(e.Title), e.Level, prose(e.Clause))
	if e.Unscored != "" {
		fmt.Fprintf(&b, "Unscored: %s.\n\n", prose(e.Unscored))
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, "%s\n\n", prose(e.Reason))
	}
	for _, x := range e.Findings {
		fmt.Fprintf(&b, "- **%s** (%s, %s, at %.3f s) %s: %s", x.Req, x.Level, aspects[x.Aspect], x.At.Seconds(), x.Label(), prose(x.Sentence))
		if x.Expected != "" {
			fmt.Fprintf(&b, "; expected %s", prose(x.Expected))
		}
		if x.Got != "" {
			fmt.Fprintf(&b, "; got %s", prose(x.Got))
		}
		b.WriteString("\n")
	}
	for _, part := range []struct {
		name  string
		lines []string
	}{{"trace", shortened(e.Trace)}, {"the subject's last lines", e.Log}} {
		if len(part.lines) > 0 {
			fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n%s\n</details>\n", part.name, fenced(part.lines))
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// prose is a text that others wrote, as one line without a meaning in Markdown.
// Words that are set as code stay so.
func prose(s string) string {
	s = strings.Join(strings.Fields(Clean(s)), " ")
	if strings.Count(s, "`")%2 == 1 {
		s = strings.ReplaceAll(s, "`", "'")
	}
	parts := strings.Split(s, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = markup.Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

var markup = strings.NewReplacer(`\`, `\\`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "|", `\|`, "[", `\[`, "]", `\]`, "#", `\#`, "~", `\~`)

// fenced sets lines as they are; the fence is longer than any in them.
func fenced(lines []string) string {
	text := Clean(strings.Join(lines, "\n"))
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "text\n" + text + "\n" + fence + "\n"
}
