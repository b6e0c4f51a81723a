package spec_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/adit-tunnel/adit"

// policy says which packages of the module each may import. Do not widen a row
// to make a build pass: the rows are the architecture.
var policy = []struct {
	pkg   string // itself, and what lies below it unless that has a row of its own
	code  string // packages, and all below those that end in /...
	tests string // what its tests may import besides
}{
	{"spec", "", ""},
	{"spec/wire", "", "spec"},
	{"spec/internal", "spec", ""},                   // never the codec: a wrong field would pass on both sides
	{"spec/internal/vecgen", "spec spec/model", ""}, // and the model, which knows tables but no octets
	{"spec/wireshark", "", "spec"},
	{"spec/model", "spec", ""},

	{"reference", "", "spec reference/config"}, // a map of the room, no code; tests of what its pages name
	{"reference/sock", "", "reference/certtest"},
	{"reference/files", "", ""},
	{"reference/trust", "reference/files", "reference/certtest"}, // certificates and pins; knows no sockets
	{"reference/certtest", "", ""},
	{"reference/session", "spec spec/wire reference/sock", ""},
	{"reference/forward", "reference/sock", ""}, // knows no frames
	{"reference/mapping", "spec spec/wire", ""}, // all who deal with mappings know it, and it what a host can be
	{"reference/logging", "", ""},
	{"reference/store", "reference/mapping", ""},
	{"reference/access", "reference/files", ""},                                                   // keys, tokens and roles; knows no HTTP
	{"reference/web", "reference/mapping reference/access reference/files", "reference/certtest"}, // routes and visitors of HTTP; knows no tunnels
	{"reference/api", "reference/mapping reference/access reference/keys", ""},
	{"reference/keys", "spec/wire reference/files reference/mapping", "spec"}, // knows no sessions
	{"reference/config", "spec reference/files reference/mapping reference/trust reference/keys reference/access", "reference/certtest conformance/schematest"},
	{"reference/client", "spec spec/wire reference/sock reference/session reference/forward reference/mapping reference/trust", "reference/certtest"},
	{"reference/server", "spec spec/wire reference/sock reference/session reference/forward reference/mapping reference/api reference/access reference/trust reference/keys reference/web", "reference/client reference/store reference/certtest"},
	{"reference/cmd", "reference/...", ""},
	{"reference/e2e", "spec spec/wire", "reference/certtest"},   // runs the binaries
	{"reference/deploy", "", "reference/config reference/keys"}, // files, tried as the programs read them

	// Their own frame reader and writer, proven by the vectors alone. They run
	// the reference's binaries, as they run anyone's.
	{"conformance", "spec conformance/...", ""},
	{"conformance/certify", "spec conformance/cases conformance/engine conformance/report conformance/subject conformance/wire", ""},
	{"conformance/report", "spec conformance/cases conformance/engine conformance/subject", "conformance/schematest"},
	{"conformance/codec", "spec conformance/report conformance/subject", ""},
	{"conformance/subject", "spec", "conformance/schematest"},
	{"conformance/schematest", "", ""},
	{"loadgen", "spec conformance/subject scenarios loadgen/...", "conformance/schematest"},
	{"scenarios", "", ""},
}

// mustNotLink says what a package's build, tests apart, keeps out.
var mustNotLink = []struct{ pkg, dep, because string }{
	{"reference/cmd/adit-client", "modernc.org/sqlite", "the client has no database"},
	{"reference/cmd/adit-client", module + "/reference/store", "the client has no database"},
	{"reference/cmd/adit-client", module + "/reference/server", "the client listens for nobody"},
	{"reference/mapping", "net/http", "what is decided about mappings is decided without HTTP"},
	{"reference/mapping", "database/sql", "nor with a database"},
	{"reference/mapping", "flag", "nor for a command line"},
	{"reference/server", module + "/reference/store", "it is given a mapping.Store"},
	{"reference/...", "github.com/onsi", "test frameworks stay in tests"},
	{"reference/...", "github.com/testcontainers", "containers belong to the tools"},
	{"reference/...", "github.com/shirou/gopsutil", "measuring belongs to the load generator"},
	{"reference/...", "testing", "a shipped binary holds no test code"},
	{"conformance/engine", "github.com/onsi", "the engine is plain Go; certify hosts Ginkgo"},
	{"conformance/cases", "github.com/onsi", "cases are values"},
	{"conformance/...", module + "/spec/wire", "one wrong field would pass on both sides"},
	{"conformance/...", module + "/reference", "the suite treats the reference as anyone's"},
	{"loadgen/...", module + "/reference", "the load generator treats the reference as anyone's"},
	{"loadgen/...", "github.com/onsi", "test frameworks stay in tests"},
	{"loadgen/...", "k8s.io", "the types of Kubernetes check in tests what is written without them"},
}

// inOneFile are modules that a single file of ours stands for.
var inOneFile = []string{"github.com/testcontainers/testcontainers-go", "github.com/shirou/gopsutil"}

// below reports whether path is root or lies below it.
func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// matches reports whether path is named by a list of packages and patterns.
func matches(path, list string) bool {
	return slices.ContainsFunc(strings.Fields(list), func(p string) bool {
		root, all := strings.CutSuffix(p, "/...")
		return path == p || all && below(path, root)
	})
}

type listed struct{ path, imports, tests, deps string }

// packages lists the packages of the module, paths relative to it.
func packages(t *testing.T) []listed {
	t.Helper()
	const format = `{{.ImportPath}}|{{join .Imports " "}}|{{join .TestImports " "}} {{join .XTestImports " "}}|{{join .Deps " "}}`
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-f", format, module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for l := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(l), "|")
		if len(f) != 4 {
			t.Fatalf("go list printed %q", l)
		}
		all = append(all, listed{strings.TrimPrefix(f[0], module+"/"), f[1], f[2], f[3]})
	}
	if len(all) == 0 {
		t.Fatal("go list finds no packages")
	}
	return all
}

func TestImportArrows(t *testing.T) {
	for _, p := range packages(t) {
		row := -1
		for i, r := range policy {
			if below(p.path, r.pkg) && (row < 0 || len(r.pkg) > len(policy[row].pkg)) {
				row = i
			}
		}
		if row < 0 {
			t.Errorf("%s has no row in the policy; say what it may import", p.path)
			continue
		}
		check := func(imports, allowed, what string) {
			for imp := range strings.FieldsSeq(imports) {
				ours, ok := strings.CutPrefix(imp, module+"/")
				if ok && ours != p.path && !matches(ours, allowed) {
					t.Errorf("%s of %s imports %s; it may import %q", what, p.path, ours, allowed)
				}
			}
		}
		check(p.imports, policy[row].code, "the code")
		check(p.tests, policy[row].code+" "+policy[row].tests, "a test")
	}
}

func TestSpecIsStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if !below(p.path, "spec") {
			continue
		}
		for dep := range strings.FieldsSeq(p.deps) {
			first, _, _ := strings.Cut(dep, "/")
			if strings.Contains(first, ".") && !below(dep, module+"/spec") {
				t.Errorf("%s links %s; spec has the standard library only", p.path, dep)
			}
		}
	}
}

func TestMustNotLink(t *testing.T) {
	for _, p := range packages(t) {
		for _, r := range mustNotLink {
			if !matches(p.path, r.pkg) {
				continue
			}
			for dep := range strings.FieldsSeq(p.deps) {
				if below(dep, r.dep) {
					t.Errorf("%s links %s: %s", p.path, dep, r.because)
				}
			}
		}
	}
}

// goFiles parses every Go file of the module.
func goFiles(t *testing.T, mode parser.Mode) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != ".." && (name[0] == '.' || name[0] == '_' || name == "testdata") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, mode)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d Go files, %v", len(files), err)
	}
	return files
}

func TestInOneFile(t *testing.T) {
	users := map[string][]string{}
	for path, f := range goFiles(t, parser.ImportsOnly) {
		for _, mod := range inOneFile {
			if slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool {
				imp, err := strconv.Unquote(s.Path.Value)
				return err == nil && below(imp, mod)
			}) && !strings.HasSuffix(path, "_test.go") {
				users[mod] = append(users[mod], path)
			}
		}
	}
	for mod, paths := range users {
		if len(paths) > 1 {
			slices.Sort(paths)
			t.Errorf("%s is imported by %v; want one file that stands for it", mod, paths)
		}
	}
}
