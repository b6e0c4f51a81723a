package fuzz

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/adit-tunnel/adit/conformance/dialogue"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/spec"
)

// Every sequence is a dialogue that can be written and read, the same for the same seed.
func TestSequences(t *testing.T) {
	layouts := []layout{{role: engine.Client}, {role: engine.Server}, {role: engine.Server, many: true}, {role: engine.Server, many: true, oldest: true}}
	schema := schematest.Compile(t, spec.VectorSchema())
	did, wild := map[string]int{}, 0
	for _, l := range layouts {
		c := Campaign{Role: l.role, Seed: 7, layout: l}
		for n := range uint64(40) {
			seq := compose(7, n, l)
			if !reflect.DeepEqual(seq, compose(7, n, l)) {
				t.Fatalf("sequence %d differs from itself", n)
			}
			if reflect.DeepEqual(seq, compose(8, n, l)) {
				t.Fatalf("sequence %d is the same for another seed", n)
			}
			for _, s := range seq.steps {
				did[s.Event]++
				did[s.Expect]++
				if s.Frame == nil && s.From != string(l.role) {
					did[s.From]++
				}
			}
			if seq.wild {
				wild++
			}
			v := c.file(&finding{kind: Hang, trial: &trial{n: n, seq: seq}, found: engine.Finding{Req: aliveReq(l.role)}}, []uint64{n + 1, n + 2})
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.JSON(t, b); err != nil {
				t.Fatalf("sequence %d: %v\n%s", n, err, b)
			}
			if read, err := spec.ParseVector(b); err != nil || dialogue.Check(read) != nil {
				t.Fatalf("sequence %d: %v, %v\n%s", n, err, dialogue.Check(read), b)
			}
		}
	}
	for _, do := range []string{
		"server", "client", "visitor connects", "service accepts", "service refuses", "service is dialled", "tunnel begins", "tunnel ends",
		"visitor sends", "visitor resets", "visitor closes", "visitor ends its stream", "service sends", "tunnel ends its stream",
	} {
		if did[do] == 0 {
			t.Errorf("no sequence has the step %s", do)
		}
	}
	if total := 40 * len(layouts); wild < total/2 || wild == total {
		t.Errorf("%d of %d sequences have something wrong; want most, and not all", wild, total)
	}
}

func TestCorpusHasTheVectors(t *testing.T) {
	for _, role := range []engine.Role{engine.Server, engine.Client} {
		if n := len(corpus(role)); n < 30 {
			t.Errorf("%d vectors for a %s", n, role)
		}
	}
}
