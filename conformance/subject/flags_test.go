package subject_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/subject"
)

func TestFlagsTakeOneDashOrTwo(t *testing.T) {
	root, sub := &cobra.Command{Use: "tool"}, &cobra.Command{Use: "run"}
	root.AddCommand(sub)
	sub.Flags().String("out", "", "")
	sub.Flags().Bool("slow", false, "")
	sub.Flags().BoolP("verbose", "v", false, "")
	for line, want := range map[string]string{
		"-help":                         "--help",
		"-version":                      "--version",
		"run -out DIR -slow":            "run --out DIR --slow",
		"run -out=DIR -slow=false":      "run --out=DIR --slow=false",
		"run --out DIR --slow":          "run --out DIR --slow",
		"run -out -slow -slow":          "run --out -slow --slow", // the first is the value
		"run --out -slow":               "run --out -slow",
		"run -slow -out x -":            "run --slow --out x -",
		"run -v -h -x -vh -outer":       "run -v -h -x -vh --outer", // no flag begins with o alone
		"run -- -slow":                  "run -- -slow",
		"run --events - -slow --client": "run --events - --slow --client",
	} {
		if got := subject.TwoDashes(root, strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("TwoDashes(%s) = %s; want %s", line, strings.Join(got, " "), want)
		}
	}
}

func TestAFlagThatDoesNotExistHasASuggestion(t *testing.T) {
	for name, want := range map[string]string{"subjct": "unknown flag: --subjct; did you mean --subject?", "fast": "unknown flag: --fast"} {
		root := &cobra.Command{Use: "tool", SilenceErrors: true, SilenceUsage: true}
		sub := &cobra.Command{Use: "run", Run: func(*cobra.Command, []string) {}}
		sub.Flags().String("subject", "", "")
		root.AddCommand(sub)
		root.SetFlagErrorFunc(subject.FlagError)
		root.SetArgs(subject.TwoDashes(root, []string{"run", "-" + name, "x"}))
		if err := root.Execute(); err == nil || err.Error() != want {
			t.Errorf("-%s: %v; want %s", name, err, want)
		}
	}
}
