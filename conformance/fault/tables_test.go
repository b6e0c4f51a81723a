package fault

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// Every MUST has a mutant for each role that it binds, or a written reason, and no reason is left over.
func TestEveryMustHasAMutantOrAReason(t *testing.T) {
	for _, key := range Uncovered() {
		t.Errorf("%s: neither a mutant nor a reason", key)
	}
	for key, why := range Reasons {
		id, role, _ := strings.Cut(key, "/")
		req, ok := spec.Lookup(id)
		if !ok {
			t.Errorf("reason %s: no such requirement", key)
		}
		for _, m := range Mutants() {
			if m.Req == req.ID && (role == "" || role == string(m.Role)) {
				t.Errorf("reason %s (%s): it has a mutant", key, why)
			}
		}
	}
}

func TestMutantsNameRequirements(t *testing.T) {
	for _, m := range slices.Concat(Mutants(), Rewrites()) {
		if m.Req == "" { // a liar
			continue
		}
		req, ok := spec.Lookup(m.Req)
		if !ok {
			t.Errorf("%s: no requirement %s", m.ID(), m.Req)
			continue
		}
		if roles := rolesOf(req); !slices.Contains(roles, m.Role) {
			t.Errorf("%s: %s binds %v", m.ID(), m.Req, roles)
		}
	}
}

// A mutant that the peer does not know would conform, and survive for the wrong reason.
func TestThePeerKnowsEveryMutant(t *testing.T) {
	inCode := map[string]bool{}
	files, err := filepath.Glob("peer/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of the peer: %v", err)
	}
	uses := regexp.MustCompile(`(?:bug\(|Mutant == |"liar-[a-z]+": *|bug := )"?([A-Z]+-\d{3}(?:-[a-z]+)?|liar-[a-z]+)"`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllSubmatch(text, -1) {
			inCode[string(m[1])] = true
		}
	}
	for _, m := range Mutants() {
		if m.Req != "" && !inCode[m.Name] {
			t.Errorf("mutant %s: the peer does nothing wrong for it", m.ID())
		}
	}
	for name := range inCode {
		if !slices.ContainsFunc(Mutants(), func(m Mutant) bool { return m.Name == name }) {
			t.Errorf("the peer has mutant %s, which is in no table", name)
		}
	}
}

// A rewrite changes nothing unless it says how.
func TestRewritesChangeSomething(t *testing.T) {
	for _, r := range slices.Concat(rewrites, extRewrites) {
		if r.in == nil && r.out == nil && !r.once && !r.deaf {
			t.Errorf("rewrite %s changes nothing", r.name)
		}
		if r.role == engine.Both {
			for _, role := range []engine.Role{Server, Client} {
				if _, ok := findRewrite(r.name, role); !ok {
					t.Errorf("rewrite %s: not found for a %s", r.name, role)
				}
			}
		}
	}
	if _, ok := findRewrite("OPEN-001", Client); ok {
		t.Error("a client has a rewrite of the server's")
	}
}
