package analyse

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/loadgen/load/hist"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const (
	closed  = "load: {mode: pingpong, connections: 1, size: 1KiB}\n"
	atRate  = "load: {mode: pingpong, connections: 1, size: 1KiB, rate: 100/s}\n"
	poisson = "load: {mode: pingpong, connections: 1, size: 1KiB, rate: 100/s, arrival: poisson}\n"
	upload  = "load: {mode: upload, connections: 1, size: 64KiB}\n"
)

var tunnel = record.Route{Path: scenario.Tunnel, Subject: "some"}

// judgeable is a record of eight clean repetitions over direct and the tunnel, each
// block of which change may spoil.
func judgeable(t *testing.T, text string, change func(b *record.Block, g *record.Group)) *record.Record {
	t.Helper()
	if !strings.Contains(text, "measure:") {
		text = "measure: 1s\n" + text
	}
	s, err := scenario.Parse("test.yaml", []byte("# why?\nscenario: test\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{Scenario: s, Subjects: []record.Subject{{Name: "some"}}, Environment: sample.Environment{CPUs: 2}}
	load := s.Cells[0].Groups[0]
	for rep := range 8 {
		for _, route := range []record.Route{{Path: scenario.Direct}, tunnel} {
			b := record.Block{
				Cell: s.Cells[0].Name, Route: route, Repetition: rep + 1, Host: &sample.Host{Seconds: 1, Pressure: new(0.9)},
				Processes: []sample.Usage{{Role: "generator", CPUSeconds: 0.5}, {Role: "target", CPUSeconds: 0.5}},
			}
			g := record.Group{Name: "load", Seconds: time.Duration(s.Measure).Seconds(), Octets: 100 << 10, Packets: 100}
			if load.Echoes() {
				g.Service = &hist.Dist{N: 100, P50: 1e6, P90: 2e6}
			}
			if load.Rate > 0 {
				g.Response, g.Lag = &hist.Dist{N: 1000, P50: 1e6, P99: 3e6}, &hist.Dist{N: 1000, P50: 1e4, P99: 1e5}
			}
			if change != nil {
				change(&b, &g)
			}
			b.Groups = []record.Group{g}
			r.Blocks = append(r.Blocks, b)
		}
	}
	return r
}

// each adapts a change of the tunnel's blocks alone.
func each(change func(b *record.Block, g *record.Group)) func(*record.Block, *record.Group) {
	return func(b *record.Block, g *record.Group) {
		if b.Path == scenario.Tunnel {
			change(b, g)
		}
	}
}

func TestValidity(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(b *record.Block, g *record.Group)
		code       string // empty: nothing speaks against it
		verdict    string
	}{
		{"clean, closed loop", closed, nil, "", record.Valid},
		{"clean, at a rate", atRate, nil, "", record.Valid},
		{"clean, one way", upload, nil, "", record.Valid},
		{"the machine under its own load", closed, each(func(b *record.Block, _ *record.Group) { b.Host.Busy = 1 }), "", record.Valid},
		{"packets leave late", atRate, func(_ *record.Block, g *record.Group) { g.Lag.P99 = 2e6 }, record.GeneratorLate, record.Invalid},
		{"packets leave somewhat late", atRate, func(_ *record.Block, g *record.Group) { g.Lag.P99, g.Response.P50 = 2e6, 5e6 }, record.GeneratorLate, record.Noisy},
		{"the generator wakes up late, and a queue grows", atRate, each(func(_ *record.Block, g *record.Group) { g.Response.P50, g.Wake = 9e8, &hist.Dist{N: 100, P50: 2e6} }), record.GeneratorLate, record.Invalid},
		{"the generator wakes up somewhat late", atRate, each(func(_ *record.Block, g *record.Group) { g.Wake, g.Service.P50 = &hist.Dist{N: 100, P50: 2e6}, 5e6 }), record.GeneratorLate, record.Noisy},
		{"the generator wakes up in time", atRate, each(func(_ *record.Block, g *record.Group) { g.Wake = &hist.Dist{N: 100, P50: 5e4} }), "", record.Valid},
		{"packets wait for the subject, not for the generator", atRate, each(func(_ *record.Block, g *record.Group) { g.Lag.P99 = 2e6 }), "", record.Valid},
		{"the generator uses its CPU", upload, func(b *record.Block, _ *record.Group) { b.Processes[0].CPUSeconds = 0.95 }, record.GeneratorCPU, record.Invalid},
		{"the target uses its CPU", upload, func(b *record.Block, _ *record.Group) { b.Processes[1].CPUSeconds = 0.95 }, record.GeneratorCPU, record.Invalid},
		{"the generator uses its CPU in half of the repetitions", upload, func(b *record.Block, _ *record.Group) {
			if b.Repetition%2 == 0 {
				b.Processes[0].CPUSeconds = 0.95
			}
		}, record.GeneratorCPU, record.Invalid},
		{"the generator uses its CPU now and then", upload, func(b *record.Block, _ *record.Group) {
			if b.Repetition < 4 {
				b.Processes[0].CPUSeconds = 0.95
			}
		}, "", record.Valid},
		{"the rate is not reached", atRate, each(func(_ *record.Block, g *record.Group) { g.Packets = 90 }), record.RateNotSustained, record.Invalid},
		{"fewer are due at random", poisson, each(func(_ *record.Block, g *record.Group) { g.Packets = 75 }), "", record.Valid},
		{"a random rate is not reached", poisson, each(func(_ *record.Block, g *record.Group) { g.Packets = 60 }), record.RateNotSustained, record.Invalid},
		{"the last packet of a rate is still on its way", atRate, each(func(_ *record.Block, g *record.Group) { g.Packets = 98 }), "", record.Valid},
		{"steal", closed, each(func(b *record.Block, _ *record.Group) { b.Host.Steal = 0.02 }), record.Steal, record.Noisy},
		{"other programs", closed, each(func(b *record.Block, _ *record.Group) { b.Host.Others = 0.3 }), record.Pressure, record.Noisy},
		{"other programs on a machine with room", closed, each(func(b *record.Block, _ *record.Group) { b.Host.Others, b.Host.Pressure = 0.3, new(0.01) }), "", record.Valid},
		{"the second half is slower", closed, func(b *record.Block, g *record.Group) {
			if b.Repetition > 4 {
				g.Octets /= 2
			}
		}, record.Drift, record.Noisy},
		{"packets wait for a link that stalls", "link: {stall: {p: 1%, for: 200ms}}\n" + atRate, func(_ *record.Block, g *record.Group) {
			g.Lag.P99, g.Wake = 150e6, &hist.Dist{N: 900, P50: 1e5}
		}, "", record.Valid},
		{"packets leave late on a link that stalls", "link: {stall: {p: 1%, for: 200ms}}\n" + atRate, func(_ *record.Block, g *record.Group) {
			g.Lag.P99, g.Wake = 150e6, &hist.Dist{N: 900, P50: 2e6}
		}, record.GeneratorLate, record.Invalid},
		{"ten packets", closed, each(func(_ *record.Block, g *record.Group) { g.Service.P50, g.Service.P90 = 0, 0 }), record.TooFewSamples, record.Noisy},
		{"40 ms", closed, each(func(_ *record.Block, g *record.Group) { g.Service.P50 = 41e6 }), record.Plateau, record.Noisy},
		{"40 ms that the link makes", "link: {rtt: 40ms}\n" + closed, each(func(_ *record.Block, g *record.Group) { g.Service.P50 = 41e6 }), "", record.Valid},
		{"a slow link", "link: {rate: 10Mbit/s}\nmeasure: 2s\n" + upload, nil, record.ShortForBuffers, record.Noisy},
		{"a slow link for long enough", "link: {rate: 10Mbit/s}\nmeasure: 2m\n" + upload, nil, "", record.Valid},
		{"one repetition in no time", closed, each(func(b *record.Block, g *record.Group) {
			if b.Repetition == 3 {
				g.Seconds = 0.001
			}
		}), record.MeasuredShort, record.Noisy},
		{"all repetitions in half the time", closed, func(_ *record.Block, g *record.Group) { g.Seconds /= 2 }, record.MeasuredShort, record.Invalid},
		{"no more ports", closed, each(func(b *record.Block, g *record.Group) {
			if b.Repetition == 3 {
				g.Own, g.Failed = map[string]int64{"ports": 5}, map[string]int64{"refused": 9}
			}
		}), record.OwnEnd, record.Invalid},
		{"faster than direct", closed, each(func(_ *record.Block, g *record.Group) { g.Octets = g.Octets * 112 / 100 }), record.FasterThanDirect, record.Valid},
		{"about as fast as direct", closed, each(func(_ *record.Block, g *record.Group) { g.Octets = g.Octets * 109 / 100 }), "", record.Valid},
		{"quicker than direct at a rate", atRate, each(func(_ *record.Block, g *record.Group) { g.Response.P50 = 880_000 }), record.FasterThanDirect, record.Valid},
		{"about as quick as direct at a rate", atRate, each(func(_ *record.Block, g *record.Group) { g.Response.P50 = 910_000 }), "", record.Valid},
		{"the tunnel's share goes up and down", closed, each(func(b *record.Block, g *record.Group) { g.Octets += int64(b.Repetition%4) << 13 }), record.NoiseFloor, record.Noisy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := judgeable(t, tt.text, tt.change)
			Complete(r)
			var codes []string
			for _, reason := range r.Validity.Reasons {
				codes = append(codes, reason.Code)
				if !strings.Contains(reason.Detail, ": ") {
					t.Errorf("%s does not say what to do", reason.Detail)
				}
			}
			if r.Validity.Verdict != tt.verdict || (tt.code == "") != (len(codes) == 0) || tt.code != "" && !slices.Contains(codes, tt.code) {
				t.Errorf("%s, %v; want %s, %s", r.Validity.Verdict, r.Validity.Reasons, tt.verdict, tt.code)
			}
			if got := r.Validity.Of(r.Scenario.Cells[0].Name, "load", tunnel); got != tt.verdict {
				t.Errorf("the tunnel's row is %s; want %s", got, tt.verdict)
			}
		})
	}
	r := judgeable(t, closed, nil)
	r.Interrupted = true
	if Complete(r); r.Validity.Verdict != record.Noisy || r.Validity.Of("any", "any", tunnel) != record.Noisy {
		t.Errorf("an interrupted run is %s", r.Validity.Verdict)
	}
}

// A limit beside another subject is judged in pairs, of the cells that it names, and of nobody in a run without that subject.
func TestThresholdsBesideAnotherSubject(t *testing.T) {
	for _, tt := range []struct {
		threshold, verdict string
		slower             int64 // of the other one, in each hundred
	}{
		{"expect: goodput / of base >= 0.97", record.Pass, 0},
		{"expect: goodput / of base >= 0.97", record.Fail, -5},
		{"expect: goodput of some / of base >= 0.97", record.Pass, 5},
		{"expect: goodput of base / of base >= 0.97", "", 0},
		{"expect: goodput / of frp >= 0.97", "", 0},
		{"expect: goodput > 9Gbit/s", "", 0}, // of a rival
		{"expect: goodput / of base >= 0.97, at: {connections: 2}", "", -5},
	} {
		r := judgeable(t, "load: {mode: upload, connections: 1, size: 1KiB}\ncells: [{connections: 1}, {connections: 2}]\nrepeat: 8\nthresholds: [{"+tt.threshold+"}]\n", nil)
		r.Subjects = []record.Subject{{Name: "base"}, {Name: "some", Rival: strings.Contains(tt.threshold, "Gbit")}}
		if r.Subjects[1].Rival {
			r.Subjects = r.Subjects[1:]
		}
		for _, b := range r.Blocks {
			if b.Path == scenario.Tunnel {
				b.Subject, b.Groups = "base", slices.Clone(b.Groups)
				b.Groups[0].Octets -= b.Groups[0].Octets * tt.slower / 100
				r.Blocks = append(r.Blocks, b)
			}
		}
		Complete(r)
		got := ""
		for _, th := range r.Thresholds {
			if th.Value.N > 0 { // the cell was measured
				got = th.Verdict
			}
		}
		if got != tt.verdict {
			t.Errorf("%s, the other %d %% slower: %q; want %q", tt.threshold, tt.slower, got, tt.verdict)
		}
	}
}

// What events did is counted over all repetitions; how far cells and memory are apart is expected where it is known.
func TestThresholdsOfEventsAndOfSeveralCells(t *testing.T) {
	const stalls = "groups: [{name: load, mode: pingpong, connections: 1, size: 1KiB, rate: 100/s}, {name: bulk, mode: download, connections: 1, size: 1KiB}]\n" +
		"timeline: [{at: 0s, do: reader.stall, for: 1s, group: bulk}]\naxes: {bulk.connections: [0, 1, 3]}\nfresh: true\nrepeat: 8\n"
	for expect, want := range map[string]string{
		"fault.reset == 0":    record.Fail, // once in eight repetitions
		"fault.hung == 0":     record.Pass,
		"fault.held < 300KiB": record.Pass,
		"fault.held < 200KiB": record.Fail,
		"load.loaded.p99 < 2.5, at: {bulk.connections: 3}": record.Pass, // twice of what it is without
		"load.loaded.p99 < 1.5, at: {bulk.connections: 3}": record.Fail,
		"load.loaded.p99 < 1.5, at: {bulk.connections: 0}": record.Inconclusive,
		"rss.stalled.server < 120KiB":                      record.Pass, // 100 KiB for each
		"rss.stalled.server < 80KiB":                       record.Fail,
		"rss.idle.server < 80KiB":                          record.Inconclusive,
	} {
		r := judgeable(t, stalls+"thresholds: [{expect: "+expect+"}]\n", nil)
		r.Blocks = nil
		for rep := range 8 {
			for k := range r.Scenario.Cells {
				cell := &r.Scenario.Cells[k]
				n := int64(cell.Groups[1].Connections)
				b := record.Block{
					Cell: cell.Name, Route: tunnel, Repetition: rep + 1, Host: &sample.Host{Seconds: 1},
					Events:    []record.Event{{Do: scenario.ReaderStall, For: 1, Held: new(int64(256 << 10))}},
					Processes: []sample.Usage{{Role: "server", RSS: 10<<20 + 100<<10*n + int64(rep)}},
					Groups:    []record.Group{{Name: "load", Seconds: 1, Packets: 100}, {Name: "bulk", Seconds: 1}},
				}
				b.Groups[0].Response = &hist.Dist{N: 1000, P50: 1e6, P99: 2e6}
				b.Groups[0].During = &hist.Dist{N: 1000, P50: 1e6, P99: 2e6 * min(n+1, 2)}
				if rep == 3 {
					b.Events[0].Streams.Reset = 1
				}
				r.Blocks = append(r.Blocks, b)
			}
		}
		Complete(r)
		got := ""
		for _, th := range r.Thresholds {
			if got = th.Verdict; got != want {
				t.Errorf("%s: %s: %s, %s, %s; want %s", expect, th.Cell, got, th.Reason, th.Is(), want)
			}
		}
		if got == "" {
			t.Errorf("%s is not judged", expect)
		}
	}
}

// A load that another group stands for is compared with that group's cell, and with no other.
func TestALoadIsComparedWithWhatStandsInItsPlace(t *testing.T) {
	r := judgeable(t, "groups: [{name: load, mode: pingpong, connections: 1, size: 1KiB, rate: 100/s}, {name: slow, mode: download, connections: 1, size: 1KiB}, "+
		"{name: more, mode: download, connections: 1, size: 1KiB}, {name: prompt, mode: pingpong, connections: 1, size: 1KiB, rate: 1/s, instead_of: slow}]\n"+
		"cells:\n- {slow.connections: 0, more.connections: 0, prompt.connections: 0}\n- {slow.connections: 0, more.connections: 0, prompt.connections: 1}\n"+
		"- {slow.connections: 0, more.connections: 2, prompt.connections: 0}\n- {slow.connections: 2, more.connections: 2, prompt.connections: 0}\nrepeat: 8\n", nil)
	r.Blocks = nil
	for rep := range 8 {
		for k := range r.Scenario.Cells {
			cell := &r.Scenario.Cells[k]
			b := record.Block{Cell: cell.Name, Route: tunnel, Repetition: rep + 1, Host: &sample.Host{Seconds: 1}}
			for _, g := range cell.Groups {
				b.Groups = append(b.Groups, record.Group{Name: g.Name, Seconds: 1, Packets: 100})
			}
			b.Groups[0].Response = &hist.Dist{N: 1000, P50: int64(1e6) << k, P99: int64(1e6) << k}
			r.Blocks = append(r.Blocks, b)
		}
	}
	Complete(r)
	got := map[string]float64{}
	for _, a := range r.Apart {
		if a.Group == "load" && a.Metric == "response.p50" {
			got[a.Cell] = a.Median
		}
	}
	want := map[string]float64{ // the last: 8 ms beside 2 ms, and nothing of the first or the third
		r.Scenario.Cells[2].Name: 4, // more has nobody in its place
		r.Scenario.Cells[3].Name: 4,
		r.Scenario.Cells[1].Name: 2, // who stands for a load is one, too
	}
	if !maps.Equal(got, want) {
		t.Errorf("loaded ÷ idle is %v; want %v", got, want)
	}
}

func TestThresholds(t *testing.T) {
	slow := each(func(b *record.Block, g *record.Group) { g.Response.P50 = int64(1e6 + 1e5*float64(b.Repetition)) }) // 1.1 to 1.8 ms; direct 1 ms
	for _, tt := range []struct {
		expect  string
		change  func(b *record.Block, g *record.Group)
		verdict string
		reason  string
	}{
		{"response.p99 < 4ms", nil, record.Pass, ""},
		{"load.response.p99 of some < 4ms", nil, record.Pass, ""},
		{"response.p99 < 2ms", nil, record.Fail, ""},
		{"response.p50 / direct < 2", slow, record.Pass, ""},
		{"response.p50 / direct < 1.05", slow, record.Fail, ""},
		{"response.p50 / direct < 1.5", slow, record.Inconclusive, "the limit lies within the interval"},
		{"response.p99 < 1s", func(_ *record.Block, g *record.Group) { g.Lag.P99 = 9e6 }, record.Inconclusive, "the numbers are invalid"},
		{"response.p99 < 2ms", each(func(b *record.Block, _ *record.Group) { b.Host.Steal = 0.5 }), record.Inconclusive, "the numbers are noisy"},
		{"response.p99 < 4ms", each(func(b *record.Block, _ *record.Group) { b.Host.Steal = 0.5 }), record.Pass, ""},
		{"failed == 0", nil, record.Pass, ""},
		{"failed < 1%", each(func(b *record.Block, g *record.Group) { b.Host.Steal, g.Failed = 0.5, map[string]int64{"reset": 50} }), record.Fail, ""},
		{"connections > 5/s", nil, record.Inconclusive, "there is no such number"},
	} {
		r := judgeable(t, atRate+"repeat: 8\nthresholds: [{expect: \""+tt.expect+"\"}]\n", tt.change)
		Complete(r)
		if len(r.Thresholds) != 1 {
			t.Fatalf("%s: %d verdicts; want one", tt.expect, len(r.Thresholds))
		}
		got := r.Thresholds[0]
		if got.Verdict != tt.verdict || !strings.HasPrefix(got.Reason, tt.reason) || (got.Reason == "") != (tt.reason == "") || r.Gates() != tt.verdict {
			t.Errorf("%s: %s, %s, %s; want %s, %s", tt.expect, got.Verdict, got.Reason, got.Is(), tt.verdict, tt.reason)
		}
	}
	r := judgeable(t, atRate+"thresholds: [{expect: response.p99 < 2ms, gate: warn}]\n", nil)
	if Complete(r); r.Thresholds[0].Verdict != record.Fail || r.Gates() != record.Pass {
		t.Errorf("a warning: %s, gates %s; want fail, pass", r.Thresholds[0].Verdict, r.Gates())
	}
	r = judgeable(t, atRate+"thresholds: [{expect: response.p99 < 2ms}]\n", nil)
	r.Profile = scenario.Smoke
	if Complete(r); r.Thresholds[0].Verdict != record.Inconclusive {
		t.Errorf("smoke: %s; want it inconclusive", r.Thresholds[0].Verdict)
	}
}

// A record with everything in it is as its schema says, and reads back as it was.
func TestTheRecordIsAsItsSchemaSays(t *testing.T) {
	r := judgeable(t, atRate+"repeat: {min: 6, max: 8, width: 2%}\nthresholds: [{expect: response.p99 / direct < 1.5}, {expect: connections > 5/s, gate: warn}]\n",
		each(func(b *record.Block, g *record.Group) { b.Host.Steal, g.Response.P99 = 0.5, int64(1e6*b.Repetition) }))
	r.Version, r.Profile, r.Interrupted = record.Version, "full", true
	r.Subjects = append(r.Subjects, record.Subject{Name: "other"})
	for _, b := range r.Blocks {
		if b.Path == scenario.Tunnel {
			r.Canary = append(r.Canary, b)
			b.Subject = "other"
			r.Blocks = append(r.Blocks, b)
		}
	}
	Complete(r)
	if len(r.Summary) == 0 || len(r.Ratios) == 0 || len(r.Floor) == 0 || len(r.Validity.Reasons) < 3 || len(r.Thresholds) != 4 || len(r.Comparison) == 0 {
		t.Fatalf("%d numbers, %d ratios, %d floors, %v, %d thresholds, %d comparisons; want some of each",
			len(r.Summary), len(r.Ratios), len(r.Floor), r.Validity.Reasons, len(r.Thresholds), len(r.Comparison))
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := schematest.Compile(t, record.Schema).JSON(t, data); err != nil {
		t.Error(err)
	}
	again := &record.Record{}
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	if twice, err := json.Marshal(again); err != nil || !bytes.Equal(twice, data) {
		t.Errorf("a record that is read and written again differs, %v", err)
	}
}

// A path that beats direct in some repetitions alone does not beat it.
func TestFasterThanDirectIsSaidOfAllRepetitions(t *testing.T) {
	for text, change := range map[string]func(*record.Block, *record.Group){
		closed: each(func(b *record.Block, g *record.Group) { g.Octets = g.Octets * int64(90+40*(b.Repetition%2)) / 100 }),
		atRate: each(func(b *record.Block, g *record.Group) {
			g.Response.P50 = g.Response.P50 * int64(60+50*(b.Repetition%2)) / 100
		}),
	} {
		r := judgeable(t, text, change)
		Complete(r)
		if slices.ContainsFunc(r.Validity.Reasons, func(v record.Reason) bool { return v.Code == record.FasterThanDirect }) {
			t.Errorf("%s%+v", text, r.Validity.Reasons)
		}
	}
}
