package run

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Every published scenario runs: its last cell, with fewer connections, for a
// moment, on a stand-in. What it would find out is not judged here.
func TestEveryPublishedScenarioRuns(t *testing.T) {
	names, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(names) < 17 {
		t.Fatalf("scenarios: %v, %v; want 17 or more", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			s, err := scenario.Load(name)
			if err == nil {
				s.Shortest = 0
				err = s.Apply(scenario.Smoke)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Cells, s.Paths = s.Cells[len(s.Cells)-1:], []string{scenario.Tunnel}
			s.Repeat, s.Cells[0].Repeat = scenario.Times(1), scenario.Repeat{}
			s.Cells[0].Link.Rate = max(s.Cells[0].Link.Rate, s.Link.Rate) // a relay's buffers take a minute through 20 Mbit/s
			for i := range s.Cells[0].Groups {
				g := &s.Cells[0].Groups[i]
				g.Connections = min(g.Connections, 50)
			}
			if s.Search != nil {
				s.Search.To = map[bool]string{true: "200/s", false: "2"}[s.Search.Unit() != ""]
			}
			rec, err := (&Runner{Subjects: []*subject.File{parseSubject(t, hop)}, Self: self(), Profile: scenario.Smoke}).Run(t.Context(), s)
			if err != nil || len(rec.Blocks) != 1 || rec.Faulty() {
				t.Fatalf("Run: %v, %d blocks", err, len(rec.Blocks))
			}
			data, err := json.Marshal(rec)
			if err == nil {
				err = schematest.Compile(t, record.Schema).JSON(t, data)
			}
			if err != nil {
				t.Errorf("record against its schema: %v", err)
			}
		})
	}
}
