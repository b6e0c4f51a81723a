package cases

// Exceptions says why a requirement has no case, by its ID.
var Exceptions = map[string]string{
	"ALIVE-007": "whether a side itself read is not visible on the wire; unit tests of an implementation have to show it",
	"FLOW-006":  "how much a side owes and holds is not visible on the wire; unit tests of an implementation have to show it",
	"CLOSE-011": "a permission: nothing to break",
	"MULTI-001": "a permission: nothing to break",
	"SEC-001":   "what a client's policy allows is not visible on the wire; SEC-002 has a case for the usual one",
	"SEC-003":   "which address a name was resolved to, and how often, is not visible on the wire",
	"SEC-005":   "logs are not visible on the wire",
}
