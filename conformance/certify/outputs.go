package certify

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/adit-tunnel/adit/conformance/report"
)

// Outputs are the files that a report is written to; an empty name writes none.
type Outputs struct {
	JSON, Bundle                 string
	JUnit, HTML, Markdown, Badge string

	Subject SubjectFlags // of whose files the bundle has digests
}

// An output is one file and what writes it.
type output struct {
	name  string
	write func(report.File, io.Writer) error
}

// named are those that have a name.
func (o Outputs) named() (out []output) {
	badge := report.File.WriteBadge
	if filepath.Ext(o.Badge) == ".json" {
		badge = report.File.WriteEndpoint
	}
	for _, one := range []output{
		{o.JSON, report.File.WriteJSON},
		{o.Bundle, o.writeBundle},
		{o.JUnit, report.File.WriteJUnit},
		{o.HTML, report.File.WriteHTML},
		{o.Markdown, report.File.WriteMarkdown},
		{o.Badge, badge},
	} {
		if one.name != "" {
			out = append(out, one)
		}
	}
	return out
}

// None reports whether nothing is to be written.
func (o Outputs) None() bool { return len(o.named()) == 0 }

// Check refuses files that cannot be written, before there is anything to write.
func (o Outputs) Check() error {
	seen := map[string]bool{}
	for _, out := range o.named() {
		if st, err := os.Stat(filepath.Dir(out.name)); err != nil || !st.IsDir() {
			return fmt.Errorf("report file %s: its folder does not exist", out.name)
		}
		if seen[filepath.Clean(out.name)] {
			return fmt.Errorf("%s: two reports would be written to this file; give each its own", out.name)
		}
		seen[filepath.Clean(out.name)] = true
	}
	return nil
}

// Write writes them all, and says which could not be written.
func (o Outputs) Write(f report.File) error {
	var errs []error
	for _, out := range o.named() {
		errs = append(errs, out.to(f))
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

// writeBundle writes the report with the digests of all that made it.
func (o Outputs) writeBundle(f report.File, w io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	files, err := o.Subject.files()
	if err != nil {
		return err
	}
	if f.Bundle, err = report.NewBundle(self, files); err != nil {
		return err
	}
	return f.WriteBundle(w)
}
