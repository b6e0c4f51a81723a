// Package scenarios is the questions that adit-load has built in, and the subject that it measures when it is told nothing else.
package scenarios

import "embed"

// Files are the scenarios of this folder, and subjects/reference.yaml.
//
//go:embed *.yaml subjects/reference.yaml
var Files embed.FS
