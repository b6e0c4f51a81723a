package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func noID(string) (uint32, bool) { return 0, false }

func TestNotationStandsForItsOctets(t *testing.T) {
	fill := make([]byte, 1000)
	Fill(fill, 0x0123456789abcdef)
	tests := []struct {
		name   string
		octets []byte
		want   Notation
	}{
		{"nothing", nil, ""},
		{"a frame", KeepAlive().Bytes(), "010500000000"},
		{"the same octet", make([]byte, 5000), "00*5000"},
		{"a sequence", fill, "fill:0123456789abcdef*1000"},
		{"few octets of a sequence", fill[:15], "0123456789abcdef3f2800d6569e01"},
		{"one that begins amid a word", fill[3:], ""},
		{"two sequences and more", slices.Concat(fill[:100], []byte("amid"), fill[200:300], make([]byte, 20)), ""},
		{"text", []byte(strings.Repeat("no sequence at all, ", 5)), ""},
	}
	for _, tt := range tests {
		got := Notate(tt.octets)
		if tt.want != "" && got != tt.want {
			t.Errorf("%s: Notate = %q; want %q", tt.name, got, tt.want)
		}
		b, err := got.Bytes(noID, 0)
		if err != nil || !bytes.Equal(b, tt.octets) {
			t.Errorf("%s: %q stands for %x, %v; want %x", tt.name, got, b, err, tt.octets)
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
		got, err := Notate(b).Bytes(noID, 0)
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%q stands for %x, %v; want %x", Notate(b), got, err, b)
		}
	})
}

func TestNotationOfNamesAndMistakes(t *testing.T) {
	ids := func(name string) (uint32, bool) { return 7, name == "c1" }
	b, err := Notation("0104 00000004 {c1} {port}").Bytes(ids, 22)
	if want := []byte{1, 4, 0, 0, 0, 4, 0, 0, 0, 7, 0, 22}; err != nil || !bytes.Equal(b, want) {
		t.Errorf("%x, %v; want %x", b, err, want)
	}
	for _, bad := range []Notation{"0", "zz", "00*", "00*0", "0000*3", "00*999999999", "fill:12*3", "fill:0123456789abcdef", "{c2}", "*3"} {
		if _, err := bad.Bytes(ids, 0); err == nil || !strings.Contains(err.Error(), string(bad)[:1]) {
			t.Errorf("%q: error %v; want one that names it", bad, err)
		}
	}
}

// What is recorded is what was done, IDs that the subject chose by name, and
// nothing is recorded unless it is asked for.
func TestRecording(t *testing.T) {
	c := Case{ID: "CLOSE-001", Role: Server, Run: func(t *T) {
		c := t.Open()
		octets := t.Octets(300)
		c.Send(octets)
		c.Local.ExpectOctets("octets arrive", octets)
		c.End()
		c.Tun.ExpectNone("no second Close", CloseFor(c.ID))
	}}
	for _, record := range []bool{true, false} {
		got, err := runCases(t, &Runner{Subject: &peerSubject{role: Server, owned: true, bug: "closes twice"}, Role: Server, Record: record}, []Case{c})
		if err != nil {
			t.Fatal(err)
		}
		res := got[c.ID]
		if res.Verdict != Fail {
			t.Fatalf("verdict %s\n%s", res.Verdict, explain(res))
		}
		if !record {
			if res.Script != nil {
				t.Error("a script, though nobody asked for one")
			}
			continue
		}
		s := res.Script
		var did []string
		for _, step := range s.Steps {
			did = append(did, step.Do)
		}
		if want := []string{"tunnel", "request", "send", "send", "octets", "send", "end", "close", "expect"}; !slices.Equal(did, want) {
			t.Errorf("steps %q; want %q", did, want)
		}
		if y := s.Symptom; y == nil || y.Step == nil || y.Step.Do != "none" || y.Step.Frame != "close" || y.Step.ID != "c1" {
			t.Errorf("symptom %+v; want no Close for c1", y)
		}
		if o := string(s.Steps[3].Octets); !strings.Contains(o, "{c1} fill:") || !strings.HasSuffix(o, "*300") {
			t.Errorf("Data was recorded as %q", o)
		}
	}
}
