package subject

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TwoDashes is a command line in which flags that have one dash have two: -version, as adit-server and adit-client take it.
// What may be letters with one dash, or is the value of a flag, stays as it is.
func TwoDashes(root *cobra.Command, args []string) (out []string) {
	takes := map[string]bool{"help": false, "version": false} // by name: whether a value follows
	letters := "hv"
	add := func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			takes[f.Name] = f.NoOptDefVal == ""
			letters += f.Shorthand
		})
	}
	add(root)
	for c, i := root, 0; i < len(args); i++ { // the command's words come first
		at := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == args[i] || sub.HasAlias(args[i]) })
		if at < 0 {
			break
		}
		c = c.Commands()[at]
		add(c)
	}
	value := false
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, dashed := strings.CutPrefix(arg, "-")
		name, _, given := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		follows, known := takes[name]
		switch {
		case value:
			value = false
		case dashed && len(name) > 1 && (known || !strings.Contains(letters, name[:1])):
			value = follows && !given
			if !strings.HasPrefix(arg, "--") {
				arg = "-" + arg
			}
		}
		out = append(out, arg)
	}
	return out
}

// FlagError adds to the error of a flag that a command does not have which one may be meant.
func FlagError(c *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := Near(unknown.GetSpecifiedName(), names); len(near) > 0 {
		return fmt.Errorf("%w; did you mean --%s?", err, near[0])
	}
	return err
}
