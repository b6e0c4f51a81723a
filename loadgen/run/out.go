package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// resultsRoom is how much must fit into the folder for results: about what a
// record with its page and plots takes.
const resultsRoom = 8 << 20

// ready makes sure, before anything is measured, that the results of all
// scenarios can be written, and that none replaces what nobody wants replaced.
func (s *Session) ready(scenarios []*scenario.Scenario) error {
	if s.Out == "" {
		return nil
	}
	for _, sc := range scenarios {
		if name := filepath.Join(s.Out, sc.Name, record.File); !s.Force {
			if _, err := os.Lstat(name); err == nil {
				return fmt.Errorf("--out %s: %s is there already: give --force to replace it, or another folder", s.Out, name)
			}
		}
	}
	for _, sc := range scenarios {
		dir := filepath.Join(s.Out, sc.Name)
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = hasRoom(dir)
		}
		if err != nil {
			return fmt.Errorf("--out %s: cannot hold results: %w", s.Out, err)
		}
	}
	return nil
}

// hasRoom writes so much into a folder and takes it away again.
func hasRoom(dir string) error {
	f, err := os.CreateTemp(dir, ".adit-load-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, resultsRoom))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
