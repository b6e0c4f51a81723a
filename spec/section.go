package spec

import (
	"iter"
	"slices"
	"sync"
)

// A Section is one section of PROTOCOL.md with its heading, without its
// subsections. The texts of all of them, one after the other, are PROTOCOL.md.
type Section struct {
	Number string `json:"number"` // like 8.2, or B for an appendix; empty: what stands before the first
	Title  string `json:"title"`
	Text   string `json:"text"` // Markdown
}

// A Term is a word that PROTOCOL.md defines: a verb, a party or thing, a state of a connection.
type Term struct {
	Name    string `json:"name"`
	Section string `json:"section"`
	Role    string `json:"role"` // server, client or both: whose state it is
	Text    string `json:"text"` // Markdown, one line
}

var (
	sections = sync.OnceValue(func() []Section { return load[[]Section]("sections.json") })
	terms    = sync.OnceValue(func() []Term { return load[[]Term]("terms.json") })
)

// Sections walks the text.
func Sections() iter.Seq[Section] { return slices.Values(sections()) }

// Terms walks the definitions, in the order of the text.
func Terms() iter.Seq[Term] { return slices.Values(terms()) }
