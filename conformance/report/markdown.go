package report

import (
	"fmt"
	"io"
	"strings"
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
	fmt.Fprintf(&b, "\n%s\n\n", tally(f.Counts))
	for _, fact := range f.facts()[1:] { // the first is the subject
		fmt.Fprintf(&b, "- %s: %s\n", fact.Name, prose(fact.Text))
	}
	if line := f.unscored(); line != "" {
		fmt.Fprintf(&b, "- not in the set, and unscored: %s\n", line)
	}
	for _, c := range f.causes() {
		fmt.Fprintf(&b, "\n**%s**\n", c.headline())
		for _, e := range f.of(c) {
			b.WriteString(e.markdown())
		}
	}
	for _, r := range f.requirements() {
		for _, e := range r.Entries {
			if !silent(e.Verdict) && !e.failed() {
				b.WriteString(e.markdown())
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
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
	x := e.explanation()
	for _, c := range x.Charges {
		fmt.Fprintf(&b, "- **%s** (%s)\n", c.Req, c.How)
		for _, f := range c.Facts {
			fmt.Fprintf(&b, "  - %s: %s\n", f.Name, prose(f.Text))
		}
	}
	for _, f := range x.Remarks {
		fmt.Fprintf(&b, "- %s: %s\n", f.Name, prose(f.Text))
	}
	for _, k := range x.Blocks {
		fmt.Fprintf(&b, "\n<details><summary>%s</summary>\n\n%s\n</details>\n", k.Name, fenced(k.Lines))
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
