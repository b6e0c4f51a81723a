package load

import (
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// What the two ends reach against each other, with nothing between them:
// making and checking bytes must not be what a measurement shows.
func BenchmarkRate(b *testing.B) {
	for _, g := range []scenario.Group{
		{Name: "download", Mode: scenario.Download, Size: 256 << 10, Connections: 1},
		{Name: "upload", Mode: scenario.Upload, Size: 256 << 10, Connections: 1},
		{Name: "echo of 64 B", Mode: scenario.PingPong, Size: 64, Connections: 1},
		{Name: "echo of 64 KiB", Mode: scenario.PingPong, Size: 64 << 10, Connections: 1},
		{Name: "echo of 1 MiB", Mode: scenario.PingPong, Size: 1 << 20, Connections: 1},
		{Name: "churn", Mode: scenario.Churn, Size: 64, Packets: 1, Connections: 1},
	} {
		b.Run(g.Name, func(b *testing.B) {
			tg := target(b)
			v := payload.NewVerifier(payload.NewRing(key), "generator")
			took, down := time.Duration(0), int64(0)
			for i := range b.N {
				tg.reset(NewBlock{Key: key, Block: uint64(i)})
				c := NewVisitors(b.Context(), Job{Group: g, Addrs: []string{tg.Addr().String()}, Timeout: patient, Of: 1, First: uint64(i) << BlockBits}, v)
				c.Open()
				at := time.Now()
				c.Begin(0, 0, 100*time.Millisecond)
				<-c.busy.Done()
				took += time.Since(at)
				down += c.received.Load()
				c.Close()
			}
			b.ReportMetric(float64(down+tg.Total().Octets)/took.Seconds()/1e6, "MB/s")
		})
	}
}
