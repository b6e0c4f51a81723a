package dialogue

import (
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Cases are a dialogue as cases, one for each role that its subject can have.
// The first requirement of the vector's profile is what everything in it leads up to.
func Cases(v spec.Vector) []engine.Case {
	var out []engine.Case
	for _, role := range []engine.Role{engine.Server, engine.Client} {
		if v.Role != "both" && v.Role != string(role) {
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(v.ID, "dialogue_"), "ext_"), string(role)+"_")
		c := engine.Case{
			ID: subjectOf(v), Variant: "dialogue-" + strings.ReplaceAll(name, "_", "-"), Role: role, Title: v.Title,
			Run: func(t *engine.T) { Play(t, v.Steps) }, Bare: bare(v.Steps, role),
		}
		for _, id := range v.Requirements {
			if id != c.ID {
				c.Also = append(c.Also, id)
			}
		}
		for _, s := range v.Steps {
			if concerns(s, role) {
				c = planned(c, s)
			}
		}
		out = append(out, c)
	}
	return out
}

// bare reports whether steps are about how an extended tunnel begins: something comes before both HELLOs have passed, or in the place of
// one, or nothing behind them.
func bare(steps []spec.Step, role engine.Role) bool {
	hellos, spoke := 0, false
	for _, s := range steps {
		switch {
		case !concerns(s, role):
		case s.Event == "tunnel begins":
			hellos, spoke = 0, false
		case s.Frame != nil && s.Frame.Type == engine.TypeHello.String():
			hellos++
		case s.From != "" && hellos == 2:
			spoke = true
		case s.From != "", s.Expect == "tunnel is closed" && !spoke:
			return true
		}
	}
	return hellos != 2
}

// subjectOf is the requirement that a vector is about.
func subjectOf(v spec.Vector) string {
	i := slices.IndexFunc(v.Requirements, func(id string) bool { r, _ := spec.Lookup(id); return r.Profile == v.Profile })
	return v.Requirements[max(i, 0)]
}

// planned is a case with what one more step needs.
func planned(c engine.Case, s spec.Step) engine.Case {
	wait, fails := within(s)
	if s.Expect != "" || s.From == string(c.Role) {
		wait = fails - engine.Answer
	}
	if wait > engine.Answer && s.Within != "close-total" && s.Within != "dial-timeout" { // these a subject may take, and seldom does
		c.Wait = max(c.Wait, wait)
	}
	if s.Event == hangs {
		c.Needs |= engine.NeedTarpit
	}
	if s.Event == "subject drains" {
		c.Needs |= engine.NeedDrain
	}
	if s.From == string(c.Role) && (s.Optional || len(s.Or) > 0) {
		c.Races = "the dialogue leaves open which frame the subject sends"
	}
	return c
}

// peerOf is the role on the other side.
func peerOf(role engine.Role) engine.Role {
	if role == engine.Server {
		return engine.Client
	}
	return engine.Server
}
