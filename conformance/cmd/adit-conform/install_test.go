package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mod "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// A source is a file of this tree, for a module's zip.
type source struct{ root, path string }

func (s source) Path() string                 { return s.path }
func (s source) Lstat() (os.FileInfo, error)  { return os.Lstat(filepath.Join(s.root, s.path)) }
func (s source) Open() (io.ReadCloser, error) { return os.Open(filepath.Join(s.root, s.path)) }

// goEnv is a variable of the go command.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// proxyOf is a folder that serves this tree, as it is now, as a version of its
// module. A module's zip leaves out nested modules and what git ignores.
func proxyOf(t *testing.T, of mod.Version) (folder string) {
	t.Helper()
	root := filepath.Dir(goEnv(t, "GOMOD"))
	list, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skip("not run: the module is not a git checkout")
	}
	var files []zip.File
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, name)); err == nil { // else it was removed, and that is not committed
			files = append(files, source{root, name})
		}
	}
	folder = t.TempDir()
	at := filepath.Join(folder, of.Path, "@v")
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	var archive bytes.Buffer
	err = errors.Join(err, os.MkdirAll(at, 0o700), zip.Create(&archive, of, files))
	for ending, text := range map[string][]byte{
		".info": []byte(`{"Version": "` + of.Version + `", "Time": "2026-01-01T00:00:00Z"}`), ".mod": gomod, ".zip": archive.Bytes(),
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(at, of.Version+ending), text, 0o600))
	}
	if err = errors.Join(err, os.WriteFile(filepath.Join(at, "list"), []byte(of.Version+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// What go install gives needs no repository beside it, and says what this tree says.
func TestGoInstallGivesTheWholeTool(t *testing.T) {
	if testing.Short() {
		t.Skip("not run with -short: it builds everything anew")
	}
	t.Parallel()
	this := mod.Version{Path: "github.com/adit-tunnel/adit", Version: "v0.0.1"}
	bin := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", this.Path+"/conformance/cmd/adit-conform@latest")
	install.Dir = t.TempDir()
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw -trimpath", "CGO_ENABLED=0", "GOSUMDB=off", "GOWORK=off", "GO111MODULE=on",
		"GOPROXY=file://"+proxyOf(t, this)+",file://"+filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download")+",off")
	out, err := install.CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("module lookup disabled by GOPROXY=off")) {
		t.Skipf("not run: the module cache lacks something; go mod download brings it\n%s", out)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", install, err, out)
	}
	a := alone(t, filepath.Join(bin, "adit-conform"))
	a.does(t, "adit-conform version "+this.Version, "--version")
	mine, _, _ := conform(t, "--version")
	mine = strings.TrimSpace(strings.TrimPrefix(mine, "adit-conform version"))
	for _, args := range [][]string{{"list"}, {"explain", "CLOSE-003"}, {"explain", "--text"}, {"schema", "report"}, {"codec", "--exec", ":"}} {
		theirs, _ := a.command(t, args...).Output() // a codec that fails ends with 1, in both
		ours, _, _ := conform(t, args...)
		if len(theirs) == 0 || strings.ReplaceAll(string(theirs), "suite "+this.Version, "suite "+mine) != ours {
			t.Errorf("%q of what go install gives is not what this tree says:\n%s\nwant\n%s", args, theirs, ours)
		}
	}
}
