package scenario

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/scenarios"
)

// Builtin are the names of the scenarios that need no file.
func Builtin() (names []string) {
	files, err := fs.Glob(scenarios.Files, "*.yaml")
	if err != nil { // the pattern is ours
		panic("scenario: internal error: " + err.Error())
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f, ".yaml"))
	}
	return names
}

// Read is the text of a scenario file, or when there is none of that name of the scenario that is built in.
func Read(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err == nil {
		return data, nil
	}
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("scenario file: %w", err)
	}
	if data, err = scenarios.Files.ReadFile(name + ".yaml"); err != nil {
		return nil, fmt.Errorf("there is no such file, and none is built in: scenario %s", subject.OneOf(name, Builtin()))
	}
	return data, nil
}
