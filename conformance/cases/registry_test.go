package cases

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Every requirement ends as tested, tested by construction, or excepted with
// a reason, for each role that it binds.
func TestEveryRequirementIsCoveredOrExcused(t *testing.T) {
	have := map[string]bool{}
	for _, c := range All(Lookup) {
		if !strings.HasPrefix(c.Variant, "dialogue-") { // a golden dialogue also shows what cannot be judged in every subject
			have[c.ID+"/"+string(c.Role)] = true
		}
	}
	if len(IDs()) < 50 {
		t.Fatalf("%d requirements in the catalogue; something is wrong with it", len(IDs()))
	}
	for _, id := range IDs() {
		r, _ := Lookup(id)
		for _, role := range Roles(r) {
			_, reason, excused := Excuse(id, role)
			switch tested := have[id+"/"+string(role)]; {
			case !tested && !excused:
				t.Errorf("%s (%s, role %s) has neither a case nor a written reason: %s", id, r.Level, role, r.Text)
			case tested && excused:
				t.Errorf("%s (role %s) has a case, and a reason for having none: %s", id, role, reason)
			case excused && len(reason) < 15:
				t.Errorf("%s (role %s): %q is no reason", id, role, reason)
			}
		}
	}
}

func TestSpecAndSetAreThoseOfTheText(t *testing.T) {
	text, err := os.ReadFile("../../PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| Text | " + Spec + ",", "| Requirement set | " + DefaultSet + ":"} {
		if !strings.Contains(string(text), row) {
			t.Errorf("PROTOCOL.md does not say %s", row)
		}
	}
}

func TestExcusesNameRequirements(t *testing.T) {
	for key := range Exceptions {
		id, role, _ := strings.Cut(key, "/")
		r, ok := Lookup(id)
		if !ok {
			t.Errorf("an excuse for %s, which PROTOCOL.md does not have", key)
		}
		bound := role == ""
		for _, b := range Roles(r) {
			bound = bound || role == string(b)
		}
		if !bound {
			t.Errorf("an excuse for %s, a role that the requirement does not bind", key)
		}
	}
}

func TestCasesAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	variant := regexp.MustCompile(`^([a-z0-9]+(-[a-z0-9]+)*)?$`)
	for _, c := range All(Lookup) {
		name := c.Name()
		if seen[name] {
			t.Errorf("%s is there twice; give one a Variant", name)
		}
		seen[name] = true
		r, ok := Lookup(c.ID)
		if !ok {
			t.Errorf("%s: PROTOCOL.md has no %s", name, c.ID)
			continue
		}
		bound := false
		for _, role := range Roles(r) {
			bound = bound || role == c.Role
		}
		if !bound {
			t.Errorf("%s: %s binds %s in profile %s, not role %s", name, c.ID, r.Role, r.Profile, c.Role)
		}
		if c.Title == "" || c.Run == nil || !variant.MatchString(c.Variant) {
			t.Errorf("%s: a case needs a title, a Run, and a variant in lower case with hyphens", name)
		}
		if c.Races != "" && len(c.Races) < 30 {
			t.Errorf("%s: %q does not say why runs may differ", name, c.Races)
		}
		for _, id := range c.Also {
			if _, ok := Lookup(id); !ok {
				t.Errorf("%s: Also names %s, which PROTOCOL.md does not have", name, id)
			}
		}
	}
	if len(seen) == 0 {
		t.Fatal("no cases")
	}
}

// The suite never sleeps, and charges only requirements that exist.
func TestSourceLint(t *testing.T) {
	charged := regexp.MustCompile(`"([A-Z]+-\d{3})"`)
	n := 0
	for _, dir := range []string{".", "../engine", "../report", "../subject", "../fault", "../cmd/adit-conform"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if strings.Contains(string(src), "time.Sle"+"ep(") {
				t.Errorf("%s sleeps; wait for an event with a deadline, or for a barrier", f)
			}
			if dir != "." && !strings.HasSuffix(f, "oracle.go") || strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range charged.FindAllStringSubmatch(string(src), -1) {
				if _, ok := Lookup(m[1]); !ok {
					t.Errorf("%s names %s, which PROTOCOL.md does not have", f, m[1])
				}
			}
		}
	}
	if n < 20 {
		t.Fatalf("only %d files looked at", n)
	}
}

// Every deadline of a case is a limit of section 17 by its name, or one of the engine's own times
// (engine/limits.go): a number in a case forbids what the text allows, sooner or later.
func TestNoCaseHasATimeOfItsOwn(t *testing.T) {
	n := 0
	for _, pattern := range []string{"*.go", "../dialogue/*.go", "../engine/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || slices.Contains(ownTimes, filepath.Base(name)) {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			n++
			for node := range ast.Preorder(file) {
				if text := timeLiteral(node); text != "" {
					t.Errorf("%s: %s; name a limit of section 17 (engine/limits.go)", set.Position(node.Pos()), text)
				}
			}
		}
	}
	if n < 40 {
		t.Fatalf("only %d files looked at", n)
	}
}

// ownTimes are the files of the engine with times on which no verdict of a case hangs: the table itself, and
// what goes on before, between and after the cases.
var ownTimes = []string{"limits.go", "alone.go", "load.go", "preflight.go", "tarpit_linux.go"}

// timeLiteral is a literal of time in the syntax tree: a unit of package time, or a text like "10s". Rounding for people is none.
func timeLiteral(node ast.Node) string {
	switch x := node.(type) {
	case *ast.SelectorExpr:
		if pkg, ok := x.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains([]string{"Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}, x.Sel.Name) {
			return "time." + x.Sel.Name
		}
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Duration" && len(x.Args) == 1 {
			if n, ok := x.Args[0].(*ast.BasicLit); ok && n.Value != "0" {
				return "time.Duration(" + n.Value + ")"
			}
		}
	case *ast.BasicLit:
		text, _ := strconv.Unquote(x.Value)
		if _, err := time.ParseDuration(text); x.Kind == token.STRING && text != "0" && err == nil {
			return x.Value
		}
	}
	return ""
}

func TestTimeLiteralsAreSeen(t *testing.T) {
	for src, want := range map[string]string{
		`c.ExpectClose("x", Within(7*time.Second))`: "time.Second", `k.see("CLOSE-005", "10s", "is ended")`: `"10s"`, `Within(CloseTotal + Answer)`: "", `time.Duration(5_000_000_000)`: "time.Duration(5_000_000_000)", `time.Duration(0)`: "", `"5"`: "",
	} {
		expr, err := parser.ParseExpr(src)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for node := range ast.Preorder(expr) {
			got += timeLiteral(node)
		}
		if got != want {
			t.Errorf("%s: %q is seen; want %q", src, got, want)
		}
	}
}
