package loadgen

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RecordVersion names the layout of a record.
const RecordVersion = "adit-load/1"

// RecordSchema is the JSON Schema (2020-12) of a record.
//
//go:embed record.schema.json
var RecordSchema []byte

// A Record is everything that one run of a scenario found out. Tables are made
// from it and never measured twice. Times are nanoseconds or seconds as named,
// sizes octets.
type Record struct {
	Version     string        `json:"version"`
	Scenario    *Scenario     `json:"scenario"`
	Profile     string        `json:"profile"`
	Command     string        `json:"command"`
	Tool        string        `json:"tool"` // version of adit-load
	Subjects    []SubjectInfo `json:"subjects"`
	Environment Environment   `json:"environment"`
	Started     time.Time     `json:"started"`
	Seconds     float64       `json:"seconds"`
	Interrupted bool          `json:"interrupted,omitempty"` // stopped before the end; Blocks has what was complete
	Blocks      []Block       `json:"blocks"`                // in the order in which they ran
}

// SubjectInfo says what was measured.
type SubjectInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Server  string `json:"server,omitempty"` // command line or address
	Client  string `json:"client,omitempty"`
}

// A Block is one cell measured once over one path.
type Block struct {
	Cell Load `json:"cell"`
	Route
	Repetition int `json:"repetition"`

	Seconds        float64          `json:"seconds"` // measured time
	Octets         int64            `json:"octets"`  // payload checked at the receiver in that time
	Packets        float64          `json:"packets"` // of those octets; whole for pingpong
	Failed         map[string]int64 `json:"failed,omitempty"`
	FailedConnects int64            `json:"failed_connects"`
	Late           int64            `json:"late,omitempty"` // echoes that came in the drain: right, but not counted above
	DrainSeconds   float64          `json:"drain_seconds"`
	Strays         int              `json:"strays,omitempty"` // connections that reached the target without their first octets

	Service  *Dist `json:"service,omitempty"`  // echo complete less sent
	Response *Dist `json:"response,omitempty"` // echo complete less due; only with a rate
	Lag      *Dist `json:"lag,omitempty"`      // sent less due; only with a rate

	Processes   []Usage  `json:"processes"`
	Faults      []*Fault `json:"faults,omitempty"`      // wrong octets
	Undelivered []*Fault `json:"undelivered,omitempty"` // where timed out, reset and unfinished streams stopped
}

// Usage is what one process used in the measured time.
type Usage struct {
	Role       string  `json:"role"` // server, client, relay, target, generator
	CPUSeconds float64 `json:"cpu_seconds"`
	RSS        int64   `json:"rss"`      // at the end
	PeakRSS    int64   `json:"peak_rss"` // the highest sample
}

// FailedPackets is the sum of all that was not ok.
func (b *Block) FailedPackets() (n int64) {
	for _, v := range b.Failed {
		n += v
	}
	return n
}

// Failed is the number of packets that were not ok, in all blocks.
func (r *Record) Failed() (n int64) {
	for i := range r.Blocks {
		n += r.Blocks[i].FailedPackets()
	}
	return n
}

// Faulty reports whether any block saw wrong octets.
func (r *Record) Faulty() bool {
	return slices.ContainsFunc(r.Blocks, func(b Block) bool { return len(b.Faults) > 0 || b.Failed[Corrupt] > 0 })
}

const recordFile, reportFile, readmeFile = "record.json", "report.md", "README.md"

// Save writes record.json and report.md into a folder of the scenario's name
// under dir, and renews what dir's README.md shows of it.
func (r *Record) Save(dir string) (string, error) {
	dir = filepath.Join(dir, r.Scenario.Name)
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o644); err != nil {
		return "", err
	}
	return dir, r.SaveReport(dir)
}

// SaveReport writes report.md into the folder of a record, and renews what
// README.md beside that folder shows of it.
func (r *Record) SaveReport(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, reportFile), []byte(r.Markdown()), 0o644); err != nil {
		return err
	}
	name := filepath.Join(filepath.Dir(dir), readmeFile)
	old, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(r.renew(string(old))), 0o644)
}

// renew puts the summary and the circumstances between their marks in a text,
// where the text has them:
//
//	<!-- adit-load: SCENARIO --> … <!-- adit-load: end -->
//	<!-- adit-load: SCENARIO, circumstances --> … <!-- adit-load: end -->
func (r *Record) renew(text string) string {
	for what, content := range map[string]string{
		r.Scenario.Name: r.Summary(), r.Scenario.Name + ", circumstances": r.circumstances(),
	} {
		begin, end := "<!-- adit-load: "+what+" -->", "<!-- adit-load: end -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if ok && closed {
			text = before + begin + "\n\n" + strings.TrimSpace(content) + "\n\n" + end + after
		}
	}
	return text
}

// LoadRecords reads every record under dir.
func LoadRecords(dir string) ([]*Record, []string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*", recordFile))
	if err == nil && len(names) == 0 {
		names, err = filepath.Glob(filepath.Join(dir, recordFile))
	}
	if err != nil {
		return nil, nil, err
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s: holds no %s, and no folder in it does", dir, recordFile)
	}
	var out []*Record
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		r := &Record{}
		if err := json.Unmarshal(data, r); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if r.Version != RecordVersion || r.Scenario == nil {
			return nil, nil, fmt.Errorf("%s: version %q; this program reads %q", name, r.Version, RecordVersion)
		}
		out = append(out, r)
	}
	return out, names, nil
}
