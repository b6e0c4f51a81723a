package engine

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/conformance/wire"
)

// An outline is what the subject sent in one attempt, in the form in which two
// runs of a case are compared: one stream for each connection of a tunnel, for
// each tunnel's end, and for each local socket. What a legal subject may do
// otherwise the next time is not in it:
//
//   - connections are named by the order in which they appear: a server
//     chooses IDs, and a free one may be used again;
//   - Data is octets, however they were cut into frames;
//   - Closes in a row are one: DATA-004 asks for one at least, and the judge counts the others;
//   - KeepAlives come by the clock, WINDOWs as the receiver likes, and types that the text does not know are nobody's business;
//   - a ConnectRequest's host and port: a mapping may lead to several, and each
//     instance of the subject has its own;
//   - FIN and reset are both an end: what a side had not read yet decides. Where
//     one of them is wrong the case says so.
//
// The guarded state is the Recorder's.
type outline struct {
	streams []*stream
	tunnels map[string]*stream
	lives   map[key]*stream // of an ID: its latest
	count   map[int]int     // connections of a tunnel so far
	local   int             // local sockets so far
}

// A stream is a sequence of words in an order that the text fixes.
type stream struct {
	name  string
	words []word
}

// A word is one frame, one end, or octets in a row.
type word struct {
	text string // empty: octets
	n    int    // how many
	sum  uint32 // of all of them
	head []byte // the first of them
}

const headLen = 4 << 10 // octets of a word that are kept

// key is an ID on a tunnel.
type key struct {
	tunnel int
	id     uint32
}

func newOutline() *outline {
	return &outline{tunnels: map[string]*stream{}, lives: map[key]*stream{}, count: map[int]int{}}
}

func (o *outline) add(name string) *stream {
	s := &stream{name: name}
	o.streams = append(o.streams, s)
	return s
}

// clone is the outline as it is now, fit for difference alone.
func (o *outline) clone() *outline {
	c := &outline{}
	for _, s := range o.streams {
		c.streams = append(c.streams, &stream{s.name, slices.Clone(s.words)})
	}
	return c
}

// socket is the stream of the case's next local socket.
func (o *outline) socket(who string) *stream {
	o.local++
	kind, _, _ := strings.Cut(who, " ")
	return o.add(fmt.Sprintf("%s %d", kind, o.local))
}

// forget takes back the latest socket: the subject had not taken notice of its tunnel.
func (o *outline) forget(s *stream) {
	o.local--
	o.streams = slices.DeleteFunc(o.streams, func(other *stream) bool { return other == s })
}

// event enters what happened on a tunnel; a frame still has its whole payload.
func (o *outline) event(e Event) {
	switch e.Kind {
	case Connected:
		if e.Tunnel > 0 {
			o.tunnels[e.Who] = o.add(e.Who)
		}
	case EOF, Reset:
		if s := o.tunnels[e.Who]; s != nil {
			s.end()
		}
	case Sent, Received:
		if e.Frame.Type.HasID() && e.Frame.Malformed() == nil {
			o.frame(e)
		}
	}
}

func (o *outline) frame(e Event) {
	f, k := e.Frame, key{e.Tunnel, e.Frame.ID()}
	s := o.lives[k]
	if s == nil || f.Type == TypeConnectRequest || f.Type == TypeOpen {
		o.count[e.Tunnel]++
		s = o.add(fmt.Sprintf("%s, connection %d", e.Who, o.count[e.Tunnel]))
		o.lives[k] = s
	}
	if e.Kind == Sent {
		return
	}
	switch f.Type {
	case TypeConnectRequest:
		form := "short"
		if _, addressed := f.Host(); addressed {
			form = "addressed"
		}
		s.say("ConnectRequest, " + form + " form")
	case TypeConnectResponse:
		s.say(fmt.Sprintf("ConnectResponse with status 0x%02X", f.Status()))
	case TypeData:
		s.octets(f.Octets())
	case TypeOpen, TypeOpened, TypeFin:
		s.say(f.Type.String())
	case TypeReset:
		s.say(fmt.Sprintf("RESET with code 0x%04X", uint16(f.Code())))
	case TypeClose:
		if n := len(s.words); n == 0 || s.words[n-1].text != "Close" {
			s.say("Close")
		}
	}
}

func (s *stream) say(text string) { s.words = append(s.words, word{text: text}) }

func (s *stream) end() { s.say("the end of the stream") }

func (s *stream) octets(b []byte) {
	if len(b) == 0 {
		return
	}
	n := len(s.words)
	if n == 0 || s.words[n-1].text != "" {
		s.words = append(s.words, word{})
		n++
	}
	w := &s.words[n-1]
	w.n += len(b)
	w.sum = crc32.Update(w.sum, crc32.IEEETable, b)
	w.head = append(w.head, b[:min(len(b), headLen-len(w.head))]...)
}

func (w word) String() string {
	if w.text != "" {
		return w.text
	}
	return fmt.Sprintf("%d octets %s", w.n, wire.Clip(w.head))
}

// difference shows how the outline of another run differs, a line each:
// "-" for what this one has, "+" for what the other has in its place. What one of the
// two had not seen yet when its case ended is no difference: nothing says
// when it has to come, or the case would have waited for it.
func (o *outline) difference(other *outline) string {
	var out strings.Builder
	for _, a := range o.streams {
		i := slices.IndexFunc(other.streams, func(b *stream) bool { return a.name == b.name })
		if i < 0 {
			continue
		}
		b := other.streams[i]
		if n := a.parts(b); n >= 0 {
			fmt.Fprintf(&out, "%s\n", a.name)
			for _, w := range a.words[max(n-2, 0):n] {
				fmt.Fprintf(&out, "    %s\n", w)
			}
			fmt.Fprintf(&out, "  - %s\n  + %s\n", a.words[n], b.words[n])
		}
	}
	return strings.TrimRight(out.String(), "\n")
}

// parts is the first word in which two streams differ, or -1.
func (s *stream) parts(other *stream) int {
	for i := range min(len(s.words), len(other.words)) {
		if !s.words[i].same(other.words[i], i == len(s.words)-1, i == len(other.words)-1) {
			return i
		}
	}
	return -1
}

// same reports whether two words are the same, or octets of which one run has not seen all.
func (w word) same(other word, last, otherLast bool) bool {
	switch {
	case w.text != other.text:
		return false
	case w.n == other.n:
		return w.sum == other.sum
	case w.n < other.n && !last, w.n > other.n && !otherLast:
		return false
	}
	n := min(len(w.head), len(other.head))
	return bytes.Equal(w.head[:n], other.head[:n])
}

// join is the result of a case that was run in several ways: that of the
// octets as written, unless another way has a worse one, or the subject sent
// something else. Then the stream's pieces made a difference, which FRAME-006 forbids.
func join(all map[Cut]Result) Result {
	res := all[AsWritten]
	written := res
	for _, cut := range Cuts[1:] {
		other, ok := all[cut]
		switch {
		case !ok, other.Verdict == NotRun:
		case written.Verdict == NotRun: // nothing to compare with
			if !res.Verdict.Failed() {
				res = other
			}
		case res.Verdict.Failed():
			if !other.Verdict.Failed() {
				res.Notes = append(res.Notes, fmt.Sprintf("with the octets cut, %s: %s", cut, other.Verdict))
			}
		case other.Verdict == NotTestable: // the subject was there for the same octets as the case wrote them: the machine's doing
			res = other
			res.Verdict, res.Findings, res.Reason = Inconclusive, nil, fmt.Sprintf("with the octets cut, %s: %s", cut, other.Reason)
		case other.Verdict.Failed():
			res = other.chargedToCut("the verdict of the same octets as the case wrote them: "+string(written.Verdict), fmt.Sprintf("%s, with the octets cut: %s", other.Verdict, cut))
		case other.Verdict == Inconclusive, other.Verdict == SuiteError:
			res = other
		default:
			if expected, got := written.differs(other); got != "" {
				res = other.chargedToCut(expected, got+"\n(+ with the octets cut: "+string(cut)+")")
			}
		}
	}
	for _, other := range all {
		if other.Started.Before(res.Started) {
			res.Started = other.Started
		}
	}
	return res
}

// chargedToCut is the result with FRAME-006 charged.
func (res Result) chargedToCut(expected, got string) Result {
	res.Verdict = Fail
	res.Findings = append(slices.Clip(res.Findings), Finding{
		Req: "FRAME-006", Level: "MUST", Aspect: Message,
		Sentence: "the stream's pieces make no difference", Expected: expected, Got: got,
	})
	return res
}

func (res Result) passed() bool {
	return (res.Verdict == Pass || res.Verdict == PassNonstrict) && res.outline != nil
}

// differs says how a pass differs from that of the octets as written; got is
// empty when it does not, or when a legal subject's may.
func (res Result) differs(cut Result) (expected, got string) {
	if res.Case.Races != "" || !res.passed() || !cut.passed() {
		return "", ""
	}
	if d := res.outline.difference(cut.outline); d != "" {
		return "what the subject sent for the same octets as the case wrote them (-)", d
	}
	if res.Verdict != cut.Verdict && max(res.Late, cut.Late) < starvedBy {
		return "the verdict of the same octets as the case wrote them: " + string(res.Verdict), string(cut.Verdict)
	}
	return "", ""
}
