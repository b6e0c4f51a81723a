package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// File is the name of a record in its folder.
const File = "record.json"

// Save writes the record into a folder of the scenario's name under dir, which it returns.
func (r *Record) Save(dir string) (string, error) {
	dir = filepath.Join(dir, r.Scenario.Name)
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, File), append(data, '\n'), 0o644)
}

// Load reads every record under dir, or the record that dir itself is.
func Load(dir string) ([]*Record, []string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", File))
	if err == nil && len(names) == 0 {
		names, err = filepath.Glob(filepath.Join(dir, File))
	}
	if err != nil {
		return nil, nil, err
	}
	if info, err := os.Stat(dir); err == nil && info.Mode().IsRegular() {
		names = []string{dir}
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s: holds no %s, and no folder in it does", dir, File)
	}
	var out []*Record
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		r := &Record{}
		if err := json.Unmarshal(data, r); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if r.Version != Version || r.Scenario == nil {
			return nil, nil, fmt.Errorf("%s: version %q; this program reads %q", name, r.Version, Version)
		}
		out = append(out, r)
	}
	return out, names, nil
}
