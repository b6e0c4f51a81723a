package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

func explainCommand() *cobra.Command {
	var section string
	var text bool
	c := &cobra.Command{
		Use:   "explain ID…|WORD…|terms | --section N | --text",
		Short: "print clauses of PROTOCOL.md with their cases, words with their meaning, or the text itself",
		Long: `explain prints what a requirement says and why, the cases that test it, or why none does, and the states,
errors and limits that it is about. An ID is a requirement (OPEN-015), or a case (OPEN-015/server/cell-requested-close);
* and ? stand for other characters but /. It explains words, too: those of the text and those of certificates.`,
		Example: `  adit-conform explain OPEN-015
  adit-conform explain 'FRAME-*'
  adit-conform explain draining pass-nonstrict
  adit-conform explain terms                      # every word
  adit-conform explain --section 10               # a section of PROTOCOL.md; B is an appendix
  adit-conform explain --text >PROTOCOL.md        # all of it`,
		RunE: func(c *cobra.Command, args []string) error {
			w := c.OutOrStdout()
			switch {
			case text:
				return printSections(w, func(spec.Section) bool { return true })
			case c.Flags().Changed("section"):
				return printSection(w, section)
			case len(args) == 0:
				return errors.New("what is to be explained? name a requirement, like OPEN-015, a word, like draining, or terms; or give --section or --text")
			}
			return explain(w, args)
		},
	}
	c.Flags().StringVar(&section, "section", "", "print this section of PROTOCOL.md, its subsections too, as Markdown")
	c.Flags().BoolVar(&text, "text", false, "print PROTOCOL.md")
	c.MarkFlagsMutuallyExclusive("section", "text")
	c.ValidArgsFunction = cobra.FixedCompletions(cases.IDs(), cobra.ShellCompDirectiveNoFileComp)
	return c
}

func printSections(w io.Writer, which func(spec.Section) bool) error {
	for s := range spec.Sections() {
		if which(s) {
			if _, err := io.WriteString(w, s.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// printSection prints a section and those below it.
func printSection(w io.Writer, number string) error {
	var names []string
	found := false
	for s := range spec.Sections() {
		found = found || s.Number == number && number != ""
		if s.Number != "" && !strings.Contains(s.Number, ".") {
			names = append(names, s.Number+" "+s.Title)
		}
	}
	if !found {
		return fmt.Errorf("--section %q: no such section; there are %s", number, strings.Join(names, ", "))
	}
	return printSections(w, func(s spec.Section) bool { return s.Number == number || strings.HasPrefix(s.Number, number+".") })
}

// explain prints requirements and words, in the order of the arguments.
func explain(w io.Writer, args []string) error {
	set, err := cases.LoadSet(cases.DefaultSet)
	if err != nil {
		return err
	}
	for _, a := range args { // all of them before anything is printed
		if a != "terms" && len(meanings(a)) == 0 {
			if err := cases.CheckPatterns([]string{a}); err != nil {
				return fmt.Errorf("%w, and adit-conform explain terms the words", err)
			}
		}
	}
	for i, a := range args {
		if i > 0 {
			fmt.Fprintln(w)
		}
		words := meanings(a)
		if a == "terms" {
			words = allMeanings()
		}
		if len(words) > 0 {
			writeWords(w, words, 0)
			continue
		}
		for j, l := range selected([]string{a}, "") {
			if j > 0 {
				fmt.Fprintln(w)
			}
			l.explain(w, set)
		}
	}
	return nil
}

// explain prints everything there is to know about a requirement.
func (l listed) explain(w io.Writer, set cases.Set) {
	width := widthOf(w)
	fmt.Fprintf(w, "%s, section %s %s\n\n", l.head(), l.Section, title(l.Section))
	fmt.Fprintf(w, "  %s\n", hang(l.Text, 2, width))
	fmt.Fprintf(w, "  %s\n\n", hang("Why: "+l.Why, 2, width))
	l.write(w, set)
	if ids := l.alsoShownBy(); len(ids) > 0 {
		fmt.Fprintf(w, "  %s\n", hang("also shown by "+strings.Join(ids, ", "), 4, width))
	}
	about := l.Text + " " + l.Why
	for _, c := range l.cases {
		about += " " + c.Title
	}
	words := slices.DeleteFunc(allMeanings(), func(m meaning) bool { return !m.helps(l.Role, about) })
	for limit := range spec.Limits() {
		if slices.Contains(limit.Requirements, l.ID) {
			words = append(words, meaning{name: limit.Name, text: bound(limit) + ", " + limit.What})
		}
	}
	if len(words) > 0 {
		fmt.Fprintln(w)
		writeWords(w, words, 2)
	}
}

// alsoShownBy names the cases of other requirements that fail when this one is broken.
func (l listed) alsoShownBy() (names []string) {
	for _, c := range cases.All(cases.Lookup) {
		if slices.Contains(c.Also, l.ID) {
			names = append(names, c.Name())
		}
	}
	return names
}

// title is the title of a section.
func title(number string) string {
	for s := range spec.Sections() {
		if s.Number == number {
			return s.Title
		}
	}
	return ""
}

// bound is the value of a limit in words, like "10 s, at most 30 s".
func bound(l spec.Limit) string {
	in := func(n int64) string {
		switch {
		case l.Unit == "octets" && n%(1<<20) == 0:
			return fmt.Sprintf("%d MiB", n>>20)
		case l.Unit == "octets" && n%(1<<10) == 0:
			return fmt.Sprintf("%d KiB", n>>10)
		}
		return fmt.Sprintf("%d %s", n, l.Unit)
	}
	switch {
	case l.Allowed == "range":
		return fmt.Sprintf("%s, %s to %s", in(l.Default), in(l.Min), in(l.Max))
	case l.Allowed == "at most" && l.Max != l.Default:
		return fmt.Sprintf("%s, at most %s", in(l.Default), in(l.Max))
	}
	return l.Allowed + " " + in(l.Default)
}

// A meaning is what a word says.
type meaning struct {
	name, text string
	role       string // whose state it is: server or client; else both or empty
	state      bool   // a state of a connection, or an error
}

// helps reports whether the meaning is one that a text for a role may leave a reader in want of.
func (m meaning) helps(role engine.Role, text string) bool {
	if !m.state || role != engine.Both && m.role != "both" && m.role != string(role) {
		return false
	}
	return regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(m.name) + `s?\b`).MatchString(text)
}

// allMeanings is every word: of the text, of its errors, of the suite.
func allMeanings() (all []meaning) {
	for t := range spec.Terms() {
		m := meaning{name: t.Name, text: t.Text, role: t.Role, state: t.Section == "7"}
		if m.state {
			m.text = "state of a connection: " + m.text
			if m.role != "both" {
				m.text += " (" + m.role + ")"
			}
		}
		all = append(all, m)
	}
	for s := range spec.Scopes() {
		if s.Name != "ignored" { // says itself
			all = append(all, meaning{name: s.Name, text: "the side " + s.Does + "; " + s.GoesOn + " go on", role: "both", state: true})
		}
	}
	return append(all, suiteWords...)
}

// meanings are those of one word.
func meanings(word string) []meaning {
	return slices.DeleteFunc(allMeanings(), func(m meaning) bool { return !strings.EqualFold(m.name, word) })
}

func writeWords(w io.Writer, words []meaning, indent int) {
	column := 0
	for _, m := range words {
		column = max(column, len(m.name))
	}
	for _, m := range words {
		fmt.Fprintf(w, "%*s%-*s  %s\n", indent, "", column, m.name, hang(m.text, indent+column+2, widthOf(w)))
	}
}

// suiteWords are the words of certificates and of this program.
var suiteWords = []meaning{
	{name: "octet", text: "a byte: eight bits"},
	{name: "subject", text: "the server, the client or the control API that is certified"},
	{name: "suite", text: "this program: it plays everything around the subject, such as the client, visitors and services of a server"},
	{name: "case", text: "one test of one requirement in one role: ID/role, or ID/role/variant"},
	{name: "cell", text: "a case whose name has it is one cell of the tables in section 7: an event in a state"},
	{name: "barrier", text: "a frame whose answer shows that the peer has taken every frame before it: KeepAlive to a server, to a client Data for an ID that nobody uses, answered by Close (section 11)"},
	{name: "segmentation", text: "each case runs four times: its bytes as written, one per write, cut at each field, all in one write; the subject must act in the same way (FRAME-006)"},
	{name: "class", text: "core-server, core-client or api: what is certified (section 22)"},
	{name: "standing", text: "what became of a class: certified, partial (only a part was selected), deviating (certified but for known deviations), inconclusive or failed"},
	{name: "requirement set", text: "the requirements and cases that score, frozen under a name such as 1.0"},
	{name: "excepted", text: "a requirement without a case, for a reason that is given: the wire does not show it, or it is a permission"},
	{name: "by construction", text: "a requirement without a case of its own that every case would show to be broken"},
	{name: "oracle", text: "a rule that holds in every case; when it is broken its own requirement is charged"},
	{name: "nonstrict", text: "see pass-nonstrict"},
	{name: "pass-nonstrict", text: "verdict: passed, but a SHOULD was missed; counts as a pass"},
	{name: "fail", text: "verdict: a MUST was broken, by the case or by a rule that holds in every case, or the subject died"},
	{name: "known", text: "verdict: failed, as the baseline says; the class is then certified but for known deviations"},
	{name: "stale", text: "verdict: passed, though the baseline says that it fails; counts against"},
	{name: "not-testable", text: "verdict: something that a conforming subject has is missing, or a MUST was declined; counts against"},
	{name: "inconclusive", text: "verdict: the machine was too busy to tell, or nothing could be told"},
	{name: "suite-error", text: "verdict: the suite broke; please report it"},
	{name: "not-applicable", text: "verdict: an optional part that the subject did not declare, or declined"},
	{name: "not-run", text: "verdict: left out of this run; the certificate gives the reason"},
}
