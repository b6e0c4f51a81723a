package spec_test

import (
	"go/parser"
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
