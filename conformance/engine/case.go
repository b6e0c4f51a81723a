package engine

import (
	"slices"
	"strings"
	"time"
)

// Role is the role of the subject in a case.
type Role string

// Roles. A case for Both runs once for each role.
const (
	Server Role = "server"
	Client Role = "client"
	Both   Role = "both"
	API    Role = "api" // the HTTP control API of a server
)

// Need is a thing that a case cannot do without; needs are combined with |.
type Need uint

// Needs.
const (
	// NeedVisitorTarget: the service that the mapping names is known, so that
	// the requested host and port can be judged. Without it: not applicable.
	NeedVisitorTarget Need = 1 << iota
	// NeedTarpit: a target whose dials hang. Where the system cannot make one: inconclusive.
	NeedTarpit
	// NeedManyTunnels: more than one tunnel at a time. Against an address: not run.
	NeedManyTunnels
	// NeedDrain: the suite can start the subject's drain (T.Drain). Where the subject file does not say how: not run.
	NeedDrain
	// NeedRestart: the suite can stop the subject suddenly and start it again
	// with the same data (T.Restart). Against an address: not run.
	NeedRestart
	// NeedOwn: the case changes what others rely on (T.SetKeys): no other case meets its instance.
	NeedOwn
)

// With says which options of its subject file a subject is started with for a case; options are combined with |.
type With uint

// Options. What the subject is given for them the suite has made for this run.
const (
	WithKey        With = 1 << iota // the subject asks for a key (section 30)
	WithTLS                         // it encrypts (section 31): a server has a certificate, a client the authority or the pin of it, or, with WithKey, neither
	WithPin                         // with WithTLS: a client knows its server by a pin
	WithClientCert                  // with WithTLS: a server asks for clients' certificates
	WithKeyAlone                    // with WithTLS and WithKey: a client is told nothing else of its server
	WithPublish                     // with WithKey: a server gives ports to its clients, and a client asks for some (section 32)
)

// Names of options of a subject file that more than their start depends on.
const (
	optionKey   = "tls_key"
	OptionAlone = "tls_key alone" // of a client: without an authority or a pin
)

// needs is what a subject file has to say.
func (w With) needs() string {
	if w&WithKeyAlone != 0 {
		return OptionAlone
	}
	return w.Option()
}

// Option is the name of the option in a subject file; empty: none.
func (w With) Option() string {
	return map[With]string{
		0: "", WithKey: "key", WithTLS: "tls", WithTLS | WithPin: "tls_pin", WithTLS | WithClientCert: "tls_client_cert", WithTLS | WithKey: optionKey,
		WithKey | WithPublish: "publish",
	}[w&^WithKeyAlone]
}

// A Case proves one requirement, or one variant of it, for one role. It is a
// plain value; everything else about it comes from the requirement catalogue.
type Case struct {
	ID      string        // requirement, like FRAME-003
	Variant string        // tells cases with the same ID and role apart; lower case, no spaces: "one-octet-short"
	Title   string        // what the case does, one line
	Role    Role          // of the subject
	Needs   Need          // what it cannot do without
	With    With          // how the subject is started; 0: open
	Wait    time.Duration // longest designed wait for a timer of the text; over SlowWait the case needs --slow
	Races   string        // why what comes differs from run to run of a legal subject; the ways of cutting are then compared by failures alone
	Also    []string      // other requirements that the case is known to show when broken
	Run     func(*T)

	Uncut      bool // what it shows comes before any frame of the suite: it runs once, whatever cuts there are
	OnExtended bool // the requirement is Core's, and this case shows it on an extended tunnel
	Bare       bool // its handshake is that of section 23, or comes to nothing: the subject has to be one that asks for no key

	asking bool // With has the key because the subject always asks

	Unscored string // why it scores nothing: its result is shown, and changes no verdict

	Req Requirement // filled in by the registry from the catalogue
}

// Asking is the case for a subject that always asks for a key.
func (c Case) Asking() Case {
	c.asking = c.With&WithKey == 0
	c.With |= WithKey
	return c
}

// NoLevel is the level of a requirement that the run's requirement set does not have.
const NoLevel = "unscored"

// Requirement is what the suite knows of a requirement.
type Requirement struct {
	ID      string `json:"id"`
	Level   string `json:"level"`   // MUST, SHOULD or MAY; or NoLevel
	Role    Role   `json:"role"`    // server, client or both: who is bound
	Profile string `json:"profile"` // core, ext, auth, tls, bind or api
	Text    string `json:"text"`    // the clause
	Why     string `json:"why,omitempty"`
	Section string `json:"section,omitempty"`
}

// Name is the case's unique name: ID/role, and /variant if it has one.
func (c Case) Name() string {
	name := c.ID + "/" + string(c.Role)
	if c.Variant != "" {
		name += "/" + c.Variant
	}
	return name
}

// Names are what names the case: its requirement's ID, the ID and role, and its
// own name. So CLOSE-003/server names that case with all of its variants.
func (c Case) Names() []string { return []string{c.ID, c.ID + "/" + string(c.Role), c.Name()} }

// Selects reports whether sel is one of the names.
func (c Case) Selects(sel string) bool {
	return slices.ContainsFunc(c.Names(), func(name string) bool { return strings.EqualFold(name, sel) })
}

// Expand turns every case for Both into one for each role.
func Expand(cases []Case) []Case {
	var out []Case
	for _, c := range cases {
		if c.Role != Both {
			out = append(out, c)
			continue
		}
		for _, role := range []Role{Server, Client} {
			c.Role = role
			out = append(out, c)
		}
	}
	return out
}
