package record

import (
	"reflect"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// The schema and the program know the same keys.
func TestTheSchemaHasTheKeysOfTheProgram(t *testing.T) {
	schematest.SameKeys(t, Schema, "json", map[string]reflect.Type{
		"":                  reflect.TypeFor[Record](),
		"$defs/scenario":    reflect.TypeFor[scenario.Scenario](),
		"$defs/limit":       reflect.TypeFor[scenario.Limit](),
		"$defs/cell":        reflect.TypeFor[scenario.Cell](),
		"$defs/setting":     reflect.TypeFor[scenario.Setting](),
		"$defs/load":        reflect.TypeFor[scenario.Group](),
		"$defs/link":        reflect.TypeFor[scenario.Link](),
		"$defs/stall":       reflect.TypeFor[scenario.Stall](),
		"$defs/event":       reflect.TypeFor[scenario.Event](),
		"$defs/socket":      reflect.TypeFor[sample.Socket](),
		"$defs/slow":        reflect.TypeFor[load.Slow](),
		"$defs/finding":     reflect.TypeFor[Finding](),
		"$defs/slope":       reflect.TypeFor[Slope](),
		"$defs/apart":       reflect.TypeFor[Apart](),
		"$defs/sought":      reflect.TypeFor[scenario.Search](),
		"$defs/search":      reflect.TypeFor[Search](),
		"$defs/probe":       reflect.TypeFor[Probe](),
		"$defs/series":      reflect.TypeFor[Series](),
		"$defs/wire":        reflect.TypeFor[Wire](),
		"$defs/happened":    reflect.TypeFor[Event](),
		"$defs/subject":     reflect.TypeFor[Subject](),
		"$defs/worker":      reflect.TypeFor[Clock](),
		"$defs/program":     reflect.TypeFor[Program](),
		"$defs/certificate": reflect.TypeFor[Certificate](),
		"$defs/system":      reflect.TypeFor[sample.System](),
		"$defs/environment": reflect.TypeFor[sample.Environment](),
		"$defs/block":       reflect.TypeFor[Block](),
		"$defs/group":       reflect.TypeFor[Group](),
		"$defs/dist":        reflect.TypeFor[hist.Dist](),
		"$defs/usage":       reflect.TypeFor[sample.Usage](),
		"$defs/host":        reflect.TypeFor[sample.Host](),
		"$defs/summary":     reflect.TypeFor[Summary](),
		"$defs/ratio":       reflect.TypeFor[Ratio](),
		"$defs/floor":       reflect.TypeFor[Floor](),
		"$defs/validity":    reflect.TypeFor[Validity](),
		"$defs/reason":      reflect.TypeFor[Reason](),
		"$defs/verdict":     reflect.TypeFor[Threshold](),
		"$defs/threshold":   reflect.TypeFor[scenario.Threshold](),
		"$defs/comparison":  reflect.TypeFor[Comparison](),
		"$defs/estimate":    reflect.TypeFor[Estimate](),
		"$defs/fault":       reflect.TypeFor[payload.Fault](),
	})
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
