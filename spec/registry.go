package spec

import (
	"iter"
	"slices"
	"sync"
)

// A Type is one row of section 5: a range of frame types.
type Type struct {
	From uint8  `json:"from"`
	To   uint8  `json:"to"`
	Name string `json:"name"`
	Use  string `json:"use"`
}

// A Status is one row of section 6.2.
type Status struct {
	Code    uint8  `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

// A Scope is one row of section 15: what an error ends.
type Scope struct {
	Name   string `json:"name"` // ignored, connection error or tunnel error
	Does   string `json:"does"`
	GoesOn string `json:"goes_on"`
}

// A Code is one row of section 29: the reason of a RESET or a GOAWAY.
type Code struct {
	Code    uint16 `json:"code"`
	Name    string `json:"name"`
	In      []Use  `json:"in,omitempty"` // empty: set aside
	Meaning string `json:"meaning"`
}

// A Tag is one row of section 24: what a TLV says.
type Tag struct {
	Tag   uint16 `json:"tag"`
	Name  string `json:"name"`
	Sizes []int  `json:"sizes,omitempty"` // octets of the value; empty: any
	In    []Use  `json:"in,omitempty"`    // empty: set aside, so unknown
	Value string `json:"value"`
}

// A Use is a frame in which a code or a tag has a meaning.
type Use struct {
	Frame string `json:"frame"`
	From  string `json:"from"` // who sends that frame: server, client or both
}

var (
	types    = sync.OnceValue(func() []Type { return load[[]Type]("types.json") })
	statuses = sync.OnceValue(func() []Status { return load[[]Status]("statuses.json") })
	codes    = sync.OnceValue(func() []Code { return load[[]Code]("codes.json") })
	tags     = sync.OnceValue(func() []Tag { return load[[]Tag]("tags.json") })
	scopes   = sync.OnceValue(func() []Scope { return load[[]Scope]("errors.json") })
)

// Types walks the frame types; together the ranges cover 0x00 to 0xFF once.
func Types() iter.Seq[Type] { return slices.Values(types()) }

// Statuses walks the statuses of ConnectResponse.
func Statuses() iter.Seq[Status] { return slices.Values(statuses()) }

// Codes walks the codes of RESET and GOAWAY.
func Codes() iter.Seq[Code] { return slices.Values(codes()) }

// CodeNamed returns the code of a name, like "timed-out".
func CodeNamed(name string) (Code, bool) {
	i := slices.IndexFunc(codes(), func(c Code) bool { return c.Name == name })
	if i < 0 {
		return Code{}, false
	}
	return codes()[i], true
}

// Tags walks the tags of TLVs.
func Tags() iter.Seq[Tag] { return slices.Values(tags()) }

// Scopes walks the scopes of an error.
func Scopes() iter.Seq[Scope] { return slices.Values(scopes()) }
