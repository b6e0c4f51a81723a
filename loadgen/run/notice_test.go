package run

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/conformance/subject"
)

// Every notice suits the schema, they come in order, and intervals say about what the block then says.
func TestARunTellsWhatItDoes(t *testing.T) {
	schema := schematest.Compile(t, NoticeSchema)
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
		if err := schema.JSON(t, line); err != nil {
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
	// What is asked meanwhile does not disturb what is counted over the measured time.
	windows, up := int64(0), rec.Blocks[0].Groups[0]
	for _, n := range up.Series.Up {
		windows += n
	}
	if windows < up.Octets*8/10 || windows > up.Octets*12/10 {
		t.Errorf("%d bytes in windows, %d in the block", windows, up.Octets)
	}
	if last := intervals[len(intervals)-1].Groups[1]; last.P50 == 0 || last.Packets < 20 || last.Packets > 300 {
		t.Errorf("echo at 200/s: %+v", last)
	}
}

func TestTheSchemaOfNoticesHasTheKeysOfTheProgram(t *testing.T) {
	schematest.SameKeys(t, NoticeSchema, "json", map[string]reflect.Type{
		"": reflect.TypeFor[Notice](), "properties/groups/items": reflect.TypeFor[Going](),
	})
}
