package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
)

func listCommand() *cobra.Command {
	var name, freeze string
	c := &cobra.Command{
		Use:   "list",
		Short: "print the requirements, their cases, and what is not tested with the reason",
		Long: `list prints the requirements of PROTOCOL.md with their cases, and says what is not in the requirement set.

--freeze NAME prints a set as JSON for conformance/cases/sets/NAME.json: a new one has everything that the suite
has now; one that exists keeps its requirements and cases, and acknowledges their present texts.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if freeze != "" {
				return printSet(c.OutOrStdout(), freeze)
			}
			set, err := cases.LoadSet(name)
			if err != nil {
				return fmt.Errorf("--set %w", err)
			}
			list(c.OutOrStdout(), set)
			return nil
		},
	}
	c.Flags().StringVar(&name, "set", cases.DefaultSet, "frozen requirement set")
	c.Flags().StringVar(&freeze, "freeze", "", "print the requirement set of this name, to be frozen")
	c.MarkFlagsMutuallyExclusive("set", "freeze")
	return c
}

// setName is what a set may be called.
var setName = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

func printSet(w io.Writer, name string) error {
	if !setName.MatchString(name) {
		return fmt.Errorf("--freeze %q: must be a version, like 1.1", name)
	}
	set, err := cases.Freeze(name)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(set)
}

// list prints every requirement in the order of PROTOCOL.md with its cases.
func list(w io.Writer, set cases.Set) {
	byID := map[string][]engine.Case{}
	for _, c := range cases.All(cases.Lookup) {
		byID[c.ID] = append(byID[c.ID], c)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"requirement", "level", "role", "profile", "case", "title"})
	counts := map[string]int{}
	for _, id := range cases.IDs() {
		req, _ := cases.Lookup(id)
		standing := "tested"
		for i, c := range byID[id] {
			row := table.Row{id, req.Level, req.Role, req.Profile, c.Name(), c.Title + note(c, set)}
			if i > 0 {
				row[0], row[1], row[2], row[3] = "", "", "", ""
			}
			t.AppendRow(row)
		}
		for _, role := range cases.Roles(req) {
			how, reason, excused := cases.Excuse(id, role)
			switch {
			case !excused:
			case len(byID[id]) > 0:
				t.AppendRow(table.Row{"", "", "", "", "—", fmt.Sprintf("%s: %s: %s", role, how, reason)})
			case standing == "tested":
				standing = string(how)
				t.AppendRow(table.Row{id, req.Level, req.Role, req.Profile, "—", string(how) + ": " + reason})
			}
		}
		if !set.Has(id) {
			standing = "later"
		}
		counts[standing]++
	}
	fmt.Fprintln(w, t.Render())
	fmt.Fprintf(w, "\n%d requirements of set %s, spec %s, suite %s: %d tested by %d cases, %d tested by construction, %d excepted with the reason above\n",
		len(set.Requirements), set.Name, cases.Spec, version, counts["tested"], len(set.Cases), counts[string(cases.ByConstruction)], counts[string(cases.Excepted)])
	if n := counts["later"]; n > 0 {
		fmt.Fprintf(w, "%d later requirements, not in set %s\n", n, set.Name)
	}
}

// note says what is special about running a case.
func note(c engine.Case, set cases.Set) string {
	var s []string
	if why := set.Unscored(c); why != "" {
		s = append(s, why)
	}
	if c.Wait > engine.SlowWait {
		s = append(s, "only with --slow")
	}
	for _, n := range []struct {
		need engine.Need
		text string
	}{
		{engine.NeedVisitorTarget, "needs --visitor-target"},
		{engine.NeedManyTunnels, "needs a subject that the suite starts"},
		{engine.NeedRestart, "needs a subject that the suite starts"},
	} {
		if c.Needs&n.need != 0 && !slices.Contains(s, n.text) {
			s = append(s, n.text)
		}
	}
	if len(s) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", strings.Join(s, ", "))
}
