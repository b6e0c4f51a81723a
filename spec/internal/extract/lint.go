package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	keywordRE = regexp.MustCompile(`\b(MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)( NOT)?\b`)
	vagueRE   = regexp.MustCompile(`(?i)\b(appropriate|appropriately|timely|should be prepared|as needed|if possible|reasonable|reasonably)\b`)
	codeRE    = regexp.MustCompile("`[^`]*`") // names a level, as text
	mentionRE = regexp.MustCompile(`\b[A-Z]{2,}-\d{3}\b`)
)

// lint returns the breaches of the rules of form: each requirement has an ID
// of its own and one key word, of its level; nothing else has a key word; no
// vague words; every ID that is mentioned exists.
func (t *text) lint() (faults []error) {
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("PROTOCOL.md:%d: %s", line, fmt.Sprintf(format, args...)))
	}
	known := map[string]bool{}
	for _, r := range t.requirements {
		if known[r.ID] {
			fault(r.line, "second requirement %s", r.ID)
		}
		known[r.ID] = true
		if uses := keywordRE.FindAllStringSubmatch(r.Text, -1); len(uses) != 1 || uses[0][1] != r.Level {
			fault(r.line, "%s has the key words %v, want exactly one, %s", r.ID, keywordRE.FindAllString(r.Text, -1), r.Level)
		}
		if word := keywordRE.FindString(r.Why); word != "" {
			fault(r.line, "the reason of %s has the key word %s", r.ID, word)
		}
		if word := vagueRE.FindString(r.Text); word != "" {
			fault(r.line, "%s has the vague word %q", r.ID, word)
		}
		if r.Section == "" {
			fault(r.line, "%s stands in no numbered section", r.ID)
		}
	}
	if len(known) == 0 {
		fault(1, "no requirements")
	}
	mentions := func(line int, s string) {
		for _, id := range mentionRE.FindAllString(s, -1) {
			if !known[id] && id != "SHA-256" { // which looks like one
				fault(line, "%s is not a requirement", id)
			}
		}
	}
	for _, r := range t.requirements {
		mentions(r.line, r.Text+" "+r.Why)
	}
	for _, l := range t.prose {
		mentions(l.number, l.text)
		if word := keywordRE.FindString(codeRE.ReplaceAllString(l.text, "")); word != "" && l.section != conventions {
			fault(l.number, "key word %s outside of a requirement", word)
		}
	}
	for _, tab := range t.tables {
		for i, row := range tab.rows {
			s := strings.Join(row, " ")
			mentions(tab.at(i), s)
			if word := keywordRE.FindString(s); word != "" {
				fault(tab.at(i), "table %s has the key word %s", tab.name, word)
			}
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return faults
}
