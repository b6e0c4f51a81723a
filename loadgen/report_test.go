package loadgen

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// record is three repetitions of one cell, by hand.
func record(t *testing.T) *Record {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\ncells: [{}, {mode: upload}]\nrepeat: 3")
	r := &Record{
		Version: RecordVersion, Scenario: s, Profile: "full", Command: "adit-load run x.yaml", Tool: "adit-load v1",
		Subjects: []SubjectInfo{{Name: "some", Version: "v2", Server: "a {visitor}", Client: "b"}}, Started: time.Unix(0, 0).UTC(),
		Environment: Environment{OS: "linux/amd64", Kernel: "6.1", CPUs: 2, LoadAverage: [3]float64{0.5, 0.25, 0}, Memory: 4 << 30, Go: "go1.26"},
	}
	for rep, tunnel := range []int64{1_000_000, 4_000_000, 2_000_000} {
		for i, octets := range []int64{tunnel, 8_000_000, 4_000_000} {
			route := []Route{{Tunnel, "some"}, {Path: Direct}, {Path: Relay}}[i]
			us := int64(time.Microsecond)
			r.Blocks = append(r.Blocks, Block{
				Cell: s.Load, Route: route, Repetition: rep + 1, Seconds: 1, Octets: octets, Packets: float64(octets) / 1000,
				Failed:  map[string]int64{},
				Service: &Dist{N: 1000, Min: int64(10+rep) * us, Mean: int64(20+10*rep) * us, Max: int64(100+rep) * us, P50: int64(10*rep+15) * us, P90: 50 * us},
				Processes: []Usage{
					{Role: "server", CPUSeconds: 0.5, RSS: 1 << 20, PeakRSS: int64(rep+1) << 20},
					{Role: "client", CPUSeconds: 0.25, RSS: 1 << 20, PeakRSS: 1 << 20},
				},
			})
		}
	}
	return r
}

func TestRowsSumCountsAndTakeMediansOfTheRest(t *testing.T) {
	rows := record(t).Rows()
	if len(rows) != 3 || rows[0].Path != Direct || rows[1].Path != Relay || rows[2].Path != Tunnel {
		t.Fatalf("Rows = %+v; want direct, relay, tunnel", rows)
	}
	r := rows[2]
	us := time.Microsecond
	if r.Seconds != 3 || r.Octets != 7_000_000 || r.OK != 7000 || r.ToDirect != (Ratio{0.25, 0.125, 0.5}) || r.ToRelay != (Ratio{0.5, 0.25, 1}) ||
		r.Min != 10*us || r.Max != 102*us || r.Mean != 30*us || r.P50 != 25*us || r.P90 != 50*us || r.P99 != 0 ||
		r.ServerCPU != 1.5 || r.ServerRSS != 3<<20 || r.ClientCPU != 0.75 || r.ClientRSS != 1<<20 {
		t.Errorf("row of the tunnel = %+v", r)
	}
}

func TestTheReportIsMadeFromTheRecordAlone(t *testing.T) {
	r := record(t)
	r.Blocks[0].Failed = map[string]int64{Corrupt: 1, Reset: 2}
	r.Blocks[0].Response = &Dist{N: 1000, Min: 1, Mean: 5_000_000, Max: 9_000_000, P50: 4_000_000, P90: 8_000_000} // with a rate it is the latency
	r.Blocks[0].Faults = []*Fault{{Stream: 7, Direction: up, Offset: 99, Kind: Crossed, Other: 8, Seen: "target"}}
	r.Blocks = r.Blocks[:1]
	got := r.Markdown()
	for _, name := range []string{"transfer", "speed"} {
		if !strings.Contains(r.Console(), "test: "+name) {
			t.Errorf("Console has no table %s", name)
		}
	}
	golden := filepath.Join("testdata", "report.md")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, golden)); got != want {
		t.Errorf("Markdown differs from %s:\n%s", golden, got)
	}
}

func TestRecordsOfAnotherVersionAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := LoadRecords(dir); err == nil || !strings.Contains(err.Error(), "holds no record.json") {
		t.Errorf("LoadRecords of an empty folder: %v", err)
	}
	r := record(t)
	r.Version = "adit-load/0"
	if _, err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadRecords(dir); err == nil || !strings.Contains(err.Error(), `version "adit-load/0"`) {
		t.Errorf("LoadRecords of an old record: %v", err)
	}
}

// The published tables are those of the published records; `adit-load report results` makes them so.
func TestThePublishedResultsAreThoseOfTheirRecords(t *testing.T) {
	records, names, err := LoadRecords("../results")
	if err != nil {
		t.Fatal(err)
	}
	readme, sch := string(read(t, "../results/README.md")), schema(t, RecordSchema)
	for i, r := range records {
		if r.Interrupted || r.Faulty() {
			t.Errorf("%s: interrupted %v, faulty %v", names[i], r.Interrupted, r.Faulty())
		}
		if r.Tool != records[0].Tool || !slices.Equal(r.Subjects, records[0].Subjects) {
			t.Errorf("%s: %s measured %v; the others differ: run make bench for all of them", names[i], r.Tool, r.Subjects)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, names[i])))
		if err == nil {
			err = sch.Validate(doc)
		}
		if err != nil {
			t.Errorf("%s against the schema: %v", names[i], err)
		}
		if report := filepath.Join(filepath.Dir(names[i]), reportFile); string(read(t, report)) != r.Markdown() {
			t.Errorf("%s is not what its record says", report)
		}
		if !strings.Contains(readme, r.Summary()) || r.renew(readme) != readme {
			t.Errorf("README.md does not show %s", names[i])
		}
	}
	if scenarios, err := filepath.Glob("../scenarios/*.yaml"); err != nil || len(scenarios) != len(records) {
		t.Errorf("%d scenarios, %d records, %v", len(scenarios), len(records), err)
	}
}

func TestAReadmeIsRenewedBetweenItsMarksAlone(t *testing.T) {
	r := record(t)
	before := "a\n<!-- adit-load: test -->\nold\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n<!-- adit-load: end -->\nc\n"
	got := r.renew(before)
	want := "a\n<!-- adit-load: test -->\n\n" + r.Summary() + "\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n\n" + r.circumstances() + "\n<!-- adit-load: end -->\nc\n"
	if got != want || r.renew(got) != got {
		t.Errorf("renew = %q; want %q", got, want)
	}
	if text := "<!-- adit-load: test -->\nno end"; r.renew(text) != text {
		t.Errorf("a mark without an end: %q", r.renew(text))
	}
	dir := t.TempDir()
	readme := filepath.Join(dir, readmeFile)
	if err := os.WriteFile(readme, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Save(dir); err != nil || string(read(t, readme)) != want {
		t.Errorf("Save: %v, README.md %q", err, read(t, readme))
	}
}
