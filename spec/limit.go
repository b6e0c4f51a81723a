package spec

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// A Limit is one row of section 17. Default, Min and Max count what Unit says.
type Limit struct {
	Name         string   `json:"name"`
	Unit         string   `json:"unit"` // s, octets, connections, tunnels or bindings
	Default      int64    `json:"default"`
	Min          int64    `json:"min,omitempty"` // 0: no lower bound
	Max          int64    `json:"max,omitempty"` // 0: no upper bound
	Allowed      string   `json:"allowed"`       // exactly, at most, at least, range, recommended, any or expected
	Who          string   `json:"who"`           // server, client, both, sender or receiver
	What         string   `json:"what"`
	Requirements []string `json:"requirements,omitempty"`
}

var limits = sync.OnceValue(func() []Limit { return load[[]Limit]("limits.json") })

// Limits walks the table of section 17.
func Limits() iter.Seq[Limit] { return slices.Values(limits()) }

// LimitOf returns the limit of a name, like "dead-peer-client". It panics on a name that section 17 does not have.
func LimitOf(name string) Limit {
	i := slices.IndexFunc(limits(), func(l Limit) bool { return l.Name == name })
	if i < 0 {
		panic("spec: internal error: no limit is named " + name)
	}
	return limits()[i]
}

// Time is the default as a time. It panics on a limit in octets.
func (l Limit) Time() time.Duration { return l.seconds(l.Default) }

// MaxTime is the upper bound, 0 for none. It panics on a limit in octets.
func (l Limit) MaxTime() time.Duration { return l.seconds(l.Max) }

// MinTime is the lower bound, 0 for none. It panics on a limit in octets.
func (l Limit) MinTime() time.Duration { return l.seconds(l.Min) }

func (l Limit) seconds(n int64) time.Duration {
	if l.Unit != "s" {
		panic("spec: internal error: limit " + l.Name + " is not a time")
	}
	return time.Duration(n) * time.Second
}
