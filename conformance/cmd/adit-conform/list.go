package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
)

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "print the requirements, their cases, and what is not tested with the reason",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list(c.OutOrStdout())
			return nil
		},
	}
}

// list prints every requirement in the order of PROTOCOL.md with its cases.
func list(w io.Writer) {
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
			row := table.Row{id, req.Level, req.Role, req.Profile, c.Name(), c.Title + note(c)}
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
		counts[standing]++
	}
	fmt.Fprintln(w, t.Render())
	n := 0
	for _, cs := range byID {
		n += len(cs)
	}
	fmt.Fprintf(w, "\n%d requirements of set %s: %d tested by %d cases, %d tested by construction, %d excepted with the reason above\n",
		len(cases.IDs()), cases.RequirementSet, counts["tested"], n, counts[string(cases.ByConstruction)], counts[string(cases.Excepted)])
}

// note says what is special about running a case.
func note(c engine.Case) string {
	var s []string
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
