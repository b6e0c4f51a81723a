package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// firstText is what Requirement.Since says where the text says nothing.
const firstText = "1.1"

// conventions is the section that may speak about key words.
const conventions = "1"

var (
	headingRE     = regexp.MustCompile(`^##+ (?:Appendix ([A-Z]):|([0-9.]+)) (.+)$`)
	itemRE        = regexp.MustCompile(`^- \*\*[A-Z]`) // terms are bold items too, in lower case
	requirementRE = regexp.MustCompile(`^- \*\*([A-Z]+-\d{3})\*\* \((MUST|SHOULD|MAY), (server|client|both), (core|ext|auth|tls|bind|api)(?:, since ([^)]+))?\) (.+?) \*Why: (.+)\*$`)
	markerRE      = regexp.MustCompile(`^<!-- (?:table|trace): ([a-z-]+) -->$`)
)

// text is PROTOCOL.md taken apart.
type text struct {
	requirements []located
	tables       map[string]table
	sections     []spec.Section // in their order; together they are the text
	prose        []line         // neither requirement nor code
}

type located struct {
	spec.Requirement
	line int
}

type line struct {
	number  int
	section string
	text    string
}

type table struct {
	name    string
	line    int // of its marker
	section string
	header  []string
	rows    [][]string
}

func parse(md string) (*text, error) {
	t := &text{tables: map[string]table{}}
	lines := strings.Split(md, "\n")
	section, fenced := "", false
	t.sections = []spec.Section{{}}
	begins := []int{0} // the line that each section starts with
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		switch {
		case strings.HasPrefix(l, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(l, "    "):
		case itemRE.MatchString(l):
			first := i
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
				i++
				l += " " + strings.TrimSpace(lines[i])
			}
			m := requirementRE.FindStringSubmatch(l)
			if m == nil {
				return nil, fmt.Errorf("line %d: %.40q is not a requirement of the form - **AREA-nnn** (level, role, profile) Text. *Why: reason.*", first+1, l)
			}
			since := m[5]
			if since == "" {
				since = firstText
			}
			sum := sha256.Sum256([]byte(m[6]))
			t.requirements = append(t.requirements, located{line: first + 1, Requirement: spec.Requirement{
				ID: m[1], Level: m[2], Role: m[3], Profile: m[4], Section: section,
				Text: m[6], Why: m[7], Since: since, SHA256: hex.EncodeToString(sum[:]),
			}})
		case markerRE.MatchString(l):
			tab, err := parseTable(markerRE.FindStringSubmatch(l)[1], section, lines, i)
			if err != nil {
				return nil, err
			}
			if _, ok := t.tables[tab.name]; ok {
				return nil, fmt.Errorf("line %d: second table %s", i+1, tab.name)
			}
			t.tables[tab.name] = tab
		default:
			if m := headingRE.FindStringSubmatch(l); m != nil {
				section = m[1] + m[2]
				t.sections = append(t.sections, spec.Section{Number: section, Title: m[3]})
				begins = append(begins, i)
			}
			t.prose = append(t.prose, line{i + 1, section, l})
		}
	}
	begins = append(begins, len(lines)-1) // the text ends in a line feed, and an empty line after that
	for i := range t.sections {
		t.sections[i].Text = strings.Join(lines[begins[i]:begins[i+1]], "\n") + "\n"
	}
	return t, nil
}

// parseTable reads the table that follows its marker; every cell is filled.
func parseTable(name, section string, lines []string, marker int) (table, error) {
	tab := table{name: name, section: section, line: marker + 1}
	for i, l := range lines[marker+1:] {
		if !strings.HasPrefix(l, "|") {
			break
		}
		if i == 1 { // |---|---|
			continue
		}
		cells := strings.Split(strings.Trim(l, "|"), "|")
		for c := range cells {
			if cells[c] = strings.TrimSpace(cells[c]); cells[c] == "" {
				return tab, fmt.Errorf("line %d: table %s: column %d is empty", marker+2+i, name, c+1)
			}
		}
		switch {
		case tab.header == nil:
			tab.header = cells
		case len(cells) != len(tab.header):
			return tab, fmt.Errorf("line %d: table %s: %d cells, want %d", marker+2+i, name, len(cells), len(tab.header))
		default:
			tab.rows = append(tab.rows, cells)
		}
	}
	if len(tab.rows) == 0 {
		return tab, fmt.Errorf("line %d: no table %s after its marker", marker+1, name)
	}
	return tab, nil
}
