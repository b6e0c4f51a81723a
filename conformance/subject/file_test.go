package subject

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseReadsEveryKey(t *testing.T) {
	f, err := Load("testdata/valid.yaml")
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	here, _ := filepath.Abs("testdata")
	switch {
	case f.Name != "some-tunnel", f.here != here,
		f.Server.Command != "tunneld --port {tunnel.port} --public {visitor}", f.Server.Ready.TCP != "{tunnel}",
		f.Client.Command != "tunnelc --server {addr} --to '{target}'", f.Client.Ready.Log != "connected to .*",
		f.Visitor != "127.0.0.1:10022", f.Target != "auto", f.Tunnel != "auto", f.API != "auto",
		f.Ready.HTTP != "http://{api}/health", f.Ready.Within != Duration(3*time.Second), f.Env["LOG"] != "debug",
		f.Client.Env["WHERE"] != "{dir}", f.Version != "{here}/tunneld --version",
		!slices.Equal(f.Capabilities, []string{"half-close"}), !slices.Equal(f.Needs, []string{"sh", "tunneld"}):
		t.Errorf("Load(valid.yaml) = %+v, server %+v, client %+v", f, f.Server, f.Client)
	}
}

// What a subject needs is looked for before anything is started.
func TestASubjectWhoseProgramsAreNotInstalledIsNotStarted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := Parse("x.yaml", []byte("name: x\nserver: {command: here}\nneeds: [here, there, /no/such/program]"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Missing(); !slices.Equal(got, []string{"there", "/no/such/program"}) {
		t.Errorf("Missing() = %q; want there and /no/such/program", got)
	}
	if _, err := f.Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "subject x: needs there, /no/such/program, which this machine does not have") {
		t.Errorf("Start: %v; want what is missing", err)
	}
}

// Each file has one mistake; its first comment is what the error must say.
func TestParseRefusesMistakesByFileLineAndName(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("testdata has %d invalid files, %v; want 15 or more", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(string(data), "\n")
			want := name + strings.TrimPrefix(line, "# ")
			f, err := Parse(name, data)
			if fe, ok := errors.AsType[*FileError](err); !ok || fe.Error() != want {
				t.Errorf("Parse = %+v, error %v\nwant %s", f, err, want)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	if _, err := Load("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Errorf("Load(none.yaml): %v; want os.ErrNotExist with the name", err)
	}
}

func TestCommandsAreSplitAsAShellDoes(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		err  string
	}{
		{"a b  c", []string{"a", "b", "c"}, ""},
		{" \ta\n", []string{"a"}, ""},
		{`sh -c 'echo "x y" | wc'`, []string{"sh", "-c", `echo "x y" | wc`}, ""},
		{`a "b c" d"e"f`, []string{"a", "b c", "def"}, ""},
		{`a "\"\\\n"`, []string{"a", `"\\n`}, ""},
		{`a\ b '' ""`, []string{"a b", "", ""}, ""},
		{`'a\'`, []string{`a\`}, ""},
		{"", nil, "is empty"},
		{"  ", nil, "is empty"},
		{"a 'b", nil, "a ' is not closed"},
		{`a "b`, nil, `a " is not closed`},
		{`a "b\"`, nil, `a " is not closed`},
		{`a \`, nil, `ends in \; write \\ for the character itself`},
	} {
		got, err := split(tt.line)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("split(%q) = %q, %v; want %q, %q", tt.line, got, err, tt.want, tt.err)
		}
	}
}

func TestProgramsAreTheFirstWordsOfCommands(t *testing.T) {
	for line, want := range map[string]string{
		"tunnelc --to x": "tunnelc", `"/a b/c" -d`: "/a b/c", "'/a b/c'": "/a b/c", "  c": "c", `{here}/'x y' z`: "{here}/x y",
	} {
		f, err := Command(line)
		if got := f.Programs(); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("the programs of %q are %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestPlaceholdersAreFilledInAfterSplitting(t *testing.T) {
	v := values{at: Addrs{Tunnel: "[::1]:9000", Visitor: "h:1", Target: "t:2"}, dir: "/tmp/a b", here: "/h"}
	for _, tt := range []struct{ line, want, err string }{
		{"x {tunnel} {addr.host} {tunnel.port}", "x|[::1]:9000|::1|9000", ""},
		{"{here}/x -d {dir}/d", "/h/x|-d|/tmp/a b/d", ""},
		{`curl -d '{"port":{visitor.port},"x":{}}'`, `curl|-d|{"port":1,"x":{}}`, ""},
		{"x {api}", "", "placeholder {api}: the subject has no such address; add the key api"},
		{"x {foo}", "", "unknown placeholder {foo}; there are " + placeholders + " (put a space inside braces that are meant as text)"},
		{"x {tunnel.name}", "", "unknown placeholder {tunnel.name}; there are " + placeholders},
		{"x {dir.port}", "", "placeholder {dir.port}: {dir} has no parts"},
	} {
		got, err := v.command(tt.line)
		if strings.Join(got, "|") != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("command(%q) = %q, %v; want %s, %q", tt.line, got, err, tt.want, tt.err)
		}
	}
}

func TestPlainSubjectsNeedNoFile(t *testing.T) {
	if f, err := Command("prog --server {addr} --to {target}"); err != nil || f.Client == nil || f.Server != nil {
		t.Errorf("Command = %+v, %v; want a client alone", f, err)
	}
	if _, err := Command("prog {adress}"); err == nil || !strings.Contains(err.Error(), "unknown placeholder {adress}") {
		t.Errorf("Command with a wrong placeholder: %v", err)
	}
	if f, err := Address(Addrs{Tunnel: "h:1", Visitor: "h:2"}); err != nil || f.Server.Address != "h:1" || f.Visitor != "h:2" {
		t.Errorf("Address = %+v, %v", f, err)
	}
	for _, at := range []Addrs{{}, {Tunnel: "h"}, {Tunnel: "h:1", Visitor: "h:0"}, {Tunnel: "h:1", API: ":80"}} {
		if f, err := Address(at); err == nil {
			t.Errorf("Address(%+v) = %+v; want an error", at, f)
		}
	}
}
