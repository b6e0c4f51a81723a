package scenario_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const shown = "# why?\nscenario: test\nload: {mode: pingpong, connections: 1, size: 1KiB}\ncells: [{connections: 1}, {connections: 2}, {mode: upload}]\n"

func TestShowNamesItsCells(t *testing.T) {
	s, err := scenario.Parse("f.yaml", []byte(shown+"show:\n- {kind: answer, y: [goodput, latency.p50]}\n- {kind: lines, x: connections, y: goodput, at: {mode: pingpong}}\n- {kind: dots, y: goodput/direct}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Shown(scenario.ShowAnswer); !slices.Equal(got, []string{"goodput", "latency.p50"}) {
		t.Errorf("answer about %v", got)
	}
	data, err := json.Marshal(s) // as in a record
	again := &scenario.Scenario{}
	if err == nil {
		err = json.Unmarshal(data, again)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*scenario.Scenario{s, again} {
		lines, dots := s.Show[1], s.Show[2]
		if !lines.Has(&s.Cells[0]) || !lines.Has(&s.Cells[1]) || lines.Has(&s.Cells[2]) || !dots.Has(&s.Cells[2]) {
			t.Errorf("lines of %v, dots of %v; want the two pingpong cells, and all", lines.Cells, dots.Cells)
		}
	}
}

func TestShowIsRefusedByFieldAndRemedy(t *testing.T) {
	for show, want := range map[string]string{
		"{kind: pie, y: goodput}":                               "show[0].kind: \"pie\" must be one of answer, table",
		"{kind: lines, y: goodput}":                             "show[0].x: is missing: say what lines shows, like x: size",
		"{kind: lines, x: connections}":                         "show[0].y: is missing",
		"{kind: lines, x: colour, y: goodput}":                  "show[0].x: \"colour\" must be a setting of the cells",
		"{kind: lines, x: connections, y: speed}":               "show[0].y: \"speed\" is not a metric",
		"{kind: dots, y: drain}":                                "show[0].y: \"drain\" is not shown in reports",
		"{kind: dots, y: latency.p90/direct}":                   "show[0].y: \"latency.p90/direct\" is not shown in reports",
		"{kind: answer, y: cpu.kib}":                            "show[0].y: \"cpu.kib\" must be one of goodput, latency.p50, ok",
		"{kind: course, y: packets}":                            "show[0].y: \"packets\" must be one of goodput, latency.max",
		"{kind: table, y: goodput, x: size}":                    "show[0].x: does not belong to kind: table",
		"{kind: dots, y: goodput, group: other}":                "show[0].group: \"other\" must be one of load",
		"{kind: dots, y: goodput, at: {connections: 7}}":        "show[0].at: no cell is so",
		"{kind: map, x: connections, y: goodput/direct}":        "show[0].by: is missing",
		"{kind: dots, y: goodput, colour: red}":                 "colour",
		"{kind: dots, y: goodput, at: {colour: red}}":           "\"colour\" must be one of arrival",
		"{kind: points, x: connections, y: goodput}":            "show[0].y: \"goodput\": of each block there are rss.server",
		"{kind: map, x: connections, by: x, y: goodput/direct}": "show[0].by: \"x\" must be a setting",
	} {
		_, err := scenario.Parse("f.yaml", []byte(shown+"show: ["+show+"]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", show, err, want)
		}
	}
}
