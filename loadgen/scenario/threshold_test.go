package scenario_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestExpectations(t *testing.T) {
	for text, want := range map[string]string{
		"response.p99 < 20ms":                       " response.p99   < 2e+07",
		"probe.response.p99 / direct<3":             "probe response.p99  direct < 3",
		"cpu.message of adit in containers <= 40us": " cpu.message adit in containers  <= 40",
		"bulk.goodput of adit / relay >= 80%":       "bulk goodput adit relay >= 0.8",
		"goodput > 100Mbit/s":                       " goodput   > 1.25e+07",
		"rss.peak.server <= 64 MiB":                 " rss.peak.server   <= 6.7108864e+07",
		"goodput of adit / of base >= 0.97":         " goodput adit  >= 0.97",
		"failed == 0":                               " failed   == 0",
		"response.p99 == 0":                         " response.p99   == 0",
	} {
		e, err := scenario.ParseExpectation(text)
		if got := fmt.Sprintf("%s %s %s %s %s %g", e.Group, e.Metric.Name, e.Subject, e.To, e.Operator, e.Limit); err != nil || got != want {
			t.Errorf("ParseExpectation(%q) = %q, %v; want %q", text, got, err, want)
		}
		if text, err := e.MarshalText(); err != nil || string(text) != e.Text {
			t.Errorf("MarshalText() = %q, %v", text, err)
		}
		if want := map[bool]string{true: "base"}[strings.Contains(text, "of base")]; e.Rival != want {
			t.Errorf("ParseExpectation(%q): beside subject %q; want %q", text, e.Rival, want)
		}
	}
	good := scenario.Expectation{Operator: ">=", Limit: 2}
	if !good.Met(2) || good.Met(1.9) {
		t.Error(">= 2 is not met by 2, or by 1.9")
	}
}

func TestThresholdsAreRefusedByLineAndRemedy(t *testing.T) {
	for text, want := range map[string]string{
		"{expect: response.p99}":                   `f.yaml:5: thresholds[0].expect: "response.p99" has no operator: write one of <, <=, >, >=, ==, like response.p99 / direct < 3`,
		"{expect: speed < 3}":                      `metric "speed" must be one of goodput, `,
		"{expect: probe.speed < 3}":                `metric "probe.speed" must be one of`,
		"{expect: probe.cpu.message < 3us}":        `cpu.message is of all groups together: write cpu.message`,
		"{expect: probe.response.p99 < 3ms}":       `there is no group "probe"; name one of the groups, or none`,
		"{expect: response.p99 / tunnel < 3}":      `/ tunnel must be / direct, / relay or / of another subject`,
		"{expect: response.p99 / relay < 3}":       `path relay is not measured: add it to paths`,
		"{expect: cpu.message / direct < 3}":       `direct has no process to compare with: write / relay`,
		"{expect: response.p99 < 3}":               `"3" must be a number with one of the units ns, us, µs, ms, s`,
		"{expect: response.p99 < fast}":            `"fast" must be a number with its unit, like 3 or 20ms`,
		"{expect: response.p99 / direct < 3ms}":    `"3ms" must be a number with one of the units %, none`,
		"{expect: response.p99 < 3ms, gate: stop}": `thresholds[0].gate: "stop" must be one of fail, warn`,
		"{gate: warn}":                             `thresholds[0].expect: is missing: say what is expected`,
	} {
		_, err := scenario.Parse("f.yaml", []byte("# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\npaths: [direct, tunnel]\nthresholds: ["+text+"]"))
		if fe, ok := errors.AsType[*subject.FileError](err); !ok || !strings.HasPrefix(fe.Error(), "f.yaml:5: thresholds[0]") || !strings.Contains(fe.Error(), want) {
			t.Errorf("thresholds: [%s]\n got %v\nwant %s", text, err, want)
		}
	}
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1B}\nthresholds: [{expect: failed == 0}]")
	if s.Thresholds[0].Gate != scenario.GateFail {
		t.Errorf("gate %q; want fail", s.Thresholds[0].Gate)
	}
	if err := schematest.Compile(t, scenario.Schema).YAML(t, []byte("scenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nthresholds: [{expect: failed == 0}, {expect: goodput > 3MiB/s, gate: warn}]")); err != nil {
		t.Error(err)
	}
}

func TestThresholdsOfSomeCells(t *testing.T) {
	s := parseScenario(t, "load: {mode: pingpong, connections: 1, size: 1B}\ncells: [{connections: 1}, {connections: 2}, {mode: upload}]\nthresholds: [{expect: goodput > 1B/s, at: {mode: pingpong}}, {expect: failed == 0}]")
	some, all := &s.Thresholds[0], &s.Thresholds[1]
	if !some.Has(&s.Cells[0]) || !some.Has(&s.Cells[1]) || some.Has(&s.Cells[2]) || !all.Has(&s.Cells[2]) {
		t.Errorf("%v and %v; want the two of pingpong, and all", some.Cells, all.Cells)
	}
	for at, want := range map[string]string{
		"{mode: download}": "thresholds[0].at: no cell is so",
		"{speed: 3}":       `"speed" must be one of`,
	} {
		_, err := scenario.Parse("f.yaml", []byte("# q\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1B}\nthresholds: [{expect: failed == 0, at: "+at+"}]"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("at: %s: %v; want %s", at, err, want)
		}
	}
}
