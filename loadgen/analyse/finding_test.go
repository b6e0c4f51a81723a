package analyse

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig/sample"
)

const churn = "load: {mode: churn, connections: 1, size: 1KiB}\n"

// slow is a packet at a place that is so many packets into the stream.
func slow(packet int64, took time.Duration) load.Slow {
	return load.Slow{Stream: 9, Offset: packet << 10, Took: took}
}

// grows is a server that keeps so much more of each connection, and wanders.
func grows(dials, by int64) func(b *record.Block, g *record.Group) {
	return each(func(b *record.Block, g *record.Group) {
		g.Dials = dials
		wander := []int64{0, 300, -200, 500, 100, 400, -100, 200}[b.Repetition-1]
		b.Processes = append(b.Processes, sample.Usage{Role: "server", RSS: 10<<20 + dials*(int64(b.Repetition)*by+wander)})
	})
}

func TestFindings(t *testing.T) {
	const stop = 6 * time.Millisecond
	noise := func(b *record.Block) []load.Slow { // the machine's, at other places in each repetition, close together
		var out []load.Slow
		for i := range int64(6) {
			out = append(out, slow(100+7*i*i+int64(b.Repetition*(5+3*int(i)))%41, stop))
		}
		return out
	}
	for _, tt := range []struct {
		name, text string
		change     func(b *record.Block, g *record.Group)
		want       []record.Finding // code, stream, offset, role
	}{
		{"nothing", closed, nil, nil},
		{"octets", closed, each(func(b *record.Block, _ *record.Group) {
			b.Faults = []*payload.Fault{{Kind: payload.Crossed, Stream: 3, Offset: 5, Other: 4}, {Kind: payload.Lost, Stream: 4, Offset: 7}}
		}), []record.Finding{{Code: record.Lost, Stream: 4, Offset: 7}, {Code: record.Crossed, Stream: 3, Offset: 5}}},
		{"an end that is a reset", closed, each(func(b *record.Block, _ *record.Group) { b.Cut = 2 }), []record.Finding{{Code: record.Cut}}},
		{
			"a stall", closed, each(func(b *record.Block, g *record.Group) { g.Slowest = append(noise(b), slow(120, stop)) }),
			[]record.Finding{{Code: record.Stall, Stream: 9, Offset: 120 << 10}},
		},
		{"slow packets wherever they are", closed, each(func(b *record.Block, g *record.Group) { g.Slowest = noise(b) }), nil},
		{"the machine is slow at some time", closed, each(func(b *record.Block, g *record.Group) {
			for i := range int64(8) {
				g.Slowest = append(g.Slowest, slow(200+(i*5+int64(b.Repetition))%12, stop))
			}
		}), nil},
		{"the slowest packet is not slow", closed, each(func(_ *record.Block, g *record.Group) { g.Slowest = []load.Slow{slow(120, 1500*time.Microsecond)} }), nil},
		{"connections begin slowly", closed, each(func(_ *record.Block, g *record.Group) { g.Slowest = []load.Slow{slow(0, stop)} }), nil},
		{"in half of the repetitions", closed, each(func(b *record.Block, g *record.Group) {
			if b.Repetition%2 == 0 {
				g.Slowest = []load.Slow{slow(120, stop)}
			}
		}), nil},
		{"a leak", churn, grows(1000, 2000), []record.Finding{{Code: record.Leak, Role: "server"}}},
		{"memory that wanders", churn, grows(1000, 0), nil},
		{"memory that wanders upwards", churn, grows(1000, 100), nil},
		{"memory that grows by little, which is much for a few connections", churn, grows(10, 2000), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := judgeable(t, tt.text, tt.change)
			Complete(r)
			var got []record.Finding
			for _, f := range r.Findings {
				if f.Route != tunnel || f.Detail == "" {
					t.Errorf("%+v; want it of the tunnel, with what was seen", f)
				}
				got = append(got, record.Finding{Code: f.Code, Stream: f.Stream, Offset: f.Offset, Role: f.Role})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %+v; want %+v", r.Findings, tt.want)
			}
		})
	}
}

// With fewer than eight repetitions a large leak is found, a clean subject is
// clean, and what can be neither said nor excluded is said to be so.
func TestALeakIsJudgedAsFarAsTheRepetitionsAllow(t *testing.T) {
	note := func(n string) string {
		return "leak-not-judged note leak not judged: " + n + " of 8 repetitions: take more"
	}
	quiet := each(func(b *record.Block, g *record.Group) {
		g.Dials = 1000
		b.Processes = append(b.Processes, sample.Usage{Role: "server", RSS: 10<<20 + int64(b.Repetition%2)*4096})
	})
	for _, tt := range []struct {
		name        string
		text        string
		change      func(b *record.Block, g *record.Group)
		repetitions int
		want        string
	}{
		{"a large leak", churn, grows(1000, 10_000), 8, "leak"},
		{"a large leak", churn, grows(1000, 10_000), 6, "leak"},
		{"a large leak", churn, grows(1000, 10_000), 5, "leak"},
		{"a large leak", churn, grows(1000, 10_000), 4, note("4")},
		{"a large leak", churn, grows(1000, 10_000), 1, note("1")},
		{"a small leak", churn, grows(1000, 900), 6, note("6")},
		{"a small leak", churn, grows(1000, 900), 7, note("7")},
		{"memory that wanders", churn, grows(1000, 0), 6, note("6")},
		{"memory that wanders", churn, grows(1000, 0), 8, ""},
		{"nothing grows", churn, quiet, 5, ""},
		{"nothing grows", churn, quiet, 4, note("4")},
		{"no churn", closed, grows(1000, 10_000), 4, ""},
		{"processes that are out of sight", churn, nil, 4, ""},
	} {
		r := judgeable(t, tt.text, tt.change)
		r.Blocks = slices.DeleteFunc(r.Blocks, func(b record.Block) bool { return b.Repetition > tt.repetitions })
		Complete(r)
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.Code)
		}
		for _, v := range r.Validity.Reasons {
			if v.Code == record.LeakNotJudged {
				got = append(got, v.Code+" "+v.Verdict+" "+v.Detail)
			}
		}
		if strings.Join(got, "; ") != tt.want || r.Validity.Verdict != record.Valid {
			t.Errorf("%s, %d repetitions: %s, %q; want %q", tt.name, tt.repetitions, r.Validity.Verdict, got, tt.want)
		}
	}
}
