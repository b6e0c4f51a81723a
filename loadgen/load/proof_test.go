package load

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// report is what the target says once nobody uses it any more.
func (t *Target) report(tt *testing.T) Reported {
	tt.Helper()
	eventually(tt, "all connections have ended", func() bool { return t.count().Open == 0 })
	return t.reported()
}

// Both ends say the same of every stream, in every mode, also of those that the target forgets.
func TestBothEndsAgree(t *testing.T) {
	for name, g := range map[string]scenario.Group{
		"pingpong":   {Mode: scenario.PingPong, Size: 1 << 10},
		"large":      {Mode: scenario.PingPong, Size: 3 << 20},
		"upload":     {Mode: scenario.Upload, Size: 64 << 10},
		"download":   {Mode: scenario.Download, Size: 2 << 20},
		"both":       {Mode: scenario.Both, Size: 2 << 20},
		"churn":      {Mode: scenario.Churn, Size: 64, Packets: 3, Resets: 0.5},
		"many calls": {Mode: scenario.Churn, Size: 64, Packets: 1, Connections: 8},
		"half-close": {Mode: scenario.HalfClose, Size: 64, Packets: 1, Connections: 8},
		"slow":       {Mode: scenario.Upload, Size: 64 << 10, Reader: 8e6},
		"idle":       {Mode: scenario.Idle, Size: 64},
	} {
		tg := target(t)
		if name == "many calls" || name == "half-close" {
			tg.remembers = 3
		}
		r := play(t, g, tg.Addr().String(), patient)
		far := tg.report(t)
		if (name == "many calls" || name == "half-close") && far.Past.Streams == 0 {
			t.Errorf("%s: the target forgets nothing: %+v", name, far)
		}
		if r.Done.Streams+int64(len(r.Stood)) < 2 {
			t.Errorf("%s: %+v, %d to the last; want every stream", name, r.Done, len(r.Stood))
		}
		faults, cut := Disproved([]Results{{Groups: []*Result{r}}}, far)
		if len(faults) > 0 || cut != 0 {
			t.Errorf("%s: %v, %d cut", name, faults, cut)
		}
	}
}

// done is the tally of streams.
func done(streams ...Stream) (y Tally) {
	for _, s := range streams {
		y.Add(s.ID, s.In, s.Out, s.Reset)
	}
	return y
}

// What one end says and the other cannot confirm is found, whatever it is.
func TestWhatIsMadeUpIsFound(t *testing.T) {
	one, two := Stream{ID: 1, In: 640, Out: 640}, Stream{ID: 2, In: 64, Out: 64}
	for _, tt := range []struct {
		name string
		near Result
		far  Reported
		want string // the first fault; empty: none
	}{
		{"nothing", Result{}, Reported{}, ""},
		{"both agree", Result{Done: done(one, two)}, Reported{Streams: []Stream{one, two}}, ""},
		{"both agree on what is forgotten", Result{Done: done(one, two)}, Reported{Streams: []Stream{one}, Past: done(two)}, ""},
		{"streams that carried nothing", Result{Done: done(one, Stream{ID: 5})}, Reported{Streams: []Stream{one, {ID: 6}}}, ""},
		{"the target never had it", Result{Done: done(one, two)}, Reported{Streams: []Stream{one}}, "streams that ended in order, down: forged, 64 bytes that the other end did not send (seen by the generator)"},
		{"the target never had any", Result{Done: done(one)}, Reported{}, "streams that ended in order, down: forged, 640 bytes that the other end did not send (seen by the generator)"},
		{"the target had one more", Result{Done: done(one)}, Reported{Streams: []Stream{one, two}}, "streams that ended in order, up: forged, 64 bytes that the other end did not send (seen by the target)"},
		{"as many bytes, but of others", Result{Done: done(one)}, Reported{Streams: []Stream{{ID: 3, In: 640, Out: 640}}}, "streams that ended in order, down: forged, 640 bytes that the other end did not send (seen by the generator)"},
		{"as many bytes, but otherwise spread", Result{Done: done(one, two)}, Reported{Streams: []Stream{{ID: 1, In: 64, Out: 64}, {ID: 2, In: 640, Out: 640}}}, "streams that ended in order, down: forged, 704 bytes that the other end did not send (seen by the generator)"},
		{"the target had an octet less, and answered all", Result{Done: done(one)}, Reported{Streams: []Stream{{ID: 1, In: 639, Out: 640}}}, "streams that ended in order, down: forged, 640 bytes that the other end did not send (seen by the generator)"},
		{"a part came", Result{Ends: []End{{Stream: 1, How: Reset, Sent: 900, In: 100}}}, Reported{Streams: []Stream{one}}, ""},
		{"more than was sent came down", Result{Stood: []End{{Stream: 1, Sent: 640, In: 641}}}, Reported{Streams: []Stream{one}}, "stream 1, down, offset 640: forged, 1 bytes that the other end did not send (seen by the generator)"},
		{"more than was sent came up", Result{Stood: []End{{Stream: 1, Sent: 600, In: 640}}}, Reported{Streams: []Stream{one}}, "stream 1, up, offset 600: forged, 40 bytes that the other end did not send (seen by the target)"},
		{"it is just being sent", Result{Stood: []End{{Stream: 1, Sent: 640, In: 700}}}, Reported{Streams: []Stream{{ID: 1, In: 640, Out: 640, Under: 60}}}, ""},
		{"what ended badly came from nowhere", Result{Ends: []End{{Stream: 9, How: TimedOut, Sent: 64, In: 32}}}, Reported{}, "stream 9, down, offset 0: forged, 32 bytes that the other end did not send (seen by the generator)"},
		{"what ended badly may be forgotten", Result{Ends: []End{{Stream: 9, How: TimedOut, Sent: 64, In: 32}}, Done: done(one)}, Reported{Past: done(one, Stream{ID: 9, In: 64, Out: 64})}, ""},
		{"but not more than that", Result{Ends: []End{{Stream: 9, How: TimedOut, Sent: 64, In: 32}}, Done: done(one)}, Reported{Past: done(one, two, Stream{ID: 9, In: 64, Out: 64})}, "streams that ended in order, up: forged, 128 bytes that the other end did not send (seen by the target)"},
		{"a dial that failed", Result{Ends: []End{{How: Refused}}, Done: done(one)}, Reported{Streams: []Stream{one}}, ""},
		{"a dial that failed says nothing about what is forgotten", Result{Ends: []End{{How: Refused}}, Done: done(one)}, Reported{Past: done(one, two)}, "streams that ended in order, up: forged, 64 bytes that the other end did not send (seen by the target)"},
	} {
		got := ""
		if faults, _ := Disproved([]Results{{Groups: []*Result{&tt.near}}}, tt.far); len(faults) > 0 {
			got = faults[0].Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
}

// Whoever answers instead of the target is found, by its bytes or by the target's count.
func TestAnAnswerThatIsNotTheTargetsIsFound(t *testing.T) {
	tg := target(t)
	reflect := func(c *net.TCPConn) {
		if _, err := io.ReadFull(c, make([]byte, payload.PrefaceSize)); err == nil {
			_, _ = io.Copy(c, c)
		}
	}
	honest := func(c *net.TCPConn, up, down int64) (to net.Conn) { // so many bytes
		to, err := net.Dial("tcp", tg.Addr().String())
		if err != nil {
			return nil
		}
		if _, err = io.CopyN(to, c, up); err == nil {
			_, err = io.CopyN(c, to, down)
		}
		if err != nil {
			_ = to.Close()
			return nil
		}
		return to
	}
	const echoes = "stream 1099511627777, down, offset 0: forged: the bytes that were sent came back, and no answer (seen by the generator)"
	for _, tt := range []struct {
		name string
		g    scenario.Group
		at   func(c *net.TCPConn)
		want string
	}{
		{"an echo of its own", scenario.Group{Mode: scenario.PingPong, Size: 64, Connections: 1}, reflect, echoes},
		{"an echo of its own, in churn", scenario.Group{Mode: scenario.Churn, Size: 64, Packets: 1, Connections: 1}, reflect, echoes},
		{"an echo of its own, idle", scenario.Group{Mode: scenario.Idle, Size: 64, Connections: 1}, reflect, echoes},
		{"both ways, what comes goes back", scenario.Group{Mode: scenario.Both, Size: 64, Connections: 1}, func(c *net.TCPConn) {
			if _, err := io.ReadFull(c, make([]byte, payload.PrefaceSize+1)); err == nil {
				_, _ = io.Copy(c, c)
			}
		}, echoes},
		{"an honest beginning", scenario.Group{Mode: scenario.PingPong, Size: 64, Connections: 1}, func(c *net.TCPConn) {
			if to := honest(c, payload.PrefaceSize+64, 64); to != nil {
				defer to.Close()
				_, _ = io.Copy(c, c)
			}
		}, "stream 1099511627777, down, offset 64: forged: the bytes that were sent came back, and no answer (seen by the generator)"},
		{"yesterday's answer", scenario.Group{Mode: scenario.PingPong, Size: 64, Connections: 1}, func(c *net.TCPConn) {
			old := payload.NewRing("yesterday")
			if _, err := io.ReadFull(c, make([]byte, payload.PrefaceSize)); err == nil {
				_, _ = c.Write(old.At(old.Answer(first+1, 0), 0, 64))
			}
		}, "stream 1099511627777, down, offset 0: corrupted (seen by the generator)"},
	} {
		tg.reset(block)
		faults := play(t, tt.g, service(t, func(c *net.TCPConn) { defer c.Close(); tt.at(c) }), patient).Faults
		if len(faults) == 0 || faults[0].Error() != tt.want {
			t.Errorf("%s: %v; want %s", tt.name, faults, tt.want)
		}
	}
}

// The target serves who knows the key, each stream once, and none of another block.
func TestTheTargetServesOnlyStreamsOfTheBlock(t *testing.T) {
	tg := NewTarget(listen(t), listen(t), "")
	t.Cleanup(func() { _ = tg.Close() })
	ring := payload.NewRing(key)
	preface := func(stream uint64) []byte {
		return append(ring.Preface(payload.Preface{Size: 1, Stream: stream}), ring.At(ring.Start(stream, payload.Up), 0, 1)...)
	}
	altered := preface(first + 3)
	altered[payload.PrefaceSize-9]++ // the stream's number
	for _, tt := range []struct {
		name   string
		bytes  []byte
		served bool
		strays int // from now on
	}{
		{"no key yet", preface(first + 1), false, 1},
		{"a stream", preface(first + 1), true, 1},
		{"the same once more", preface(first + 1), false, 2},
		{"of the block before", preface(first - 1), false, 2},
		{"of the next block", preface(2 * first), false, 2},
		{"altered on the way", altered, false, 3},
		{"too short", preface(first + 4)[:20], false, 4},
		{"a probe", preface(Probes + 1), true, 4},
		{"the same probe", preface(Probes + 1), true, 4},
		{"another stream", preface(first + 2), true, 4},
	} {
		c, err := net.Dial("tcp", tg.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(tt.bytes)
		_ = c.(*net.TCPConn).CloseWrite()
		n, err := io.ReadFull(c, make([]byte, 1))
		if (n == 1) != tt.served || n == 0 && err == nil {
			t.Errorf("%s: %d bytes, %v; want it served: %v", tt.name, n, err, tt.served)
		}
		_ = c.Close()
		if got := tg.report(t).Strays; got != tt.strays {
			t.Errorf("%s: %d strays; want %d", tt.name, got, tt.strays)
		}
		if tt.name == "no key yet" {
			tg.reset(block)
			tg.strays = tt.strays
		}
	}
	if s := tg.report(t).Streams; len(s) != 2 {
		t.Errorf("%+v; want two streams, and no probe", s)
	}
	if _, err := ring.ParsePreface(altered); !errors.Is(err, payload.ErrProof) {
		t.Errorf("an altered preface: %v; want ErrProof", err)
	}
}

// A stream that its generator ended in order must end so at the target.
func TestAResetAtTheEndIsCounted(t *testing.T) {
	stream := func(id uint64, reset bool) Stream { return Stream{ID: id, In: 64, Out: 64, Reset: reset} }
	for _, tt := range []struct {
		name string
		near Result
		far  Reported
		want int64
	}{
		{"in order at both ends", Result{Done: done(stream(1, false))}, Reported{Streams: []Stream{stream(1, false)}}, 0},
		{"reset at both ends", Result{Done: done(stream(1, true))}, Reported{Streams: []Stream{stream(1, true)}}, 0},
		{"a reset looks like an end", Result{Done: done(stream(1, true))}, Reported{Streams: []Stream{stream(1, false)}}, 0},
		{"an end looks like a reset", Result{Done: done(stream(1, false), stream(2, true))}, Reported{Streams: []Stream{stream(1, true)}, Past: done(stream(2, true))}, 1},
		{"with the block", Result{Stood: []End{{Stream: 1, Sent: 64, In: 64}}}, Reported{Streams: []Stream{stream(1, true)}}, 1},
		{"with the block, when not all was read", Result{Stood: []End{{Stream: 1, Sent: 64, In: 60}}}, Reported{Streams: []Stream{stream(1, true)}}, 0},
		{"it ended badly anyway", Result{Ends: []End{{Stream: 1, Sent: 64, In: 64, How: Reset}}}, Reported{Streams: []Stream{stream(1, true)}}, 0},
	} {
		if faults, got := Disproved([]Results{{Groups: []*Result{&tt.near}}}, tt.far); got != tt.want || len(faults) > 0 {
			t.Errorf("%s: %d, %v; want %d", tt.name, got, faults, tt.want)
		}
	}

	tg := target(t)
	for _, tt := range []struct {
		service payload.Service
		bytes   int // of two packets of 64
		reset   bool
		want    bool
	}{
		{payload.Echo, 128, true, true},
		{payload.Echo, 128, false, false},
		{payload.Echo, 100, true, false}, // in the middle of a packet it could not end in order
		{payload.Sink, 128, true, true},
		{payload.Sink, 128, false, false},
		{payload.Source, 0, true, false}, // whoever is sent to may have had enough
	} {
		tg.reset(block)
		conn, err := net.Dial("tcp", tg.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		v := tg.verifier
		_, _ = conn.Write(append(v.Preface(payload.Preface{Service: tt.service, Size: 64, Stream: first + 1}), v.At(v.Start(first+1, payload.Up), 0, tt.bytes)...))
		if tt.service == payload.Echo {
			_, _ = io.ReadFull(conn, make([]byte, tt.bytes/64*64))
		}
		eventually(t, "the target has it", func() bool {
			s := tg.reported().Streams
			return len(s) == 1 && s[0].In == int64(tt.bytes)
		})
		if tt.reset {
			Cut(conn)
		} else {
			_ = conn.Close()
		}
		if s := tg.report(t).Streams; len(s) != 1 || s[0].Reset != tt.want {
			t.Errorf("service %d, %d bytes, reset %v: %+v; want %v", tt.service, tt.bytes, tt.reset, s, tt.want)
		}
	}
}

// What is being sent may have arrived: the target says how much that is.
func TestWhatIsBeingSentIsKnown(t *testing.T) {
	tg := target(t)
	conn, err := net.Dial("tcp", tg.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	_, _ = conn.Write(append(tg.verifier.Preface(payload.Preface{Service: payload.Source, Size: size, Stream: first + 1}), payload.Go))
	eventually(t, "the target is stuck in a packet", func() bool {
		s := tg.reported().Streams
		return len(s) == 1 && s[0].Out%size == 0 && s[0].Under == size
	})
	_ = conn.Close()
	if s := tg.report(t).Streams; s[0].Under != 0 {
		t.Errorf("%+v; want nothing under way on a stream that has ended", s)
	}
}
