package record

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
)

// keys are the keys that a struct has in a file, those of embedded structs among them.
func keys(of reflect.Type, format string) (out []string) {
	for f := range of.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get(format), ",")
		switch {
		case f.Anonymous:
			out = append(out, keys(f.Type, format)...)
		case key != "-":
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// The schema and the program know the same keys.
func TestTheSchemaHasTheKeysOfTheProgram(t *testing.T) {
	type object struct{ Properties map[string]any }
	var file struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &file); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		of     reflect.Type
		schema object
	}{
		{"record", reflect.TypeFor[Record](), file.object},
		{"scenario", reflect.TypeFor[scenario.Scenario](), file.Defs["scenario"]},
		{"limit", reflect.TypeFor[scenario.Limit](), file.Defs["limit"]},
		{"cell", reflect.TypeFor[scenario.Cell](), file.Defs["cell"]},
		{"setting", reflect.TypeFor[scenario.Setting](), file.Defs["setting"]},
		{"load", reflect.TypeFor[scenario.Group](), file.Defs["load"]},
		{"link", reflect.TypeFor[scenario.Link](), file.Defs["link"]},
		{"stall", reflect.TypeFor[scenario.Stall](), file.Defs["stall"]},
		{"event", reflect.TypeFor[scenario.Event](), file.Defs["event"]},
		{"slow", reflect.TypeFor[Slow](), file.Defs["slow"]},
		{"finding", reflect.TypeFor[Finding](), file.Defs["finding"]},
		{"slope", reflect.TypeFor[Slope](), file.Defs["slope"]},
		{"apart", reflect.TypeFor[Apart](), file.Defs["apart"]},
		{"sought", reflect.TypeFor[scenario.Search](), file.Defs["sought"]},
		{"search", reflect.TypeFor[Search](), file.Defs["search"]},
		{"probe", reflect.TypeFor[Probe](), file.Defs["probe"]},
		{"series", reflect.TypeFor[Series](), file.Defs["series"]},
		{"wire", reflect.TypeFor[Wire](), file.Defs["wire"]},
		{"happened", reflect.TypeFor[Event](), file.Defs["happened"]},
		{"subject", reflect.TypeFor[Subject](), file.Defs["subject"]},
		{"worker", reflect.TypeFor[Worker](), file.Defs["worker"]},
		{"program", reflect.TypeFor[Program](), file.Defs["program"]},
		{"certificate", reflect.TypeFor[Certificate](), file.Defs["certificate"]},
		{"system", reflect.TypeFor[sample.System](), file.Defs["system"]},
		{"environment", reflect.TypeFor[sample.Environment](), file.Defs["environment"]},
		{"block", reflect.TypeFor[Block](), file.Defs["block"]},
		{"group", reflect.TypeFor[Group](), file.Defs["group"]},
		{"dist", reflect.TypeFor[hist.Dist](), file.Defs["dist"]},
		{"usage", reflect.TypeFor[sample.Usage](), file.Defs["usage"]},
		{"host", reflect.TypeFor[sample.Host](), file.Defs["host"]},
		{"summary", reflect.TypeFor[Summary](), file.Defs["summary"]},
		{"ratio", reflect.TypeFor[Ratio](), file.Defs["ratio"]},
		{"floor", reflect.TypeFor[Floor](), file.Defs["floor"]},
		{"validity", reflect.TypeFor[Validity](), file.Defs["validity"]},
		{"reason", reflect.TypeFor[Reason](), file.Defs["reason"]},
		{"verdict", reflect.TypeFor[Threshold](), file.Defs["verdict"]},
		{"threshold", reflect.TypeFor[scenario.Threshold](), file.Defs["threshold"]},
		{"comparison", reflect.TypeFor[Comparison](), file.Defs["comparison"]},
		{"estimate", reflect.TypeFor[stats.Estimate](), file.Defs["estimate"]},
		{"fault", reflect.TypeFor[payload.Fault](), file.Defs["fault"]},
	} {
		if got, want := slices.Sorted(maps.Keys(tt.schema.Properties)), keys(tt.of, "json"); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v; the program %v", tt.name, got, want)
		}
	}
}

func TestRecordsOfAnotherVersionAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "holds no record.json") {
		t.Errorf("Load of an empty folder: %v", err)
	}
	r := &Record{Version: "adit-load/0", Scenario: &scenario.Scenario{Name: "some"}}
	if _, err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(dir); err == nil || !strings.Contains(err.Error(), `version "adit-load/0"`) {
		t.Errorf("Load of an old record: %v", err)
	}
}
