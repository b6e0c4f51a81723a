package cases

import "github.com/adit-tunnel/adit/conformance/engine"

// Coverage says how a requirement without a case is dealt with.
type Coverage string

// Coverages.
const (
	ByConstruction Coverage = "tested by construction" // every case would show it broken
	Excepted       Coverage = "excepted"
)

// byConstruction says how each requirement without a case of its own is
// tested all the same.
var byConstruction = map[string]string{}

// Excuse is the reason why a requirement has no case for a role ("" for
// none at all). Keys of the tables are an ID, or an ID and a role: "SEC-002/server".
func Excuse(id string, role engine.Role) (how Coverage, reason string, ok bool) {
	for _, key := range []string{id, id + "/" + string(role)} {
		if reason, ok = byConstruction[key]; ok {
			return ByConstruction, reason, true
		}
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
