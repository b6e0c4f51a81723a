package run

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/conformance/subject"
)

// Every notice suits the schema, they come in order, and intervals say about what the block then says.
func TestARunTellsWhatItDoes(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(NoticeSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("notice.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("notice.json")
	s := parseScenario(t, `
groups:
  - {name: up, mode: upload, connections: 1, size: 64KiB}
  - {name: echo, mode: pingpong, connections: 2, size: 1KiB, rate: 200/s}
link: {rtt: 2ms}
timeline: [{do: link.freeze, at: 100ms, for: 100ms}]
measure: 1300ms
paths: [direct]
`)
	var told []string
	var intervals []Notice
	rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, pair)}, Self: self(), Tell: func(n Notice) {
		line, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if n.Event == Interval {
			intervals = append(intervals, n)
		}
		told = append(told, strings.TrimSpace(n.Event+" "+n.Phase+n.Verdict))
	}}).Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"plan", "phase connect", "phase warmup", "phase measure", "interval", "interval", "phase drain", "fault", "cell", "verdict complete"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q; want %q", told, want)
	}
	for _, n := range intervals {
		for i, g := range n.Groups {
			if g.Name != rec.Blocks[0].Groups[i].Name || g.Octets <= 0 || g.Packets <= 0 {
				t.Errorf("interval %+v; want octets in both groups", n)
			}
		}
	}
	if last := intervals[len(intervals)-1].Groups[1]; last.P50 == 0 || last.Packets < 100 || last.Packets > 300 {
		t.Errorf("echo at 200/s: %+v", last)
	}
}

func TestTheSchemaOfNoticesHasTheKeysOfTheProgram(t *testing.T) {
	type object struct {
		Properties map[string]json.RawMessage
		Items      *struct{ Properties map[string]json.RawMessage }
	}
	var file object
	if err := json.Unmarshal(NoticeSchema, &file); err != nil {
		t.Fatal(err)
	}
	var groups object
	if err := json.Unmarshal(file.Properties["groups"], &groups); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		of     reflect.Type
		schema map[string]json.RawMessage
	}{{reflect.TypeFor[Notice](), file.Properties}, {reflect.TypeFor[Going](), groups.Items.Properties}} {
		var keys []string
		for f := range tt.of.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			keys = append(keys, key)
		}
		slices.Sort(keys)
		if got := slices.Sorted(maps.Keys(tt.schema)); !slices.Equal(got, keys) {
			t.Errorf("%v: the schema has %v; the program %v", tt.of, got, keys)
		}
	}
}
