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

var (
	types    = sync.OnceValue(func() []Type { return load[[]Type]("types.json") })
	statuses = sync.OnceValue(func() []Status { return load[[]Status]("statuses.json") })
	scopes   = sync.OnceValue(func() []Scope { return load[[]Scope]("errors.json") })
)

// Types walks the frame types; together the ranges cover 0x00 to 0xFF once.
func Types() iter.Seq[Type] { return slices.Values(types()) }

// Statuses walks the statuses of ConnectResponse.
func Statuses() iter.Seq[Status] { return slices.Values(statuses()) }

// Scopes walks the scopes of an error.
func Scopes() iter.Seq[Scope] { return slices.Values(scopes()) }
