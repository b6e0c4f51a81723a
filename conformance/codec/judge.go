package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/adit-tunnel/adit/spec"
)

// right reports whether an answer means what is wanted.
func right(got, want Answer) bool {
	if want.Octets != nil {
		return got.Octets != nil && bytes.Equal(got.Octets.Bytes(), want.Octets.Bytes()) && got.Error == nil
	}
	if got.Octets != nil || !sameFrames(got.Frames, want.Frames) {
		return false
	}
	if want.Error == nil || got.Error == nil {
		return want.Error == got.Error && got.Rest == want.Rest
	}
	g, w := *got.Error, *want.Error
	// Nobody has to know the numbers of the requirements; who states one states the right one.
	return g.Layer == w.Layer && g.Dies == w.Dies && (g.Requirement == "" || g.Requirement == w.Requirement)
}

// sameFrames compares frames in order. One of an unknown type may be left out: it was skipped.
func sameFrames(got, want []spec.Decoded) bool {
	for _, w := range want {
		switch {
		case len(got) > 0 && sameFrame(got[0], w):
			got = got[1:]
		case !unknown(w):
			return false
		}
	}
	return len(got) == 0
}

// sameFrame compares frames by meaning: their bytes have several notations.
func sameFrame(a, b spec.Decoded) bool {
	return sameOctets(a.Octets, b.Octets) && sameOctets(a.Text, b.Text) && sameOctets(a.Mark, b.Mark) &&
		slices.EqualFunc(a.TLVs, b.TLVs, sameTLV) && same(a.Limit, b.Limit) && same(a.Code, b.Code) && strings.EqualFold(a.Type, b.Type) && a.Form == b.Form &&
		same(a.ID, b.ID) && same(a.Port, b.Port) && same(a.Host, b.Host) && same(a.Status, b.Status)
}

func sameOctets(a, b *spec.Octets) bool {
	return a == nil && b == nil || a != nil && b != nil && bytes.Equal(a.Bytes(), b.Bytes())
}

func sameTLV(a, b spec.DecodedTLV) bool {
	return strings.EqualFold(a.Tag, b.Tag) && bytes.Equal(a.Value.Bytes(), b.Value.Bytes())
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// shown is how many bytes a finding shows.
const shown = 32

// clip is b in hex, cut.
func clip(b []byte) string {
	if len(b) > shown {
		return fmt.Sprintf("% x … (%d bytes)", b[:shown], len(b))
	}
	return fmt.Sprintf("% x", b)
}

// describe is a frame as JSON, long ones cut.
func describe(f spec.Decoded) string {
	if f.Octets != nil {
		f.Octets = new(spec.Octets(clip(f.Octets.Bytes())))
	}
	return compact(f)
}

// String is the answer as JSON, long ones cut.
func (a Answer) String() string {
	if a.Octets != nil {
		return "octets " + clip(a.Octets.Bytes())
	}
	var frames []string
	for i, f := range a.Frames {
		if i == 8 {
			frames = append(frames, fmt.Sprintf("… (%d frames)", len(a.Frames)))
			break
		}
		frames = append(frames, describe(f))
	}
	s := "frames [" + strings.Join(frames, ", ") + "]"
	if a.Rest != 0 {
		s += fmt.Sprintf(", rest %d", a.Rest)
	}
	if a.Error != nil {
		s += ", error " + compact(a.Error)
	}
	return s
}

func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("codec: internal error: " + err.Error())
	}
	return strings.TrimSpace(b.String())
}
