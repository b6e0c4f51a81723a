package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/judge/recording"
	"github.com/adit-tunnel/adit/conformance/wire"
	"github.com/adit-tunnel/adit/spec"
)

// A bench is a tunnel whose octets and times a test makes up.
type bench struct {
	t     *Tunnel
	now   time.Time
	found []Violation // on all tunnels
}

func newBench() *bench {
	b := &bench{now: time.Unix(1e9, 0)}
	b.again()
	return b
}

// again begins a new tunnel.
func (b *bench) again() {
	b.t = New(Config{Judged: []Side{Server, Client}, Found: func(v Violation) { b.found = append(b.found, v) }}, b.now)
}

// sends lets octets pass.
func (b *bench) sends(side Side, octets []byte) {
	b.t.Octets(side, octets, b.now)
	b.t.Wrote(side, b.now, b.now)
}

// wait lets time pass, the clock running.
func (b *bench) wait(d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(min(tickEvery, end.Sub(b.now)))
		b.t.Look(b.now)
	}
}

// charged is what was found, as "side ID", each once.
func (b *bench) charged() []string {
	var all []string
	for _, v := range b.found {
		if s := v.Side.String() + " " + v.Req; !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// play lets an exchange pass.
func (b *bench) play(steps []recording.Step) {
	for _, s := range steps {
		b.wait(s.Wait)
		side := map[string]Side{"server": Server, "client": Client}[s.From]
		switch {
		case s.Begins:
			b.again()
		case s.From == "":
		case s.Octets == nil:
			b.t.End(side, b.now)
		default:
			b.sends(side, s.Octets)
		}
	}
}

func TestLegal(t *testing.T) {
	for name, text := range recording.Legal {
		for _, swap := range []bool{false, true} {
			if swap && !strings.Contains(text, "×") {
				continue
			}
			if swap && strings.Contains(text, "alive ×") {
				continue // an answer does not cross its KeepAlive
			}
			b := newBench()
			b.play(recording.Parse(t, text, swap))
			for _, got := range b.charged() {
				// The long waits have no KeepAlives: that is not the point here.
				if strings.Contains(text, "wait") && got == "client ALIVE-001" {
					continue
				}
				t.Errorf("%s (swapped: %t): charged %q; want nothing", name, swap, got)
			}
		}
	}
}

func TestIllegal(t *testing.T) {
	for _, c := range recording.Illegal {
		b := newBench()
		b.play(recording.Parse(t, c.Text, false))
		got, want := b.charged(), strings.Split(c.Want, ", ")
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q: charged %q; want %q", c.Text, got, w)
			}
		}
		if !strings.Contains(c.Text, "wait") && len(got) > len(want) {
			t.Errorf("%q: charged %q; want %q and nothing else", c.Text, got, want)
		}
	}
}

// Whoever is charged is bound by the requirement.
func TestWhoIsCharged(t *testing.T) {
	check := func(side Side, id string) {
		if req, ok := spec.Lookup(id); !ok || req.Role != "both" && req.Role != side.String() {
			t.Errorf("a %s is charged with %s, which binds %q", side, id, req.Role)
		}
	}
	for _, r := range slices.Concat(coreForm, coreState, extForm, extState, bindForm, bindState) {
		for _, side := range []Side{Server, Client} {
			if !r.who.is(side) {
				continue
			}
			check(side, r.req)
			if r.ends != "" {
				check(side.Peer(), r.ends)
			}
		}
	}
	for _, c := range slices.Concat(coreClocks, extClocks) {
		check(c.side, c.req)
	}
	for _, w := range coreWaits {
		check(w.side, w.req)
	}
}

// TestEveryRuleIsProven keeps the tables above and those of the rules together.
func TestEveryRuleIsProven(t *testing.T) {
	proven := map[string]bool{"ALIVE-003": true} // TestPingPong
	for _, c := range recording.Illegal {
		for w := range strings.SplitSeq(c.Want, ", ") {
			_, req, _ := strings.Cut(w, " ")
			proven[req] = true
		}
	}
	want := func(req string) {
		if req != "" && !proven[req] {
			t.Errorf("no script proves %s", req)
		}
	}
	for _, r := range slices.Concat(coreForm, coreState, extForm, extState, bindForm, bindState) {
		want(r.req)
		want(r.ends)
	}
	for _, c := range slices.Concat(coreClocks, extClocks) {
		want(c.req)
	}
	for _, w := range coreWaits {
		want(w.req)
	}
}

// What could not leave for a while may have been put in line before it.
func TestALineThatIsHeldUpIsNotEmpty(t *testing.T) {
	for held, want := range map[bool][]string{true: nil, false: {"server CLOSE-008"}} {
		b := newBench()
		b.play(recording.Parse(t, "S request, C success, C close, C alive, S alive", false))
		if held {
			b.t.Hold(Server, b.now)
		}
		b.t.Frame(Server, wire.Data(7, nil), b.now.Add(10*time.Second))
		if got := b.charged(); !slices.Equal(got, want) {
			t.Errorf("held up: %t: charged %q; want %q", held, got, want)
		}
	}
}

// Memory is bounded: a tunnel with too many IDs in use is judged by its frames alone, and said so.
func TestTooManyIDs(t *testing.T) {
	b, lost := newBench(), 0
	b.t.c.Lost = func(string) { lost++ }
	for id := range uint32(maxLives) {
		b.sends(Server, wire.Request(id, 22).Bytes())
	}
	if lost != 0 || len(b.t.lives) != maxLives {
		t.Errorf("%d IDs: %d kept, told %d times that they are too many; want all, and 0", maxLives, len(b.t.lives), lost)
	}
	b.sends(Server, wire.Request(maxLives, 22).Bytes())
	b.sends(Server, wire.Request(1, 22).Bytes()) // ID-001, which nobody can tell any more
	b.sends(Server, wire.Raw(6).Bytes())
	if got := b.charged(); lost != 1 || len(b.t.lives) != 0 || !slices.Equal(got, []string{"server FRAME-009"}) {
		t.Errorf("one more: told %d times, %d kept, charged %q; want 1, 0, and FRAME-009", lost, len(b.t.lives), got)
	}
}

func TestPingPong(t *testing.T) {
	b := newBench()
	b.play(recording.Parse(t, strings.Repeat("C alive, S alive,", 300)+"C alive", false))
	if got := b.charged(); !slices.Equal(got, []string{"client ALIVE-003"}) {
		t.Errorf("an endless exchange of KeepAlives: charged %q; want the client by ALIVE-003", got)
	}
	b = newBench()
	b.play(recording.Parse(t, "S request, C success, "+strings.Repeat("C alive, S alive, S data,", 300)+"C alive", false))
	if got := b.charged(); got != nil {
		t.Errorf("KeepAlives as barriers between Data: charged %q; want nothing", got)
	}
}

func TestDialogues(t *testing.T) {
	n, seen := 0, 0
	for _, v := range slices.Concat(slices.Collect(spec.Vectors("dialogue")), slices.Collect(spec.ExtVectors("dialogue")), slices.Collect(spec.BindVectors("dialogue"))) {
		if v.Profile == "bind" && slices.ContainsFunc(v.Steps, func(s spec.Step) bool { return s.Event == "tunnel begins" }) {
			continue // its tunnels live together
		}
		n++
		b := newBench()
		b.play(recording.Dialogue(v))
		want := []string(nil)
		if c, ok := recording.Charges[v.ID]; ok {
			want, seen = strings.Split(c, ", "), seen+1
		}
		if got := b.charged(); !slices.Equal(got, want) {
			t.Errorf("%s (error %+v): charged %q; want %q", v.ID, v.Error, got, want)
		}
	}
	if n < 60 || seen != len(recording.Charges) {
		t.Errorf("%d dialogues, %d of %d that charge somebody", n, seen, len(recording.Charges))
	}
}

// FuzzJudge lets two streams of any octets pass in pieces: nothing panics,
// and what the pieces are makes no difference to what is charged.
func FuzzJudge(f *testing.F) {
	for _, v := range slices.AppendSeq(slices.Collect(spec.Vectors("dialogue")), spec.ExtVectors("dialogue")) {
		var streams [2][]byte
		for _, s := range v.Steps {
			if s.From != "" {
				side := map[string]Side{"server": Server, "client": Client}[s.From]
				streams[side] = append(streams[side], s.Octets.Bytes()...)
			}
		}
		f.Add(streams[Server], streams[Client], 3)
	}
	f.Fuzz(func(t *testing.T, server, client []byte, piece int) {
		judged := func(piece int) []string {
			b := newBench()
			for side, stream := range [][]byte{Server: server, Client: client} {
				for len(stream) > 0 {
					n := min(piece, len(stream))
					b.t.Octets(Side(side), stream[:n], b.now)
					b.t.Wrote(Side(side), b.now, b.now)
					stream = stream[n:]
				}
			}
			b.wait(400 * time.Second)
			return b.charged()
		}
		whole, parts := judged(1<<30), judged(min(max(piece, 1), 1<<20))
		if !slices.Equal(whole, parts) {
			t.Errorf("in one piece %v is charged, in pieces of %d %v", whole, piece, parts)
		}
	})
}
