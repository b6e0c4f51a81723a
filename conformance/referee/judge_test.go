package referee

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/engine"
	"github.com/adit-tunnel/adit/spec"
)

// A bench is a tunnel whose octets and times a test makes up.
type bench struct {
	ref *Referee
	t   *tunnel
	now time.Time
}

func newBench() *bench {
	b := &bench{ref: newReferee(false), now: time.Unix(1e9, 0)}
	b.again()
	return b
}

// again begins a new tunnel.
func (b *bench) again() { b.t = b.ref.open("client", "server", b.now) }

// sends lets octets pass, a millisecond after whatever was before.
func (b *bench) sends(side Side, octets []byte) {
	b.now = b.now.Add(time.Millisecond)
	b.t.saw(side, octets, b.now)
	b.t.wrote(side, b.now, b.now)
}

// wait lets time pass, the clock running.
func (b *bench) wait(d time.Duration) {
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(tickEvery)
		b.t.look(b.now)
	}
}

// charged is what was found, as "side ID", each once.
func (b *bench) charged() []string {
	var all []string
	for _, v := range b.ref.report().Violations {
		if s := v.Side + " " + v.Req; !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// script plays frames in the notation of the tables below: a side, S or C,
// a frame, its ID; "wait" and a time. "×" between two frames means that they
// cross: they pass in either order.
func script(t *testing.T, b *bench, text string, swap bool) {
	t.Helper()
	frames := map[string]func(id uint32) []byte{
		"request":   func(id uint32) []byte { return engine.RequestTo(id, "127.0.0.1", 22).Bytes() },
		"port0":     func(id uint32) []byte { return engine.Request(id, 0).Bytes() },
		"badhost":   func(id uint32) []byte { return engine.RequestTo(id, "a\r\nb", 22).Bytes() },
		"success":   func(id uint32) []byte { return engine.Response(id, engine.Success).Bytes() },
		"failure":   func(id uint32) []byte { return engine.Response(id, engine.StatusRefused).Bytes() },
		"data":      func(id uint32) []byte { return engine.Data(id, []byte("octets")).Bytes() },
		"close":     func(id uint32) []byte { return engine.Close(id).Bytes() },
		"alive":     func(uint32) []byte { return engine.KeepAlive().Bytes() },
		"version":   func(uint32) []byte { return []byte{2, 5, 0, 0, 0, 0} },
		"long":      func(uint32) []byte { return engine.Header(1, engine.TypeData, 1<<20+1) },
		"malformed": func(id uint32) []byte { return engine.Raw(engine.TypeClose, 1, 2).Bytes() },
		"reserved":  func(uint32) []byte { return engine.Raw(6).Bytes() },
		"window":    func(uint32) []byte { return engine.Raw(0x11).Bytes() },
		"hello":     func(uint32) []byte { return engine.Raw(0x10).Bytes() },
		"private":   func(uint32) []byte { return engine.Raw(0x80, 1).Bytes() },
	}
	play := func(step string) {
		t.Helper()
		f := append(strings.Fields(step), "", "")
		if f[0] == "wait" {
			d, err := time.ParseDuration(f[1])
			if err != nil {
				t.Fatalf("%q: %v", step, err)
			}
			b.wait(d)
			return
		}
		id := uint32(7)
		if f[2] != "" {
			if _, err := fmt.Sscan(f[2], &id); err != nil {
				t.Fatalf("%q: %v", step, err)
			}
		}
		side, ok := map[string]Side{"S": Server, "C": Client}[f[0]]
		if !ok {
			t.Fatalf("%q: no side", step)
		}
		if f[1] == "end" {
			b.t.end(side, b.now)
			return
		}
		make, ok := frames[f[1]]
		if !ok {
			t.Fatalf("%q: no frame", step)
		}
		b.sends(side, make(id))
	}
	for step := range strings.SplitSeq(text, ",") {
		both := strings.Split(step, "×")
		if swap {
			slices.Reverse(both)
		}
		for _, s := range both {
			play(s)
		}
	}
}

const (
	opened = "S request, C success, "
	minute = "wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 14s, C alive, S alive, "
)

func TestLegal(t *testing.T) {
	for name, text := range map[string]string{
		"Close against Data":                    opened + "S close × C data, C close, S request, C success",
		"Close against Data, the other way":     opened + "C close × S data, S close, S request",
		"Close against Close":                   opened + "S data, C data, S close × C close, S request, C failure",
		"Close against success":                 "S request, S close × C success, S close, C close, S request, C success",
		"the first Close comes late":            "S request, C success, S close, S close, C close, S request",
		"Close against a failure":               "S request, S close × C failure, S request, C success",
		"response after the connect timeout":    "S request, wait 10s, S close, C alive, S alive, wait 5s, C success, S close, C close, S request",
		"Close in place of a response":          "S request, S close × C close, S request, C success",
		"Data before the request is known":      "S data 9 × C data 8, S close 8, C close 9, S close 8",
		"answer to a barrier crosses a request": "S data 9, S request 9, C close 9, C success 9, S data 9",
		"extensions":                            "C hello, S hello, C window, S window",
		"private use":                           "C private, S private",
		"many KeepAlives":                       "C alive, C alive, S alive, S alive",
		"close-wait, and a word in time":        "S request, S close, " + minute + "C failure, S request, C success",
		"silence up to the limit":               "C alive × S alive, wait 20s, C alive × S alive",
	} {
		for _, swap := range []bool{false, true} {
			if swap && !strings.Contains(text, "×") {
				continue
			}
			if swap && strings.Contains(text, "alive ×") {
				continue // an answer does not cross its KeepAlive
			}
			b := newBench()
			script(t, b, text, swap)
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

// illegal has a row for each rule: a script, and who is charged with what.
var illegal = []struct{ text, want string }{
	{"C version", "client FRAME-001"},
	{"S long", "server FRAME-005"},
	{"S malformed", "server FRAME-001"},
	{"C reserved", "client FRAME-009"},
	{"S window", "server EXT-001"},
	{"C alive, C hello", "client EXT-001"},
	{"S hello", "server EXT-001"},
	{"C request", "client OPEN-010"},
	{"S success", "server OPEN-011"},
	{"S alive", "server ALIVE-002"},
	{"C alive, S alive, S alive", "server ALIVE-002"},

	{"S request, S request", "server ID-001"},
	{opened + "S close, S request", "server ID-001"},
	{opened + "C close, S request", "server ID-001"},
	{"S request, S close, " + minute + "wait 11s, C failure, S request", "server CLOSE-009"},
	{"C success", "client OPEN-004"},
	{"S request, C failure, C failure", "client OPEN-004"},
	{opened + "C success", "client OPEN-004"},
	{"S request, C close, C success", "client OPEN-004"},
	{"S request, C failure, C close", "client OPEN-004"},
	{"S port0, C success", "client OPEN-008"},
	{"S badhost, C success", "client OPEN-009"},
	{"S request, C data", "client OPEN-017"},
	{"S request, S data", "server OPEN-017"},
	{"S request, S data, C success", "server OPEN-017"},
	{opened + "C close, C data", "client DATA-008"},
	{opened + "S close, S data", "server DATA-008"},
	{opened + "C close, C alive, S alive, S data", "server CLOSE-008"},
	{"S request, S close, C success, S close, C failure, C data, S close", "client OPEN-004"}, // and the server's answer is not
	{"S request, C data, S close, C success, S close, S close", "client OPEN-017"},
	{"C close", "client CLOSE-001"},
	{"S close", "server CLOSE-001"},
	{opened + "S close, C close, C close", "client CLOSE-001"},
	{opened + "S data, S close, C close, S close", "server CLOSE-001"},
	{"S request, C failure, S close, C close", "client CLOSE-007"},
	{"S request, C failure, C alive, S alive, S close", "server OPEN-014"},

	{"wait 22s", "client ALIVE-001"},
	{"C alive, S alive, wait 22s", "client ALIVE-001"},
	{"C alive, wait 7s", "server ALIVE-002"},
	{"C alive, C alive, S alive, wait 7s", "server ALIVE-002"},
	{"C alive, S alive, wait 14s, C alive, S alive, wait 14s, S request, wait 2s, C alive, S alive, wait 14s, C alive, S alive, wait 6s", "client OPEN-012"},
	{"S request, wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 9s", "server OPEN-022"},
	{opened + "S close, wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 9s", "client CLOSE-004"},
	{opened + "C close, wait 14s, C alive, S alive, wait 14s, C alive, S alive, wait 9s", "server CLOSE-004"},
	{"S data 9, wait 14s, C alive, S alive, wait 10s", "client DATA-004"},
	{"C data 9, wait 14s, C alive, S alive, wait 10s", "server DATA-004"},
	{"S alive, wait 52s", "client ALIVE-004"},
	{"wait 310s", "server ALIVE-006"},
	{"S end, wait 7s", "client TUN-002"},
	{"C end, wait 7s", "server TUN-002"},

	{"C version, wait 7s", "server FRAME-002"},
	{"S long, wait 7s", "client FRAME-004"},
	{"S malformed, wait 7s", "client FRAME-008"},
	{"C request, wait 7s", "server OPEN-010"},
	{"C request, C alive, S alive", "server OPEN-010"},
	{"S success, wait 7s", "client OPEN-011"},
	{"S request, S request, wait 7s", "client ID-004"},
}

func TestIllegal(t *testing.T) {
	for _, c := range illegal {
		b := newBench()
		script(t, b, c.text, false)
		if got := b.charged(); !slices.Contains(got, c.want) {
			t.Errorf("%q: charged %q; want %q", c.text, got, c.want)
		}
		// The fault of one side is not also that of the other, but where the script says so.
		if !strings.Contains(c.text, "wait") {
			for _, got := range b.charged() {
				if got[:6] != c.want[:6] && !strings.HasPrefix(c.want, "server OPEN-010") {
					t.Errorf("%q: %q is charged, too", c.text, got)
				}
			}
		}
	}
}

// TestEveryRuleIsProven keeps the tables above and those of the rules together.
func TestEveryRuleIsProven(t *testing.T) {
	proven := map[string]bool{"ALIVE-003": true} // TestPingPong
	for _, c := range illegal {
		_, req, _ := strings.Cut(c.want, " ")
		proven[req] = true
	}
	want := func(req string) {
		if req != "" && !proven[req] {
			t.Errorf("no script proves %s", req)
		}
	}
	for _, r := range slices.Concat(form, state) {
		want(r.req)
		want(r.ends)
	}
	for _, c := range clocks {
		want(c.req)
	}
	for _, w := range waits {
		want(w.req)
	}
}

func TestPingPong(t *testing.T) {
	b := newBench()
	script(t, b, strings.Repeat("C alive, S alive,", 300)+"C alive", false)
	if got := b.charged(); !slices.Equal(got, []string{"client ALIVE-003"}) {
		t.Errorf("an endless exchange of KeepAlives: charged %q; want the client by ALIVE-003", got)
	}
	b = newBench()
	script(t, b, "S request, C success, "+strings.Repeat("C alive, S alive, S data,", 300)+"C alive", false)
	if got := b.charged(); got != nil {
		t.Errorf("KeepAlives as barriers between Data: charged %q; want nothing", got)
	}
}

// charges are the dialogues among the vectors in which a peer breaks a rule, whichever word the vector has for it.
var charges = map[string]string{
	"dialogue_client_close_idle":            "server CLOSE-001",
	"dialogue_server_close_idle":            "client CLOSE-001",
	"dialogue_client_data_while_dialing":    "server OPEN-017",
	"dialogue_server_data_before_response":  "client OPEN-017",
	"dialogue_client_length":                "server FRAME-005",
	"dialogue_server_length":                "client FRAME-005",
	"dialogue_client_version":               "server FRAME-001",
	"dialogue_server_version":               "client FRAME-001",
	"dialogue_client_size":                  "server FRAME-001",
	"dialogue_server_size":                  "client FRAME-001",
	"dialogue_client_response":              "server OPEN-011",
	"dialogue_server_request":               "client OPEN-010",
	"dialogue_client_request_twice":         "server ID-001",
	"dialogue_client_request_while_dialing": "server ID-001",
	"dialogue_client_request_retired":       "server ID-001",
	"dialogue_server_response_idle":         "client OPEN-004",
	"dialogue_client_keepalive":             "server ALIVE-002", // as older deployed servers do
	"dialogue_client_type_unknown":          "server FRAME-009",
	"dialogue_server_type_unknown":          "client FRAME-009",
	"dialogue_server_data_after_close":      "client DATA-008",
	"dialogue_server_tunnel_again":          "client OPEN-004", // an ID of the tunnel before
	"dialogue_server_response_twice":        "client OPEN-004",
}

func TestDialogues(t *testing.T) {
	n, seen := 0, 0
	for v := range spec.Vectors("dialogue") {
		n++
		b := newBench()
		for _, s := range v.Steps {
			switch {
			case s.From != "":
				b.sends(map[string]Side{"server": Server, "client": Client}[s.From], s.Octets.Bytes())
			case s.Event == "tunnel begins":
				b.again()
			}
		}
		want := []string(nil)
		if c, ok := charges[v.ID]; ok {
			want, seen = []string{c}, seen+1
		}
		if got := b.charged(); !slices.Equal(got, want) {
			t.Errorf("%s (error %+v): charged %q; want %q", v.ID, v.Error, got, want)
		}
	}
	if n < 60 || seen != len(charges) {
		t.Errorf("%d dialogues, %d of %d that charge somebody", n, seen, len(charges))
	}
}

// FuzzJudge lets two streams of any octets pass in pieces: nothing panics,
// and what the pieces are makes no difference to what is charged.
func FuzzJudge(f *testing.F) {
	for v := range spec.Vectors("dialogue") {
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
		judged := func(piece int) []Count {
			b := newBench()
			for side, stream := range [][]byte{Server: server, Client: client} {
				for len(stream) > 0 {
					n := min(piece, len(stream))
					b.t.saw(Side(side), stream[:n], b.now)
					b.t.wrote(Side(side), b.now, b.now)
					stream = stream[n:]
				}
			}
			b.wait(400 * time.Second)
			return b.ref.report().Counts
		}
		whole, parts := judged(1<<30), judged(min(max(piece, 1), 1<<20))
		if !slices.Equal(whole, parts) {
			t.Errorf("in one piece %v is charged, in pieces of %d %v", whole, piece, parts)
		}
	})
}
