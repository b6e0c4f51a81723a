package run

import (
	"testing"

	"github.com/adit-tunnel/adit/loadgen/report"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Bytes of the windows are those of the block, on the side that receives.
func TestABlockIsFollowedOverTime(t *testing.T) {
	s := parseScenario(t, "load: {mode: upload, connections: 3, size: 16KiB}\naxes: {mode: [pingpong, upload, download, both]}\nlink: {rate: 100Mbit/s}\nmeasure: 400ms\npaths: [direct]\ngenerators: 2")
	rec, err := (&Runner{Self: self()}).Run(t.Context(), s)
	if err != nil || rec.Failed() != 0 {
		t.Fatalf("Run: %v\n%s", err, report.Console(rec, false))
	}
	for _, b := range rec.Blocks {
		g := b.Groups[0]
		if g.Series == nil || g.Series.Window != 0.1 || g.Jain == nil || g.Jain.Least == nil || g.Silence == nil {
			t.Fatalf("%s: %+v", b.Cell, g)
		}
		var octets, ok int64
		for _, list := range [][]int64{g.Series.Up, g.Series.Down} {
			for _, n := range list {
				octets += n
			}
		}
		for _, n := range g.Series.OK {
			ok += n
		}
		if octets < g.Octets/2 || octets > g.Octets*3/2 || g.Jain.Overall < 1.0/3 || g.Jain.Overall > 1 || *g.Jain.Least > 1 {
			t.Errorf("%s: %d octets in windows, %d in the block, %+v", b.Cell, octets, g.Octets, g.Jain)
		}
		mode := s.Cells[0].Groups[0].Mode
		if cell, err := s.Cell(b.Cell); err == nil {
			mode = cell.Groups[0].Mode
		}
		if mode == scenario.PingPong && (ok == 0 || len(g.Series.Worst) != len(g.Series.OK)) {
			t.Errorf("%s: %d packets in windows, %v in the block", b.Cell, ok, g.Packets)
		}
		if up, down := mode == scenario.Upload || mode == scenario.Both, mode != scenario.Upload; up != (len(g.Series.Up) > 0) || down != (len(g.Series.Down) > 0) {
			t.Errorf("%s: %d windows up, %d down", b.Cell, len(g.Series.Up), len(g.Series.Down))
		}
		if payload := g.Octets; b.Wire == nil || b.Wire.Up+b.Wire.Down < payload/2 {
			t.Errorf("%s: on the wire %+v for %d octets", b.Cell, b.Wire, payload)
		}
	}
}
