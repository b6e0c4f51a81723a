package report

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"
)

//go:embed badge.svg
var badgeText string

var badge = template.Must(template.New("badge").Parse(badgeText))

// WriteBadge writes the verdict as a small picture, in SVG.
func (f File) WriteBadge(w io.Writer) error {
	tone, message := f.badge()
	label := "adit " + f.Requirements
	left, right := width(label), width(message)
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
	return badge.Execute(w, map[string]any{
		"Label": escape.Replace(Clean(label)), "Message": escape.Replace(Clean(message)),
		"Title": escape.Replace(Clean(fmt.Sprintf("adit requirement set %s, spec %s, suite %s: %s", f.Requirements, f.Spec, f.Suite, message))),
		"Left":  left, "Right": right, "All": left + right, "LabelAt": left / 2, "MessageAt": left + right/2,
		"LabelLong": left - 2*margin, "MessageLong": right - 2*margin,
		"Colour": map[string]string{"good": "#2f7d4f", "bad": "#b83232", "warn": "#96690b"}[tone],
	})
}

// badge is the verdict in few words.
func (f File) badge() (tone, message string) {
	tone, head, _ := f.conclusion()
	switch f.ExitCode {
	case ExitCertified:
		if names := f.certified(); names != "" {
			if n := f.Counts[Known]; n > 0 {
				return tone, names + " certified" + butFor(n)
			}
			return tone, names + " certified"
		}
		return "warn", "a part passed"
	case ExitFailed:
		return tone, "failing"
	}
	return tone, strings.ToLower(head)
}

const margin = 8 // beside a text, in pixels

// width is the room of a text of 11 pixels with its margins. No font is known
// here: the picture tells the viewer to fit the text into it.
func width(s string) int {
	w := 0.0
	for _, c := range s {
		switch {
		case strings.ContainsRune("ijl.,:;|' ", c):
			w += 3.4
		case strings.ContainsRune("frt-()", c):
			w += 4.4
		case strings.ContainsRune("mwMW", c):
			w += 10
		case c >= 'A' && c <= 'Z':
			w += 7.6
		default:
			w += 6.5
		}
	}
	return int(w) + 2*margin
}
