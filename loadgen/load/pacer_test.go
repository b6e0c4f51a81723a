package load

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

func TestAPacerKeepsToItsRateUntilTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		p, began := &pacer{rate: 1_000_000, over: over}, time.Now()
		if n := p.most(256 << 10); n != 50_000 {
			t.Errorf("%d bytes at once; want a twentieth of a second's", n)
		}
		for range 20 {
			p.took(50_000)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("a second's bytes took %v", took)
		}
		close(over)
		if p.took(50_000); time.Since(began) != time.Second || p.most(256<<10) != 256<<10 {
			t.Errorf("slow in the drain: %v, %d bytes at once", time.Since(began), p.most(256<<10))
		}
		var none *pacer
		if none.took(1); none.most(7) != 7 {
			t.Error("no pacer makes slow")
		}
	})
}

// The reader of a download is the visitor, that of an upload the target; neither
// takes more than it may.
func TestSlowReaders(t *testing.T) {
	const most = 2 * (200_000 + 10_000) // of two connections in 450 ms at 400 kB/s, and a piece; half of it at least, as nothing else is slow
	tg := target(t)
	for name, tt := range map[string]struct {
		mode string
		got  func(*Result) int64
	}{
		"download": {scenario.Download, func(r *Result) int64 { return r.Down }},
		"upload": {scenario.Upload, func(*Result) (n int64) {
			for _, m := range tg.look().Groups {
				n += m
			}
			return n
		}},
	} {
		tg.reset(block)
		g := scenario.Group{Mode: tt.mode, Size: 64 << 10, Reader: 3.2e6}
		if got := tt.got(play(t, g, tg.Addr().String(), patient)); got == 0 || got > most {
			t.Errorf("%s: %d bytes; want up to %d", name, got, most)
		}
	}
}

// Who takes the end of one direction for that of both, or answers less than all, has not answered.
func TestAHalfCloseThatIsNotAnswered(t *testing.T) {
	ring := payload.NewRing(key)
	for name, answer := range map[string]func(c net.Conn, start uint64){
		"nothing":     func(net.Conn, uint64) {},
		"less":        func(c net.Conn, start uint64) { _, _ = c.Write(ring.At(start, 0, 99)) },
		"wrong bytes": func(c net.Conn, start uint64) { _, _ = c.Write(make([]byte, 100)) },
	} {
		addr := service(t, func(c *net.TCPConn) {
			defer c.Close()
			b := make([]byte, payload.PrefaceSize)
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			p, err := ring.ParsePreface(b)
			n, _ := io.Copy(io.Discard, c)
			if err != nil || n > 100 {
				t.Errorf("%s: %v, a request of %d bytes; want 100 and the end", name, err, n)
			}
			if n < 100 { // the generator ended just when it had connected
				return
			}
			answer(c, ring.Answer(p.Stream, 0))
		})
		r := play(t, scenario.Group{Mode: scenario.HalfClose, Size: 100, Connections: 1}, addr, patient)
		want := map[string]string{"nothing": Reset, "less": Reset, "wrong bytes": Corrupt}[name]
		if len(r.Ends) == 0 || r.Ends[0].How != want || r.OK > 0 {
			t.Errorf("%s: %d ok, ends %+v; want none and %s", name, r.OK, r.Ends, want)
		}
	}
}
