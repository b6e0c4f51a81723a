package main

import (
	"regexp"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

var (
	termRE  = regexp.MustCompile(`^- \*\*([a-z ]+)\*\*: (.+)$`)
	verbsRE = regexp.MustCompile(`(?s)\*\*Verbs\.\*\* (.+?)\n\n`)
	verbRE  = regexp.MustCompile(`To \*([a-z ]+)\* `)
)

// terms are the verbs of section 1, the list of section 2 and the states of sections 7 and 26.
func (t *text) terms() ([]spec.Term, error) {
	all := t.verbs()
	for _, l := range t.prose {
		if m := termRE.FindStringSubmatch(l.text); m != nil {
			all = append(all, spec.Term{Name: m[1], Section: l.section, Role: "both", Text: m[2]})
		}
	}
	for _, name := range []string{"states", "ext-states"} {
		tab, err := t.table(name, "state", "server", "client")
		if err != nil {
			return nil, err
		}
		all = append(all, stateTerms(tab)...)
	}
	return all, nil
}

// stateTerms are the states of a table.
func stateTerms(tab table) (all []spec.Term) {
	for _, row := range tab.rows {
		if row[2] == "the same" {
			all = append(all, spec.Term{Name: row[0], Section: tab.section, Role: "both", Text: row[1]})
			continue
		}
		for i, role := range []string{"server", "client"} {
			if row[1+i] != "—" {
				all = append(all, spec.Term{Name: row[0], Section: tab.section, Role: role, Text: row[1+i]})
			}
		}
	}
	return all
}

// verbs are the sentences of the paragraph that defines them.
func (t *text) verbs() (all []spec.Term) {
	for _, s := range t.sections {
		m := verbsRE.FindStringSubmatch(s.Text)
		if m == nil {
			continue
		}
		paragraph := strings.Join(strings.Fields(m[1]), " ")
		at := verbRE.FindAllStringSubmatchIndex(paragraph, -1)
		for i, v := range at {
			end := len(paragraph)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			all = append(all, spec.Term{Name: paragraph[v[2]:v[3]], Section: s.Number, Role: "both", Text: strings.TrimSpace(paragraph[v[0]:end])})
		}
	}
	return all
}
