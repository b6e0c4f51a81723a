package certify

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/cases"
	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/conformance/subject"
)

func TestABundleHasTheSubjectsFiles(t *testing.T) {
	dir := t.TempDir()
	file, prog := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "prog")
	writeFile(t, file, "name: x\nserver: {command: '{here}/prog a'}\nclient: {command: '\"{here}/prog\" b'}\n")
	writeFile(t, prog, "#!/bin/sh\n")
	if err := os.Chmod(prog, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		of   SubjectFlags
		want []string
	}{
		{SubjectFlags{File: file}, []string{file, prog}}, {SubjectFlags{Client: "'" + prog + "' {addr}"}, []string{prog}}, {SubjectFlags{Server: "h:1", Visitor: "h:2"}, nil},
	} {
		if got, err := tt.of.files(); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("files of %+v = %q, %v; want %q", tt.of, got, err, tt.want)
		}
	}
	if _, err := (SubjectFlags{Client: "no-such-program"}).files(); err == nil {
		t.Error("a program that is not there has a digest")
	}
}

func TestPortRange(t *testing.T) {
	for text, want := range map[string][2]int{
		"": {}, "10000-10100": {10000, 10100}, "1-65535": {1, 65535}, "7-7": {7, 7},
	} {
		if got, err := portRange(text); err != nil || got != want {
			t.Errorf("portRange(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0-5", "5-4", "5", "-5", "5-", "a-b", "1-65536"} {
		if got, err := portRange(text); err == nil {
			t.Errorf("portRange(%q) = %v; want an error", text, got)
		}
	}
}

func TestRolesOfASubject(t *testing.T) {
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "s.yaml")
		writeFile(t, name, text)
		return name
	}
	for _, tt := range []struct {
		name string
		of   SubjectFlags
		want string
	}{
		{"a server by address", SubjectFlags{Server: "h:1", Visitor: "h:2"}, "server"},
		{"with a control API", SubjectFlags{Server: "h:1", Visitor: "h:2", API: "http://h:3"}, "server api"},
		{"a client's command", SubjectFlags{Client: "prog {addr}"}, "client"},
		{"a client that somebody else starts", SubjectFlags{Listen: ":1"}, "client"},
		{"a file with both", SubjectFlags{File: write("name: x\nserver: {command: x}\nclient: {command: y}\napi: auto")}, "server api client"},
		{"a file with a server by address", SubjectFlags{File: write("name: x\nserver: {address: 'h:1'}\nvisitor: h:2\napi: h:3")}, "server api"},
	} {
		roles, name, err := tt.of.Candidates(t.Context())
		var got []string
		for _, r := range roles {
			got = append(got, string(r.Role))
		}
		if err != nil || name == "" || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: roles %q, name %q, %v; want %s", tt.name, got, name, err, tt.want)
		}
	}
	for want, of := range map[string]SubjectFlags{
		"--server":             {},
		`--server "h"`:         {Server: "h", Visitor: "h:1"},
		`--visitor "h:0"`:      {Server: "h:1", Visitor: "h:0"},
		"--client-cmd":         {Client: "prog {adress}"},
		"--api-ports needs":    {Server: "h:1", Visitor: "h:2", APIPorts: "1-2"},
		`--api-ports "2-1"`:    {Client: "x", APIPorts: "2-1"},
		"needs \"ext\"":        {File: write("name: x\nserver: {command: x}\nkey: {server: '{keys}'}\ncapabilities: [auth]")},
		"needs key.server":     {File: write("name: x\nserver: {command: x}\ncapabilities: [ext, auth]")},
		"needs key.client":     {File: write("name: x\nserver: {command: x}\nclient: {command: x}\nkey: {server: '{keys}'}\ncapabilities: [ext, auth]")},
		"needs tls.server":     {File: write("name: x\nserver: {command: x}\ncapabilities: [tls]")},
		"needs tls.client":     {File: write("name: x\nserver: {command: x}\nclient: {command: x}\ntls: {server: '{cert}'}\ncapabilities: [tls]")},
		"needs tls_key.server": {File: write("name: x\nserver: {command: x}\nkey: {server: '{keys}'}\ntls: {server: '{cert}'}\ncapabilities: [ext, auth, tls]")},
		"api-ports FIRST-LAST": {File: write("name: x\nserver: {command: x}\ncapabilities: [api-ports 9]")},
	} {
		if _, _, err := of.Candidates(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Roles of %+v: %v; want %q", of, err, want)
		}
	}
}

// What a mapping was told is known to the suite: only then host and port are judged.
func TestTheVisitorsTargetIsKnownWhenTheSubjectIsToldIt(t *testing.T) {
	for command, want := range map[string]string{"x {tunnel}": "", "x {target}": "127.0.0.1:9", "x {target.port}": "127.0.0.1:9"} {
		i := &instance{owned: owned{file: &subject.File{Server: &subject.Role{Command: command}}, part: subject.ServerOnly}, in: &subject.Instance{At: subject.Addrs{Target: "127.0.0.1:9"}}}
		if got := i.Endpoints().VisitorTarget; got != want {
			t.Errorf("the target of visitors, for the command %q: %q; want %q", command, got, want)
		}
	}
}

func TestTheSubjectFilesOfTheRepositoryAreSound(t *testing.T) {
	sound := map[string]func(name string) error{
		"*.yaml":           func(name string) error { _, err := subject.Load(name); return err },
		"baselines/*.yaml": func(name string) error { _, err := report.LoadBaseline(name, exists); return err },
	}
	for pattern, load := range sound {
		files, err := filepath.Glob("../../scenarios/subjects/" + pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %q, %v; want files", pattern, files, err)
		}
		for _, name := range files {
			if err := load(name); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestOutputsAreRefusedBeforeThereIsAnythingToWrite(t *testing.T) {
	dir := t.TempDir()
	for want, o := range map[string]Outputs{
		"its folder does not exist":    {JSON: filepath.Join(dir, "none", "r.json")},
		"two reports would be written": {JSON: filepath.Join(dir, "r"), HTML: dir + "/./r"},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check() of %+v = %v; want %q", o, err, want)
		}
	}
	if err := (Outputs{JSON: filepath.Join(dir, "a"), Badge: filepath.Join(dir, "b")}).Check(); err != nil {
		t.Errorf("Check() of two files in a folder = %v", err)
	}
}

// A badge is what the ending of its name says.
func TestABadgeIsSVGOrWhatShieldsReads(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"badge.svg": "<svg ", "badge": "<svg ", "badge.json": `{"schemaVersion":1,"label":"adit 1.0",`} {
		o := Outputs{Badge: filepath.Join(dir, name)}
		if err := o.Write((&report.Run{About: report.About{Requirements: "1.0"}}).File()); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, o.Badge); !strings.HasPrefix(got, want) {
			t.Errorf("%s begins with %.60q; want %q", name, got, want)
		}
	}
}

func TestSelection(t *testing.T) {
	base := Options{Set: cases.DefaultSet, Segmentation: "off", Jobs: 1, Subject: SubjectFlags{Server: "h:1", Visitor: "h:2"}}
	for _, tt := range []struct {
		ids    []string
		labels string
		want   string // a case that is in
		not    string // one that is not
	}{
		{nil, "", "OPEN-015/server/cell-requested-close", ""},
		{[]string{"FRAME-002/*/two"}, "", "FRAME-002/server/two", "FRAME-002/server/zero"},
		{[]string{"frame-*"}, "id: containsAny FRAME-007", "FRAME-007/server", "FRAME-002/server/two"},
		{nil, "level: isSubsetOf SHOULD", "CLOSE-010/server", "FRAME-007/server"},
	} {
		o := base
		o.IDs, o.Labels = tt.ids, tt.labels
		c, err := o.check()
		if err != nil {
			t.Fatal(err)
		}
		roles, _, err := o.Subject.Candidates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]bool{}
		for _, p := range c.batches(roles) {
			for _, one := range p.cases {
				if one.Role != engine.Server {
					t.Errorf("%s is of a %s", one.Name(), one.Role)
				}
				in[one.Name()] = true
			}
		}
		if !in[tt.want] || in[tt.not] {
			t.Errorf("--id %q --label-filter %q: %s is in: %v; %s: %v; want the first alone", tt.ids, tt.labels, tt.want, in[tt.want], tt.not, in[tt.not])
		}
		if untested := c.untested(roles); (len(untested) > 0) != (tt.ids == nil && tt.labels == "") {
			t.Errorf("--id %q --label-filter %q: %d requirements without a case", tt.ids, tt.labels, len(untested))
		}
	}
}

func TestClaims(t *testing.T) {
	got, err := claims([]string{"ext", "drain SIGTERM", "tunnel-memory 67108864", "api-ports 1-2", "half-close", "binding 1"})
	if err != nil || got["drain"] != "SIGTERM" || got["tunnel-memory"] != "67108864" || got["api-ports"] != "1-2" || got["binding"] != "1" || !(Candidate{Claims: got}).claims("ext") {
		t.Errorf("claims = %v, %v", got, err)
	}
	if got, err := claims([]string{"ext", "auth always"}); err != nil || !(Candidate{Claims: got}).alwaysAsks() || (Candidate{Claims: map[string]string{"auth": ""}}).alwaysAsks() {
		t.Errorf("claims of a subject that always asks = %v, %v", got, err)
	}
	if got, err := claims([]string{"ext", "auth always", "tls"}); err == nil {
		t.Errorf("claims = %v; want an error, as there is no tls without core", got)
	}
	for _, bad := range []string{"drain SIGHUP", "drain", "binding 0", "binding 3", "binding", "tunnel-memory much", "tunnel-memory"} {
		if got, err := claims([]string{bad}); err == nil {
			t.Errorf("claims(%q) = %v; want an error", bad, got)
		}
	}
	if got, err := claims([]string{"ext", "auth now and then"}); err == nil {
		t.Errorf("claims = %v; want an error", got)
	}
	if got, err := claims([]string{"ext", "tunnel-memory 1", "tunnel-memory 2"}); err == nil {
		t.Errorf("claims of two sizes = %v; want an error", got)
	}
}

// Only the cases of what a subject claims are run, and a class that it does not claim is named.
func TestTheExtendedClassIsForThoseWhoClaimIt(t *testing.T) {
	base := Options{Set: cases.DefaultSet, Segmentation: "off", Jobs: 1}
	all, err := os.ReadFile("../../scenarios/subjects/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	reference := filepath.Join(t.TempDir(), "reference.yaml")
	text, _, _ := strings.Cut(string(all), "version:") // which asks a program that need not be built yet
	_, behind, _ := strings.Cut(string(all), "capabilities:")
	if err := os.WriteFile(reference, []byte(text+"capabilities:"+behind), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		of    SubjectFlags
		set   string
		cases bool
		not   []string
	}{
		{SubjectFlags{Server: "h:1", Visitor: "h:2"}, "1.2", false, []string{"ext-server"}},
		{SubjectFlags{Server: "h:1", Visitor: "h:2", API: "http://h:3", Extended: true}, "1.2", true, nil},
		{SubjectFlags{Client: "prog {addr}"}, "1.2", false, []string{"ext-client"}},
		{SubjectFlags{Server: "h:1", Visitor: "h:2"}, "1.1", false, nil},
		{SubjectFlags{Server: "h:1", Visitor: "h:2"}, cases.DefaultSet, false, []string{"ext-server", "auth-server", "tls-server", "bind-server"}},
		{SubjectFlags{Server: "h:1", Visitor: "h:2", Extended: true}, "1.3", true, []string{"auth-server", "tls-server", "bind-server"}},
		{SubjectFlags{File: reference}, "1.3", true, nil},
	} {
		o := base
		o.Subject, o.Set = tt.of, tt.set
		c, err := o.check()
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := o.Subject.Candidates(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, b := range c.batches(all) {
			found = found || slices.ContainsFunc(b.cases, engine.Case.Extended)
		}
		if got := c.notClaimed(all); found != tt.cases || !slices.Equal(got, tt.not) {
			t.Errorf("%+v, set %s: cases of the profile: %t, not claimed %q; want %t, %q", tt.of, tt.set, found, got, tt.cases, tt.not)
		}
	}
}

// A case is for those who claim all that it needs: TLS alone takes Core's, with ext and auth those over them.
func TestACaseIsForThoseWhoClaimWhatItNeeds(t *testing.T) {
	tls := engine.Requirement{ID: "TLS-001", Profile: "tls"}
	core, ext, key := engine.Case{Req: tls, With: engine.WithTLS}, engine.Case{Req: tls, With: engine.WithTLS, OnExtended: true}, engine.Case{Req: tls, With: engine.WithTLS | engine.WithKey, OnExtended: true}
	auth := engine.Case{Req: engine.Requirement{ID: "AUTH-010", Profile: "auth"}, With: engine.WithTLS | engine.WithKey}
	for claims, want := range map[string][4]bool{
		"":             {},
		"ext auth":     {},
		"tls":          {true},
		"ext tls":      {true, true},
		"ext auth tls": {true, true, true, true},
	} {
		c := Candidate{Role: engine.Server, Claims: map[string]string{}}
		for _, name := range strings.Fields(claims) {
			c.Claims[name] = ""
		}
		if got := [4]bool{c.takes(core), c.takes(ext), c.takes(key), c.takes(auth)}; got != want {
			t.Errorf("who claims %q takes the cases of TLS over Core, ext and auth, and of auth over TLS: %v; want %v", claims, got, want)
		}
	}
	if got := []string{core.Profile(), ext.Profile(), key.Profile(), auth.Profile()}; !slices.Equal(got, []string{"tls", "tls", "tls", "auth"}) {
		t.Errorf("the cases are of the profiles %q", got)
	}
}

// A subject that always asks for a key meets the cases of ext and auth, all with a key and each in its own class, and none of Core.
func TestASubjectThatAlwaysAsks(t *testing.T) {
	o := Options{Set: "1.3", Segmentation: "off", Jobs: 1, Subject: SubjectFlags{File: "../../scenarios/subjects/reference-keys.yaml"}}
	c, err := o.check()
	if err != nil {
		t.Fatal(err)
	}
	file, err := subject.Load(o.Subject.File)
	if err != nil {
		t.Fatal(err)
	}
	able, err := claims(file.Capabilities)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []engine.Role{engine.Server, engine.Client, engine.API} {
		n := map[string]int{}
		for _, b := range c.batches([]Candidate{{Role: role, Claims: able, Options: options(file, role)}}) {
			if b.runner.With != engine.WithKey {
				t.Errorf("%s: the subject is started %v without a key", role, b.runner.With)
			}
			for _, k := range b.cases {
				if n[k.Profile()]++; k.With != engine.WithKey {
					t.Errorf("%s meets it with %v; want a key", k.Name(), k.With)
				}
			}
		}
		want := []string{"auth", "ext"}
		if role == engine.API {
			want = nil
		}
		if got := slices.Sorted(maps.Keys(n)); !slices.Equal(got, want) || want != nil && (n["ext"] < 150 || n["auth"] < 60) {
			t.Errorf("a %s meets cases of %v; want those of %q", role, n, want)
		}
	}
}

// Whether a client is told more of its server than a key stands in its arguments.
func TestAClientThatKnowsItsServerByTheKeyAlone(t *testing.T) {
	for args, want := range map[string]bool{"--key {key}": true, "--key {key} --ca {ca}": false, "--key {key} --pin {pin}": false} {
		f := &subject.File{TLSKey: &subject.Option{Server: "{keys}", Client: args}}
		if got := slices.Contains(options(f, engine.Client), engine.OptionAlone); got != want {
			t.Errorf("%s: %v; want %v", args, got, want)
		}
		if slices.Contains(options(f, engine.Server), engine.OptionAlone) {
			t.Errorf("%s: a server knows no server", args)
		}
	}
}

// What the suite makes for an option reaches the subject, and the runner knows which options there are.
func TestAnOptionReachesTheSubject(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "s.yaml")
	writeFile(t, file, "name: x\ncapabilities: [tls]\nclient: {command: \"sh -c 'cat \\\"$1\\\"; echo \\\" $2\\\"; echo told; sleep 60' x\", ready: {log: told}}\ntls: {client: '{ca} {pin}'}\n")
	o := Options{Set: cases.DefaultSet, Segmentation: "off", Jobs: 1, Subject: SubjectFlags{File: file}}
	c, err := o.check()
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := o.Subject.Candidates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batches := c.batches(all)
	if len(batches) != 1 || !slices.Equal(batches[0].runner.Options, []string{"tls"}) {
		t.Fatalf("the runner is told of the options %q", batches[0].runner.Options)
	}
	running, err := all[0].Subject.Start(t.Context(), engine.Setup{
		At: engine.Endpoints{Tunnel: "127.0.0.1:9", Target: "127.0.0.1:9"}, Option: "tls", Files: map[string]string{"ca": "the authority\n"}, Pin: "p1n",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	if got := strings.Join(running.LogSince(time.Time{}, 9), "|"); !strings.Contains(got, "the authority| p1n|told") {
		t.Errorf("the subject found %q", got)
	}
}
