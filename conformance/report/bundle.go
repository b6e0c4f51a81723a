package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// A Bundle is what a report was made with, in SHA-256 digests, and the digest
// of the report itself. It shows a change; it does not prove who wrote it.
type Bundle struct {
	Suite        string   `json:"suite_sha256"`        // of the suite's binary
	Requirements string   `json:"requirements_sha256"` // of the catalogue, each with the digest of its text
	Vectors      string   `json:"vectors_sha256"`
	Subject      []Digest `json:"subject,omitempty"` // the subject file, and the binaries that it starts
	Report       string   `json:"report_sha256"`     // of the whole file, these 64 digits taken as zeros
}

// A Digest is that of one file.
type Digest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// NewBundle takes the digests of this suite, whose binary is at the path suite, and of a subject's files.
func NewBundle(suite string, subject []string) (*Bundle, error) {
	b := &Bundle{
		Requirements: digestOf(slices.Collect(spec.Requirements())),
		Vectors:      digestOf(slices.Collect(spec.Vectors(""))),
		Report:       noDigest,
	}
	var err error
	if b.Suite, err = digestFile(suite); err != nil {
		return nil, fmt.Errorf("bundle: the suite's binary: %w", err)
	}
	for _, name := range subject {
		sum, err := digestFile(name)
		if err != nil {
			return nil, fmt.Errorf("bundle: the subject: %w", err)
		}
		b.Subject = append(b.Subject, Digest{name, sum})
	}
	return b, nil
}

// digestOf is the digest of a table, as JSON.
func digestOf(table any) string {
	text, err := json.Marshal(table)
	if err != nil {
		panic("conformance report: internal error: " + err.Error())
	}
	return digest(text)
}

func digestFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

var (
	noDigest = strings.Repeat("0", 2*sha256.Size)
	// own finds a report's own digest. No text in the report can look like it: a quote in one is escaped.
	own = regexp.MustCompile(`"report_sha256": "([0-9a-f]{64})"`)
)

// WriteBundle writes the report as JSON, with its own digest.
func (f File) WriteBundle(w io.Writer) error {
	var b bytes.Buffer
	if err := f.WriteJSON(&b); err != nil {
		return err
	}
	text := b.Bytes()
	at := own.FindSubmatchIndex(text)
	if at == nil {
		return errors.New("conformance report: internal error: no place for its digest")
	}
	copy(text[at[2]:at[3]], digest(text))
	_, err := w.Write(text)
	return err
}

// A Check is one thing that Verify looked at.
type Check struct {
	What    string
	Problem string // empty: it is as the report says
	Absent  bool   // a file that is not here, so nothing is known of it
}

// Verify checks a report that WriteBundle wrote against itself, the suite
// whose binary is at the path suite, and the files of the subject.
func Verify(text []byte, suite string) ([]Check, error) {
	f, err := ReadJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if f.Bundle == nil {
		return nil, errors.New("conformance report: it has no digests; write one with run --bundle")
	}
	here, err := NewBundle(suite, nil)
	if err != nil {
		return nil, err
	}
	sum := "none"
	if at := own.FindAllSubmatchIndex(text, -1); len(at) == 1 {
		blank := slices.Clone(text)
		copy(blank[at[0][2]:at[0][3]], noDigest)
		sum = digest(blank)
	}
	checks := []Check{
		same("report", "it was changed: ", f.Bundle.Report, sum),
		f.sums(),
		same("suite", "another binary: ", f.Bundle.Suite, here.Suite),
		same("requirements", "another PROTOCOL.md: ", f.Bundle.Requirements, here.Requirements),
		same("vectors", "other vectors: ", f.Bundle.Vectors, here.Vectors),
	}
	for _, d := range f.Bundle.Subject {
		what := "subject " + Clean(d.Path)
		sum, err := digestFile(d.Path)
		if err != nil {
			checks = append(checks, Check{What: what, Problem: err.Error(), Absent: true})
			continue
		}
		checks = append(checks, same(what, "another file: ", d.SHA256, sum))
	}
	return checks, nil
}

func same(what, problem, said, is string) Check {
	if said == is {
		return Check{What: what}
	}
	return Check{What: what, Problem: fmt.Sprintf("%sthe report says %.12s…, it is %.12s…", problem, Clean(said), is)}
}

// sums checks that the verdict follows from the results.
func (f File) sums() Check {
	again := f
	again.conclude()
	for _, part := range []struct {
		name     string
		said, is any
	}{
		{"exit_code", f.ExitCode, again.ExitCode},
		{"conclusion", f.Conclusion, again.Conclusion},
		{"counts", f.Counts, again.Counts},
		{"coverage", f.Coverage, again.Coverage},
		{"classes", f.Classes, again.Classes},
		{"causes", f.Causes, again.Causes},
	} {
		if !reflect.DeepEqual(part.said, part.is) {
			return Check{What: "verdict", Problem: fmt.Sprintf("%s does not follow from the results", part.name)}
		}
	}
	return Check{What: "verdict"}
}
