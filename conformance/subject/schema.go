package subject

import _ "embed"

// JSONSchema describes a subject file. What stands in texts, such as
// placeholders and quotes, Load alone judges.
//
//go:embed schema.json
var JSONSchema []byte
