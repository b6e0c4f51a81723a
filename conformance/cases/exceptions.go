package cases

import "github.com/adit-tunnel/adit/conformance/engine"

// How says what stands in for the case of a requirement that has none.
type How string

// Hows.
const (
	ByConstruction How = "tested by construction" // of reports of older suites: every case would show it broken
	Excepted       How = "excepted"
)

// Exceptions says why a requirement has no case, by its ID.
var Exceptions = map[string]string{
	"ALIVE-007": "whether a side itself read is not visible on the wire; unit tests of an implementation have to show it",
	"FLOW-006":  "how much a side owes and holds is not visible on the wire; unit tests of an implementation have to show it",
	"CLOSE-011": "a permission: nothing to break",
	"CLOSE-013": "a permission: nothing to break",
	"LOSS-006":  "how a client's waits grow shows only over minutes of attempts that fail; unit tests of an implementation have to show it",

	"SEC-004/client":   "the memory for one payload, 1 MiB at most, is lost in what a process takes anyway; unit tests of an implementation have to show it",
	"ORDER-004/server": "nothing that a server does at the first octets of a frame makes its ID idle, so that a second decision would show",
	"MULTI-001":        "a permission: nothing to break",
	"GROUP-001":        "a permission: nothing to break",
	"HELLO-001":        "a permission; a client that claims the profile uses it in every case",
	"TLV-004/client":   "a client says HELLO once on a tunnel: dozens of tunnels would have to be seen; unit tests of an implementation have to show it",
	"XID-006":          "more IDs than a run has time for; unit tests of an implementation have to show it",
	"XOPEN-013":        "what a client counts against its bounds is not visible on the wire; unit tests of an implementation have to show it",
	"XOPEN-014":        "a permission: nothing to break; the limit that early Data keeps is judged in every case",
	"RESET-004":        "a permission: nothing to break",
	"WIN-009":          "how windows grow is the receiver's own affair; the load generator measures what comes of it",
	"WIN-010":          "how much lies under way shows as waiting time; the load generator measures it",
	"AUTH-008":         "how long a comparison takes is lost in what a network takes; review and unit tests of an implementation have to show it",
	"AUTH-011":         "which rights a key has is said in a way that is each server's own; unit tests of an implementation have to show it",
	"AUTH-020":         "a permission: nothing to break; a server that acts on what comes behind the proof shows AUTH-005",
	"AUTH-023":         "what a side makes of a text that is no key is between it and its operator; the vectors of kind key are for its unit tests",
	"AUTH-026":         "no way that a subject is started makes auth optional: it is open or asks for a key; unit tests of a server that can be both have to show it",
	"TLS-003":          "a side that offers or takes early data needs a TLS library that can, over TCP; unit tests of an implementation have to show that it is turned off",
	"TLS-007":          "a permission: nothing to break",
	"SEC-001":          "what a client's policy allows is not visible on the wire; SEC-002 has a case for the usual one",
	"SEC-003":          "which address a name was resolved to, and how often, is not visible on the wire",
}

// Excuse is the reason why a requirement has no case for a role ("" for
// none at all). Keys of the table are an ID, or an ID and a role: "SEC-002/server".
func Excuse(id string, role engine.Role) (how How, reason string, ok bool) {
	for _, key := range []string{id, id + "/" + string(role)} {
		if reason, ok = Exceptions[key]; ok {
			return Excepted, reason, true
		}
	}
	return "", "", false
}

// Roles are the roles that a requirement has to be shown for.
func Roles(r engine.Requirement) []engine.Role {
	switch {
	case r.Profile == "api":
		return []engine.Role{engine.API}
	case r.Role == engine.Both:
		return []engine.Role{engine.Server, engine.Client}
	}
	return []engine.Role{r.Role}
}
