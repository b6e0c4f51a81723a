package load

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/load/payload"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

const (
	key     = "seven"
	timeout = 150 * time.Millisecond
	patient = 20 * time.Second // where no packet is to time out, however busy the machine is
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// block is the one of all tests, and first the number before its first stream.
var block = NewBlock{Key: key, Block: 1}

const first = 1 << BlockBits

// target serves the streams of the block until the test ends.
func target(t testing.TB) *Target {
	tg := NewTarget(listen(t), listen(t), "")
	t.Cleanup(func() { _ = tg.Close() })
	tg.reset(block)
	return tg
}

// service serves with a function, and nothing else, until the test ends. What the function leaves open stays open until then:
// a connection that nobody holds is reset by the garbage collector.
func service(t *testing.T, serve func(*net.TCPConn)) string {
	l := listen(t)
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			go serve(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	gomega.NewWithT(t).Eventually(is).WithTimeout(20*time.Second).Should(gomega.BeTrue(), what)
}

// play runs a generator of one group through all phases.
func play(t *testing.T, g scenario.Group, addr string, timeout time.Duration, timeline ...scenario.Event) *Result {
	t.Helper()
	if g.Name = "load"; g.Connections == 0 {
		g.Connections = 2
	}
	c := NewVisitors(t.Context(), Job{Group: g, Addrs: []string{addr}, Timeout: timeout, Of: 1, First: first, Timeline: timeline},
		payload.NewVerifier(payload.NewRing(key), "generator"))
	c.Open()
	c.Begin(0, 50*time.Millisecond, 400*time.Millisecond)
	select {
	case <-c.busy.Done():
	case <-time.After(30 * time.Second):
		t.Error("the drain does not come")
	}
	eventually(t, "no packet is under way", func() bool { // the leader waits like this
		c.mu.Lock()
		failed := len(c.ends) > 0
		c.mu.Unlock()
		return !c.waits() && (failed || g.Mode != scenario.Idle || c.ok.Load() >= int64(g.Connections))
	})
	c.Close()
	r, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// waits reports whether a packet is under way that is to come back.
func (g *Visitors) waits() bool {
	for _, s := range g.Stand() {
		if s.Waits {
			return true
		}
	}
	return false
}

func TestEachModeAgainstATarget(t *testing.T) {
	tg := target(t)
	addr := tg.Addr().String()
	for name, g := range map[string]scenario.Group{
		"pingpong":     {Mode: scenario.PingPong, Size: 1 << 10},
		"large":        {Mode: scenario.PingPong, Size: 3 << 20},
		"at a rate":    {Mode: scenario.PingPong, Size: 64, Rate: 100},
		"poisson":      {Mode: scenario.PingPong, Size: 64, Rate: 100, Arrival: scenario.Poisson},
		"upload":       {Mode: scenario.Upload, Size: 64 << 10},
		"large upload": {Mode: scenario.Upload, Size: 3 << 20},
		"download":     {Mode: scenario.Download, Size: 2 << 20},
		"both":         {Mode: scenario.Both, Size: 2 << 20},
		"half-close":   {Mode: scenario.HalfClose, Size: 64, Packets: 3},
		"large answer": {Mode: scenario.HalfClose, Size: 300 << 10, Packets: 1},
		"churn":        {Mode: scenario.Churn, Size: 64, Packets: 3, Resets: 0.5},
		"idle":         {Mode: scenario.Idle, Size: 64},
	} {
		tg.reset(block)
		r := play(t, g, addr, patient)
		for _, e := range r.Ends {
			t.Errorf("%s: %+v; want no packet that is not ok", name, e)
		}
		if len(r.Faults) > 0 || r.FailedConnects > 0 || r.Dials < 2 || r.Series == nil {
			t.Errorf("%s: faults %v, %d failed connects, %d dials, series %v", name, r.Faults, r.FailedConnects, r.Dials, r.Series)
		}
		if down := g.Mode == scenario.Download || g.Mode == scenario.Both; !down && r.Down > 0 {
			t.Errorf("%s: %d octets down", name, r.Down)
		}
		if n := r.OK; g.Echoes() != (n+r.Late > 0) || g.Mode != scenario.Idle && r.Times[Service].N != n || g.Rate > 0 && (r.Times[Response].N != n || n > 80) {
			t.Errorf("%s: %d ok, service %d, response %d", name, n, r.Times[Service].N, r.Times[Response].N)
		}
		if r.Times[First].N != r.Times[Connect].N || g.Calls() != (r.Times[First].N > 0) {
			t.Errorf("%s: connect %d, first %d", name, r.Times[Connect].N, r.Times[First].N)
		}
	}
}

// A target that sends before all connections stand fills a tunnel in which the others are still to be opened.
func TestNoLoadBeginsBeforeTheGeneratorDoes(t *testing.T) {
	tg := target(t)
	for _, mode := range []string{scenario.Download, scenario.Both} {
		tg.reset(block)
		told := make(chan *net.TCPConn, 2)
		addr := service(t, func(c *net.TCPConn) {
			b := make([]byte, payload.PrefaceSize+1)
			if _, err := io.ReadFull(c, b); err == nil && b[payload.PrefaceSize] == payload.Go {
				told <- c
			}
		})
		c := NewVisitors(t.Context(), Job{Group: scenario.Group{Mode: mode, Size: 64, Connections: 2}, Addrs: []string{addr}, Timeout: patient, Of: 1},
			payload.NewVerifier(payload.NewRing(key), "generator"))
		c.Open()
		c.Begin(50*time.Millisecond, time.Minute, time.Minute)
		for range 2 {
			defer func(c *net.TCPConn) { _ = c.Close() }(<-told)
			select {
			case <-c.start:
			default:
				t.Errorf("%s: the target is let send before the warm-up begins", mode)
			}
		}
		c.Close()

		p := payload.Preface{Service: (&scenario.Group{Mode: mode}).Service(), Size: 64, Stream: first + 1}
		conn, err := net.Dial("tcp", tg.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(payload.NewRing(key).Preface(p))
		_ = conn.(*net.TCPConn).CloseWrite()
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			t.Errorf("%s: the target sends to a generator that did not let it: %d octets, %v", mode, n, err)
		}
		_ = conn.Close()
	}
}

// Each packet that is not ok says why, and how far its stream had come.
func TestEachOutcome(t *testing.T) {
	gone := listen(t)
	_ = gone.Close()
	ring := payload.NewRing(key)
	echo := func(c *net.TCPConn, n int, then func()) { // n right bytes, after the preface
		b := make([]byte, payload.PrefaceSize)
		if _, err := io.ReadFull(c, b); err != nil { // the generator ended just when it had connected
			_ = c.Close()
			return
		}
		p, bad := ring.ParsePreface(b)
		if bad != nil {
			t.Error(bad)
			return
		}
		for packet := uint64(0); n > 0; packet++ {
			if _, err := io.ReadFull(c, make([]byte, p.Size)); err != nil {
				return
			}
			m, _ := c.Write(ring.At(ring.Answer(p.Stream, packet), 0, min(p.Size, n)))
			n -= m
		}
		then()
	}
	for _, tt := range []struct {
		how, addr string
		g         scenario.Group
	}{
		{Refused, gone.Addr().String(), scenario.Group{Mode: scenario.PingPong, Size: 64}},
		{Refused, gone.Addr().String(), scenario.Group{Mode: scenario.Churn, Size: 64, Packets: 1}},
		{Reset, service(t, func(c *net.TCPConn) { echo(c, 1000, func() { _ = c.SetLinger(0); _ = c.Close() }) }), scenario.Group{Mode: scenario.PingPong, Size: 64}},
		{Reset, service(t, func(c *net.TCPConn) { echo(c, 0, func() { _ = c.SetLinger(0); _ = c.Close() }) }), scenario.Group{Mode: scenario.Upload, Size: 64}},
		{Reset, service(t, func(c *net.TCPConn) { echo(c, 0, func() { _ = c.Close() }) }), scenario.Group{Mode: scenario.Download, Size: 64}},
		{TimedOut, service(t, func(c *net.TCPConn) { echo(c, 1000, func() {}) }), scenario.Group{Mode: scenario.PingPong, Size: 64, Rate: 200}},
		{TimedOut, service(t, func(*net.TCPConn) {}), scenario.Group{Mode: scenario.Download, Size: 64}},
		{TimedOut, service(t, func(*net.TCPConn) {}), scenario.Group{Mode: scenario.Upload, Size: 1 << 20}},
		{Corrupt, service(t, func(c *net.TCPConn) { echo(c, 1000, func() { _, _ = c.Write(make([]byte, 64)) }) }), scenario.Group{Mode: scenario.PingPong, Size: 64}},
	} {
		name, within := tt.g.Mode+" "+tt.how, patient
		if tt.how == TimedOut {
			within = timeout
		}
		r := play(t, tt.g, tt.addr, within)
		if len(r.Ends) < 2 {
			t.Errorf("%s: ends %+v; want one for each connection", name, r.Ends)
			continue
		}
		for _, e := range r.Ends {
			if e.How != tt.how || (e.Stream == 0) != (tt.how == Refused) {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if (r.FailedConnects > 0) != (tt.how == Refused) || (len(r.Faults) > 0) != (tt.how == Corrupt) {
			t.Errorf("%s: %d failed connects, faults %v", name, r.FailedConnects, r.Faults)
		}
		if tt.how == Corrupt && (r.Faults[0].Offset != 1000 || r.Faults[0].Kind != payload.Corrupted) {
			t.Errorf("%s: %v; want offset 1000", name, r.Faults[0])
		}
		if tt.g.Rate > 0 && time.Duration(r.Times[Response].Max) < timeout {
			t.Errorf("%s: responses up to %v; want the timeout among them", name, time.Duration(r.Times[Response].Max))
		}
	}
}

// A witness dates what it sees from the start of the measured time, also what came before.
func TestAWitnessDatesLives(t *testing.T) {
	tg := target(t)
	r := play(t, scenario.Group{Mode: scenario.PingPong, Size: 64}, tg.Addr().String(), patient, scenario.Event{Do: scenario.LinkFreeze, For: subject.Duration(time.Hour)})
	if len(r.Lives) != 2 || r.Times[During].N == 0 || r.Times[After].N != 0 {
		t.Fatalf("lives %+v, %d packets in the event, %d after", r.Lives, r.Times[During].N, r.Times[After].N)
	}
	for _, l := range r.Lives {
		if l.Connected >= 0 || l.First < l.Connected || l.Last > 30*time.Second || l.Ended != Never || l.How != "" {
			t.Errorf("life %+v", l)
		}
	}
}
