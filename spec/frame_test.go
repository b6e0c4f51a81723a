package spec_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/adit-tunnel/adit/spec"
)

func TestFrames(t *testing.T) {
	f, ok := spec.FrameNamed("ConnectRequest")
	if !ok || f.Type != 0x01 || f.From != "server" || f.Scope != "connection" || f.Profile != "core" || len(f.Forms) != 2 {
		t.Fatalf("FrameNamed(ConnectRequest) = %+v, %v", f, ok)
	}
	id, port := spec.Field{Name: "id", Kind: "u32", Size: 4}, spec.Field{Name: "port", Kind: "u16", Size: 2}
	n, host := spec.Field{Name: "n", Kind: "u8", Size: 1}, spec.Field{Name: "host", Kind: "octets", Count: "n"}
	for _, want := range []spec.Form{
		{Name: "short", Min: 6, Max: 6, Fields: []spec.Field{id, port}},
		{Name: "addressed", Min: 7, Max: 262, Fields: []spec.Field{id, port, n, host}},
	} {
		if got, ok := f.FormNamed(want.Name); !ok || got.Min != want.Min || got.Max != want.Max || !slices.Equal(got.Fields, want.Fields) {
			t.Errorf("ConnectRequest, %s = %+v, %v; want %+v", want.Name, got, ok, want)
		}
	}
	data, ok := spec.FrameOf(0x03)
	rest := spec.Field{Name: "octets", Kind: "octets"}
	if !ok || data.Name != "Data" || data.From != "both" || data.Forms[0].Min != 4 || data.Forms[0].Max != 1<<20 || !slices.Equal(data.Forms[0].Fields, []spec.Field{id, rest}) {
		t.Errorf("FrameOf(0x03) = %+v, %v; want Data", data, ok)
	}
	addressed, _ := f.FormNamed("addressed")
	if counted, ok := addressed.Counted("n"); !ok || counted != host {
		t.Errorf("Counted(n) = %+v, %v; want the host", counted, ok)
	}
	for _, name := range []string{"id", "host", ""} {
		if counted, ok := addressed.Counted(name); ok {
			t.Errorf("Counted(%s) = %+v; want none", name, counted)
		}
	}
	if f, ok := spec.FrameOf(0x06); ok {
		t.Errorf("FrameOf(0x06) = %+v; want none", f)
	}
	if f, ok := spec.FrameNamed("HELO"); ok {
		t.Errorf("FrameNamed(HELO) = %+v; want none", f)
	}
	if f, ok := data.FormNamed("short"); ok {
		t.Errorf("Data has a form %+v; want none of that name", f)
	}
}

// Every type of the registry that is in use has its frame, and no frame is of another type.
func TestFramesAreTheTypesInUse(t *testing.T) {
	n := map[string]int{}
	for typ := range spec.Types() {
		f, ok := spec.FrameOf(typ.From)
		profile, _, used := strings.Cut(typ.Use, ", ")
		profile = strings.ToLower(profile)
		if f, _ := spec.FrameNamed(typ.Name); profile == "auth" || profile == "bind" { // FrameOf has those of no option
			if ok || f.Type != typ.From || typ.From != typ.To || f.Profile != profile {
				t.Errorf("type 0x%02X, %s: found by its number %v; by its name %+v", typ.From, typ.Use, ok, f)
			}
			n[profile]++
			continue
		}
		used = used && (profile == "core" || profile == "ext")
		if ok != used || used && (f.Name != typ.Name || typ.From != typ.To || f.Profile != profile) {
			t.Errorf("types 0x%02X to 0x%02X, %s: frame %s, %v; want one for each type in use, and none else", typ.From, typ.To, typ.Use, f.Name, ok)
		}
		if used {
			n[profile]++
		}
	}
	if core, ext := len(slices.Collect(spec.Frames())), len(slices.Collect(spec.ExtFrames())); n["core"] != core || n["ext"] != ext || core != 5 || ext != 9 || n["auth"] != 1 || len(slices.Collect(spec.AuthFrames())) != 1 || n["bind"] != 3 || len(slices.Collect(spec.BindFrames())) != 3 {
		t.Errorf("%d and %d frames; section 5 has %v; want 5 and 9, 1 of auth and 3 of bind", core, ext, n)
	}
}

// Vectors hold every field of every frame: in the schema, and in Decoded.
func TestVectorsHoldEveryFrame(t *testing.T) {
	sch := schema(t)
	for _, f := range slices.Concat(slices.Collect(spec.Frames()), slices.Collect(spec.ExtFrames()), slices.Collect(spec.AuthFrames()), slices.Collect(spec.BindFrames())) {
		for _, m := range f.Forms {
			values := map[string]any{"type": f.Name}
			if m.Name != "" {
				values["form"] = m.Name
			}
			for _, field := range m.Fields {
				if _, counts := m.Counted(field.Name); counts {
					continue
				}
				values[field.Name] = 1
				switch field.Kind {
				case "octets", "text":
					values[field.Name] = "61"
				case "tlvs":
					values[field.Name] = []any{map[string]any{"tag": "0x1A1A", "value": "61"}}
				}
			}
			follows := func(values map[string]any) error {
				doc, err := jsonschema.UnmarshalJSON(strings.NewReader(vectorOf(t, values)))
				if err != nil {
					t.Fatal(err)
				}
				return sch.Validate(doc)
			}
			if err := follows(values); err != nil {
				t.Errorf("%s %s: the schema refuses %v: %v", f.Name, m.Name, values, err)
			}
			for key := range values {
				fewer := maps.Clone(values)
				delete(fewer, key)
				if err := follows(fewer); err == nil {
					t.Errorf("%s %s: the schema takes %v, without %s", f.Name, m.Name, fewer, key)
				}
			}
			var d spec.Decoded
			var again map[string]any
			convert(t, values, &d)
			if convert(t, d, &again); len(again) != len(values) {
				t.Errorf("%s %s: Decoded keeps %v of %v", f.Name, m.Name, again, values)
			}
		}
	}
}

// convert copies a value into another by way of JSON.
func convert(t *testing.T, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// vectorOf is a vector of kind frame in JSON.
func vectorOf(t *testing.T, frame map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"id": "frame_x", "kind": "frame", "title": "x", "requirements": []string{"DATA-001"}, "profile": "core", "role": "both", "notes": "",
		"octets": "00", "expect": "accept", "frame": frame,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
