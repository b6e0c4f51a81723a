package dialogue

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/spec"
)

func TestGoldenDialoguesCanBePlayed(t *testing.T) {
	n := 0
	for _, v := range slices.AppendSeq(slices.Collect(spec.Vectors("dialogue")), spec.ExtVectors("dialogue")) {
		if err := Check(v); err != nil {
			t.Errorf("%s: %v", v.ID, err)
		}
		cases := Cases(v)
		if want := map[string]int{"both": 2}[v.Role]; len(cases) != max(want, 1) {
			t.Errorf("%s: %d cases for role %s", v.ID, len(cases), v.Role)
		}
		n += len(cases)
	}
	if n < 72 {
		t.Errorf("%d cases of golden dialogues; want 72 or more", n)
	}
}

// A dialogue is bare where it is about how an extended tunnel begins: with keys it begins otherwise.
func TestBareDialogues(t *testing.T) {
	hello := func(from string) spec.Step { return spec.Step{From: from, Frame: &spec.Decoded{Type: "HELLO"}} }
	frame := func(from, name string) spec.Step { return spec.Step{From: from, Frame: &spec.Decoded{Type: name}} }
	both := []spec.Step{hello("client"), hello("server")}
	for what, c := range map[string]struct {
		steps []spec.Step
		want  bool
	}{
		"a tunnel that serves":                {append(both[:2:2], frame("server", "OPEN"), spec.Step{Expect: "tunnel is closed"}), false},
		"no HELLO":                            {[]spec.Step{frame("server", "ConnectRequest")}, true},
		"one HELLO":                           {both[:1:1], true},
		"a frame between the HELLOs":          {[]spec.Step{hello("client"), frame("client", "KeepAlive"), hello("server"), frame("server", "OPEN")}, true},
		"a tunnel error for the second HELLO": {append(both[:2:2], spec.Step{Expect: "tunnel is closed"}), true},
		"a third HELLO":                       {append(both[:2:2], hello("server")), true},
		"a second tunnel without":             {append(both[:2:2], spec.Step{Event: "tunnel begins"}, frame("client", "KeepAlive")), true},
		"a second tunnel with both":           {append(append(both[:2:2], spec.Step{Event: "tunnel begins"}), both...), false},
	} {
		if got := bare(c.steps, engine.Server); got != c.want {
			t.Errorf("%s: bare is %v; want %v", what, got, c.want)
		}
	}
}

// The words of the schema are those that can be played.
func TestVocabularyIsThatOfTheSchema(t *testing.T) {
	var schema struct {
		Defs struct {
			Step struct {
				Properties map[string]struct{ Enum []string }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(spec.VectorSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	var happens, seen []string
	for e := range events {
		happens = append(happens, e)
	}
	for v := range views {
		seen = append(seen, v)
	}
	for _, who := range []string{"visitor", "service"} {
		for d := range deeds {
			happens = append(happens, who+" "+d)
		}
		for s := range sights {
			if s == "octets are taken" {
				who += "'s"
			}
			seen = append(seen, who+" "+s)
			who = strings.TrimSuffix(who, "'s")
		}
	}
	for field, ours := range map[string][]string{"event": happens, "expect": seen} {
		theirs := slices.Sorted(slices.Values(schema.Defs.Step.Properties[field].Enum))
		if slices.Sort(ours); !slices.Equal(ours, theirs) {
			t.Errorf("%s: the schema has %q; played are %q", field, theirs, ours)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, tt := range []struct{ step, want string }{
		{`{"event": "visitor sings"}`, "steps[0].event"},
		{`{"event": "tunnel ends", "expect": "tunnel is closed"}`, "exactly one"},
		{`{"expect": "visitor reads", "octets": "00"}`, "steps[0].conn"},
		{`{"expect": "tunnel sees", "within": "answer"}`, "steps[0].expect"},
		{`{"from": "server", "octets": "010500000000"}`, "steps[0].frame"},
		{`{"from": "nobody", "octets": "00"}`, "steps[0].from"},
		{`{"from": "client", "octets": "0"}`, "octets"},
		{`{"event": "time passes", "within": "queue"}`, "steps[0].within"},
		{`{"event": "time passes", "within": "a while"}`, "steps[0].within"},
		{`{"from": "client", "octets": "00", "piece": 1, "pause": "soon"}`, "steps[0].pause"},
		{`{"from": "client", "octets": "00", "tunnel": 2}`, "steps[0].tunnel"},
	} {
		v := spec.Vector{Kind: "dialogue", Role: "server", Requirements: []string{"DATA-001"}, Steps: make([]spec.Step, 1)}
		if err := json.Unmarshal([]byte(tt.step), &v.Steps[0]); err != nil {
			t.Fatal(err)
		}
		if err := Check(v); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check = %v; want an error with %q", tt.step, err, tt.want)
		}
	}
}

func TestNotationStandsForItsOctets(t *testing.T) {
	fill := make([]byte, 1000)
	spec.Fill(fill, 0x0123456789abcdef)
	for _, tt := range []struct {
		name   string
		octets []byte
		want   spec.Octets
	}{
		{"nothing", nil, ""},
		{"a frame", engine.KeepAlive().Bytes(), "010500000000"},
		{"the same octet", make([]byte, 5000), "00*5000"},
		{"a sequence", fill, "fill:0123456789abcdef*1000"},
		{"few octets of a sequence", fill[:15], "0123456789abcdef3f2800d6569e01"},
		{"one that begins amid a word", fill[3:], ""},
		{"two sequences and more", slices.Concat(fill[:100], []byte("amid"), fill[200:300], make([]byte, 20)), ""},
		{"text", []byte(strings.Repeat("no sequence at all, ", 5)), ""},
	} {
		got := Notate(tt.octets)
		if tt.want != "" && got != tt.want {
			t.Errorf("%s: Notate = %q; want %q", tt.name, got, tt.want)
		}
		if err := got.Check(); err != nil || !bytes.Equal(got.Bytes(), tt.octets) {
			t.Errorf("%s: %q (%v) stands for other octets", tt.name, got, err)
		}
		if len(tt.octets) >= 1000 && len(got) > 100 {
			t.Errorf("%s: %d octets take %d characters", tt.name, len(tt.octets), len(got))
		}
	}
}

func FuzzNotation(f *testing.F) {
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaab"))
	f.Add(bytes.Repeat([]byte{1, 2, 3}, 30))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := Notate(b); got.Check() != nil || !bytes.Equal(got.Bytes(), b) {
			t.Fatalf("%q stands for other octets than %x", got, b)
		}
	})
}

// A recorded failure is a dialogue whose last step is what failed.
func TestRecord(t *testing.T) {
	const visitor = "visitor 1"
	request := engine.RequestTo(9, "10.0.0.1", 22)
	requested := &spec.Step{From: "server", Frame: Decode(request), Free: []string{"id", "form", "host"}, Others: true, Within: "5s", Requirements: []string{"OPEN-001"}}
	chunk := make([]byte, 4000)
	spec.Fill(chunk, 3)
	data := engine.Data(9, chunk)
	events := []engine.Event{
		{Who: "tunnel 1", Kind: engine.Connected, Tunnel: 1},
		{Who: visitor, Kind: engine.Connected},
		{Who: "tunnel 1", Kind: engine.Received, Tunnel: 1, Frame: request},
		{Who: "tunnel 1", Kind: engine.Awaited, Step: requested},
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: engine.KeepAlive(), Step: &spec.Step{}}, // the suite's own
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: engine.Response(9, 0), Payload: engine.Response(9, 0).Payload},
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: data, Payload: data.Payload},
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: data, Payload: data.Payload},
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: engine.Close(9), Payload: engine.Close(9).Payload},
		{Who: "tunnel 1", Kind: engine.Sent, Tunnel: 1, Frame: engine.KeepAlive(), Joined: true},
		{Who: "tunnel 1", Kind: engine.SentRaw, Tunnel: 1, Payload: engine.KeepAlive().Bytes(), Step: &spec.Step{Piece: 60, Times: 7}},
		{Who: visitor, Kind: engine.Awaited, Step: &spec.Step{Expect: "reads", Within: "5s", Requirements: []string{"DATA-001"}}, Payload: chunk},
		{Who: visitor, Kind: engine.Finished, Text: "write side shut down"},
		{Who: "tunnel 1", Kind: engine.Awaited, Step: &spec.Step{From: "server", Frame: Decode(engine.Close(9)), Others: true, Within: "30s", Requirements: []string{"CLOSE-004"}}},
		{Who: "suite", Kind: engine.Note, Text: "later"},
	}
	res := engine.Result{
		Case: engine.Case{ID: "CLOSE-004", Role: engine.Server, Title: "x"}, Record: events, Cut: engine.ByField,
		Findings: []engine.Finding{{Req: "CLOSE-004", Level: "MUST", Sentence: "it closes", Events: len(events) - 1, Shown: true}},
	}
	v, err := Record(res)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := schematest.Compile(t, spec.VectorSchema()).JSON(t, b); err != nil {
		t.Error(err)
	}
	var got []string
	for _, s := range v.Steps {
		got = append(got, Describe(s))
	}
	want := []string{
		"visitor connects (at 1)", "the server sends ConnectRequest (within 5s)", "the client sends ConnectResponse id=9 status=0x00",
		"the client sends Data id=9", "the client sends", "the client sends 010500000000, 7 times", "the visitor reads", "visitor ends its stream (at 1)", "the server sends Close id=9 (within 30s)",
	}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if len(got) != len(want) || v.Steps[3].Times != 2 || v.Steps[4].Octets != "010400000004 00000009 010500000000" && v.Steps[4].Octets != "01040000000400000009 010500000000" {
		t.Errorf("steps\n%s\n%+v", strings.Join(got, "\n"), v.Steps[3:5])
	}
	if v.Found.Cut != "fields" || v.Found.Case != "CLOSE-004/server" || v.Requirements[0] != "CLOSE-004" {
		t.Errorf("found %+v of %v", v.Found, v.Requirements)
	}
	res.Findings[0].Shown = false
	if _, err := Record(res); err == nil || !strings.Contains(err.Error(), "rules of its own") {
		t.Errorf("Record of what no step shows = %v; want an error", err)
	}
}
