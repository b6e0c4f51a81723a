package engine

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/spec"
)

// inbox is a T with one tunnel that has received frames, and no socket.
func inbox(frames ...Frame) (*T, *Tunnel) {
	t := &T{
		Case: Case{ID: "X-001", Role: Server}, ctx: context.Background(), rec: newRecorder(Case{Role: Server}, nil, false),
		run: &Runner{Lookup: catalogue}, rng: rand.New(rand.NewPCG(1, 1)),
	}
	n := &Tunnel{n: 1, link: &link{t: t, who: "tunnel 1"}, limits: map[uint32]uint64{}, moved: map[uint32]uint64{}}
	for _, f := range frames {
		n.take(f)
	}
	return t, n
}

// outcome runs an expectation; it is the finding's text, or "" when nothing was charged.
func outcome(t *T, do func()) (got string) {
	defer func() {
		if recover() != nil {
			got = t.findings[len(t.findings)-1].Got
		}
	}()
	do()
	return ""
}

func TestExpect(t *testing.T) {
	now := Within(0)
	next := Of(spec.Step{Frame: new(about(TypeClose, 7))}, func(Frame) bool { return false })
	tests := []struct {
		name   string
		frames []Frame
		m      Matcher
		want   string // part of what came instead; "" when the frame is there
	}{
		{"the frame", []Frame{Close(7)}, CloseFor(7), ""},
		{"behind another connection's", []Frame{Data(8, nil), Close(8), Close(7)}, CloseFor(7), ""},
		{"behind extensions and KeepAlives", []Frame{Raw(0x10), KeepAlive(), Close(7)}, CloseFor(7), ""},
		{"Close behind its Data", []Frame{Data(7, nil), Close(7)}, CloseFor(7), ""},
		{"Data behind a Close", []Frame{Close(7), Data(7, nil)}, DataFor(7), "Close id=7"},
		{"nothing", nil, CloseFor(7), "nothing within"},
		{"only a malformed one", []Frame{Raw(TypeClose, 0, 0, 7)}, CloseFor(7), "nothing within"},
		{"success for a failure", []Frame{Response(7, Success)}, FailureFor(7), "status=0x00"},
		{"failure for success", []Frame{Response(7, 9)}, SuccessFor(7), "status=0x09"},
		{"any failure", []Frame{Response(7, 9)}, FailureFor(7), ""},
		{"Close in place of a failure", []Frame{Close(7)}, FailureOrCloseFor(7), ""},
		{"success in place of both", []Frame{Response(7, Success)}, FailureOrCloseFor(7), "status=0x00"},
		{"ID 0", []Frame{Close(0)}, CloseFor(0), ""},
		{"a request", []Frame{Data(1, nil), Request(7, 80)}, AnyRequest(), ""},
		{"the next, behind Data that says nothing", []Frame{Data(7, nil), Close(7)}, next, ""},
		{"the next, behind Data", []Frame{Data(7, []byte("a")), Close(7)}, next, "Data id=7"},
	}
	for _, tt := range tests {
		et, n := inbox(tt.frames...)
		got := outcome(et, func() { n.Expect(tt.name, tt.m, now) })
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: Expect(%s) sees %q; want %q", tt.name, tt.m.want, got, tt.want)
		}
	}
}

func TestExpectTakesWhatItPassesOver(t *testing.T) {
	_, n := inbox(Data(7, []byte("a")), Data(8, []byte("b")), Close(7))
	n.Expect("Close", CloseFor(7))
	if _, ok := n.Peek(DataFor(7)); ok {
		t.Error("Data before the Close is still in the inbox")
	}
	if _, ok := n.Peek(DataFor(8)); !ok {
		t.Error("Data of another connection is gone")
	}
}

func TestExpectData(t *testing.T) {
	tests := []struct {
		name   string
		frames []Frame
		want   string
	}{
		{"in one frame", []Frame{Data(7, []byte("hello"))}, ""},
		{"in several, some empty, between others", []Frame{Data(7, []byte("he")), Close(8), Data(7, nil), Data(7, []byte("llo"))}, ""},
		{"too few", []Frame{Data(7, []byte("hell"))}, "4 octets, then nothing"},
		{"too many", []Frame{Data(7, []byte("hello!"))}, "from octet 5"},
		{"another octet", []Frame{Data(7, []byte("hallo"))}, "from octet 1"},
		{"Close before the end", []Frame{Data(7, []byte("he")), Close(7), Data(7, []byte("llo"))}, "Close id=7 after 2 octets"},
	}
	for _, tt := range tests {
		et, n := inbox(tt.frames...)
		c := &Conn{Tun: n, ID: 7}
		got := outcome(et, func() { c.ExpectData("hello", []byte("hello"), Within(0)) })
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: ExpectData sees %q; want %q", tt.name, got, tt.want)
		}
	}
}

func TestBetweenIsNotEarlyAndNotLate(t *testing.T) {
	early, n := inbox(Close(7))
	if got := outcome(early, func() { n.Expect("Close after a second", CloseFor(7), Between(0, time.Second, 2*time.Second)) }); !strings.HasSuffix(got, ", not before 1s as it should") {
		t.Errorf("an early frame: %q; want a charge with its time", got)
	}
	late, n := inbox()
	if got := outcome(late, func() { n.Expect("Close long ago", CloseFor(7), Between(-time.Minute, 0, time.Second)) }); !strings.HasPrefix(got, "nothing within") {
		t.Errorf("no frame: %q; want a charge", got)
	}
}
