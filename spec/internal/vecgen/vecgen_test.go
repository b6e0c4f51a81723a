package main

import (
	"bytes"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/model"
)

const folder = "../../vectors"

// The committed vectors are what this generator makes, no more and no fewer.
func TestVectorsAreCurrent(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	have, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range have {
		name := filepath.Base(path)
		if _, ok := want[name]; !ok && name != "schema.json" {
			t.Errorf("%s is not generated; run go generate ./spec", name)
		}
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s is stale (%v); run go generate ./spec", name, err)
		}
	}
}

// Every broken table is shown by a dialogue of each role that has it, or nothing that a dialogue can do shows it.
func TestBrokenTablesAreShown(t *testing.T) {
	hand := written()
	made, left, err := modelDialogues(hand)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := model.Broken()
	if err != nil {
		t.Fatal(err)
	}
	by, fails := map[string]int{}, map[string]bool{}
	for _, c := range broken {
		tables, err := model.Changed(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range []string{"server", "client"} {
			if table := spec.States(c.Table); table.Role != role && table.Role != "both" {
				continue
			}
			i := slices.IndexFunc(left, func(u unseen) bool { return u.role == role && u.String() == c.String() })
			switch {
			case shown(tables, role, hand):
				by["hand"]++
			case shown(tables, role, made):
				by["model"]++
			case i < 0:
				t.Errorf("as a %s: %v: no dialogue shows it, and nothing says why", role, c)
			default:
				by[left[i].why]++
				t.Logf("as a %s: %v: %s", role, c, left[i].why)
				continue
			}
			if i >= 0 {
				t.Errorf("as a %s: %v: a dialogue shows it, though %s", role, c, left[i].why)
			}
			for _, v := range made {
				fails[v.ID] = fails[v.ID] || shown(tables, role, []spec.Vector{v})
			}
		}
	}
	want := map[string]int{"hand": 51, "model": 17, accord: 5, granted: 2, ofCore: 34}
	if !maps.Equal(by, want) {
		t.Errorf("what shows the broken tables, and why not: %v; want %v", by, want)
	}
	for _, v := range made {
		if !fails[v.ID] {
			t.Errorf("%s shows no broken table", v.ID)
		}
	}
}

// What a run is in a dialogue is what a subject of the printed tables does, and no more than it has to do.
func TestTelling(t *testing.T) {
	gets := func(frame string) model.Event { return model.Event{Side: "server", What: frame, Frame: true} }
	does := func(what string) model.Event { return model.Event{Side: "server", What: what} }
	for _, c := range []struct {
		name  string
		run   []model.Event
		probe []string
		ok    bool
		cites string
	}{
		{"a connection that is open", []model.Event{does("visitor accepted"), gets("OPENED")}, nil, true, "PING-001"},
		{"FIN", []model.Event{does("visitor accepted"), gets("OPENED")}, []string{"FIN"}, true, "FIN-002"},
		{"FIN twice, a tunnel error", []model.Event{does("visitor accepted"), gets("OPENED")}, []string{"FIN", "FIN"}, false, ""},
		{"Close for a connection that is alive, a tunnel error", []model.Event{does("visitor accepted"), gets("OPENED")}, []string{"Close"}, false, ""},
		{"octets before OPENED, which may wait for it", []model.Event{does("visitor accepted"), does("visitor octets")}, nil, false, ""},
		{"RESET behind octets that may have been sent", []model.Event{does("visitor accepted"), does("visitor octets"), gets("RESET")}, nil, false, ""},
		{"WINDOW behind octets that may have been sent", []model.Event{does("visitor accepted"), does("visitor octets"), gets("WINDOW")}, []string{"OPENED"}, false, ""},
		{"octets before OPENED, and OPENED", []model.Event{does("visitor accepted"), does("visitor octets")}, []string{"OPENED"}, true, "OPEN-020"},
		{"an end of both halves", []model.Event{does("visitor accepted"), gets("OPENED"), does("visitor end of stream"), gets("FIN")}, []string{"Close"}, true, "FIN-004"},
		{"an end of one half, and RESET", []model.Event{does("visitor accepted"), gets("OPENED"), does("visitor end of stream"), gets("RESET")}, []string{"Close"}, true, "RESET-002"},
		{"an end of its own accord", []model.Event{does("visitor accepted"), does("own accord")}, nil, false, ""},
	} {
		told, why := begin("server", 3), ""
		for _, e := range c.run {
			why += told.tell(e)
		}
		v, ok := told.with(c.probe)
		if ok = ok && why == ""; ok != c.ok || ok && !slices.Contains(v.Requirements, c.cites) {
			t.Errorf("%s: a dialogue: %v (%s), which cites %v; want %v and %s", c.name, ok, why, v.Requirements, c.ok, c.cites)
		}
		if both := strings.Contains(c.name, "both"); ok && both != slices.Contains(v.Requirements, "FIN-004") {
			t.Errorf("%s: it cites %v", c.name, v.Requirements)
		}
	}
}

// Two dialogues that only cite otherwise are one.
func TestTwice(t *testing.T) {
	all := extClientDialogues()
	if err := twice(all); err != nil {
		t.Error(err)
	}
	again := all[len(all)-1]
	again.ID, again.Steps = "dialogue_again", slices.Clone(again.Steps)
	again.Steps[0].Requirements, again.Steps[0].Note = []string{"TUN-001"}, "why"
	if err := twice(append(all, again)); err == nil {
		t.Error("twice = nil; want an error for a dialogue with the steps of another")
	}
	again.Steps = again.Steps[:len(again.Steps)-1]
	if err := twice(append(all, again)); err != nil {
		t.Errorf("twice = %v; want nil for one that is shorter", err)
	}
}

// The builder is checked against octets written by hand, since the codec is checked against the builder.
func TestBuilder(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"addressed", addressed(0x01020304, 0x0506, "hi").octets.Bytes(), "\x01\x01\x00\x00\x00\x09\x01\x02\x03\x04\x05\x06\x02hi"},
		{"short", short(1, 80).octets.Bytes(), "\x01\x01\x00\x00\x00\x06\x00\x00\x00\x01\x00\x50"},
		{"response", response(1, 7).octets.Bytes(), "\x01\x02\x00\x00\x00\x05\x00\x00\x00\x01\x07"},
		{"data", data(1, str("x")).octets.Bytes(), "\x01\x03\x00\x00\x00\x05\x00\x00\x00\x01x"},
		{"closing", closing(1).octets.Bytes(), "\x01\x04\x00\x00\x00\x04\x00\x00\x00\x01"},
		{"keepAlive", keepAlive().octets.Bytes(), "\x01\x05\x00\x00\x00\x00"},
		{"a client's auth", hello(authTLV(2, "00*32", "k")).octets.Bytes(), "\x01\x10\x00\x00\x00\x27\x00\x10\x00\x23\x01\x02" + strings.Repeat("\x00", 32) + "k"},
		{"authEmpty", authEmpty().octets.Bytes(), "\x01\x19\x00\x00\x00\x00"},
		{"authProof", authProof("07*32").octets.Bytes(), "\x01\x19\x00\x00\x00\x20" + strings.Repeat("\x07", 32)},
		{"raw, a lie", raw(2, 0x80, 1<<32-1, "00").Bytes(), "\x02\x80\xff\xff\xff\xff\x00"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s = %x; want %x", c.name, c.got, c.want)
		}
	}
}

// The proofs of section 30 were computed apart from this generator, by another program in another language.
func TestProofs(t *testing.T) {
	want := map[string][3]spec.Octets{
		"proof_binding_0": {
			"00afab9b91b736e6f47436f8f86d186e65dadcd308c9c2588be7bd6b181dbf33",
			"56e78f231ad13037074d817c8ab03c6c019985cd7f0a4b2e3d42bc4926daa376", "8c5e1881f3bf27540ac329ec4fc3e7ba04da9a636e3a38f5ff570c19967273e4",
		},
		"proof_binding_1": {
			"60ca851f434cca2449971bf2cdd84471c7ed82951744258e3d2404a35cca1307",
			"33b2f1176d334f4d6190140e081e36cb8f89568231af20f14d4e0e5c71ad3668", "cabd334025feeb1331a9fbcab5197dbd37e1e2d61c10d7ad0f53fbecfc309893",
		},
	}
	for _, v := range proofs() {
		if w, ok := want[v.ID]; ok && [3]spec.Octets{v.Proofs.T, v.Proofs.Server, v.Proofs.Client} != w {
			t.Errorf("%s: %s, %s, %s; want %s", v.ID, v.Proofs.T, v.Proofs.Server, v.Proofs.Client, w)
		}
		delete(want, v.ID)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
	if line := keyLine(homeID, homeSecret); line != "adit1:home:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" {
		t.Errorf("the key is %s", line)
	}
	if _, err := x509.ParseCertificate(certificate.Bytes()); err != nil {
		t.Errorf("the certificate of binding 2: %v", err)
	}
}
