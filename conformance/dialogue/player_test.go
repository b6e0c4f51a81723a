package dialogue

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A stub is a server subject that answers frames as a test says, and asks for
// every visitor with an ID of its own choice.
type stub struct {
	answers func(wire.Frame) []wire.Frame

	wg      sync.WaitGroup
	tunnels net.Listener
	public  net.Listener

	mu     sync.Mutex
	tunnel net.Conn
}

// chosen is the ID that the stub gives its visitors, whatever a dialogue has.
const chosen = 0x00C0FFEE

func (s *stub) Describe() string                 { return "a stub" }
func (s *stub) Owned() bool                      { return true }
func (s *stub) Fixed() bool                      { return false }
func (s *stub) Exited() <-chan struct{}          { return nil }
func (s *stub) Status() string                   { return "" }
func (s *stub) LogSince(time.Time, int) []string { return nil }
func (s *stub) End(bool)                         {}
func (s *stub) Again(context.Context) error      { return nil }

func (s *stub) Owner(context.Context, ...net.Conn) error { return errors.ErrUnsupported }

func (s *stub) Endpoints() engine.Endpoints {
	return engine.Endpoints{Tunnel: s.tunnels.Addr().String(), Visitor: s.public.Addr().String()}
}

func (s *stub) Start(context.Context, engine.Setup) (engine.Running, error) {
	var err error
	if s.tunnels, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.public, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.wg.Go(s.serveTunnels)
	s.wg.Go(s.serveVisitors)
	return s, nil
}

func (s *stub) Stop() {
	_ = s.tunnels.Close()
	_ = s.public.Close()
	s.mu.Lock()
	if s.tunnel != nil {
		_ = s.tunnel.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// serveTunnels answers on the latest tunnel until the listener is closed.
func (s *stub) serveTunnels() {
	for {
		c, err := s.tunnels.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.tunnel = c
		s.mu.Unlock()
		for {
			f, _, err := wire.Read(c)
			if err != nil {
				break
			}
			for _, a := range s.answers(f) {
				_, _ = c.Write(a.Bytes())
			}
		}
		_ = c.Close()
	}
}

// serveVisitors asks for each visitor until the listener is closed; it ends those without a tunnel.
func (s *stub) serveVisitors() {
	for {
		v, err := s.public.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.tunnel == nil {
			_ = v.Close()
		} else {
			_, _ = s.tunnel.Write(wire.RequestTo(chosen, "10.0.0.7", 8080).Bytes())
		}
		s.mu.Unlock()
	}
}

// play is what comes of steps against a stub: the finding's text, empty for a pass.
func play(t *testing.T, answers func(wire.Frame) []wire.Frame, steps []spec.Step) string {
	t.Helper()
	v := spec.Vector{Kind: "dialogue", Role: "server", Requirements: []string{"DATA-001"}, Steps: steps}
	if err := Check(v); err != nil {
		t.Fatal(err)
	}
	o, err := Replay(t.Context(), v, &stub{answers: answers}, engine.Server)
	if err != nil {
		t.Fatal(err)
	}
	if o.Answer == Gone {
		return ""
	}
	return o.Why
}

func from(who string, f wire.Frame) spec.Step {
	return spec.Step{From: who, Octets: Notate(f.Bytes()), Frame: Decode(f), Within: "3s"}
}

// What the text leaves open a player leaves open, and nothing else: the rules of spec/README.md.
func TestPlayer(t *testing.T) {
	ping, answer := from("client", wire.KeepAlive()), from("server", wire.KeepAlive())
	data, closes := from("client", wire.Data(9, []byte("x"))), from("server", wire.Close(9))
	others, without := answer, answer
	others.Others, without.Others, without.Without = true, true, []spec.Decoded{{Type: "ConnectRequest", ID: new(uint32(9))}}
	must := closes
	must.Optional, must.Requirements = true, []string{"DATA-004"}
	optional, either, status := closes, closes, from("server", wire.Close(8))
	optional.Optional = true
	either.Or = []spec.Decoded{*Decode(wire.KeepAlive())}
	status.Or = []spec.Decoded{*Decode(wire.Close(9))}
	request := from("server", wire.Request(1, 22))
	request.Free, request.Within = []string{"id", "form", "host"}, "3s"
	taken := from("server", wire.Close(7)) // by then the stub has this tunnel, and asks on it
	taken.Within = "3s"
	visit := []spec.Step{from("client", wire.Data(7, []byte("x"))), taken, {Event: "visitor connects"}, request}

	frames := func(of ...wire.Frame) []wire.Frame { return of }
	for _, tt := range []struct {
		name    string
		keep    []wire.Frame // answers to KeepAlive
		data    []wire.Frame // and to Data
		steps   []spec.Step
		want    string // part of the finding
		visitor bool
	}{
		{name: "the answer", keep: frames(wire.KeepAlive()), steps: []spec.Step{ping, answer}},
		{name: "no answer", steps: []spec.Step{ping, answer}, want: "nothing within"},
		{name: "something else before a barrier", keep: frames(wire.Request(9, 22), wire.KeepAlive()), steps: []spec.Step{ping, answer}, want: "got ConnectRequest id=9"},
		{name: "which nobody looks at", keep: frames(wire.Request(9, 22), wire.KeepAlive()), steps: []spec.Step{ping, others}},
		{name: "but this one", keep: frames(wire.Request(9, 22), wire.KeepAlive()), steps: []spec.Step{ping, without}, want: "ConnectRequest id=9 port=22 came"},
		{name: "an extension passes, and is the judge's business", keep: frames(wire.Raw(0x20, 1), wire.KeepAlive()), steps: []spec.Step{ping, answer}, want: "HELLO"},
		{name: "a reserved type does not", keep: frames(wire.Raw(0x80, 1), wire.KeepAlive()), steps: []spec.Step{ping, answer}, want: "got type 0x80"},
		{name: "Data without octets passes", keep: frames(wire.Data(9, nil), wire.KeepAlive()), steps: []spec.Step{ping, answer}},
		{name: "any number of Closes for Data of an idle ID", keep: frames(wire.KeepAlive()), data: frames(wire.Close(9), wire.Close(9)), steps: []spec.Step{data, closes, ping, answer}},
		{name: "an optional frame may be missing", keep: frames(wire.KeepAlive()), steps: []spec.Step{ping, optional, answer}},
		{name: "whatever it cites", keep: frames(wire.KeepAlive()), steps: []spec.Step{ping, must, answer}},
		{name: "either frame", keep: frames(wire.KeepAlive()), steps: []spec.Step{ping, either}},
		{name: "an ID of two", data: frames(wire.Close(9)), steps: []spec.Step{data, status}},
		{name: "the server's ID", data: frames(wire.Close(chosen)), visitor: true, steps: append(slices.Clone(visit), from("client", wire.Data(1, []byte("x"))), from("server", wire.Close(1)))},
		{name: "another ID", data: frames(wire.Close(1)), visitor: true, steps: append(slices.Clone(visit), from("client", wire.Data(1, []byte("x"))), from("server", wire.Close(1))), want: "Close id=1"},
		{
			name: "a Close too many", keep: frames(wire.Close(chosen), wire.KeepAlive()), visitor: true, want: "got Close id=12648430",
			steps: append(slices.Clone(visit), from("client", wire.Response(1, 0)), from("client", wire.Close(1)), from("server", wire.Close(1)), ping, answer),
		},
		{
			name: "Data split and joined", keep: frames(wire.Data(9, []byte("ab")), wire.Data(9, []byte("c"))),
			steps: []spec.Step{ping, from("server", wire.Data(9, []byte("a"))), from("server", wire.Data(9, []byte("bc")))},
		},
		{name: "other octets", keep: frames(wire.Data(9, []byte("abd"))), steps: []spec.Step{ping, from("server", wire.Data(9, []byte("abc")))}, want: "from octet"},
		{name: "too early", keep: frames(wire.KeepAlive()), steps: []spec.Step{ping, func() spec.Step { s := answer; s.NotBefore = "150ms"; return s }()}, want: "not before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := play(t, func(f wire.Frame) []wire.Frame {
				switch f.Type {
				case wire.TypeKeepAlive:
					return tt.keep
				case wire.TypeData:
					if f.ID() == 7 {
						return frames(wire.Close(7))
					}
					if tt.visitor && f.ID() != chosen {
						return frames(wire.Raw(0x80))
					}
					return tt.data
				case wire.TypeClose:
					return frames(wire.Close(f.ID()))
				}
				return nil
			}, tt.steps)
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("it says %q; want %q", got, tt.want)
			}
		})
	}
}

// A flood comes whole, and is one step of the record that comes of it.
func TestAFloodIsPlayedAsOne(t *testing.T) {
	const times = 5000
	flood := from("client", wire.KeepAlive())
	flood.Times, flood.Piece = times, 1<<10
	came := 0
	steps := []spec.Step{flood, from("client", wire.Data(9, []byte("x"))), from("server", wire.Close(8))}
	v := spec.Vector{Kind: "dialogue", Role: "server", Requirements: []string{"DATA-001"}, Steps: steps}
	o, err := Replay(t.Context(), v, &stub{answers: func(f wire.Frame) []wire.Frame {
		if f.Type == wire.TypeKeepAlive {
			came++
			return nil
		}
		return []wire.Frame{wire.Close(9)}
	}}, engine.Server)
	if err != nil || o.Answer != Reproduced || came != times {
		t.Fatalf("%d KeepAlives came, and it says %v: %s, %v; want %d, and a Close of another ID", came, o.Answer, o.Why, err, times)
	}
	sent := 0
	for _, e := range o.Result.Trace {
		if e.Kind == engine.Sent || e.Kind == engine.SentRaw {
			sent++
		}
	}
	if sent != 2 {
		t.Errorf("the record has %d lines of what was sent; want one for the flood, one for the Data", sent)
	}
}

func TestLimits(t *testing.T) {
	for name, want := range map[string][2]time.Duration{
		"answer":           {5 * time.Second, 5 * time.Second},
		"connect-timeout":  {10 * time.Second, 35 * time.Second},
		"dead-peer-client": {45 * time.Second, 50 * time.Second},
		"dead-peer-server": {45 * time.Second, 305 * time.Second},
		"frame-progress":   {60 * time.Second, 65 * time.Second},
		"local-effect":     {5 * time.Second, 5 * time.Second},
		"1.5s":             {1500 * time.Millisecond, 1500 * time.Millisecond},
	} {
		lasts, fails, err := limit(name)
		if err != nil || lasts != want[0] || fails != want[1] {
			t.Errorf("limit(%s) = %s, %s, %v; want %v", name, lasts, fails, err, want)
		}
	}
}
