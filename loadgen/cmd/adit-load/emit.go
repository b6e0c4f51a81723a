package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/loadgen/deploy"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// An emission says what plan writes instead of a plan: files for other machines.
type emission struct{ format, image string }

func (e *emission) flags(c *cobra.Command) {
	c.Flags().StringVar(&e.format, "emit", "", "instead print the file that takes one scenario to many machines: "+strings.Join(deploy.Formats, " or "))
	c.Flags().StringVar(&e.image, "image", "adit-load:"+version, "with --emit: name of the image of adit-load")
}

// check says which flags do not go together.
func (e *emission) check(c *cobra.Command, files []string) error {
	emit, image, asJSON := c.Flags().Changed("emit"), c.Flags().Changed("image"), c.Flags().Changed("json")
	switch {
	case !emit && image:
		return fmt.Errorf("--image %s: belongs to --emit: add it, like --emit swarm", e.image)
	case !emit:
		return nil
	case !slices.Contains(deploy.Formats, e.format):
		return fmt.Errorf("--emit %q: must be one of %s", e.format, strings.Join(deploy.Formats, ", "))
	case asJSON:
		return fmt.Errorf("--emit %s: excludes --json: it has a format of its own", e.format)
	case len(files) != 1:
		return fmt.Errorf("--emit %s: takes one scenario, not %d: emit each by itself", e.format, len(files))
	}
	return nil
}

// write prints the file for one scenario.
func (e *emission) write(w io.Writer, file string, subjects []string, profile string) (err error) {
	l := &deploy.Load{Image: e.image, Profile: profile}
	if l.File, err = source(file); err != nil {
		return err
	}
	if l.Scenario, err = scenario.Parse(file, l.File.Data); err != nil {
		return err
	}
	if err := l.Scenario.Apply(profile); err != nil {
		return err
	}
	for _, name := range subjects {
		s, err := source(name)
		if err != nil {
			return err
		}
		l.Subjects = append(l.Subjects, s)
	}
	text, err := l.Emit(e.format)
	if err != nil {
		return fmt.Errorf("--emit %s: %w", e.format, err)
	}
	_, err = w.Write(text)
	return err
}

func source(name string) (deploy.Source, error) {
	data, err := os.ReadFile(name)
	return deploy.Source{Name: name, Data: data}, err
}
