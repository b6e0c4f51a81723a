package report

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/analyse"
	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
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
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\ncells: [{}, {mode: upload}]\nrepeat: 3\nshow: [{kind: dots, y: goodput}, {kind: percentiles}]")
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
	rows := NewSheet(sampleRecord(t)).Rows
	if len(rows) != 3 || rows[0].Path != scenario.Direct || rows[1].Path != scenario.Relay || rows[2].Path != scenario.Tunnel {
		t.Fatalf("rows = %+v; want direct, relay, tunnel", rows)
	}
	for name, want := range map[string]analyse.Number{
		"measured": {N: 3, Median: 3e9, Low: 3e9, High: 3e9}, "octets": {N: 3, Median: 7e6, Low: 7e6, High: 7e6}, "ok": {N: 3, Median: 7000, Low: 7000, High: 7000},
		"goodput/direct": {N: 3, Median: 0.25, Low: 0.125, High: 0.5}, "goodput/relay": {N: 3, Median: 0.5, Low: 0.25, High: 1}, "goodput": {N: 3, Median: 2e6, Low: 1e6, High: 4e6},
		"latency.min": {N: 3, Median: 10e3, Low: 10e3, High: 10e3}, "latency.max": {N: 3, Median: 102e3, Low: 102e3, High: 102e3}, "latency.mean": {N: 3, Median: 30e3, Low: 30e3, High: 30e3},
		"latency.p50": {N: 3, Median: 25e3, Low: 15e3, High: 35e3}, "latency.p90": {N: 3, Median: 50e3, Low: 50e3, High: 50e3}, "latency.p99": {}, "latency.p50/direct": {N: 3, Median: 1, Low: 1, High: 1},
		"cpu.share.server": {N: 3, Median: 0.5, Low: 0.5, High: 0.5}, "rss.most.server": {N: 3, Median: 3 << 20, Low: 3 << 20, High: 3 << 20},
		"cpu.share.client": {N: 3, Median: 0.25, Low: 0.25, High: 0.25}, "rss.most.client": {N: 3, Median: 1 << 20, Low: 1 << 20, High: 1 << 20},
	} {
		if got := rows[2].Of(name); got != want {
			t.Errorf("%s of the tunnel = %+v; want %+v", name, got, want)
		}
	}
}

func TestTheReportIsMadeFromTheRecordAlone(t *testing.T) {
	r := sampleRecord(t)
	g := &r.Blocks[0].Groups[0]
	g.Failed = map[string]int64{load.Corrupt: 1, load.Reset: 2}
	g.Response = &hist.Dist{N: 1000, Min: 1, Mean: 5_000_000, Max: 9_000_000, P50: 4_000_000, P90: 8_000_000} // with a rate it is the latency
	r.Blocks[0].Faults = []*payload.Fault{{Stream: 7, Direction: payload.Up, Offset: 99, Kind: payload.Crossed, Other: 8, Seen: "target"}}
	r.Blocks = r.Blocks[:1]
	golden(t, "report.md", Markdown(r))
	golden(t, "console.txt", Console(r, false))
	golden(t, "numbers.csv", NewSheet(r).CSV())
	golden(t, "report.html", pageOf(r))
	golden(t, "index.html", Index([]*record.Record{r}))
	if plain := Console(r, true); !strings.Contains(plain, "\x1b[31m") {
		t.Errorf("Console in colour has none: %q", plain)
	}
}

// pageOf is a record's page.
func pageOf(r *record.Record) string {
	s := NewSheet(r)
	return s.html(r, figures(r, s))
}

// shownOf is what a README shows of a record: its numbers.csv, read again.
func shownOf(r *record.Record) *Sheet {
	s, err := ReadSheet(files(r)[csvFile])
	if err != nil {
		panic(err)
	}
	return s
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

// What READMEs show is made of the numbers beside them; `adit-load report results` makes it so. What is kept is small.
func TestThePublishedTablesAreThoseOfTheirNumbers(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, folder := range []string{"results", "results/full", "results/streams"} {
		names, err := filepath.Glob(filepath.Join(root, folder, "*", csvFile))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d numbers.csv, %v", folder, len(names), err)
		}
		readme, top := string(read(t, filepath.Join(root, folder, readmeFile))), string(read(t, filepath.Join(root, readmeFile)))
		for _, name := range names {
			text := string(read(t, name))
			s, err := ReadSheet(text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if s.CSV() != text {
				t.Errorf("%s is not what is written again", name)
			}
			if _, err := os.Stat(filepath.Join(root, "scenarios", s.Name+".yaml")); err != nil {
				t.Errorf("results without their scenario: %v", err)
			}
			leads := filepath.Base(filepath.Dir(name))
			if !strings.Contains(readme, "<!-- adit-load: "+leads) || s.renew(leads, readme) != readme {
				t.Errorf("%s/README.md does not show %s", folder, name)
			}
			if s.renew(folder+"/"+leads, top) != top {
				t.Errorf("the README.md of the project does not show %s as it is", name)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), s.Plot)); err != nil {
				t.Errorf("%s: its plot: %v", name, err)
			}
		}
	}
}

func TestAReadmeIsRenewedBetweenItsMarksAlone(t *testing.T) {
	r := sampleRecord(t)
	before := "a\n<!-- adit-load: test -->\nold\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n<!-- adit-load: end -->\nc\n"
	got := shownOf(r).renew("test", before)
	want := "a\n<!-- adit-load: test -->\n\n" + strings.TrimSpace(shownOf(r).summary("test")) + "\n" + "\n<!-- adit-load: end -->\nb\n<!-- adit-load: other -->\nkept\n<!-- adit-load: end -->\n<!-- adit-load: test, circumstances -->\n\n" + NewSheet(r).circumstances() + "\n<!-- adit-load: end -->\nc\n"
	if got != want || shownOf(r).renew("test", got) != got {
		t.Errorf("renew = %q; want %q", got, want)
	}
	if text := "<!-- adit-load: test -->\nno end"; shownOf(r).renew("test", text) != text {
		t.Errorf("a mark without an end: %q", shownOf(r).renew("test", text))
	}
	if shownOf(r).renew("full/test", before) != before {
		t.Errorf("a second record of a scenario takes the place of the first: %q", shownOf(r).renew("full/test", before))
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
	for name, page := range map[string]string{"record": pageOf(r), "index": Index([]*record.Record{r})} {
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
		"groups: [{name: a, mode: upload, connections: 1, size: 1KiB}, {name: b, mode: pingpong, connections: 1, size: 1KiB}]\naxes: {b.size: [1KiB, 2KiB], a.connections: [1, 3]}": "1 a connections, 1 KiB | 3 a connections, 1 KiB | 1 a connections, 2 KiB | 3 a connections, 2 KiB",
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

// What the scenario shows is drawn, of the cells that it names, and nothing else.
func TestFiguresAreThoseOfTheScenario(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 1, size: 1KiB}\naxes: {connections: [1, 2, 4], size: [1KiB, 4KiB, 16KiB], link.rtt: [0s, 20ms]}\n"+
		"show:\n- {kind: lines, x: connections, y: goodput, at: {size: 1KiB, link.rtt: 0s}}\n- {kind: lines, x: size, y: goodput, at: {connections: 1, link.rtt: 0s}}\n"+
		"- {kind: map, x: connections, by: size, y: goodput/direct, at: {link.rtt: 20ms}}\n")
	r := &record.Record{Version: record.Version, Scenario: s, Subjects: []record.Subject{{Name: "some"}}}
	for i := range s.Cells {
		for _, route := range r.Routes() {
			for rep := range 6 {
				r.Blocks = append(r.Blocks, record.Block{
					Cell: s.Cells[i].Name, Route: route, Repetition: rep + 1,
					Groups: []record.Group{{Name: "load", Seconds: 1, Octets: int64(1000*(i+1) + rep)}},
				})
			}
		}
	}
	var names []string
	for _, f := range figures(r, NewSheet(r)) {
		names = append(names, filepath.Base(f.file))
	}
	for _, want := range []string{"speed-by-connections-1-kib-round-trip-0s.svg", "speed-by-size-1-connections-round-trip-0s.svg", "map-some-round-trip-20-ms.svg"} {
		if !slices.Contains(names, want) {
			t.Errorf("no figure %s among %v", want, names)
		}
	}
	if len(names) != 3 {
		t.Errorf("figures %v; want those that the scenario shows", names)
	}
}

func TestWhatWasConcludedHasTables(t *testing.T) {
	r := sampleRecord(t)
	of := record.Of{Metric: "goodput", Cell: r.Scenario.Cells[0].Name, Group: "load", Route: record.Route{Path: scenario.Tunnel, Subject: "some"}}
	if len(conclusions(r)) != 0 {
		t.Errorf("sheets of nothing: %v", conclusions(r))
	}
	r.Thresholds = []record.Threshold{{Expect: "goodput > 5", Gate: "fail", Of: of, Value: record.Estimate{N: 1, Median: 4}, Unit: "octets/s", Verdict: record.Fail}}
	r.Comparison = []record.Comparison{{Of: of, Old: "first", New: "some", Paired: true, OldMedian: 1, NewMedian: 2, Unit: "octets/s", Change: record.Estimate{N: 6, Median: 1, Low: new(0.5), High: new(1.5)}, Holm: 0.01, Verdict: record.Better}}
	r.Slopes = []record.Slope{{Route: of.Route, Role: "server", What: "rss", Per: "connection made", Estimate: record.Estimate{N: 3, Median: 7}}}
	r.Apart = []record.Apart{{Route: of.Route, Cell: of.Cell, Group: "load", Metric: "response.p99", Estimate: record.Estimate{N: 1, Median: 1.5}}}
	r.Blocks[0].Generators = []sample.Runtime{{CPUSeconds: 0.25, PauseMost: 2e-3, SchedP99: 5e-4}}
	r.Floor = []record.Floor{{Metric: "goodput", N: 6, Change: 0.034}}
	r.Validity = &record.Validity{Verdict: record.Noisy}
	md, page := Markdown(r), pageOf(r)
	for _, want := range []string{
		"| goodput > 5 | 4 octets/s | fail |", "| pingpong | goodput | first | 1 B/s |  |  |  |", "|  |  | some | 2 B/s | +100.0 % (+50.0 to +150.0) | 0.010 | better |",
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
	if got := NewSheet(r).best(); len(got) > 0 {
		t.Errorf("an invalid row is a headline: %q", got)
	}
	md, page := Markdown(r), pageOf(r)
	for _, want := range []string{
		"| pingpong | direct | 8.00 |", "| pingpong | relay – noisyᵃ | 4.00 |", "| pingpong | tunnel some – invalidᵃᵇ | 2.00 (1.00–4.00) |",
		"\nᵃ noisy (`pressure`): other programs used the CPUs.", "\nᵇ invalid (`rate-not-sustained`): fewer packets came back than were due.",
		"in brackets the lowest and the highest: 3 have no 95 % interval",
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
	const want = "some delivers 2.00 (1.00–4.00) MB/s: 25 % of direct throughput (12–50 %) and 50 % of one plain hop's (25–100 %); " +
		"it adds 0.000 ms to direct's median latency and 0.000 ms to one plain hop's: 1.0 × direct and 1.0 × one plain hop."
	r := sampleRecord(t)
	if got := strings.Join(NewSheet(r).answer(), " "); got != want {
		t.Errorf("answer = %s", got)
	}
	tiles := NewSheet(r).tiles()
	if len(tiles) != 2 || tiles[0] != (tile{"2.00 (1.00–4.00) MB/s", "some: throughput", "25 % of direct, 50 % of one plain hop"}) ||
		tiles[1] != (tile{"0.000 ms", "some: added to direct's median latency", "1.0 × direct, 1.0 × one plain hop"}) {
		t.Errorf("tiles = %+v", tiles)
	}
	r.Validity = &record.Validity{Verdict: record.Invalid, Reasons: []record.Reason{{Cell: r.Scenario.Cells[0].Name, Route: record.Route{Path: scenario.Relay}, Verdict: record.Invalid}}}
	if got := strings.Join(NewSheet(r).answer(), " "); strings.Contains(got, "plain hop") || !strings.Contains(got, "of direct") {
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
	if page := pageOf(r); !strings.Contains(page, "99 %") {
		t.Error("the page has no percentile curve")
	}
}
