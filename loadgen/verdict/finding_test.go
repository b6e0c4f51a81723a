package verdict

import (
	"slices"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/payload"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/sample"
)

const churn = "load: {mode: churn, connections: 1, size: 1KiB}\n"

// slow is a packet at a place that is so many packets into the stream.
func slow(packet int64, took time.Duration) record.Slow {
	return record.Slow{Stream: 9, Offset: packet << 10, Took: took}
}

func TestFindings(t *testing.T) {
	const stop = 6 * time.Millisecond
	noise := func(b *record.Block) []record.Slow { // the machine's, at other places in each repetition, close together
		var out []record.Slow
		for i := range int64(6) {
			out = append(out, slow(100+7*i*i+int64(b.Repetition*(5+3*int(i)))%41, stop))
		}
		return out
	}
	grows := func(dials, by int64) func(b *record.Block, g *record.Group) {
		return each(func(b *record.Block, g *record.Group) {
			g.Dials = dials
			wander := []int64{0, 300, -200, 500, 100, 400, -100, 200}[b.Repetition-1]
			b.Processes = append(b.Processes, sample.Usage{Role: "server", RSS: 10<<20 + dials*(int64(b.Repetition)*by+wander)})
		})
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
		{"the slowest packet is not slow", closed, each(func(_ *record.Block, g *record.Group) { g.Slowest = []record.Slow{slow(120, 1500*time.Microsecond)} }), nil},
		{"connections begin slowly", closed, each(func(_ *record.Block, g *record.Group) { g.Slowest = []record.Slow{slow(0, stop)} }), nil},
		{"in half of the repetitions", closed, each(func(b *record.Block, g *record.Group) {
			if b.Repetition%2 == 0 {
				g.Slowest = []record.Slow{slow(120, stop)}
			}
		}), nil},
		{"a leak", churn, grows(1000, 2000), []record.Finding{{Code: record.Leak, Role: "server"}}},
		{"memory that wanders", churn, grows(1000, 0), nil},
		{"memory that wanders upwards", churn, grows(1000, 100), nil},
		{"memory that grows by little, which is much for a few connections", churn, grows(10, 2000), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := made(t, tt.text, tt.change)
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
