package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/adit-tunnel/adit/spec"
	"github.com/adit-tunnel/adit/spec/wire"
)

// read takes the first frame off b, as a receiver would that knows no role and no state.
// short says that b has no whole frame yet.
func read(b []byte) (f spec.Decoded, again, rest []byte, short bool, err error) {
	again, rest, err = decode(b)
	if errors.Is(err, wire.ErrShort) {
		return f, nil, b, true, nil
	}
	if err != nil {
		return f, nil, nil, false, err
	}
	h, _ := wire.ParseHeader(b)
	p := b[wire.HeaderLen:][:h.Length]
	f.Type = h.Type.String()
	switch h.Type {
	case wire.TypeConnectRequest:
		r, _ := wire.ParseConnectRequest(p)
		f.ID, f.Port, f.Form = &r.ID, &r.Port, "short"
		if !r.Short {
			f.Form, f.Host = "addressed", &r.Host
		}
	case wire.TypeConnectResponse:
		id, status, _ := wire.ParseConnectResponse(p)
		f.ID, f.Status = &id, new(uint8(status))
	case wire.TypeData:
		id, data, _ := wire.ParseData(p)
		f.ID, f.Octets = &id, new(spec.Octets(fmt.Sprintf("%x", data)))
	case wire.TypeClose:
		id, _ := wire.ParseClose(p)
		f.ID = &id
	case wire.TypeKeepAlive:
	default:
		f.Type, f.Octets = fmt.Sprintf("0x%02X", uint8(h.Type)), new(spec.Octets(fmt.Sprintf("%x", p)))
	}
	return f, again, rest, false, nil
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// equal compares frames by meaning: bytes have several notations.
func equal(a, b spec.Decoded) bool {
	sameOctets := a.Octets == nil && b.Octets == nil
	if a.Octets != nil && b.Octets != nil {
		sameOctets = bytes.Equal(a.Octets.Bytes(), b.Octets.Bytes())
	}
	return sameOctets && a.Type == b.Type && a.Form == b.Form && same(a.ID, b.ID) && same(a.Port, b.Port) && same(a.Host, b.Host) && same(a.Status, b.Status)
}

func wantViolation(t *testing.T, err error, f *spec.Failure) {
	t.Helper()
	v, ok := errors.AsType[*wire.Violation](err)
	if !ok || v.Req != f.Requirement || v.Scope.String() != f.Dies+" error" {
		t.Errorf("decoded with %v; want a %s error of %s", err, f.Dies, f.Requirement)
	}
}

// truncations are all lengths below n, or for a long frame those at its ends and some between.
func truncations(n int) []int {
	var cuts []int
	for k := range min(n, 300) {
		cuts = append(cuts, k, n-1-k)
	}
	if n > 600 {
		r := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			cuts = append(cuts, 300+r.IntN(n-600))
		}
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

func TestFrameVectors(t *testing.T) {
	n := 0
	for v := range spec.Vectors("frame") {
		n++
		t.Run(v.ID, func(t *testing.T) {
			b := v.Octets.Bytes()
			f, again, rest, short, err := read(b)
			if v.Expect == "reject" && v.Error.Layer != "type" {
				wantViolation(t, err, v.Error)
				return
			}
			if err != nil || short || len(rest) > 0 {
				t.Fatalf("read: %v, short %v, %d bytes left; want one frame", err, short, len(rest))
			}
			if !equal(f, *v.Frame) {
				t.Errorf("decoded %+v; want %+v", f, *v.Frame)
			}
			if !bytes.Equal(again, b) {
				t.Error("encoded again it differs")
			}
			if known := wire.Type(b[1]).Known(); known == (v.Expect == "skip") {
				t.Errorf("Known() = %v; expect is %s", known, v.Expect)
			}
			for _, n := range truncations(len(b)) {
				if _, _, _, short, err := read(b[:n]); err != nil || !short {
					t.Fatalf("the first %d of %d bytes: short %v, %v; want an incomplete frame", n, len(b), short, err)
				}
			}
		})
	}
	if n == 0 {
		t.Fatal("no frame vectors")
	}
}

// drain reads the frames that buf holds.
func drain(buf []byte) (frames []spec.Decoded, rest []byte, err error) {
	for len(buf) > 0 {
		f, _, rest, short, err := read(buf)
		if err != nil || short {
			return frames, buf, err
		}
		frames, buf = append(frames, f), rest
	}
	return frames, buf, nil
}

func TestStreamVectors(t *testing.T) {
	n := 0
	for v := range spec.Vectors("stream") {
		n++
		t.Run(v.ID, func(t *testing.T) {
			var buf []byte
			var frames []spec.Decoded
			var err error
			for _, c := range v.Chunks {
				var more []spec.Decoded
				more, buf, err = drain(append(buf, c.Bytes()...))
				if frames = append(frames, more...); err != nil {
					break
				}
			}
			if !slices.EqualFunc(frames, v.Frames, equal) {
				t.Errorf("%d frames; want %d: %+v", len(frames), len(v.Frames), frames)
			}
			if v.Expect == "reject" {
				wantViolation(t, err, v.Error)
			} else if err != nil || len(buf) != v.Rest {
				t.Errorf("ends with %v and %d bytes left; want %d", err, len(buf), v.Rest)
			}
		})
	}
	if n == 0 {
		t.Fatal("no stream vectors")
	}
}

func TestDialogueVectors(t *testing.T) {
	n := map[string]int{}
	for _, v := range slices.Concat(slices.Collect(spec.Vectors("dialogue")), slices.Collect(spec.ExtVectors("dialogue"))) {
		n[v.Profile]++
		for i, s := range v.Steps {
			if s.Frame == nil {
				continue
			}
			b := s.Octets.Bytes()
			f, again, rest, short, err := read(b)
			same := err == nil && !short && len(rest) == 0 && equal(f, *s.Frame)
			if v.Profile == "ext" && !wire.Type(b[1]).Known() { // what is at fault in it is the receiver's affair
				f, again, err = decodeExt(wire.Type(b[1]), b[wire.HeaderLen:], v.Role)
				same = equalExt(f, *s.Frame)
			}
			if !same || !bytes.Equal(again, b) {
				t.Errorf("%s: step %d: %+v, %v; want %+v", v.ID, i, f, err, *s.Frame)
			}
		}
	}
	if n["core"] == 0 || n["ext"] < 100 {
		t.Fatalf("dialogue vectors of each profile: %v", n)
	}
}

func TestTablesOfTheText(t *testing.T) {
	if got := int64(wire.MaxPayload); got != spec.LimitOf("max-payload").Default {
		t.Errorf("MaxPayload = %d; section 17 says %d", got, spec.LimitOf("max-payload").Default)
	}
	n := 0
	for s := range spec.Statuses() {
		n++
		if got := wire.Status(s.Code).String(); got != s.Name {
			t.Errorf("status 0x%02X is %s; section 6.2 says %s", s.Code, got, s.Name)
		}
	}
	if got := wire.Status(n).String(); got != "failure" {
		t.Errorf("status 0x%02X is %s; section 6.2 ends before it", n, got)
	}
}
