package spec_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/spec"
)

// vectorFiles returns the files of the folder, and fails when there are none.
func vectorFiles(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("vectors/*_*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no vectors (%v); make them with go generate ./spec", err)
	}
	return names
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("vectors/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectorsFollowTheSchema(t *testing.T) {
	s := schema(t)
	for _, name := range vectorFiles(t) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	head := `{"id": "frame_x", "kind": "frame", "title": "x", "requirements": ["DATA-001"], "profile": "core", "role": "both", "notes": "", `
	key := `{"id": "key_x", "kind": "key", "title": "x", "requirements": ["AUTH-023"], "profile": "auth", "role": "both", "notes": "", `
	step := `{"id": "dialogue_x", "kind": "dialogue", "title": "x", "requirements": ["DATA-001"], "profile": "core", "role": "both", "notes": "", "steps": [`
	for _, c := range []struct{ name, doc string }{
		{"an unknown key", head + `"octets": "00", "expect": "accept", "frame": {"type": "KeepAlive"}, "comment": ""}`},
		{"an unknown key of a frame", head + `"octets": "00", "expect": "accept", "frame": {"type": "KeepAlive", "id": 1}}`},
		{"an accepted frame that is not decoded", head + `"octets": "00", "expect": "accept"}`},
		{"a rejected frame without twin", head + `"octets": "00", "expect": "reject", "error": {"layer": "size", "dies": "tunnel", "requirement": "FRAME-008"}}`},
		{"octets that are no hex", head + `"octets": "0g", "expect": "accept", "frame": {"type": "KeepAlive"}}`},
		{"half an octet", head + `"octets": "012", "expect": "accept", "frame": {"type": "KeepAlive"}}`},
		{"steps in a frame", head + `"octets": "00", "expect": "accept", "frame": {"type": "KeepAlive"}, "steps": []}`},
		{"an event outside of the vocabulary", step + `{"event": "visitor sings"}]}`},
		{"a step of two kinds", step + `{"event": "visitor connects", "from": "server", "octets": "00"}]}`},
		{"a line that is a key and says none", key + `"line": "adit1:a:b", "expect": "accept"}`},
		{"a line that is none and says one", key + `"line": "a", "expect": "reject", "twin": "key_y", "error": {"layer": "content", "dies": "nothing", "requirement": "AUTH-023"}, "key": {"id": "a", "secret": "00"}}`},
		{"a key of another ID than keys have", key + `"line": "adit1:a:b", "expect": "accept", "key": {"id": "a b", "secret": "00"}}`},
		{"proofs that are not there", `{"id": "proof_x", "kind": "proof", "title": "x", "requirements": ["AUTH-002"], "profile": "auth", "role": "both", "notes": ""}`},
		{"a step of no kind", step + `{"note": "x"}]}`},
		{"an expectation without requirement", step + `{"expect": "visitor is ended", "within": "answer"}]}`},
		{"an expectation without deadline", step + `{"expect": "visitor is ended", "requirements": ["OPEN-014"]}]}`},
	} {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(c.doc))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := s.Validate(doc); err == nil {
			t.Errorf("the schema takes %s", c.name)
		}
	}
}

func TestVectorsAreSound(t *testing.T) {
	all := slices.Concat(slices.Collect(spec.Vectors("")), slices.Collect(spec.ExtVectors("")), slices.Collect(spec.AuthVectors("")), slices.Collect(spec.BindVectors("")))
	if files := len(vectorFiles(t)); len(all) != files {
		t.Fatalf("%d vectors embedded, %d files", len(all), files)
	}
	for _, v := range all {
		ids := slices.Clone(v.Requirements)
		all := append([]spec.Octets{v.Octets}, v.Chunks...)
		if p := v.Proofs; p != nil {
			all = append(all, p.Key.Secret, p.Certificate, p.CB, p.ClientHello, p.ServerHello, p.T, p.Server, p.Client)
		}
		if v.Key != nil {
			all = append(all, v.Key.Secret)
		}
		if v.Error != nil {
			ids = append(ids, v.Error.Requirement)
			if !slices.Contains(v.Requirements, v.Error.Requirement) {
				t.Errorf("%s: error cites %s, which requirements lacks", v.ID, v.Error.Requirement)
			}
		}
		for i, s := range v.Steps {
			ids = append(ids, s.Requirements...)
			all = append(all, s.Octets)
			if s.Within != "" && !slices.ContainsFunc(slices.Collect(spec.Limits()), func(l spec.Limit) bool { return l.Name == s.Within && l.Unit == "s" }) {
				t.Errorf("%s: step %d: no time is named %q", v.ID, i, s.Within)
			}
			if mine := s.From == v.Role || v.Role == "both"; s.From != "" && mine != (s.Within != "") {
				t.Errorf("%s: step %d: what the subject sends has a deadline, what it receives has none", v.ID, i)
			}
		}
		for _, id := range ids {
			r, ok := spec.Lookup(id)
			if !ok {
				t.Errorf("%s cites %s, which PROTOCOL.md does not have", v.ID, id)
			} else if !builtOn(v.Profile, r.Profile) {
				t.Errorf("%s of profile %s cites %s of profile %s", v.ID, v.Profile, id, r.Profile)
			}
		}
		for _, o := range all {
			if err := o.Check(); err != nil {
				t.Errorf("%s: %v", v.ID, err)
			}
		}
		if v.Twin == "" {
			continue
		}
		if twin, ok := spec.VectorOf(v.Twin); !ok || twin.Kind != v.Kind || twin.Expect == "reject" {
			t.Errorf("%s: the twin %s is no valid vector of the same kind", v.ID, v.Twin)
		}
	}
}

// builtOn reports whether a profile has requirements from another: what it takes over stays that one's.
func builtOn(profile, other string) bool {
	return other == profile || other == "core" || (profile == "auth" || profile == "bind") && other == "ext"
}

// A dialogue binds its subject by what it cites: each expectation of a role cites a requirement of that role.
func TestDialoguesCiteTheSubject(t *testing.T) {
	for _, v := range slices.Concat(slices.Collect(spec.Vectors("dialogue")), slices.Collect(spec.ExtVectors("dialogue")), slices.Collect(spec.BindVectors("dialogue"))) {
		for i, s := range v.Steps {
			subject := v.Role
			if subject == "both" {
				subject = s.From
			}
			for _, id := range s.Requirements {
				if r, ok := spec.Lookup(id); ok && subject != "" && !r.Binds(subject) {
					t.Errorf("%s: step %d: %s does not bind a %s", v.ID, i, id, subject)
				}
			}
		}
	}
}

func TestOctets(t *testing.T) {
	for _, c := range []struct {
		in   spec.Octets
		want string
	}{
		{"", ""},
		{"00ff", "\x00\xff"},
		{"01 02*3 04", "\x01\x02\x02\x02\x04"},
		{"6162*2", "abab"},
		{"00 fill:0123456789abcdef*15", "\x00\x01\x23\x45\x67\x89\xab\xcd\xef\x3f\x28\x00\xd6\x56\x9e\x01"},
	} {
		if got := string(c.in.Bytes()); got != c.want {
			t.Errorf("Octets(%q).Bytes() = %q; want %q", string(c.in), got, c.want)
		}
	}
	for _, bad := range []spec.Octets{"0", "zz", "00*", "00*0", "00*-1", "00*268435457", "fill:12*3", "fill:0123456789abcdef", "00*268435456 00"} {
		if bad.Check() == nil {
			t.Errorf("Octets(%q).Check() = nil; want an error", string(bad))
		}
	}
}
