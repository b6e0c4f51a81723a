package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/conformance/report"
)

// outputs are the files that a report is written to; an empty name writes none.
type outputs struct {
	junit, html, markdown, badge string
}

func (o *outputs) flags(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&o.junit, "junit", "", "write a JUnit report to this file")
	s.StringVar(&o.html, "html", "", "write a page for people to this file")
	s.StringVar(&o.markdown, "markdown", "", "write the verdict and the failures in Markdown to this file")
	s.StringVar(&o.badge, "badge", "", "write the verdict as a badge, in SVG, to this file")
}

// A output is one file and what writes it.
type output struct {
	name  string
	write func(report.File, io.Writer) error
}

func (o *outputs) all() []output {
	return []output{
		{o.junit, report.File.WriteJUnit},
		{o.html, report.File.WriteHTML},
		{o.markdown, report.File.WriteMarkdown},
		{o.badge, report.File.WriteBadge},
	}
}

// check refuses files that cannot be written, before there is anything to write.
func check(outs []output) error {
	for _, out := range outs {
		if out.name == "" {
			continue
		}
		if st, err := os.Stat(filepath.Dir(out.name)); err != nil || !st.IsDir() {
			return fmt.Errorf("report file %s: its folder does not exist", out.name)
		}
	}
	return nil
}

// write writes them all, and says which could not be written.
func write(outs []output, f report.File) error {
	var errs []error
	for _, out := range outs {
		if out.name != "" {
			errs = append(errs, out.to(f))
		}
	}
	return errors.Join(errs...)
}

func (out output) to(f report.File) error {
	file, err := os.Create(out.name)
	if err != nil {
		return err
	}
	return errors.Join(out.write(f, file), file.Close())
}
