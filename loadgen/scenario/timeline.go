package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// What a time line can do to a route. An outage ends by itself: when it is
// over, everything is as it was.
const (
	LinkFreeze    = "link.freeze"    // nothing arrives, nothing is lost
	LinkKill      = "link.kill"      // all connections on it are reset, and none is taken
	LinkSet       = "link.set"       // the link is another one
	ServerKill    = "server.kill"    // ends at once; started again after the time
	ServerRestart = "server.restart" // ends in order; started again after the time
	ServerDrain   = "server.drain"   // is told to end in order, has the time for it, and is started again
	ServerFreeze  = "server.freeze"  // gets no processor
	ClientKill    = "client.kill"
	ClientRestart = "client.restart"
	ClientDrain   = "client.drain"
	ClientFreeze  = "client.freeze"
	ReaderStall   = "reader.stall" // the connections of a group read nothing
)

// Deeds lists them.
var Deeds = []string{
	LinkFreeze, LinkKill, LinkSet, ServerKill, ServerRestart, ServerDrain, ServerFreeze, ClientKill, ClientRestart, ClientDrain, ClientFreeze, ReaderStall,
}

// An Event is one entry of the time line.
type Event struct {
	At    subject.Duration `yaml:"at" json:"at"`                 // from the start of the measured time
	Do    string           `yaml:"do" json:"do"`                 // one of Deeds
	For   subject.Duration `yaml:"for" json:"for,omitempty"`     // how long it lasts
	Group string           `yaml:"group" json:"group,omitempty"` // reader.stall: whose readers
	To    *Link            `yaml:"to" json:"to,omitempty"`       // link.set: what the link is meanwhile
}

// fields are what axes and cells may set, of all events alike.
func (e *Event) fields() map[string]any {
	return map[string]any{"at": &e.At, "do": &e.Do, "for": &e.For}
}

// On reports whether the event happens on the link, the server, the client or the reader.
func (e *Event) On(what string) bool { return strings.HasPrefix(e.Do, what+".") }

func (e *Event) String() string {
	return fmt.Sprintf("%s at %v for %v", e.Do, short(e.At), short(e.For))
}

const maxEvents = 100

// problem says what keeps the event from happening in the cell; empty when nothing does.
func (e *Event) problem(s *Scenario, c *Cell) string {
	over := e.At + e.For
	switch {
	case e.Do == "":
		return "do is missing: add it, like do: link.freeze"
	case !slices.Contains(Deeds, e.Do):
		return "do " + subject.OneOf(e.Do, Deeds)
	case e.At < 0 || e.For < 0 || over > s.Measure:
		return fmt.Sprintf("%v: must begin and be over within the measured time, %v", e, short(s.Measure))
	case e.For == 0 && !strings.HasSuffix(e.Do, ".kill") && !strings.HasSuffix(e.Do, ".restart"):
		return fmt.Sprintf("for is missing: say how long %s lasts, like for: 1s", e.Do)
	case e.On("link") && c.Link.Bare():
		return fmt.Sprintf("%s needs a link: add one, like link: {rtt: 1ms}", e.Do)
	case (e.Do == LinkSet) != (e.To != nil):
		return "to belongs to do: link.set: what the link is meanwhile, like to: {rtt: 100ms}"
	case e.To != nil && e.To.Backend != "":
		return "to: backend belongs to link: it stays what it is"
	case e.To != nil && e.To.problem() != "":
		return "to: " + e.To.problem()
	case (e.On("server") || e.On("client")) && !slices.Contains(s.Paths, Tunnel):
		return fmt.Sprintf("%s needs the path tunnel: add it to paths", e.Do)
	case (e.Do == ReaderStall) != (e.Group != ""):
		return "group belongs to do: reader.stall: whose readers stop, like group: bulk"
	case e.Do != ReaderStall:
		return ""
	}
	i := slices.IndexFunc(c.Groups, func(g Group) bool { return g.Name == e.Group })
	switch {
	case i < 0:
		return "group " + subject.OneOf(e.Group, namesOf(c.Groups))
	case c.Groups[i].Mode != Download && c.Groups[i].Mode != Both:
		return fmt.Sprintf("group %s: %s needs mode download or both, not %s: nobody else reads while others send", e.Group, e.Do, c.Groups[i].Mode)
	}
	return ""
}

// shrink makes the time line fit a measured time that is a part of what it was.
func (c *Cell) shrink(part float64) {
	for i := range c.Timeline {
		e := &c.Timeline[i]
		e.At = scaled(e.At, part)
		e.For = scaled(e.For, part)
	}
}

func scaled(d subject.Duration, part float64) subject.Duration {
	return subject.Duration(time.Duration(float64(d) * part).Truncate(time.Millisecond))
}
