package spec_test

import (
	"go/parser"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxDoc is how many lines a doc.go has at most.
const maxDoc = 50

func TestPackagesHaveComments(t *testing.T) {
	documented := map[string]bool{}
	for path, f := range goFiles(t, parser.ParseComments|parser.PackageClauseOnly) {
		dir := filepath.Dir(path)
		want := "Package " + f.Name.Name + " "
		if f.Name.Name == "main" {
			want = "Command " + filepath.Base(dir) + " "
		}
		has := f.Doc != nil && strings.HasPrefix(f.Doc.Text(), want)
		if f.Doc != nil && !has {
			t.Errorf("%s: the package comment starts with %.30q; want %q", path, f.Doc.Text(), want)
		}
		if filepath.Base(path) == "doc.go" && f.Doc != nil && strings.Count(f.Doc.Text(), "\n") > maxDoc {
			t.Errorf("%s: the package comment has more than %d lines", path, maxDoc)
		}
		documented[dir] = documented[dir] || has
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment; write one in %s", dir, filepath.Join(dir, "doc.go"))
		}
	}
}

// The root README lists every package with what it is for, and no other.
func TestREADMEListsThePackages(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "<!-- packages -->")
	block, _, found := strings.Cut(rest, "<!-- packages: end -->")
	if !found {
		t.Fatal("README.md has no list between <!-- packages --> and <!-- packages: end -->")
	}
	listed := map[string]bool{}
	for line := range strings.Lines(block) {
		if !strings.HasPrefix(line, "    ") {
			continue
		}
		name, purpose, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.TrimSpace(purpose) == "" {
			t.Errorf("README.md: package %s has no purpose beside it", name)
		}
		if listed[name] {
			t.Errorf("README.md lists package %s twice", name)
		}
		listed[name] = true
	}
	for _, p := range packages(t) {
		if !listed[p.path] {
			t.Errorf("README.md does not list package %s; add it with what it is for", p.path)
		}
		delete(listed, p.path)
	}
	for name := range listed {
		t.Errorf("README.md lists package %s; the module has none of that name", name)
	}
}
