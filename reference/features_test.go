package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// features are the rows that README.md has, in this order: how many each letter has.
var features = []struct {
	letter string
	rows   int
}{{"A", 16}, {"B", 14}, {"C", 8}, {"D", 10}, {"E", 5}, {"F", 15}}

// README.md has a row for all that is asked for, and every test that it names is there.
func TestFeaturesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range wrongRows(string(text)) {
		t.Error("README.md: " + wrong)
	}
}

func TestWrongRowsAreFound(t *testing.T) {
	good, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"\n| A2 |", "\n| A3 |", "the rows are"},
		{"\n| F15 |", "\n| F16 |", "the rows are"},
		{"`reference/session.TestAPairOverTCP`", "`reference/session.TestAPairOverTCPs`", "A2 names reference/session.TestAPairOverTCPs, and there is none"},
		{"`spec.TestFrames`", "`spec/none.TestFrames`", "A1 names spec/none.TestFrames, and there is none"},
		{"`spec.TestFrames`", "TestFrames", "A1: what is in the column of tests"},
		{"not yet: `doctor`", "", ""},
		{"| D2 | HTTP forward proxy | not yet | |", "| D2 | HTTP forward proxy | soon | |", "D2 names no test"},
		{"| D2 | HTTP forward proxy | not yet | |", "| D2 | HTTP forward proxy | not yet |", "D2 has 3 cells"},
		{"`reference/config.TestFlagsOverFileOverDefaults`", "", "C3 names no test"},
		{"TLS 1.2, whose exporter does not name a connection (TLS-001)", "", "A9 declines something and does not say what and why"},
	} {
		wrong := wrongRows(strings.Replace(string(good), c.old, c.new, 1))
		if c.want == "" && len(wrong) > 0 || c.want != "" && !strings.Contains(strings.Join(wrong, "\n"), c.want) {
			t.Errorf("%q in place of %q: %q; want %q", c.new, c.old, wrong, c.want)
		}
	}
}

// known are the tests of packages that were asked for before.
var known = map[string][]string{}

// wrongRows says what is wrong with the tables of README.md.
func wrongRows(text string) (wrong []string) {
	var rows, want []string
	for _, f := range features {
		for i := range f.rows {
			want = append(want, fmt.Sprint(f.letter, i+1))
		}
	}
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	row := regexp.MustCompile(`^\| ([A-F]\d+) \|`)
	name := regexp.MustCompile("`([a-z0-9/-]+)\\.((?:Test|Fuzz|Benchmark)\\w+)`")
	for line := range strings.Lines(text) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		id := m[1]
		rows = append(rows, id)
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			say("%s has %d cells; want 4", id, len(cells))
			continue
		}
		here, tests := strings.TrimSpace(cells[2]), cells[3]
		if len(name.FindAllString(tests, -1)) == 0 && !strings.HasPrefix(here, "not yet") && !strings.HasPrefix(here, "declined: ") {
			say("%s names no test, and begins with neither \"not yet\" nor \"declined: \"", id)
		}
		if _, why, declines := strings.Cut(here, "declined:"); declines && len(why) < 20 {
			say("%s declines something and does not say what and why", id)
		}
		for _, m := range name.FindAllStringSubmatch(tests, -1) {
			if !slices.Contains(testsOf(m[1]), m[2]) {
				say("%s names %s.%s, and there is none", id, m[1], m[2])
			}
		}
		if rest := strings.Trim(name.ReplaceAllString(tests, ""), ", "); rest != "" {
			say("%s: what is in the column of tests is not written `package.TestName`: %s", id, rest)
		}
	}
	if !slices.Equal(rows, want) {
		say("the rows are %v; want %v", rows, want)
	}
	return wrong
}

// testsOf are the tests of a package, whose path is that from the root of the module.
func testsOf(dir string) (names []string) {
	if names, ok := known[dir]; ok {
		return names
	}
	defer func() { known[dir] = names }()
	files, _ := filepath.Glob(path.Join("..", dir, "*_test.go")) // an error means a pattern that is wrong, which dir cannot make
	for _, file := range files {
		code, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // its own package says so
		}
		for _, d := range code.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
