package scenario_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestThePublishedScenariosAreRight(t *testing.T) {
	names, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(names) < 5 {
		t.Fatalf("scenarios: %v, %v; want five or more", names, err)
	}
	sch := schematest.Compile(t, scenario.Schema)
	for _, name := range names {
		s, err := scenario.Load(name)
		if err != nil {
			t.Errorf("scenario.Load: %v", err)
			continue
		}
		if want := strings.TrimSuffix(filepath.Base(name), ".yaml"); s.Name != want || !strings.HasSuffix(s.Question, "?") {
			t.Errorf("%s: scenario %q asks %q; want %s and a question", name, s.Name, s.Question, want)
		}
		if err := sch.YAML(t, read(t, name)); err != nil {
			t.Errorf("%s against the schema: %v", name, err)
		}
	}
	subjects, err := filepath.Glob("../../scenarios/subjects/*.yaml")
	if err != nil || len(subjects) == 0 {
		t.Fatalf("subjects: %v, %v; want one or more", subjects, err)
	}
	for _, name := range subjects {
		if _, err := subject.Load(name); err != nil {
			t.Errorf("subject.Load: %v", err)
		}
	}
}

// The schema and the program know the same keys.
func TestTheSchemaHasTheKeysOfTheProgram(t *testing.T) {
	schematest.SameKeys(t, scenario.Schema, "yaml", map[string]reflect.Type{
		"":             reflect.TypeFor[scenario.Scenario](),
		"$defs/group":  reflect.TypeFor[scenario.Group](),
		"$defs/link":   reflect.TypeFor[scenario.Link](),
		"$defs/stall":  reflect.TypeFor[scenario.Stall](),
		"$defs/search": reflect.TypeFor[scenario.Search](),
		"$defs/event":  reflect.TypeFor[scenario.Event](),
		"$defs/limit":  reflect.TypeFor[scenario.Limit](),
	})
}

func TestScenarioFilesAreRefusedByFileLineAndName(t *testing.T) {
	sch := schematest.Compile(t, scenario.Schema)
	for _, tt := range []struct {
		text, want string
		schema     bool // the schema sees it, too
	}{
		{"scenario: x\nload: {mode: upload, connections: 1, size: 1B}", "f.yaml: must begin with a comment that asks the question which the scenario answers", false},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B}\nspeed: 1", `f.yaml:4: unknown key "speed"; there are scenario, paths, load, groups, link, timeline, axes, cells, warmup, measure, shortest, drain, timeout, repeat, seed, generators, search, fresh, spec, runtime, limits, thresholds, show; did you mean seed?`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B, bytes: 2}", `f.yaml:3: load: unknown key "bytes"; there are name, mode, connections, size, rate, arrival, packets, resets, reader, instead_of`, true},
		{"# q\nscenario: X y\nload: {mode: upload, connections: 1, size: 1B}", `f.yaml:2: scenario: "X y" must be a name of small letters, digits and -, like packet-size`, true},
		{"# q\nscenario: x\nload: {mode: up, connections: 1, size: 1B}", `f.yaml:3: load: mode "up" must be one of pingpong, upload, download, both, churn, idle, halfclose`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 0, size: 1B}", `f.yaml:3: load: connections is missing or 0: write how many, like connections: 1`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: many, size: 1B}", `f.yaml:3: load.connections: "many" must be a whole number, like 10`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1024}", `f.yaml:3: load.size: "1024" must be a size like 64B, 64KiB or 1MiB`, true},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 5MiB}", `f.yaml:3: load: size 5 MiB must be 1 B to 4 MiB`, false},
		{"# q\nscenario: x\nload: {mode: upload, connections: 1, size: 1B, rate: 5/s}", `f.yaml:3: load: a rate needs mode pingpong, churn or halfclose, not upload; remove rate, or write rate: max`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B, rate: fast}", `f.yaml:3: load.rate: "fast" must be max or a rate up to 1000000/s, like 100/s`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nmeasure: 10", `f.yaml:4: measure: "10" must be a time with unit, like 500ms or 10s`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nmeasure: 1ms", `f.yaml:4: measure: 1ms must be 10ms to 24h0m0s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: 0", `f.yaml:4: repeat: 0 must be 1 to 1000`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\npaths: [direct, direct]", `f.yaml:4: paths[1]: "direct" is there twice; remove one`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\npaths: [wifi]", `f.yaml:4: paths[0]: "wifi" must be one of direct, relay, tunnel`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {size: [1B]}\ncells: [{size: 2B}]", `f.yaml:5: cells: and axes exclude each other: list the cells, or let axes multiply them`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: []", `f.yaml:4: cells: lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: [{size: 2B}, {mode: up}]", `f.yaml:4: cells[1]: mode "up" must be one of pingpong, upload, download, both, churn, idle, halfclose`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells: [{size: 2B}, {size: 2B}]", `f.yaml:4: cells[1]: pingpong 1 × 2 B is there twice; remove one`, true},
		{"# q\nscenario: x", `f.yaml: load is missing: say what the connections do, like load: {mode: pingpong, connections: 1, size: 1KiB}`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}", `f.yaml:3: load: size is missing or 0: add it, like size: 1KiB`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}\ncells: [{size: 2B}, {}]", `f.yaml:4: cells[1]: size is missing or 0: add it, like size: 1KiB`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1.5, size: 1B}", `f.yaml:3: load.connections: "1.5" must be a whole number, like 10`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 20000, size: 1B}", `f.yaml:3: load: connections 20000 must be 1 to 10000`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1KB}", `f.yaml:3: load.size: "1KB" must be a size like 64B, 64KiB or 1MiB`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ncells:", `f.yaml:4: cells: lists no cell: add one, like {size: 64KiB}, or leave cells out to measure load alone`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {}", `f.yaml:4: axes: lists no value: add connections, size or another field, like size: [64B, 1KiB], or leave axes out`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {size: [2B, 2B]}", `f.yaml:4: axes: pingpong 1 × 2 B is there twice; remove one`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: 2.5", `f.yaml:4: repeat: "2.5" must be a whole number, like 3, or like {min: 6, max: 20, width: 5%}`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: {min: 3}", `f.yaml:4: repeat: min 3 must be 6 or more: fewer repetitions have no interval that could be narrow`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: {min: 8, max: 7}", `f.yaml:4: repeat: max 7 must be min, which is 8, to 1000`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: {width: 0%}", `f.yaml:4: repeat: width must be more than 0%, like 5%`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nrepeat: {most: 7}", `f.yaml:4: repeat: unknown key "most"; there are min, max, width`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}\ncells: [{size: 1B, repeat: {min: 3}}]", `f.yaml:4: cells[0].repeat: min 3 must be 6 or more: fewer repetitions have no interval that could be narrow`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1}\naxes: {size: [1B], repeat: [3]}", `f.yaml:4: axes.repeat[0]: repeat is no axis: list the cells, and give those a repeat that need one`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {speed: [1]}", `f.yaml:4: axes.speed[0]: "speed" must be one of arrival, connections, link.jitter, link.rate, link.rtt, link.stall.every, link.stall.for, link.stall.p, mode, packets, rate, reader, resets, size, timeline.at, timeline.do, timeline.for; with several groups also of one of them, like load.size`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {link.rtt: [20]}", `f.yaml:4: axes.link.rtt[0]: "20" must be a time with unit, like 500ms or 10s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\naxes: {size: 2B}", `f.yaml:4: axes.size: must be a list of values, like size: [64B, 1KiB]`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {rate: fast}", `f.yaml:4: link.rate: "fast" must be a bandwidth like 100Mbit/s or 2.5Gbit/s`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {rtt: 20s}", `f.yaml:4: link: rtt 20s must be 0s to 10s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {p: 0.1, for: 200ms}}", `f.yaml:4: link.stall.p: "0.1" must be a share of 0% to 100%, like 20%`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {p: 1%}}", `f.yaml:4: link: stall for is missing: say how long a stall lasts, like for: 200ms`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {p: 1%, every: 1s, for: 200ms}}", `f.yaml:4: link: stall: p and every exclude each other: p is for losses, every for outages`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {every: 200ms, for: 200ms}}", `f.yaml:4: link: stall every 200ms must be more than for, which is 200ms`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {every: 1m, for: 20s}}", `f.yaml:4: link: stall for 20s must be 0s to 10s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {rate: 1Mbit/s, backend: netem}", `f.yaml:4: link: backend "netem" must be one of process, tbf`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nruntime: container\nlink: {rate: 1Mbit/s, backend: tbf}", `f.yaml:5: link.backend: tbf needs runtime process: containers may not make network namespaces`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {rate: 1Mbit/s}\ntimeline: [{at: 1s, do: link.set, for: 1s, to: {rate: 2Mbit/s, backend: tbf}}]", `f.yaml:5: timeline[0]: to: backend belongs to link: it stays what it is`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlink: {stall: {often: 1s}}", `f.yaml:4: link.stall: unknown key "often"; there are p, every, for`, true},
		{"# q\nscenario: x\ngroups: [{name: a, mode: idle, connections: 1, size: 1B}, {name: a, mode: idle, connections: 1, size: 1B}]", `f.yaml:3: groups[1].name: "a" is there twice; give each group a name of its own`, false},
		{"# q\nscenario: x\ngroups: [{name: a, mode: idle, connections: 1, size: 1B}, {name: b, mode: idle, size: 1B}]", `f.yaml:3: groups: b: connections is missing or 0: write how many, like connections: 1`, false},
		{"# q\nscenario: x\nload: {mode: churn, connections: 1, size: 1B, resets: 20}", `f.yaml:3: load.resets: "20" must be a share of 0% to 100%, like 20%`, true},
		{"# q\nscenario: x\nload: {mode: idle, connections: 1, size: 1B, packets: 2}", `f.yaml:3: load: packets needs mode churn or halfclose, not idle`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B, arrival: even}", `f.yaml:3: load: arrival needs a rate: add it, like rate: 100/s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ngenerators: 0", `f.yaml:4: generators: 0 must be 1 to 64`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nsearch: {of: size, from: 1/s, to: 9/s, keep: response.p99 < 5ms, precision: 5%}", `f.yaml:4: search: of "size" must be rate or connections, with several groups of one of them, like load.rate`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nsearch: {of: rate, from: 1/s, to: 9, keep: response.p99 < 5ms, precision: 5%}", `f.yaml:4: search: from "1/s" and to "9" must be rates, like 100/s, the first one lower`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nsearch: {of: rate, from: 1/s, to: 9/s, keep: speed > 5, precision: 5%}", `f.yaml:4: search: keep "speed > 5" must be a goal like response.p99 < 5ms: response, service, connect or first; p50, p90, p99, p999, mean or max`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nsearch: {of: connections, from: 1, to: 9, keep: response.p99 < 5ms, precision: 5%}", `f.yaml:4: search: keep "response.p99 < 5ms": a response needs a rate; use service, or add a rate to the group`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nspec: [FLOW-999]", `f.yaml:4: spec[0]: "FLOW-999" must be the ID of a requirement in PROTOCOL.md, each once, like FLOW-004`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: link.freeze, for: 1s}]", `f.yaml:4: timeline[0]: link.freeze needs a link: add one, like link: {rtt: 1ms}`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{at: 1500ms, do: server.kill, for: 1s}]", `f.yaml:4: timeline[0]: server.kill at 1.5s for 1s: must begin and be over within the measured time, 2s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: server.freeze}]", `f.yaml:4: timeline[0]: for is missing: say how long server.freeze lasts, like for: 1s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: server.explode}]", `f.yaml:4: timeline[0]: do "server.explode" must be one of link.freeze, link.kill, link.set, server.kill, server.restart, server.drain, server.freeze, client.kill, client.restart, client.drain, client.freeze, reader.stall; did you mean server.freeze?`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: reader.stall, for: 1s, group: load}]", `f.yaml:4: timeline[0]: group load: reader.stall needs mode download or both, not pingpong: nobody else reads while others send`, false},
		{"# q\nscenario: x\nload: {mode: download, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: reader.stall, for: 1s, group: bulk}]", `f.yaml:4: timeline[0]: group "bulk" must be one of load`, false},
		{"# q\nscenario: x\nload: {mode: download, connections: 1, size: 1B}\ntimeline: [{at: 1s, do: reader.stall, for: 1s}]", `f.yaml:4: timeline[0]: group belongs to do: reader.stall: whose readers stop, like group: bulk`, false},
		{"# q\nscenario: x\nload: {mode: download, connections: 1, size: 1B}\nlink: {rtt: 1ms}\ntimeline: [{at: 1s, do: link.set, for: 1s}]", `f.yaml:5: timeline[0]: to belongs to do: link.set: what the link is meanwhile, like to: {rtt: 100ms}`, false},
		{"# q\nscenario: x\nload: {mode: download, connections: 1, size: 1B}\npaths: [direct]\ntimeline: [{at: 1s, do: client.kill}]", `f.yaml:5: timeline[0]: client.kill needs the path tunnel: add it to paths`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nruntime: cloud", `f.yaml:4: runtime: "cloud" must be one of process, container`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlimits: {proxy: {cpus: 1}}", `f.yaml:4: limits.proxy: "proxy" must be one of server, client, relay, link, target, generator`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlimits: {server: {}}", `f.yaml:4: limits.server: bounds nothing: add cpus or memory, like {cpus: 1, memory: 512MiB}`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlimits: {server: {memory: 1MiB}}", `f.yaml:4: limits.server.memory: 1 MiB must be 6 MiB or more`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nlimits: {server: {cpus: all}}", `f.yaml:4: limits.server.cpus: "all" must be a number of processors, like 1 or 0.5`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\ntimeline: [{att: 1s}]", `f.yaml:4: timeline[0]: unknown key "att"; there are at, do, for, group, to; did you mean at?`, true},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nmeasure: 2s\nshortest: 3s", `f.yaml:5: shortest: 3s must be 0s to 2s`, false},
		{"# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nseed: -1", `f.yaml:4: seed: "-1" must be a whole number, like 10`, true},
	} {
		_, err := scenario.Parse("f.yaml", []byte(tt.text))
		if fe, ok := errors.AsType[*subject.FileError](err); !ok || fe.Error() != tt.want {
			t.Errorf("scenario.Parse(%q)\n got %v\nwant %s", tt.text, err, tt.want)
		}
		if err := sch.YAML(t, []byte(tt.text)); (err != nil) != tt.schema {
			t.Errorf("%q against the schema: %v; want an error: %v", tt.text, err, tt.schema)
		}
	}
}

// Everything that is wrong is said at once, and that the question is missing last.
func TestNoMistakeHidesAnother(t *testing.T) {
	_, err := scenario.Parse("f.yaml", []byte("scenario: x\nload: {mode: pingpongg, connections: 1}\nrepeat: {min: 9, max: 3}\nruntime: containr\nthresholds: [{expect: sped < 3}]"))
	want := []string{
		`f.yaml:3: repeat: max 3 must be min, which is 9, to 1000`,
		`f.yaml:4: runtime: "containr" must be one of process, container; did you mean container?`,
		`f.yaml:5: thresholds[0].expect: "sped < 3": metric "sped" must be one of goodput`,
		`f.yaml:2: load: mode "pingpongg" must be one of pingpong, upload, download, both, churn, idle, halfclose; did you mean pingpong?`,
		`f.yaml: must begin with a comment that asks the question which the scenario answers`,
	}
	// A value that cannot be read ends the reading: it is said alone.
	if err == nil || !strings.HasPrefix(err.Error(), want[2]) {
		t.Errorf("Parse() = %v; want %s", err, want[2])
	}
	_, err = scenario.Parse("f.yaml", []byte("scenario: x\nload: {mode: pingpongg, connections: 1}\nrepeat: {min: 9, max: 3}\nruntime: containr\nthresholds: [{expect: failed < 3, gate: fial}]"))
	want[2] = `f.yaml:5: thresholds[0].gate: "fial" must be one of fail, warn; did you mean fail?`
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("Parse() =\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

func TestTheCellsAreListedOrTheProductOfAxes(t *testing.T) {
	for text, want := range map[string][]string{
		"": {"pingpong 1 × 1 KiB"},
		"axes: {mode: [upload, both], connections: [1, 2], size: [64B, 1MiB]}": {
			"upload 1 × 64 B", "upload 1 × 1 MiB", "upload 2 × 64 B", "upload 2 × 1 MiB",
			"both 1 × 64 B", "both 1 × 1 MiB", "both 2 × 64 B", "both 2 × 1 MiB",
		},
		"cells: [{size: 100B}, {connections: 5}, {mode: upload}, {rate: 50/s}]": {
			"pingpong 1 × 100 B", "pingpong 5 × 1 KiB", "upload 1 × 1 KiB", "pingpong 1 × 1 KiB at 50/s",
		},
		"load: {mode: pingpong, connections: 1, size: 1KiB, rate: 7/s}\ncells: [{size: 100B}, {rate: max}]": {
			"pingpong 1 × 100 B at 7/s", "pingpong 1 × 1 KiB",
		},
		"axes: {size: [1B, 2B], link.rtt: [0s, 20ms]}": {
			"pingpong 1 × 1 B", "pingpong 1 × 1 B, rtt 20ms", "pingpong 1 × 2 B", "pingpong 1 × 2 B, rtt 20ms",
		},
		"load: {mode: churn, connections: 5, size: 64B, packets: 3, rate: 50/s, arrival: poisson, resets: 12.5%}\nlink: {rtt: 1ms, jitter: 2ms, rate: 2.5Gbit/s}": {
			"churn 5 × 64 B × 3 at 50/s poisson, 12.5 % reset, rtt 1ms, jitter 2ms, 2.5 Gbit/s",
		},
		"link: {stall: {for: 200ms}}\naxes: {link.stall.p: [0%, 0.1%]}": {
			"pingpong 1 × 1 KiB", "pingpong 1 × 1 KiB, stall 200ms for 0.1 % of the packets",
		},
		"link: {rate: 10Mbit/s, backend: tbf}":   {"pingpong 1 × 1 KiB, 10 Mbit/s by tbf"},
		"link: {stall: {every: 2s, for: 200ms}}": {"pingpong 1 × 1 KiB, stall 200ms every 2s"},
		"link: {rtt: 1ms}\ntimeline: [{at: 500ms, for: 1s}]\naxes: {timeline.do: [link.freeze, server.kill]}": {
			"pingpong 1 × 1 KiB, rtt 1ms, link.freeze at 500ms for 1s", "pingpong 1 × 1 KiB, rtt 1ms, server.kill at 500ms for 1s",
		},
		"axes: {connections: [0, 1]}": {"pingpong 0 × 1 KiB", "pingpong 1 × 1 KiB"},
		"groups: [{name: bulk, mode: download, connections: 8, size: 64KiB}, {name: probe, mode: pingpong, connections: 1, size: 1KiB, rate: 100/s}]\naxes: {bulk.connections: [1, 8], link.rtt: [0s]}": {
			"bulk.connections 1, link.rtt 0s", "bulk.connections 8, link.rtt 0s",
		},
	} {
		if !strings.Contains(text, "load:") && !strings.Contains(text, "groups:") {
			text = "load: {mode: pingpong, connections: 1, size: 1KiB}\n" + text
		}
		s := parseScenario(t, text)
		var got []string
		for _, c := range s.Cells {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Cells of %q = %q; want %q", text, got, want)
		}
	}
}

func parseScenario(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte("# why?\nscenario: test\n"+text))
	if err != nil {
		t.Fatalf("scenario: %v", err)
	}
	return s
}

func TestProfilesChangeTimeOnly(t *testing.T) {
	text := "load: {mode: pingpong, connections: 1, size: 1KiB}\nrepeat: 8\nmeasure: 10s\nwarmup: 1s"
	for profile, want := range map[string]string{"smoke": "200ms 1s 2", "ci": "500ms 3s 7", "full": "1s 10s 8"} {
		s, plain := parseScenario(t, text), parseScenario(t, text)
		if err := s.Apply(profile); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%v %v %v", s.Warmup, s.Measure, s.Repeat); got != want {
			t.Errorf("%s: %s; want %s", profile, got, want)
		}
		plain.Warmup, plain.Measure, plain.Repeat = s.Warmup, s.Measure, s.Repeat
		if fmt.Sprint(s) != fmt.Sprint(plain) {
			t.Errorf("%s changes more than time", profile)
		}
	}
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nmeasure: 20ms")
	if err := s.Apply("ci"); err != nil || time.Duration(s.Measure) != 20*time.Millisecond {
		t.Errorf("ci lengthens 20ms to %v, %v", s.Measure, err)
	}
	s = parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nmeasure: 10s\ntimeline: [{at: 4s, do: server.freeze, for: 3s}]")
	if err := s.Apply("smoke"); err != nil || s.Cells[0].Timeline[0].String() != "server.freeze at 400ms for 300ms" {
		t.Errorf("smoke makes the time line %v, %v; want it in proportion", s.Cells[0].Timeline, err)
	}
	s = parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nmeasure: 10s\nshortest: 5s\ntimeline: [{at: 4s, do: server.freeze, for: 3s}]")
	if err := s.Apply("smoke"); err != nil || time.Duration(s.Measure) != 5*time.Second || s.Cells[0].Timeline[0].String() != "server.freeze at 2s for 1.5s" {
		t.Errorf("smoke makes of 10s, shortest 5s: %v, time line %v, %v; want half of both", s.Measure, s.Cells[0].Timeline, err)
	}
	s = parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nrepeat: {min: 6, max: 12, width: 2%}")
	for _, want := range []string{"{6 12 0.02}", "{6 6 0}"} { // no more than it has to be
		if got := fmt.Sprint(struct{ Min, Max, Width any }{s.Repeat.Min, s.Repeat.Max, float64(s.Repeat.Width)}); got != want {
			t.Errorf("repeat %s; want %s", got, want)
		}
		if err := s.Apply("ci"); err != nil {
			t.Fatal(err)
		}
	}
	s = parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\ncells: [{size: 1B, repeat: {min: 8, max: 12, width: 2%}}, {size: 2B}]")
	if err := s.Apply("ci"); err != nil || s.RepeatOf(&s.Cells[0]) != scenario.Times(7) || s.RepeatOf(&s.Cells[1]) != scenario.Times(1) {
		t.Errorf("ci repeats cells %v and %v, %v; want 7 and 1", s.RepeatOf(&s.Cells[0]), s.RepeatOf(&s.Cells[1]), err)
	}
	for profile, want := range map[string]string{"smoke": "2s 6s 1", "ci": "2s 6s 7"} { // the question takes its time
		s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1KiB}\nrepeat: 8\nwarmup: 2s\nmeasure: 8s\nshortest: 6s")
		if err := s.Apply(profile); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%v %v %v", s.Warmup, s.Measure, s.Repeat); got != want {
			t.Errorf("%s, with shortest: %s; want %s", profile, got, want)
		}
	}
	if err := s.Apply("quick"); err == nil || !strings.Contains(err.Error(), "smoke, ci, full") {
		t.Errorf("Apply(quick): %v; want the profiles", err)
	}
}

// Each role's need of descriptors is its own: a relay has two for each connection.
func TestACellThatDoesNotFitSaysWhyAndWhatToDo(t *testing.T) {
	for files, want := range map[uint64]string{
		0: "", 5064: "", 5063: "descriptors: the target needs 5000 for 5000 connections, and 64 more; the limit is 5063: raise it (ulimit -Hn 5064), or take fewer connections",
	} {
		s := parseScenario(t, "load: {mode: pingpong, connections: 5000, size: 1KiB}")
		if got := s.Unfit(&s.Cells[0], files); got != want {
			t.Errorf("with %d descriptors: %q; want %q", files, got, want)
		}
	}
	s := parseScenario(t, "load: {mode: pingpong, connections: 5000, size: 1KiB}\nlink: {rtt: 1ms}\ngenerators: 4")
	if got := s.Unfit(&s.Cells[0], 6000); got != "" {
		t.Errorf("with 6000 descriptors: %q; want that several relays and links share the connections", got)
	}
	for role, want := range map[string]int{"relay": 2, "link": 2, "generator": 4, "target": 1} {
		if got := s.Processes(role, 6000); got != want {
			t.Errorf("%d processes of role %s for 5000 connections and 6000 descriptors; want %d", got, role, want)
		}
	}
	if got := s.Processes("generator", 1000); got != 6 {
		t.Errorf("%d generators for 5000 connections and 1000 descriptors; want 6", got)
	}
}

func TestACellThatNeedsMorePortsThanThereAreSaysSo(t *testing.T) {
	for _, tt := range []struct {
		text  string
		ports int
		kept  time.Duration
		want  string
	}{
		{"mode: pingpong, connections: 5000, size: 1KiB", 0, time.Minute, ""},
		{"mode: pingpong, connections: 5000, size: 1KiB", 5000, time.Minute, ""},
		{"mode: pingpong, connections: 5000, size: 1KiB", 4999, time.Second, "ports: 5000 connections to one address need as many; there are 4999: widen net.ipv4.ip_local_port_range"},
		{"mode: churn, connections: 100, size: 1KiB, rate: 600/s", 28232, time.Second, ""},
		{"mode: churn, connections: 100, size: 1KiB, rate: 600/s, resets: 50%", 18100, time.Minute, ""},
		{"mode: churn, connections: 100, size: 1KiB, rate: 600/s, resets: 50%", 18099, time.Minute, "ports: 100 connections, and 300 that end each second and keep theirs for 1m0s, need 18100; there are 18099: set net.ipv4.tcp_tw_reuse=1, or take a lower rate"},
		{"mode: churn, connections: 8, size: 64B", 401, time.Minute, "ports: 8 connections, and 1000 that end each second and keep theirs for 2s, need 2008; there are 401: set net.ipv4.tcp_tw_reuse=1, or take a lower rate"},
		{"mode: churn, connections: 8, size: 64B", 28232, time.Minute, ""},
		{"mode: churn, connections: 8, size: 64B, resets: 100%", 401, time.Minute, ""},
		{"mode: churn, connections: 100, size: 1KiB, rate: 600/s", 28232, time.Minute, "ports: 100 connections, and 600 that end each second and keep theirs for 1m0s, need 36100; there are 28232: set net.ipv4.tcp_tw_reuse=1, or take a lower rate"},
	} {
		s := parseScenario(t, "load: {"+tt.text+"}")
		if got := s.Cells[0].Portless(tt.ports, tt.kept, 2*time.Second); got != tt.want {
			t.Errorf("%s, %d ports: %q; want %q", tt.text, tt.ports, got, tt.want)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
