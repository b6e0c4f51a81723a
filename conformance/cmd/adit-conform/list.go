package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
)

// listFlags are the flags of adit-conform list.
type listFlags struct {
	ids          []string // patterns; none: everything
	role         string
	name, freeze string
}

func listCommand() *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [ID…]",
		Short: "print the requirements, their cases, and what is not tested with the reason",
		Long: `list prints the requirements of PROTOCOL.md with their cases, and says what is not in the requirement set.
An ID is a requirement (OPEN-015), a role of it (OPEN-015/server) or a case; * and ? stand for other characters but /.
adit-conform explain ID prints the clause.

--freeze NAME prints a set as JSON for conformance/cases/sets/NAME.json (make freeze): a new one, or a draft, has everything
that the suite has now; a frozen one keeps its requirements and cases, and acknowledges the present texts of SHOULDs and MAYs.`,
		Example: `  adit-conform list OPEN-015
  adit-conform list 'FRAME-*' 'CLOSE-*' --role client`,
		RunE: func(c *cobra.Command, args []string) error {
			if f.ids = args; f.freeze != "" {
				if len(args) > 0 || f.role != "" {
					return errors.New("--freeze: a set has everything; leave out the IDs and --role")
				}
				return printSet(c.OutOrStdout(), f.freeze)
			}
			set, err := cases.LoadSet(f.name)
			if err != nil {
				return fmt.Errorf("--set %w", err)
			}
			if !slices.Contains([]string{"", "server", "client", "api"}, f.role) {
				return fmt.Errorf("--role %q: must be server, client or api", f.role)
			}
			if err := cases.CheckPatterns(args); err != nil {
				return err
			}
			f.list(c.OutOrStdout(), set)
			return nil
		},
	}
	c.Flags().StringVar(&f.role, "role", "", "only what a server, client or api has to show (default: all)")
	c.Flags().StringVar(&f.name, "set", cases.DefaultSet, "frozen requirement set")
	c.Flags().StringVar(&f.freeze, "freeze", "", "print the requirement set of this name, to be frozen")
	c.MarkFlagsMutuallyExclusive("set", "freeze")
	c.ValidArgsFunction = cobra.FixedCompletions(cases.IDs(), cobra.ShellCompDirectiveNoFileComp)
	complete(c, "set", cases.SetNames())
	complete(c, "role", []string{"server", "client", "api"})
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

// A listed is a requirement with what tests it, as far as it was asked for.
type listed struct {
	engine.Requirement
	cases   []engine.Case
	untried []untried
}

// An untried is why a requirement has no case, for roles.
type untried struct {
	roles  string
	how    cases.How
	reason string
}

// selected is the requirements that the patterns name, all without any, in the
// order of PROTOCOL.md; role "" is all. A case that is named shows its requirement with that case alone.
func selected(patterns []string, role string) (out []listed) {
	byID := map[string][]engine.Case{}
	for _, c := range cases.All(cases.Lookup) {
		byID[c.ID] = append(byID[c.ID], c)
	}
	wanted := func(r engine.Role) bool { return role == "" || role == string(r) }
	for _, id := range cases.IDs() {
		l := listed{}
		l.Requirement, _ = cases.Lookup(id)
		whole := len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return cases.MatchesID(p, id) })
		for _, c := range byID[id] {
			if wanted(c.Role) && (whole || slices.ContainsFunc(patterns, func(p string) bool { return cases.Matches(p, c) })) {
				l.cases = append(l.cases, c)
			}
		}
		for _, r := range cases.Roles(l.Requirement) {
			how, reason, ok := cases.Excuse(id, r)
			switch n := len(l.untried); {
			case !ok || !whole || !wanted(r):
			case n > 0 && l.untried[n-1].reason == reason:
				l.untried[n-1].roles += " and " + string(r)
			default:
				l.untried = append(l.untried, untried{string(r), how, reason})
			}
		}
		if len(l.cases)+len(l.untried) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// head is the requirement in a line.
func (l listed) head() string {
	return fmt.Sprintf("%s  %s, %s, %s", l.ID, l.Level, l.Role, l.Profile)
}

// write writes the requirement's cases, and why there are none, each in a line of its own.
func (l listed) write(w io.Writer, set cases.Set) {
	width, column := widthOf(w), 0
	for _, c := range l.cases {
		if n := len(c.Name()); n < width/2 {
			column = max(column, n)
		}
	}
	for _, c := range l.cases {
		title := c.Title + note(c, set)
		if name := c.Name(); len(name) > column { // too long to stand beside its title
			fmt.Fprintf(w, "  %s\n    %s\n", name, hang(title, 4, width))
		} else {
			fmt.Fprintf(w, "  %-*s  %s\n", column, name, hang(title, column+4, width))
		}
	}
	for _, u := range l.untried {
		fmt.Fprintf(w, "  %s\n", hang(fmt.Sprintf("%s: %s: %s", u.roles, u.how, u.reason), 4, width))
	}
}

// list prints requirements in the order of PROTOCOL.md with their cases.
func (f *listFlags) list(w io.Writer, set cases.Set) {
	all, shown, counts := selected(f.ids, f.role), 0, map[string]int{}
	for _, l := range all {
		fmt.Fprintln(w, l.head())
		l.write(w, set)
		shown += len(l.cases)
		switch {
		case !set.Has(l.ID):
			counts["later"]++
		case len(l.cases) > 0:
			counts["tested"]++
		default:
			counts[string(l.untried[0].how)]++
		}
	}
	if len(f.ids) > 0 || f.role != "" {
		fmt.Fprintf(w, "\n%s, %s\n", report.Count(len(all), "requirement"), report.Count(shown, "case"))
		return
	}
	fmt.Fprintf(w, "\n%d requirements of set %s, spec %s, suite %s:\n%d tested by %d cases, %d %s, %d excepted with the reason above\n",
		len(set.Requirements), set.Name, cases.Spec, version, counts["tested"], len(set.Cases), counts[string(cases.ByConstruction)], cases.ByConstruction, counts[string(cases.Excepted)])
	if n := counts["later"]; n > 0 {
		fmt.Fprintf(w, "%s, not in set %s\n", report.Count(n, "later requirement"), set.Name)
	}
}

// note says what is special about running a case.
func note(c engine.Case, set cases.Set) string {
	var s []string
	if why := set.Excludes(c); why != "" {
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
