package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed badge.svg
var badgeText string

var badge = template.Must(template.New("badge").Parse(badgeText))

// badgeColours by the tone of a conclusion.
var badgeColours = map[tone]string{good: "#2f7d4f", bad: "#b83232", warn: "#96690b"}

// WriteBadge writes the verdict as a small picture, in SVG: one of fixed size,
// with the verdict in a word or two. All of it stands in the picture's title.
func (f File) WriteBadge(w io.Writer) error {
	t, verdict, message := f.badge()
	return badge.Execute(w, map[string]any{
		"Label": "adit " + Clean(f.Requirements), "Verdict": verdict, "Colour": badgeColours[t],
		"Title": Clean(fmt.Sprintf("adit requirement set %s, spec %s, suite %s: %s", f.Requirements, f.Spec, f.Suite, message)),
	})
}

// WriteEndpoint writes the verdict as JSON that shields.io/endpoint makes a badge of.
func (f File) WriteEndpoint(w io.Writer) error {
	t, _, message := f.badge()
	return json.NewEncoder(w).Encode(struct {
		Schema  int    `json:"schemaVersion"`
		Label   string `json:"label"`
		Message string `json:"message"`
		Colour  string `json:"color"`
	}{1, "adit " + f.Requirements, message, badgeColours[t]})
}

// badge is the verdict in a word or two, and in as few as say all.
func (f File) badge() (t tone, verdict, message string) {
	t, head, _ := f.conclusion()
	switch names := f.certified(); {
	case f.ExitCode == ExitFailed:
		return t, "failing", "failing"
	case f.ExitCode != ExitCertified:
		return t, strings.ToLower(head), strings.ToLower(head)
	case names == "":
		return warn, "a part passed", "a part passed"
	case f.Counts[Known] > 0:
		return t, "deviating", names + " certified" + butFor(f.Counts[Known])
	default:
		return t, "certified", names + " certified"
	}
}
