package report

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/summary"
)

// Names of what is written.
const (
	reportFile = "report.md"
	htmlFile   = "report.html"
	csvFile    = "numbers.csv"
	indexFile  = "index.html"
	readmeFile = "README.md"
	benchFile  = "bench.txt" // for benchstat
)

// files is everything that is made of a record, by name.
func files(r *record.Record) map[string]string {
	out := map[string]string{reportFile: Markdown(r), htmlFile: HTML(r), csvFile: CSV(r), benchFile: summary.Bench(r)}
	for _, f := range figures(r) {
		out[f.file] = f.svg(true)
	}
	return out
}

// Save writes everything that is made of a record into its folder, takes away
// plots that it no longer has, and renews what README.md beside that folder,
// and the one above, show of it. It returns the names of the files that are not as they were.
func Save(r *record.Record, dir string) (changed []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	made := files(r)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		err = errors.Join(err, write(filepath.Join(dir, name), made[name], &changed))
	}
	old, globErr := filepath.Glob(filepath.Join(dir, "*.svg"))
	err = errors.Join(err, globErr)
	for _, name := range old {
		if _, kept := made[filepath.Base(name)]; !kept {
			err = errors.Join(err, os.Remove(name))
			changed = append(changed, name)
		}
	}
	folder := filepath.Base(dir)
	for range 2 { // README.md beside the folder, and the one above that
		dir = filepath.Dir(dir)
		err = errors.Join(err, renewFile(filepath.Join(dir, readmeFile), folder, r, &changed))
		folder = filepath.Base(dir) + "/" + folder
	}
	return changed, err
}

// SaveIndex writes index.html, which leads to all records, into the folder that holds theirs.
func SaveIndex(records []*record.Record, dir string) (changed []string, err error) {
	return changed, write(filepath.Join(dir, indexFile), Index(records), &changed)
}

// write writes a file unless it is so already.
func write(name, content string, changed *[]string) error {
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, []byte(content)) {
		return nil
	}
	*changed = append(*changed, name)
	return os.WriteFile(name, []byte(content), 0o644)
}

// renewFile renews what a text shows of a record; one that is not there shows nothing.
func renewFile(name, folder string, r *record.Record, changed *[]string) error {
	old, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return write(name, renew(r, folder, string(old)), changed)
}

// renew puts what is made of a record between its marks in a text, where the
// text has them; the marks name the folder that leads from the text to the
// record, since two records may answer the same scenario:
//
//	<!-- adit-load: FOLDER --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, answer --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, circumstances --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, plot --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, table --> … <!-- adit-load: end -->
func renew(r *record.Record, folder, text string) string {
	for what, content := range map[string]string{
		"": Summary(r, folder), ", answer": inShort(r, folder), ", circumstances": circumstances(r), ", plot": hero(r, folder), ", table": overview(r),
	} {
		begin, end := "<!-- adit-load: "+folder+what+" -->", "<!-- adit-load: end -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if ok && closed {
			text = before + begin + "\n\n" + strings.TrimSpace(content) + "\n\n" + end + after
		}
	}
	return text
}
