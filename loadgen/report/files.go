package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// Names of what is written.
const (
	csvFile    = "numbers.csv"
	reportFile = "report.md"
	htmlFile   = "report.html"
	benchFile  = "bench.txt" // for benchstat
	plotFolder = "plots"     // of all but the most telling one
	indexFile  = "index.html"
	readmeFile = "README.md"
)

// files is everything that is made of a record, by name.
func files(r *record.Record) map[string]string {
	s := NewSheet(r)
	drawn := figures(r, s)
	if len(drawn) > 0 {
		s.Plot = drawn[0].file
	}
	out := map[string]string{csvFile: s.CSV(), reportFile: s.markdown(r, drawn), htmlFile: s.html(r, drawn), benchFile: analyse.Bench(r)}
	for _, f := range drawn {
		out[f.file] = f.svg(true)
	}
	return out
}

// Save writes everything that is made of a record into its folder, takes away
// plots that it no longer has, and renews what README.md beside that folder,
// and the one above, show of it. It returns the names of the files that are not as they were.
func Save(r *record.Record, dir string) (changed []string, err error) {
	made := files(r)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		err = errors.Join(err, write(filepath.Join(dir, name), made[name], &changed))
	}
	for _, pattern := range []string{"*.svg", plotFolder + "/*.svg"} {
		old, globErr := filepath.Glob(filepath.Join(dir, pattern))
		err = errors.Join(err, globErr)
		for _, name := range old {
			if rel, relErr := filepath.Rel(dir, name); relErr != nil || made[filepath.ToSlash(rel)] == "" {
				err = errors.Join(err, relErr, os.Remove(name))
				changed = append(changed, name)
			}
		}
	}
	more, renewErr := Renew(dir)
	return append(changed, more...), errors.Join(err, renewErr)
}

// Renew renews what README.md beside a folder, and the one above, show of the numbers.csv in it.
func Renew(dir string) (changed []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, csvFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s, err := ReadSheet(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	folder := filepath.Base(dir)
	for range 2 { // README.md beside the folder, and the one above that
		dir = filepath.Dir(dir)
		readme := filepath.Join(dir, readmeFile)
		old, readErr := os.ReadFile(readme)
		switch {
		case errors.Is(readErr, fs.ErrNotExist): // one that is not there shows nothing
		case readErr != nil:
			err = errors.Join(err, readErr)
		default:
			err = errors.Join(err, write(readme, s.renew(folder, string(old)), &changed))
		}
		folder = filepath.Base(dir) + "/" + folder
	}
	return changed, err
}

// Remake makes everything again that is made of the records in a folder, and
// of folders without one what READMEs show of their numbers. It says how many there are.
func Remake(dir string) (changed []string, n int, err error) {
	sheets, err := filepath.Glob(filepath.Join(dir, "*", csvFile))
	if err != nil {
		return nil, 0, err
	}
	for _, name := range sheets {
		if _, statErr := os.Stat(filepath.Join(filepath.Dir(name), record.File)); errors.Is(statErr, fs.ErrNotExist) {
			more, renewErr := Renew(filepath.Dir(name))
			changed, err, n = append(changed, more...), errors.Join(err, renewErr), n+1
		}
	}
	records, names, loadErr := record.Load(dir)
	if loadErr != nil {
		if n > 0 && len(records) == 0 { // numbers alone
			return changed, n, err
		}
		return changed, n, loadErr
	}
	for i, r := range records {
		more, saveErr := Save(r, filepath.Dir(names[i]))
		changed, err, n = append(changed, more...), errors.Join(err, saveErr), n+1
	}
	if filepath.Dir(names[0]) != filepath.Clean(dir) {
		more, indexErr := SaveIndex(records, dir)
		changed, err = append(changed, more...), errors.Join(err, indexErr)
	}
	return changed, n, err
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
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o644)
}

// renew puts what is made of a sheet between its marks in a text, where the
// text has them; the marks name the folder that leads from the text to the
// numbers, since two may answer the same scenario:
//
//	<!-- adit-load: FOLDER --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, answer --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, circumstances --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, plot --> … <!-- adit-load: end -->
//	<!-- adit-load: FOLDER, table --> … <!-- adit-load: end -->
func (s *Sheet) renew(folder, text string) string {
	for what, content := range map[string]string{
		"": s.summary(folder), ", answer": s.inShort(folder), ", circumstances": s.circumstances(), ", plot": s.plot(folder), ", table": s.overview(),
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
