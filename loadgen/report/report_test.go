package report

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/loadgen/hist"
	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
	"github.com/adit-tunnel/adit/loadgen/stats"
	"github.com/adit-tunnel/adit/loadgen/workload"
)

func parseScenario(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte("# why?\nscenario: test\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// record is three repetitions of one cell, by hand.
func sampleRecord(t *testing.T) *record.Record {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\ncells: [{}, {mode: upload}]\nrepeat: 3")
	r := &record.Record{
		Version: record.Version, Scenario: s, Profile: "full", Command: "adit-load run x.yaml", Tool: "adit-load v1",
		Subjects: []record.Subject{{Name: "some", Version: "v2", Server: "a {visitor}", Client: "b"}}, Started: time.Unix(0, 0).UTC(),
		Environment: sample.Environment{OS: "linux/amd64", Kernel: "6.1", CPUs: 2, LoadAverage: [3]float64{0.5, 0.25, 0}, Memory: 4 << 30, Go: "go1.26"},
	}
	for rep, tunnel := range []int64{1_000_000, 4_000_000, 2_000_000} {
		for i, octets := range []int64{tunnel, 8_000_000, 4_000_000} {
			route := []record.Route{{Path: scenario.Tunnel, Subject: "some"}, {Path: scenario.Direct}, {Path: scenario.Relay}}[i]
			us := int64(time.Microsecond)
			r.Blocks = append(r.Blocks, record.Block{
				Cell: s.Cells[0].Name, Route: route, Repetition: rep + 1,
				Groups: []record.Group{{
					Name: "load", Seconds: 1, Octets: octets, Packets: float64(octets) / 1000,
					Service: &hist.Dist{N: 1000, Min: int64(10+rep) * us, Mean: int64(20+10*rep) * us, Max: int64(100+rep) * us, P50: int64(10*rep+15) * us, P90: 50 * us},
				}},
				Processes: []sample.Usage{
					{Role: "server", CPUSeconds: 0.5, RSS: 1 << 20, PeakRSS: int64(rep+1) << 20},
					{Role: "client", CPUSeconds: 0.25, RSS: 1 << 20, PeakRSS: 1 << 20},
				},
			})
		}
	}
	return r
}

func TestRowsSumCountsAndTakeMediansOfTheRest(t *testing.T) {
	rows := Rows(sampleRecord(t))
	if len(rows) != 3 || rows[0].Path != scenario.Direct || rows[1].Path != scenario.Relay || rows[2].Path != scenario.Tunnel {
		t.Fatalf("Rows = %+v; want direct, relay, tunnel", rows)
	}
	r := rows[2]
	us := time.Microsecond
	if r.Seconds != 3 || r.Octets != 7_000_000 || r.OK != 7000 || r.ToDirect != (Spread{0.25, 0.125, 0.5}) || r.ToRelay != (Spread{0.5, 0.25, 1}) ||
		r.Min != 10*us || r.Max != 102*us || r.Mean != 30*us || r.P50 != (Spread{25e3, 15e3, 35e3}) || r.P90 != (Spread{50e3, 50e3, 50e3}) || r.P99 != (Spread{}) || r.Speed != (Spread{2e6, 1e6, 4e6}) || r.Later["p50/direct"] != (Spread{1, 1, 1}) ||
		r.ServerCPU != 1.5 || r.ServerRSS != 3<<20 || r.ClientCPU != 0.75 || r.ClientRSS != 1<<20 {
		t.Errorf("row of the tunnel = %+v", r)
	}
}

func TestTheReportIsMadeFromTheRecordAlone(t *testing.T) {
	r := sampleRecord(t)
	g := &r.Blocks[0].Groups[0]
	g.Failed = map[string]int64{workload.Corrupt: 1, workload.Reset: 2}
	g.Response = &hist.Dist{N: 1000, Min: 1, Mean: 5_000_000, Max: 9_000_000, P50: 4_000_000, P90: 8_000_000} // with a rate it is the latency
	r.Blocks[0].Faults = []*payload.Fault{{Stream: 7, Direction: payload.Up, Offset: 99, Kind: payload.Crossed, Other: 8, Seen: "target"}}
	r.Blocks = r.Blocks[:1]
	golden(t, "report.md", Markdown(r))
	golden(t, "console.txt", Console(r, false))
	golden(t, "numbers.csv", CSV(r))
	golden(t, "report.html", HTML(r))
	golden(t, "index.html", Index([]*record.Record{r}))
	if plain := Console(r, true); !strings.Contains(plain, "\x1b[31m") {
		t.Errorf("Console in colour has none: %q", plain)
	}
}

// golden compares with a file in testdata, which UPDATE=1 writes anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, file)); got != want {
		t.Errorf("%s differs:\n%s", file, got)
	}
}

// The published tables are those of the published records; `adit-load report results` makes them so.
func TestThePublishedResultsAreThoseOfTheirRecords(t *testing.T) {
	areThoseOfTheirRecords(t, "results", Summary)
}

// So are those beside other tunnels; `adit-load report results/full` makes them so.
func TestThePublishedComparisonsAreThoseOfTheirRecords(t *testing.T) {
	areThoseOfTheirRecords(t, "results/full", inShort)
}

// areThoseOfTheirRecords holds what is kept in a folder against its records; its README.md shows so much of each.
func areThoseOfTheirRecords(t *testing.T, folder string, shown func(r *record.Record, folder string) string) {
	t.Helper()
	root := filepath.Join("..", "..")
	records, names, err := record.Load(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	readme, sch := string(read(t, filepath.Join(root, folder, readmeFile))), schematest.Compile(t, record.Schema)
	for i, r := range records {
		if r.Interrupted || r.Faulty() {
			t.Errorf("%s: interrupted %v, faulty %v", names[i], r.Interrupted, r.Faulty())
		}
		if r.Tool != records[0].Tool || !reflect.DeepEqual(r.Subjects, records[0].Subjects) {
			t.Errorf("%s: %s measured %v; the others differ: run make bench for all of them", names[i], r.Tool, r.Subjects)
		}
		if err := sch.JSON(t, read(t, names[i])); err != nil {
			t.Errorf("%s against the schema: %v", names[i], err)
		}
		dir := filepath.Dir(names[i])
		for name, content := range files(r) {
			if got, err := os.ReadFile(filepath.Join(dir, name)); published(name) && (err != nil || string(got) != content) {
				t.Errorf("%s/%s is not what its record says (%v)", dir, name, err)
			}
		}
		if leads := filepath.Base(dir); !strings.Contains(readme, strings.TrimSpace(shown(r, leads))) || renew(r, leads, readme) != readme {
			t.Errorf("README.md does not show %s", names[i])
		}
		if top := string(read(t, filepath.Join(root, readmeFile))); renew(r, folder+"/"+filepath.Base(dir), top) != top {
			t.Errorf("the README.md of the project does not show %s as it is", names[i])
		}
	}
	for _, r := range records {
		if _, err := os.Stat(filepath.Join(root, "scenarios", r.Scenario.Name+".yaml")); err != nil {
			t.Errorf("results without their scenario: %v", err)
		}
	}
}

// published reports whether a file is kept with the results; the others are made again by adit-load report.
func published(name string) bool { return name == reportFile || filepath.Ext(name) == ".svg" }

func TestAReadmeIsRenewedBetweenItsMarksAlone(t *testing.T) {
	r := sampleRecord(t)
	before := "a\n<!-- adit-load: test -->\nold\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n<!-- adit-load: end -->\nc\n"
	got := renew(r, "test", before)
	want := "a\n<!-- adit-load: test -->\n\n" + strings.TrimSpace(Summary(r, "test")) + "\n" + "\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n\n" + circumstances(r) + "\n<!-- adit-load: end -->\nc\n"
	if got != want || renew(r, "test", got) != got {
		t.Errorf("renew = %q; want %q", got, want)
	}
	if text := "<!-- adit-load: test -->\nno end"; renew(r, "test", text) != text {
		t.Errorf("a mark without an end: %q", renew(r, "test", text))
	}
	if renew(r, "full/test", before) != before {
		t.Errorf("a second record of a scenario takes the place of the first: %q", renew(r, "full/test", before))
	}
	dir := t.TempDir()
	readme := filepath.Join(dir, readmeFile)
	if err := os.WriteFile(readme, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	saved, err := r.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := Save(r, saved); err != nil || len(changed) < 5 || string(read(t, readme)) != want {
		t.Errorf("Save: %v, %v, README.md %q", changed, err, read(t, readme))
	}
}

// What is made of a record is made of it alone: once more changes nothing, and what no longer belongs there goes.
func TestSavingAgainChangesNothing(t *testing.T) {
	r, dir := sampleRecord(t), t.TempDir()
	saved, err := r.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Save(r, saved); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(saved, "stale.svg")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	loaded, _, err := record.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := Save(loaded[0], saved); err != nil || !slices.Equal(changed, []string{stale}) {
		t.Errorf("Save again: %v, %v; want the stale plot gone and nothing else", changed, err)
	}
	for i, want := range []int{1, 0} {
		if changed, err := SaveIndex(loaded, dir); err != nil || len(changed) != want {
			t.Errorf("SaveIndex %d: %v, %v; want %d", i, changed, err, want)
		}
	}
}

// The policy of a page names the hashes of the very style and script that it has, and nothing is loaded.
func TestPagesAreSelfContained(t *testing.T) {
	r := sampleRecord(t)
	for name, page := range map[string]string{"record": HTML(r), "index": Index([]*record.Record{r})} {
		for _, tag := range []string{"style", "script"} {
			_, rest, _ := strings.Cut(page, "<"+tag+">")
			content, _, ok := strings.Cut(rest, "</"+tag+">")
			sum := sha256.Sum256([]byte(content))
			hash := base64.StdEncoding.EncodeToString(sum[:])
			if !ok || !strings.Contains(html.UnescapeString(page), tag+"-src 'sha256-"+hash) {
				t.Errorf("%s: the policy does not allow its %s, %s", name, tag, hash)
			}
		}
		for _, bad := range []string{" src=", "style=", "onclick", "url(", "@import", "ZgotmplZ"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}

func TestCellsAreLabelledByWhatVaries(t *testing.T) {
	for text, want := range map[string]string{
		"load: {mode: pingpong, connections: 1, size: 1KiB}":                                                                                                                        "pingpong 1 × 1 KiB",
		"load: {mode: pingpong, connections: 1, size: 1KiB}\naxes: {size: [64B, 1MiB]}":                                                                                             "64 B | 1 MiB",
		"load: {mode: pingpong, connections: 1, size: 1KiB}\naxes: {connections: [1, 10]}":                                                                                          "1 | 10",
		"load: {mode: upload, connections: 1, size: 1KiB}\naxes: {connections: [1, 2], size: [1KiB, 4KiB]}":                                                                         "1 × 1 KiB | 1 × 4 KiB | 2 × 1 KiB | 2 × 4 KiB",
		"load: {mode: upload, connections: 2, size: 1KiB}\naxes: {link.rtt: [0s, 20ms]}":                                                                                            "0s | 20 ms",
		"load: {mode: upload, connections: 2, size: 1KiB}\ncells: [{mode: both}, {size: 2KiB}]":                                                                                     "both, 1 KiB | upload, 2 KiB",
		"groups: [{name: a, mode: upload, connections: 1, size: 1KiB}, {name: b, mode: pingpong, connections: 1, size: 1KiB}]\naxes: {b.size: [1KiB, 2KiB], a.connections: [1, 3]}": "1 connections, 1 KiB | 3 connections, 1 KiB | 1 connections, 2 KiB | 3 connections, 2 KiB",
	} {
		s := parseScenario(t, text)
		var got []string
		for _, c := range s.Cells {
			got = append(got, labelOf(axesOf(s), c.Name))
		}
		if l := strings.Join(got, " | "); l != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, l, want)
		}
	}
}

// A scenario with two numeric axes has curves along both, a map of both, and dots for the cells in no row.
func TestFiguresFollowTheAxes(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 1, size: 1KiB}\naxes: {connections: [1, 2, 4], size: [1KiB, 4KiB, 16KiB], link.rtt: [0s, 20ms]}")
	r := &record.Record{Version: record.Version, Scenario: s, Subjects: []record.Subject{{Name: "some"}}}
	for i := range s.Cells {
		for _, route := range routesOf(r) {
			for rep := range 6 {
				r.Blocks = append(r.Blocks, record.Block{
					Cell: s.Cells[i].Name, Route: route, Repetition: rep + 1,
					Groups: []record.Group{{Name: "load", Seconds: 1, Octets: int64(1000*(i+1) + rep)}},
				})
			}
		}
	}
	var names []string
	for _, f := range figures(r) {
		names = append(names, f.file)
	}
	for _, want := range []string{"speed-by-connections-1-kib-round-trip-0s.svg", "speed-by-size-1-connections-round-trip-0s.svg", "map-some-round-trip-0s.svg", "map-some-round-trip-20-ms.svg"} {
		if !slices.Contains(names, want) {
			t.Errorf("no figure %s among %v", want, names)
		}
	}
	if slices.Contains(names, "speed.svg") {
		t.Errorf("dots, though every cell is in a curve: %v", names)
	}
}

func TestWhatWasConcludedHasTables(t *testing.T) {
	r := sampleRecord(t)
	of := record.Of{Metric: "goodput", Cell: r.Scenario.Cells[0].Name, Group: "load", Route: record.Route{Path: scenario.Tunnel, Subject: "some"}}
	if len(sheets(r)) != 0 {
		t.Errorf("sheets of nothing: %v", sheets(r))
	}
	r.Thresholds = []record.Threshold{{Expect: "goodput > 5", Gate: "fail", Of: of, Value: stats.Estimate{N: 1, Median: 4}, Unit: "octets/s", Verdict: record.Fail}}
	r.Comparison = []record.Comparison{{Of: of, OldMedian: 1, NewMedian: 2, Unit: "octets/s", Change: stats.Estimate{N: 6, Median: 1, Low: new(0.5), High: new(1.5)}, Holm: 0.01, Verdict: record.Better}}
	r.Slopes = []record.Slope{{Route: of.Route, Role: "server", What: "rss", Per: "connection made", Estimate: stats.Estimate{N: 3, Median: 7}}}
	r.Apart = []record.Apart{{Route: of.Route, Cell: of.Cell, Group: "load", Metric: "response.p99", Estimate: stats.Estimate{N: 1, Median: 1.5}}}
	r.Blocks[0].Generators = []sample.Runtime{{CPUSeconds: 0.25, PauseMost: 2e-3, SchedP99: 5e-4}}
	r.Floor = []record.Floor{{Metric: "goodput", N: 6, Change: 0.034}}
	r.Validity = &record.Validity{Verdict: record.Noisy}
	md, page := Markdown(r), HTML(r)
	for _, want := range []string{
		"| goodput > 5 | 4 octets/s | fail |", "| 1 octets/s | 2 octets/s | 100 (50 to 150) | 0.010 | better |",
		"| server | tunnel some | rss | connection made | 0.006836 KiB |", "| response.p99 | 1.5 |", "| goodput |  | 6 | 3.4 |", "| 1 | – | 25 | 2.00 | 0.500 |",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md has no row %s", want)
		}
	}
	for _, want := range []string{"Noise floor</h2>", "noisy: read the intervals", "thresholds: fail"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// A row says itself that it is not to be trusted, and a footnote says why; one of a single block that nothing says how sure it is.
func TestRowsAreMarkedWithWhatSpeaksAgainstThem(t *testing.T) {
	r := sampleRecord(t)
	cell, tunnel := r.Scenario.Cells[0].Name, record.Route{Path: scenario.Tunnel, Subject: "some"}
	r.Validity = &record.Validity{Verdict: record.Invalid, Reasons: []record.Reason{
		{Code: record.RateNotSustained, Cell: cell, Group: "load", Route: tunnel, Verdict: record.Invalid, Detail: "lower the rate"}, // the relay, first in the table, has mark a
		{Code: record.Pressure, Cell: cell, Route: tunnel, Verdict: record.Noisy, Detail: "stop them"},
		{Code: record.Pressure, Cell: cell, Route: record.Route{Path: scenario.Relay}, Verdict: record.Noisy, Detail: "stop them"},
		{Code: record.Drift, Cell: cell, Group: "another", Route: record.Route{Path: scenario.Direct}, Verdict: record.Noisy},
	}}
	if got := best(r, "some"); len(got) > 0 {
		t.Errorf("an invalid row is a headline: %q", got)
	}
	md, page := Markdown(r), HTML(r)
	for _, want := range []string{
		"| pingpong | direct | 8.00 |", "| pingpong | relay – noisyᵃ | 4.00 |", "| pingpong | tunnel some – invalidᵃᵇ | 2.00 (1.00–4.00) |",
		"\nᵃ noisy (`pressure`): other programs used the CPUs.", "\nᵇ invalid (`rate-not-sustained`): fewer packets came back than were due.",
		"in brackets the lowest and the highest: 3 have no interval",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md does not hold %q:\n%s", want, md)
		}
	}
	for _, want := range []string{`<tr class="noisy"`, `<tr class="invalid"`, "lower the rate", "<li>ᵃ noisy (pressure)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if text := Console(r, false); !strings.Contains(text, "tunnel some – invalidᵃᵇ") || !strings.Contains(text, "ᵇ invalid (rate-not-sustained)") {
		t.Errorf("Console = %s", text)
	}
	r.Validity, r.Blocks = nil, r.Blocks[:1]
	if md := Markdown(r); !strings.Contains(md, "| pingpong | tunnel some ᵃ | 1.00 |") || !strings.Contains(md, "ᵃ one block of 1 s: no interval") {
		t.Errorf("one block is not said to be one:\n%s", md)
	}
}

// Every code of a reason has a meaning: a footnote says nothing else.
func TestEveryReasonHasAMeaning(t *testing.T) {
	for _, code := range []string{
		record.GeneratorLate, record.GeneratorCPU, record.RateNotSustained, record.Steal, record.Pressure, record.Drift, record.TooFewSamples,
		record.Plateau, record.ShortForBuffers, record.MeasuredShort, record.Interrupted, record.NoiseFloor,
	} {
		if r := (&record.Reason{Code: code}); r.Meaning() == "" {
			t.Errorf("%s has none", code)
		}
	}
}

// An answer of one tunnel is a paragraph; those of several are a list.
func TestSeveralAnswersAreAList(t *testing.T) {
	for want, answer := range map[string][]string{"": nil, "a\n\n": {"a"}, "- a\n- b\n\n": {"a", "b"}} {
		if got := told(answer); got != want {
			t.Errorf("told(%q) = %q; want %q", answer, got, want)
		}
	}
}

func TestTheAnswerComparesWithinARepetition(t *testing.T) {
	const want = "Through some loads reach 25 % of the speed of a direct connection (12–50 %) and 50 % of the speed of one plain hop (25–100 %); " +
		"the median latency is 1.0 × that of a direct connection and 1.0 × that of one plain hop."
	r := sampleRecord(t)
	if got := strings.Join(answer(r), " "); got != want {
		t.Errorf("answer = %s", got)
	}
	r.Validity = &record.Validity{Verdict: record.Invalid, Reasons: []record.Reason{{Cell: r.Scenario.Cells[0].Name, Route: record.Route{Path: scenario.Relay}, Verdict: record.Invalid}}}
	if got := strings.Join(answer(r), " "); strings.Contains(got, "plain hop") || !strings.Contains(got, "a direct connection") {
		t.Errorf("answer with an invalid relay = %s", got)
	}
}

// A repetition that hardly got a packet through is left out of the percentile curves; it does not end the report.
func TestARepetitionWithoutAMedianIsNoReasonToGiveUp(t *testing.T) {
	dist := func(samples int) *hist.Dist {
		timing := hist.New(1)
		for i := range samples {
			timing.Record(0, time.Duration(i+1)*time.Millisecond)
		}
		part, err := timing.Part()
		if err != nil {
			t.Fatal(err)
		}
		d, err := hist.Join(part)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	r := sampleRecord(t)
	for i := range r.Blocks {
		r.Blocks[i].Groups[0].Service = dist(map[int]int{1: 5, 2: 1000, 3: 1000}[r.Blocks[i].Repetition])
	}
	if page := HTML(r); !strings.Contains(page, "99 %") {
		t.Error("the page has no percentile curve")
	}
}
