package report

import _ "embed"

// JSONSchema is the JSON Schema of a File.
//
//go:embed schema.json
var JSONSchema []byte
