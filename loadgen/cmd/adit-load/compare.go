package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/metric"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/run"
)

func compareCommand() *cobra.Command {
	o, effect, asJSON := analyse.CompareOptions{}, 5.0, false
	c := &cobra.Command{
		Use: "compare OLD NEW", Short: "say what has changed between two records, or two folders of them", Args: cobra.ExactArgs(2),
		Long: `compare says of each number whether it got better, worse, stayed the same, or whether that cannot be known: a
change counts when it is significant (Mann–Whitney, made good for the number of comparisons with Holm's method), and
at least as large as --effect and as the noise floors of both records; a number is the same when the whole interval of
its change lies within --effect. Two subjects of one run are compared by run itself, and better, as their blocks
alternate. benchstat reads the bench.txt beside each record.

Exit codes: 0 nothing got worse, 2 wrong usage or file, 7 something got worse, 8 something is inconclusive and nothing got worse.`,
		RunE: func(c *cobra.Command, args []string) error {
			if effect <= 0 || effect > 100 {
				return run.Usage(fmt.Errorf("--effect %v: must be more than 0 and at most 100, in %%", effect))
			}
			o.Effect = effect / 100
			for _, name := range o.Metrics {
				if _, err := metric.Find(name); err != nil {
					return run.Usage(fmt.Errorf("--metric %w", err))
				}
			}
			cs, err := compareFolders(args[0], args[1], o)
			if err != nil {
				return run.Usage(err)
			}
			if err := showComparison(c.OutOrStdout(), cs, asJSON); err != nil {
				return &run.ExitError{Code: run.ExitInternal, Err: err}
			}
			return exitOf(cs)
		},
	}
	c.Flags().Float64Var(&effect, "effect", effect, "smallest change of interest, in %; of failed packets it is always 0.1")
	c.Flags().StringArrayVar(&o.Metrics, "metric", nil, "what is compared, several times for several (default: what matters for each load); one of "+strings.Join(metric.Names(), ", "))
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON, as comparison in a record")
	return c
}

// exitOf gives comparisons their exit code.
func exitOf(cs []record.Comparison) error {
	is := func(verdict string) bool {
		return slices.ContainsFunc(cs, func(c record.Comparison) bool { return c.Verdict == verdict })
	}
	switch {
	case is(record.Worse):
		return &run.ExitError{Code: run.ExitRegression}
	case is(record.Inconclusive):
		return &run.ExitError{Code: run.ExitInconclusive}
	}
	return nil
}

// compareFolders compares the records of each scenario that both folders have.
func compareFolders(old, new string, o analyse.CompareOptions) (out []record.Comparison, err error) {
	before, _, err := record.Load(old)
	if err != nil {
		return nil, err
	}
	after, _, err := record.Load(new)
	if err != nil {
		return nil, err
	}
	for _, n := range after {
		i := slices.IndexFunc(before, func(b *record.Record) bool { return b.Scenario.Name == n.Scenario.Name })
		if i < 0 {
			continue
		}
		cs, err := analyse.CompareRecords(before[i], n, o)
		if err != nil {
			return nil, err
		}
		out = append(out, cs...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s and %s have no scenario in common: give records of the same", old, new)
	}
	return analyse.Judge(out), nil
}

func showComparison(w io.Writer, cs []record.Comparison, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(cs)
	}
	_, err := fmt.Fprint(w, report.Comparison(cs))
	return err
}
