package judge

import (
	"bytes"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// BenchmarkJudge is what judging costs for 256 Data frames of 1 KiB that come in one read.
func BenchmarkJudge(b *testing.B) {
	x := newBench()
	x.sends(Server, wire.Request(7, 22).Bytes())
	x.sends(Client, wire.Response(7, wire.Success).Bytes())
	batch := bytes.Repeat(wire.Data(7, make([]byte, 1<<10)).Bytes(), 256)
	now := x.now
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		x.t.Octets(Server, batch, now)
		x.t.Wrote(Server, now, now)
	}
}
